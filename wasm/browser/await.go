//go:build js

package browser

import (
	"syscall/js"

	"akash-provider-web/wasm/client"
)

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
	waiters    = make(map[uint32]chan settled)
	lastWaiter uint32
	fulfil     js.Func
	reject     js.Func
)

func init() {
	fulfil = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settle(uint32(args[0].Int()), settled{value: args[1]})
		return nil
	})
	reject = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settle(uint32(args[0].Int()), settled{err: Error{args[1]}})
		return nil
	})
}

func settle(id uint32, s settled) {
	if waiter, ok := waiters[id]; ok {
		delete(waiters, id)
		waiter <- s
	}
}

// Waiting returns how many promises and timers are waited for.
func Waiting() int { return len(waiters) + len(timers) }

// await waits for a promise, or until the scope ends; then it returns errStopped,
// and what becomes of the promise is ignored.
func await(scope *client.Scope, promise js.Value) (js.Value, error) {
	lastWaiter++
	id := lastWaiter
	waiter := make(chan settled, 2) // room for both ends, so that neither blocks
	waiters[id] = waiter
	null := js.Null()
	if _, err := call(promise, "then", fulfil.Call("bind", null, id), reject.Call("bind", null, id)); err != nil {
		delete(waiters, id)
		return js.Value{}, err
	}
	remove := scope.OnEnd(func() { waiter <- settled{err: errStopped} })
	s := <-waiter
	remove()
	delete(waiters, id)
	return s.value, s.err
}
