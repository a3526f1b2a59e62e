// Profiles of the bridge, for testserver/bench/profile.mjs, which builds the bridge with
// this file laid over it. The product has nothing of the kind.

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
		runtime.MemProfileRate = 512 // dear, and the picture of it is sharp
	}
	go http.ListenAndServe(address, nil)
}
