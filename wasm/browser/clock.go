//go:build js

package browser

import "syscall/js"

// A Clock counts time with setTimeout.
type Clock struct{}

// Timers, like waiters, are called back by number.
var (
	timers    = make(map[uint32]func())
	lastTimer uint32
	ring      js.Func
)

func init() {
	ring = js.FuncOf(func(_ js.Value, args []js.Value) any {
		id := uint32(args[0].Int())
		if f, ok := timers[id]; ok {
			delete(timers, id)
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
	lastTimer++
	id := lastTimer
	timers[id] = f
	handle := js.Global().Call("setTimeout", ring, ms, id)
	return func() {
		if _, ok := timers[id]; ok {
			delete(timers, id)
			js.Global().Call("clearTimeout", handle)
		}
	}
}

// Random returns a number in [0,1).
func Random() float64 { return js.Global().Get("Math").Call("random").Float() }
