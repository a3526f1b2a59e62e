package logs

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// remember returns the history of lines 0 ≤ i < n of a log.
func remember(log []uint64, n int, whole bool) *history {
	h := &history{tail: 1}
	if whole {
		h.tail = -1
	}
	for _, line := range log[:n] {
		h.add(line, 100)
	}
	return h
}

// replay reads a log that was opened anew, with all its lines or the last ones,
// as the merger does, and returns what is taken to be new.
func replay(h *history, tail int, log []uint64) []uint64 {
	o := newOverlap(h, tail)
	held := 0 // the first line that may be new
	for i, line := range log {
		switch o.next(line) {
		case repeated:
			held = i + 1
		case caughtUp:
			return log[i+1:]
		case different:
			return log[held:]
		}
	}
	if o.found {
		return log[held:]
	}
	return log[o.rest():]
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
			assert.Equal(t, log[n:], replay(h, ReopenTail, log), "opened from the first line, %d", n)
			assert.Empty(t, replay(h, ReopenTail, log[:n]), "nothing new, %d", n)
			if !whole {
				assert.Equal(t, log[n:], replay(h, ReopenTail, log[n-min(n, rememberedLines):]), "just the remembered lines, %d", n)
			}
		}
	}
}

// A log that says the same over and over is continued where it was, if its
// beginning was seen.
func TestOverlapOfEqualLines(t *testing.T) {
	for _, period := range []int{1, 2, 7, 300} {
		log := lines(2000, func(i int) int { return i % period })
		for _, n := range []int{1, 3, 255, 256, 257, 1500} {
			assert.Equal(t, log[n:], replay(remember(log, n, true), -1, log), "period %d, %d lines", period, n)
		}
	}
}

// Where the beginning was not seen, the last place that fits is taken.
func TestOverlapOfEqualLinesInTheMiddle(t *testing.T) {
	log := append(lines(500, func(int) int { return 0 }), 77, 78)
	h := remember(log[400:], 100, false)
	assert.Equal(t, []uint64{77, 78}, replay(h, ReopenTail, log))
}

// A rotated log begins in the midst of what is remembered.
func TestOverlapOfARotatedLog(t *testing.T) {
	log := lines(120, count)
	h := remember(log, 100, false)
	assert.Equal(t, log[100:], replay(h, ReopenTail, log[80:]))
	h = remember(log, 100, true)
	h.bytes = unrotated
	assert.Equal(t, log[100:], replay(h, ReopenTail, log[80:]))
}

// A container that was started anew has a log of its own, even where a line or
// two are the same.
func TestOverlapOfARestartedContainer(t *testing.T) {
	h := remember([]uint64{10, 11, 12, 13}, 4, true)
	for _, again := range [][]uint64{{13, 20, 21}, {10, 20}, {10, 11, 12, 20}, {20}} {
		assert.Equal(t, again, replay(h, ReopenTail, again))
	}
	long := remember(lines(1000, count), 1000, true)
	again := append([]uint64{1}, lines(1000, func(i int) int { return 5000 + i })...)
	assert.Equal(t, again, replay(long, ReopenTail, again))

	long = remember(lines(20_000, count), 20_000, true)
	again = lines(ReopenTail+10, func(i int) int { return 50_000 + i })
	assert.Equal(t, again, replay(long, ReopenTail, again))
}

// A log that is longer than what is repeated is continued as well.
func TestOverlapOfALongLog(t *testing.T) {
	log := lines(30_000, count)
	assert.Equal(t, log[20_000:], replay(remember(log, 20_000, true), ReopenTail, log[15_000:]))
	assert.Empty(t, replay(remember(log, 30_000, true), ReopenTail, log[20_000:]))
	assert.Equal(t, log[20_000:], replay(remember(log, 20_000, true), -1, log))
	assert.Equal(t, log[20_000:], replay(remember(log, 20_000, false), -1, log))
}

// Whatever the log, nothing is lost and nothing doubled if its beginning was
// seen.
func TestOverlapOfAnyLog(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		kinds := 1 + random.IntN(4)
		log := lines(1+random.IntN(600), func(int) int { return random.IntN(kinds) })
		n := 1 + random.IntN(len(log))
		assert.Equal(t, log[n:], append([]uint64{}, replay(remember(log, n, true), -1, log)...))
	}
}
