//go:build js

package browser

import (
	"syscall/js"

	"akash-provider-web/wasm/client"
)

// settled is the result of a promise.
type settled struct {
	value js.Value
	err   error
}

// The waiters for promises. The function passed to a promise is made by JavaScript's
// bind, so that it is garbage collected.
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

// await waits for a promise or for the end of the scope. In the latter case it returns
// errStopped, and the promise's result is ignored.
func await(scope *client.Scope, promise js.Value) (js.Value, error) {
	waiter := make(chan settled, 2) // one for the promise and one for the scope's end, so that neither blocks
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
