//go:build js

package browser

// pending is what waits for JavaScript, which calls back by number through functions
// that live as long as the program: a js.Func for each would have to be released even
// where JavaScript never calls it.
type pending[T any] struct {
	waiting map[uint32]T
	last    uint32
}

// add returns the number of what waits from now on.
func (p *pending[T]) add(v T) uint32 {
	if p.waiting == nil {
		p.waiting = make(map[uint32]T)
	}
	p.last++
	p.waiting[p.last] = v
	return p.last
}

// take returns what waits under a number, and no longer; ok is false where nothing
// does.
func (p *pending[T]) take(id uint32) (v T, ok bool) {
	v, ok = p.waiting[id]
	delete(p.waiting, id)
	return v, ok
}

// Waiting returns how many promises, timers and requests are waited for.
func Waiting() int { return len(waiters.waiting) + len(timers.waiting) + len(replies.waiting) }
