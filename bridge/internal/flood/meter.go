package flood

import (
	"sync/atomic"
	"time"
)

// meter is how much of a budget is spent: a leaky bucket, as the time at which it will have
// leaked out (the virtual scheduling of ITU-T I.371, appendix I). The zero share is not
// valid.
type meter struct {
	share int64         // it leaks one in so many of the time that passes
	burst time.Duration // it may hold
	empty atomic.Int64  // when it will be empty, by clock
}

var began = time.Now()

// clock is a time that only grows.
func clock() int64 { return int64(time.Since(began)) }

// add spends cost, or gives it back if it is negative.
func (m *meter) add(cost time.Duration) {
	if cost == 0 {
		return
	}
	now := clock()
	for {
		was := m.empty.Load()
		is := max(was, now) + int64(cost)*m.share
		is = max(now, min(is, now+int64(m.burst)*m.share+int64(maxDebt)))
		if m.empty.CompareAndSwap(was, is) {
			return
		}
	}
}

// overdrawn returns how long it takes until no more is spent than the meter holds; 0 or
// less if that is so now.
func (m *meter) overdrawn() time.Duration {
	return time.Duration(m.empty.Load() - clock() - int64(m.burst)*m.share)
}

// full reports whether nothing is spent.
func (m *meter) full() bool { return m.empty.Load() <= clock() }

// halfFull reports whether at most half is spent.
func (m *meter) halfFull() bool {
	return m.empty.Load()-clock() <= int64(m.burst)*m.share/2
}
