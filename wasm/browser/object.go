//go:build js

package browser

import (
	"syscall/js"

	"akash-provider-web/wasm/client"
)

// A Function is a JavaScript function.
type Function struct{ value js.Value }

// Text calls the function, waits for the promise that it returns, and returns the
// string that the promise is resolved with.
func (f Function) Text(scope *client.Scope, args ...any) (string, error) {
	returned, err := invoke(f.value, args...)
	if err != nil {
		return "", err
	}
	resolved, err := call(promise, "resolve", returned)
	if err != nil {
		return "", err
	}
	value, err := await(scope, resolved)
	if err != nil {
		return "", err
	}
	if value.Type() != js.TypeString {
		return "", errNotText
	}
	return value.String(), nil
}

// Arguments are the arguments of a published function.
type Arguments []js.Value

// Text returns argument n, which must be a string.
func (a Arguments) Text(n int) string { return a[n].String() }

// Number returns argument n, which must be an integer.
func (a Arguments) Number(n int) int { return a[n].Int() }

// Flag returns argument n, which must be a boolean.
func (a Arguments) Flag(n int) bool { return a[n].Bool() }

// Function returns argument n, which must be a function.
func (a Arguments) Function(n int) Function { return Function{a[n]} }

// Optional returns argument n, and whether it is a function.
func (a Arguments) Optional(n int) (f Function, ok bool) {
	return Function{a[n]}, a[n].Type() == js.TypeFunction
}

// Call calls the function. It logs an exception to the console, since nothing else can
// handle it.
func (f Function) Call(args ...any) {
	if _, err := invoke(f.value, args...); err != nil {
		_, _ = call(js.Global().Get("console"), "error", err.Error())
	}
}

// Warn writes a warning to the console.
func Warn(text string) { _, _ = call(js.Global().Get("console"), "warn", text) }

// Publish sets a property of the global object to an object with the functions. The
// functions exist as long as the program. They must not block: anything that waits
// belongs in a goroutine. A function returns nil, a number or a string.
func Publish(name string, functions map[string]func(Arguments) any) {
	published := object.New()
	for name, f := range functions {
		published.Set(name, js.FuncOf(func(_ js.Value, args []js.Value) any { return f(args) }))
	}
	js.Global().Set(name, published)
}

// Global returns a string property of the global object, or "" if there is none.
func Global(name string) string {
	if v := js.Global().Get(name); v.Type() == js.TypeString {
		return v.String()
	}
	return ""
}
