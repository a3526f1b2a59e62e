//go:build js

package browser

import "syscall/js"

// A Clock counts time with setTimeout.
type Clock struct{}

var (
	timers pending[func()]
	ring   js.Func
)

func init() {
	ring = js.FuncOf(func(_ js.Value, args []js.Value) any {
		if f, ok := timers.take(uint32(args[0].Int())); ok {
			f()
		}
		return nil
	})
}

// Now returns the seconds since 1970.
func (Clock) Now() int64 {
	return int64(js.Global().Get("Date").Call("now").Float() / 1000)
}

// AfterFunc calls f once, after so many milliseconds, unless stop is called
// before.
func (Clock) AfterFunc(ms int, f func()) (stop func()) {
	id := timers.add(f)
	handle := js.Global().Call("setTimeout", ring, ms, id)
	return func() {
		if _, ok := timers.take(id); ok {
			js.Global().Call("clearTimeout", handle)
		}
	}
}

// Random returns a number in [0,1).
func Random() float64 { return js.Global().Get("Math").Call("random").Float() }
