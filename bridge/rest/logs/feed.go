package logs

import (
	"io"
	"slices"
	"time"
)

// drainQuiet is how long no line may come of the pods that only an older feed has,
// before that feed is taken to have brought all it had.
const drainQuiet = time.Second

// Opening says what to expect of a socket.
type Opening struct {
	// Tail is how many lines each pod's log starts with, negative for all.
	Tail int
	// Running is how many pods each service should have, nil if that is not known.
	Running map[string]int
	// Replaces are the feeds that this one replaces once it is known to work. Lines
	// that they still deliver of pods which this one does not have are taken, too.
	Replaces []*Feed
	// Only, if set, is the one pod whose lines are taken.
	Only string
	// Sure says that lines which cannot be recognised are new.
	Sure bool
	// Cut says that lines before the first one are missing. The gap is reported for
	// pods without earlier lines, and for all pods if the log is not followed.
	Cut bool
}

// A Feed is one socket's lines on their way into a Merger. Several may bring the
// same pods' lines: each pod's are taken from one feed, and pass to a newer one when
// that has caught up with what was taken.
type Feed struct {
	m        *Merger
	n        int // feeds are numbered in the order of their opening
	tail     int
	only     string
	sure     bool
	cut      bool
	again    bool // it is not the first one
	opened   time.Time
	replaces []*Feed

	spoke    bool          // it has brought a line
	leaving  bool          // another one has taken its place
	closed   bool          // nothing more will come
	rejected map[*pod]bool // pods whose lines are taken from another feed for good
	news     int           // lines that were new
	lines    int           // lines that it was to be found out of whether they are
	waiting  int           // adders that wait

	// Of the time since lines were last seen to come.
	seenLines int
	since     time.Time
}

// Open prepares for the lines of a new socket.
func (m *Merger) Open(o Opening) *Feed {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o.Running != nil {
		m.running = o.Running
	}
	m.feeds++
	f := &Feed{
		m: m, n: m.feeds, tail: o.Tail, only: o.Only, sure: o.Sure, cut: o.Cut,
		again: m.feeds > 1, opened: time.Now(), replaces: o.Replaces, rejected: make(map[*pod]bool),
	}
	if f.only == "" {
		clear(m.settled)
	}
	return f
}

// Add takes one line as the gateway sends it. It waits while too much is pending,
// and while it is not known whether a newer feed has the pod's lines, too. It returns
// ErrLine if data is no line, after which it takes further ones, and another error if
// nobody wants more.
func (f *Feed) Add(data []byte) error {
	m := f.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.batch.size() >= maxPending && !m.ended && !f.closed {
		m.roomWaits++
		m.stalls++
		f.wait()
		m.roomWaits--
	}
	if m.ended || f.closed {
		return io.ErrClosedPipe
	}
	p, escaped, usual, err := m.pod(data, f)
	if err != nil {
		return err
	}
	if p.from == f && p.numbered && p.overlap == nil {
		f.news++
		if !p.wanted {
			return nil
		}
		return m.append(p, data, escaped, usual)
	}
	if ok, err := f.claim(p); !ok {
		return err
	}
	f.lines++
	return m.examine(p, data, escaped, usual)
}

// wait waits for something to change. The lock is held.
func (f *Feed) wait() {
	f.waiting++
	f.m.room.Wait()
	f.waiting--
}

// claim reports whether the pod's lines are to be taken from this feed. It waits
// while that is being decided. The lock is held.
func (f *Feed) claim(p *pod) (bool, error) {
	f.markWorking()
	m := f.m
	for {
		switch {
		case m.ended || f.closed:
			return false, io.ErrClosedPipe
		case p.from == f:
			return true, nil
		case f.only != "" && f.only != p.name, f.rejected[p]:
			return false, nil
		case f.cut && !m.follow && p.from != nil && !p.numbered:
			m.number(p.service, true) // what the feed before brought comes first
			continue
		case f.cuts(p) && p.size > 0:
			// Wait until the page has the earlier lines.
		case p.from == nil:
			f.take(p)
			return true, nil
		case p.from.n > f.n && p.overlap == nil:
			return false, nil // the newer one has caught up
		case p.from.n < f.n && p.numbered && p.overlap == nil:
			f.take(p)
			return true, nil
		}
		f.wait()
	}
}

// markWorking notes that the feed has delivered a line, which shows that it works.
func (f *Feed) markWorking() {
	if f.spoke {
		return
	}
	f.spoke = true
	for _, old := range f.replaces {
		old.leaving, old.since, old.seenLines = true, time.Now(), old.lines+old.news
	}
}

// Prove says that the feed's socket is good although it has brought no line.
func (f *Feed) Prove() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.markWorking()
}

// Proved reports whether the feed has brought a line, or was said to be good.
func (f *Feed) Proved() bool {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return f.spoke
}

// News is how many new lines the feed has brought.
func (f *Feed) News() int {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return f.news
}

// take has the pod's lines come from this feed. Until it has caught up with what was
// taken from the one before, it may be given up again.
func (f *Feed) take(p *pod) {
	f.m.hold(p, 0)
	p.before = p.from
	p.setFrom(f)
	p.overlap, p.doubtful = nil, false
	if p.lost && f.sure && f.tail == 0 {
		*p.history = history{}
	}
	if f.cuts(p) {
		p.gap, p.named = !p.told, false
		*p.history = history{tail: f.tail}
	}
	if p.history != nil && p.history.lines > 0 {
		p.overlap, p.early = newOverlap(p.history, f.tail), false
		return
	}
	f.m.caughtUp(p)
}

// cuts reports whether a gap is reported before the lines of a pod in this feed.
func (f *Feed) cuts(p *pod) bool {
	return f.cut && p.history != nil && (p.history.lines == 0 || !f.m.follow)
}

// caughtUp notes that the feed that a pod's lines come from has come to new ones.
func (m *Merger) caughtUp(p *pod) {
	p.overlap, p.doubtful, p.stays = nil, false, false
	if p.before != nil {
		p.before.rejected[p] = true
		p.before = nil
	}
	m.room.Broadcast()
}

// giveUp has a pod's lines come from nowhere, or from the feed before where the one
// that they come from has not caught up.
func (m *Merger) giveUp(p *pod) {
	p.from.rejected[p] = true
	if p.overlap != nil {
		m.hold(p, 0)
	}
	p.setFrom(p.before)
	p.before = nil
	p.overlap, p.doubtful, p.early = nil, false, false
	if p.from == nil {
		p.unnumber()
		p.stays = false
	}
	m.room.Broadcast()
}

// Close says that nothing more comes from the feed.
func (f *Feed) Close() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.closed = true
	for _, p := range f.m.pods {
		if p.before == f {
			p.before = nil
		}
		if p.from == f {
			f.m.giveUp(p)
		}
	}
	f.m.room.Broadcast()
}

// Drained reports whether the feed, whose place another one has taken, has brought
// all it has to bring.
func (f *Feed) Drained() bool {
	m := f.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if !f.leaving {
		return false
	}
	if n := f.lines + f.news; n != f.seenLines || f.waiting > 0 || m.needs(f) {
		f.seenLines, f.since = n, time.Now()
		return false
	}
	return time.Since(f.since) >= drainQuiet
}

// needs reports whether a pod's lines come from the feed because newer ones do not
// have them, or may not.
func (m *Merger) needs(f *Feed) bool {
	for _, p := range m.pods {
		if p.before == f || p.from == f && p.stays {
			return true
		}
	}
	return false
}

// leaves reports whether a pod of the service may be about to leave its number.
func (m *Merger) leaves(service string) bool {
	return slices.ContainsFunc(m.groups[service].pods, func(p *pod) bool {
		return p.from != nil && p.from.leaving && !p.stays
	})
}

// Update says which services there are, and how many pods each should have.
func (m *Merger) Update(services []string, running map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(services) > 0 && !slices.Equal(services, m.services) {
		m.services = services
	}
	m.running = running
}
