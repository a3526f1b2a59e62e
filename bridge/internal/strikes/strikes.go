// Package strikes remembers who fails again and again, so that the work for it is done only
// now and then. Nobody is shut out for long: one failure has no effect, the pause after
// several is short, and the first success ends it.
package strikes

import (
	"sync"
	"time"
)

const (
	// minPause is the pause after the second failure in a row. Each further one doubles it,
	// up to maxPause.
	minPause = 250 * time.Millisecond
	maxPause = 2 * time.Second
	// memory is how long a failure counts.
	memory = 30 * time.Second
	// maxKept bounds who is remembered.
	maxKept = 10_000
)

// A Book has the failures of those that a key tells apart: all who are asked under a key
// get the same question, so that none can make another's fail. The zero value is ready to
// use.
type Book[K comparable] struct {
	mu      sync.Mutex
	entries map[K]*entry
	swept   time.Time
}

// entry has failures in a row.
type entry struct {
	failures int
	last     time.Time // the last one
	until    time.Time // nobody asks before
	err      error
}

// Refusal says that nobody is asked for a while.
type Refusal struct {
	Failures int           // in a row
	Last     error         // the last one
	Wait     time.Duration // until somebody is asked again
}

// Attempt is a question that was asked. End has to be called with its outcome, or not at
// all if that says nothing.
type Attempt[K comparable] struct {
	book  *Book[K]
	key   K
	began time.Time
}

// Begin begins an attempt, or returns why there is to be none now. After a pause one attempt
// is made, and the next after as long again, unless that one succeeds before.
func (b *Book[K]) Begin(key K) (*Attempt[K], *Refusal) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[key]; e != nil && now.Sub(e.last) < memory {
		if wait := e.until.Sub(now); wait > 0 {
			return nil, &Refusal{Failures: e.failures, Last: e.err, Wait: wait}
		}
		e.until = now.Add(pause(e.failures))
	}
	return &Attempt[K]{b, key, now}, nil
}

// End ends an attempt: err is nil if it succeeded.
func (a *Attempt[K]) End(err error) {
	b, now := a.book, time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[a.key]
	if err == nil {
		delete(b.entries, a.key)
		return
	}
	if e == nil || now.Sub(e.last) >= memory || now.Sub(a.began) >= memory {
		if e == nil {
			b.makeRoom(now)
			e = new(entry)
			b.entries[a.key] = e
		}
		*e = entry{}
	} else if a.began.Before(e.last) {
		return // it was made at the same time as the last one, and says the same
	}
	e.failures++
	e.last, e.err = now, err
	e.until = now.Add(pause(e.failures))
}

// pause returns how long nobody asks after n failures in a row.
func pause(n int) time.Duration {
	if n < 2 {
		return 0
	}
	return min(minPause<<min(n-2, 10), maxPause)
}

// makeRoom makes room for one more entry, and forgets what was long ago. Maps iterate in random order, so whoever fills the
// book cannot choose whom it forgets.
func (b *Book[K]) makeRoom(now time.Time) {
	if b.entries == nil {
		b.entries = make(map[K]*entry)
	}
	if len(b.entries) < maxKept && now.Sub(b.swept) < memory {
		return
	}
	b.swept = now
	for key, e := range b.entries {
		if now.Sub(e.last) >= memory {
			delete(b.entries, key)
		}
	}
	if len(b.entries) < maxKept {
		return
	}
	for key := range b.entries {
		if len(b.entries) <= maxKept/2 {
			return
		}
		delete(b.entries, key)
	}
}
