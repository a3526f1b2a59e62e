package rest

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// remember returns the history of lines 0 ≤ i < n of a log.
func remember(log []uint64, n int, whole bool) *history {
	h := &history{whole: whole}
	for _, line := range log[:n] {
		h.add(line)
	}
	return h
}

// replay reads a log that was opened anew as the journal does, and returns what
// is taken to be new.
func replay(h *history, log []uint64) []uint64 {
	o := newOverlap(h)
	held := 0 // the first line that may be new
	for i, line := range log {
		match, sure := o.next(line)
		if match {
			held = i + 1
		}
		if sure {
			return log[held:]
		}
	}
	return log[held+o.rest():]
}

func lines(n int, of func(i int) int) []uint64 {
	log := make([]uint64, n)
	for i := range log {
		log[i] = uint64(of(i)) + 1
	}
	return log
}

func count(i int) int { return i }

// Lines that differ are told apart however the log is cut.
func TestOverlapOfDistinctLines(t *testing.T) {
	for _, n := range []int{1, 2, rememberedLines - 1, rememberedLines, rememberedLines + 1, 1000} {
		for _, whole := range []bool{true, false} {
			log := lines(n+5, count)
			h := remember(log, n, whole)
			assert.Equal(t, log[n:], replay(h, log), "opened from the first line, %d", n)
			assert.Empty(t, replay(h, log[:n]), "nothing new, %d", n)
			assert.Equal(t, log[n:], replay(h, log[n-min(n, rememberedLines):]), "just the remembered lines, %d", n)
		}
	}
}

// A log that says the same over and over is continued where it was, if its
// beginning was seen.
func TestOverlapOfEqualLines(t *testing.T) {
	for _, period := range []int{1, 2, 7, 300} {
		log := lines(2000, func(i int) int { return i % period })
		for _, n := range []int{1, 3, 255, 256, 257, 1500} {
			assert.Equal(t, log[n:], replay(remember(log, n, true), log), "period %d, %d lines", period, n)
		}
	}
}

// Where the beginning was not seen, the last place that fits is taken.
func TestOverlapOfEqualLinesInTheMiddle(t *testing.T) {
	log := append(lines(500, func(int) int { return 0 }), 77, 78)
	h := remember(log[400:], 100, false)
	assert.Equal(t, []uint64{77, 78}, replay(h, log))
}

// A rotated log begins in the midst of what is remembered.
func TestOverlapOfARotatedLog(t *testing.T) {
	log := lines(120, count)
	h := remember(log, 100, true)
	assert.Equal(t, log[100:], replay(h, log[80:]))
}

// A container that was started anew has a log of its own, even where a line or
// two are the same.
func TestOverlapOfARestartedContainer(t *testing.T) {
	h := remember([]uint64{10, 11, 12, 13}, 4, true)
	again := []uint64{13, 20, 21}
	assert.Equal(t, again, replay(h, again))
}

// Whatever the log, nothing is lost and nothing doubled if its beginning was
// seen.
func TestOverlapOfAnyLog(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		kinds := 1 + random.IntN(4)
		log := lines(1+random.IntN(600), func(int) int { return random.IntN(kinds) })
		n := 1 + random.IntN(len(log))
		assert.Equal(t, log[n:], append([]uint64{}, replay(remember(log, n, true), log)...))
	}
}
