//go:build js

package browser

// pending has the values that wait for a callback from JavaScript, by number. The
// callbacks are a few functions that exist as long as the program. With a js.Func for
// each value, it would be necessary to release those that JavaScript never calls.
type pending[T any] struct {
	waiting map[uint32]T
	last    uint32
}

// add stores a value and returns its number.
func (p *pending[T]) add(v T) uint32 {
	if p.waiting == nil {
		p.waiting = make(map[uint32]T)
	}
	p.last++
	p.waiting[p.last] = v
	return p.last
}

// take removes the value with the given number and returns it. ok is false if there is
// none.
func (p *pending[T]) take(id uint32) (v T, ok bool) {
	v, ok = p.waiting[id]
	delete(p.waiting, id)
	return v, ok
}

// Waiting returns the number of promises, timers and requests that the program waits
// for.
func Waiting() int { return len(waiters.waiting) + len(timers.waiting) + len(replies.waiting) }
