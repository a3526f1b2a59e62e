//go:build js

// Package browser is the platform below the client: requests by fetch, timers,
// and values of JavaScript. It is the only room that imports syscall/js, and
// knows nothing of Akash.
package browser

import "syscall/js"

// Constructors, kept because each look-up costs.
var (
	object     = js.Global().Get("Object")
	uint8Array = js.Global().Get("Uint8Array")
	promise    = js.Global().Get("Promise")
)

// An Error is an exception that JavaScript threw, or the reason of a promise
// that was rejected.
type Error struct {
	Reason js.Value
}

// Error returns the exception's message.
func (e Error) Error() string { return describe(e.Reason) }

func describe(reason js.Value) string {
	if reason.Type() == js.TypeObject {
		if message := reason.Get("message"); message.Type() == js.TypeString {
			return message.String()
		}
	}
	return reason.String()
}

// call calls a method of an object. An exception becomes an Error, here and
// nowhere else.
func call(object js.Value, method string, args ...any) (result js.Value, err error) {
	defer catch(&err)
	return object.Call(method, args...), nil
}

// invoke calls a function.
func invoke(function js.Value, args ...any) (result js.Value, err error) {
	defer catch(&err)
	return function.Invoke(args...), nil
}

func catch(err *error) {
	switch thrown := recover().(type) {
	case nil:
	case js.Error:
		*err = Error{thrown.Value}
	default:
		panic(thrown)
	}
}

// bytesOf returns a copy of a Uint8Array.
func bytesOf(array js.Value) []byte {
	b := make([]byte, array.Length())
	js.CopyBytesToGo(b, array)
	return b
}

// arrayOf returns a Uint8Array with a copy of b.
func arrayOf(b []byte) js.Value {
	array := uint8Array.New(len(b))
	js.CopyBytesToJS(array, b)
	return array
}
