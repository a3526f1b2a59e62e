//go:build js

package browser

import "syscall/js"

// A Clock measures time with Date and setTimeout.
type Clock struct{}

var (
	timers    pending[func()]
	onTimeout js.Func
)

func init() {
	onTimeout = js.FuncOf(func(_ js.Value, args []js.Value) any {
		if f, ok := timers.take(uint32(args[0].Int())); ok {
			f()
		}
		return nil
	})
}

// Now returns the time in seconds since 1970.
func (Clock) Now() int64 {
	return int64(js.Global().Get("Date").Call("now").Float() / 1000)
}

// AfterFunc calls f once after ms milliseconds, unless stop is called before.
func (Clock) AfterFunc(ms int, f func()) (stop func()) {
	id := timers.add(f)
	handle := js.Global().Call("setTimeout", onTimeout, ms, id)
	return func() {
		if _, ok := timers.take(id); ok {
			js.Global().Call("clearTimeout", handle)
		}
	}
}

// Random returns a number in [0,1).
func Random() float64 { return js.Global().Get("Math").Call("random").Float() }
