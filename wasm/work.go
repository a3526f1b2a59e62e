//go:build js

package main

// maxIdle is the number of idle goroutines that are kept.
const maxIdle = 16

// idle has the idle goroutines.
var idle []chan func()

// do calls f in a goroutine. It reuses an idle goroutine if there is one, whose stack
// has already grown to the size that a call needs.
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
