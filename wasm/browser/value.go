//go:build js

// Package browser provides the browser's functions to the client: requests with fetch,
// timers, and JavaScript values. It is the only package that imports syscall/js, and
// knows nothing about Akash.
package browser

import "syscall/js"

// Constructors, cached because each lookup is expensive.
var (
	object     = js.Global().Get("Object")
	uint8Array = js.Global().Get("Uint8Array")
	promise    = js.Global().Get("Promise")
)

// An Error is an exception thrown by JavaScript, or the reason of a rejected promise.
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

// call calls a method of an object, and returns an exception as an Error.
func call(object js.Value, method string, args ...any) (result js.Value, err error) {
	defer catch(&err)
	return object.Call(method, args...), nil
}

// invoke calls a function, and returns an exception as an Error.
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
