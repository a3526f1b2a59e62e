//go:build js

package browser

import "syscall/js"

// settled is how a promise ended.
type settled struct {
	value js.Value
	err   error
}

// Waiters are called back by number through functions that live as long as the
// program: a js.Func for each promise would have to be released even where the
// promise never settles. JavaScript's bind makes the function that a promise
// gets, and its garbage collector takes it away.
var (
	waiters    = make(map[int]chan settled)
	lastWaiter int
	fulfil     js.Func
	reject     js.Func
)

func init() {
	fulfil = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settle(args[0].Int(), settled{value: args[1]})
		return nil
	})
	reject = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settle(args[0].Int(), settled{err: Error{args[1]}})
		return nil
	})
}

func settle(id int, s settled) {
	if waiter, ok := waiters[id]; ok {
		delete(waiters, id)
		waiter <- s
	}
}

// await waits for a promise, or until done is closed; then it returns false and
// what becomes of the promise is ignored.
func await(promise js.Value, done <-chan struct{}) (value js.Value, err error, ok bool) {
	lastWaiter++
	id := lastWaiter
	waiter := make(chan settled, 1)
	waiters[id] = waiter
	null := js.Null()
	if _, err := call(promise, "then", fulfil.Call("bind", null, id), reject.Call("bind", null, id)); err != nil {
		delete(waiters, id)
		return js.Value{}, err, true
	}
	select {
	case s := <-waiter:
		return s.value, s.err, true
	case <-done:
		delete(waiters, id)
		return js.Value{}, nil, false
	}
}
