//go:build js

package main

// maxIdle is how many goroutines wait for more to do.
const maxIdle = 16

// idle has the goroutines that wait.
var idle []chan func()

// do calls f in a goroutine, one that has done something before if there is one: its
// stack has grown by then to what a call needs.
func do(f func()) {
	if last := len(idle) - 1; last >= 0 {
		worker := idle[last]
		idle = idle[:last]
		worker <- f
		return
	}
	worker := make(chan func(), 1)
	worker <- f
	go func() {
		for f := range worker {
			f()
			if len(idle) == maxIdle {
				return
			}
			idle = append(idle, worker)
		}
	}()
}
