package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// memoryCheck is how often it is checked whether the bridge is quiet.
	memoryCheck = time.Second
	// quietBytes is how much a quiet bridge allocates between two checks at most.
	quietBytes = 1 << 20
	// garbageWorth is how much garbage is worth a collection.
	garbageWorth = 4 << 20
)

// returnMemory returns memory to the system when the bridge has become quiet, until ctx is
// canceled.
//
// Opening a stream, the TLS handshake above all, leaves more garbage than the stream then
// keeps, and stacks that are larger than it needs. A bridge whose streams are open and idle
// allocates so little that Go would collect only after two minutes, and would keep what it
// frees then for a heap that grows again.
func returnMemory(ctx context.Context) {
	ticker := time.NewTicker(memoryCheck)
	defer ticker.Stop()
	var q quiet
	for {
		select {
		case <-ticker.C:
			if q.collect(readHeap()) {
				debug.FreeOSMemory()
			}
		case <-ctx.Done():
			return
		}
	}
}

// heap is the state of Go's heap, in bytes.
type heap struct {
	allocated uint64 // since the start
	live      uint64 // at the last collection
	objects   uint64 // live ones and garbage
}

func readHeap() heap {
	samples := [...]metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
	}
	metrics.Read(samples[:])
	return heap{samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()}
}

// quiet finds out when the bridge has become quiet and has garbage that is worth collecting.
type quiet struct {
	allocated uint64 // at the last check
}

// collect reports whether the garbage should be collected now.
func (q *quiet) collect(h heap) bool {
	since := h.allocated - q.allocated
	q.allocated = h.allocated
	return since <= quietBytes && h.objects >= h.live+garbageWorth
}
