package main

import (
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// refusedInterval is the least time between log lines about refused origins. Any page can
// cause such requests, and must not fill the log.
const refusedInterval = 10 * time.Second

// logRefused returns a function that logs refused origins, the first one at once.
func logRefused(log *slog.Logger) func(origin string) {
	sometimes := rate.Sometimes{Interval: refusedInterval}
	var unlogged atomic.Int64
	return func(origin string) {
		unlogged.Add(1)
		sometimes.Do(func() {
			log.Info("origin refused", "origin", origin, "more", unlogged.Swap(0)-1,
				"advice", "--allow-origin allows its pages to call")
		})
	}
}
