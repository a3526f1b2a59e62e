package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGarbageIsCollectedWhenTheBridgeHasBecomeQuiet(t *testing.T) {
	const mb = 1 << 20
	var q quiet
	require.False(t, q.collect(heap{allocated: 50 * mb, live: 3 * mb, objects: 40 * mb}), "streams are being opened")
	require.True(t, q.collect(heap{allocated: 50*mb + 1000, live: 3 * mb, objects: 40 * mb}))
	require.False(t, q.collect(heap{allocated: 50*mb + 2000, live: 20 * mb, objects: 20 * mb}), "there is no garbage")
	require.True(t, q.collect(heap{allocated: 50*mb + 3000, live: 20 * mb, objects: 20 * mb, free: 10 * mb}), "it was collected just before")
	require.False(t, q.collect(heap{allocated: 60 * mb, live: 20 * mb, objects: 30 * mb}), "it is busy again")
	require.False(t, q.collect(heap{allocated: 60*mb + 1000, live: 200 * mb, objects: 210 * mb}), "a collection would take long for little")
	require.True(t, q.collect(heap{allocated: 60*mb + 2000, live: 200 * mb, objects: 230 * mb}))
}

func TestTheHeapIsRead(t *testing.T) {
	h := readHeap()
	require.Positive(t, h.allocated)
	require.GreaterOrEqual(t, h.allocated, h.objects)
	require.Positive(t, h.objects)
}
