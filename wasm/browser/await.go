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

// Who waits for a promise. JavaScript's bind makes the function that a promise gets,
// and its garbage collector takes it away.
var (
	waiters pending[chan settled]
	fulfil  js.Func
	reject  js.Func
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
	if waiter, ok := waiters.take(id); ok {
		waiter <- s
	}
}

// await waits for a promise, or until the scope ends; then it returns errStopped,
// and what becomes of the promise is ignored.
func await(scope *client.Scope, promise js.Value) (js.Value, error) {
	waiter := make(chan settled, 2) // room for both ends, so that neither blocks
	id := waiters.add(waiter)
	null := js.Null()
	if _, err := call(promise, "then", fulfil.Call("bind", null, id), reject.Call("bind", null, id)); err != nil {
		waiters.take(id)
		return js.Value{}, err
	}
	remove := scope.OnEnd(func() { waiter <- settled{err: errStopped} })
	s := <-waiter
	remove()
	waiters.take(id)
	return s.value, s.err
}
