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
	// worthReturning is how much memory without use is worth a collection, and
	// worthReturningShare what share of what is in use: the more that is, the longer a
	// collection takes.
	worthReturning      = 4 << 20
	worthReturningShare = 8
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
	free      uint64 // without objects, but not returned to the system
}

func readHeap() heap {
	samples := [...]metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples[:])
	return heap{
		allocated: samples[0].Value.Uint64(),
		live:      samples[1].Value.Uint64(),
		objects:   samples[2].Value.Uint64(),
		free:      samples[3].Value.Uint64(),
	}
}

// quiet finds out when the bridge has become quiet and has memory to return.
type quiet struct {
	allocated uint64 // at the last check
}

// collect reports whether garbage should be collected, and memory returned, now.
func (q *quiet) collect(h heap) bool {
	since := h.allocated - q.allocated
	q.allocated = h.allocated
	return since <= quietBytes && h.objects+h.free >= h.live+max(worthReturning, h.live/worthReturningShare)
}
