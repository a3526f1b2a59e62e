// Profiling of the bridge for testserver/bench/profile.mjs, which overlays this file
// on the bridge's source. The product has no profiling.

package main

import (
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
)

func init() {
	address := os.Getenv("BENCH_PPROF")
	if address == "" {
		return
	}
	if os.Getenv("BENCH_HEAP") != "" {
		runtime.MemProfileRate = 512 // expensive, but precise
	}
	go http.ListenAndServe(address, nil)
}
