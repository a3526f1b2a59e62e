package logs

import "slices"

// A gateway ends a pod's log on a socket without an error at a line that is too long, and
// does not add pods that start while a socket is open. In both cases the pod seems to be
// silent. So the last line of a silent pod is read from time to time over another socket,
// and compared with the last one received.

// How often a silent pod is checked, in calls of Quiet.
const (
	// earlyQuiet is the time during which it is checked every quietStep.
	earlyQuiet = 30
	quietStep  = 4
	// mostQuiet is the longest time between two checks.
	mostQuiet = 150
)

// quiet decides when to check something that may be silent.
type quiet struct {
	lines   int     // at the last count
	run     int     // counts without a new line
	next    int     // the run at which to check
	longest float64 // usual run
}

// count records the number of lines so far and reports whether to check. A pod that is
// often silent for a while is checked only if it is silent for longer than usual, and then
// less and less often.
func (q *quiet) count(lines int) bool {
	if lines != q.lines || q.next == 0 {
		q.longest = max(float64(q.run), 0.9*q.longest)
		q.lines, q.run = lines, 0
		q.next = 1 + min(int(1.5*q.longest), earlyQuiet)
		return false
	}
	q.run++
	if q.run < q.next {
		return false
	}
	if q.run < earlyQuiet {
		q.next = q.run + quietStep
	} else {
		q.next = q.run + min(q.run, mostQuiet)
	}
	return true
}

// Quiet returns the services with a pod that is silent, or has not sent anything yet, and
// is due for a check. It is called about every two seconds.
func (m *Merger) Quiet() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stalls != m.seenStalls || m.roomWaits > 0 {
		m.seenStalls = m.stalls
		return nil // the page is slow, not the pod
	}
	var due []string
	heard := make(map[string]int)
	for _, p := range m.pods {
		if p.from != nil {
			heard[p.service]++
		}
		if p.history != nil && !p.gone && p.overlap == nil && (p.wanted || !p.numbered) && p.quiet.count(p.history.lines) {
			due = append(due, p.service)
		}
	}
	for service, n := range m.running {
		if q := m.silent[service]; heard[service] >= n {
			delete(m.silent, service)
		} else if q == nil {
			m.silent[service] = &quiet{lines: -1}
		} else if q.count(heard[service]) {
			due = append(due, service)
		}
	}
	slices.Sort(due)
	return slices.Compact(due)
}

// Compare takes the last line of each pod of a service that a fresh read of its log
// has, and returns the pods that have not been heard of, and those whose last line
// did not come although it was there before, last. fresh are by their names in order.
// idle says that the service's log has just ended without anything new.
//
// A pod of which the read has no line at all, though the service should have more pods
// than it has, is taken to have a last line that cannot be read.
func (m *Merger) Compare(service string, last map[string]uint64, running int, idle bool) (fresh, missing []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range last {
		if p := m.pods[name]; p == nil || p.from == nil && p.history.lines == 0 {
			fresh = append(fresh, name)
		}
	}
	slices.Sort(fresh)
	for _, p := range m.pods {
		if p.service != service || p.history == nil || p.history.lines == 0 || p.overlap != nil || len(p.lines) > 0 {
			continue
		}
		line, ok := last[p.name]
		switch {
		case ok && line == p.history.latest && p.from != nil:
			p.suspect, p.gone = 0, false
			continue
		case !ok && len(last) >= running:
			p.gone = true
			continue
		case !ok && (p.from == nil && !idle || p.lost):
			continue
		case ok && line == p.history.latest && idle:
			continue
		}
		p.gone = false
		if p.suspect != p.history.lines && !idle {
			// It may still arrive: the next check decides.
			p.suspect = p.history.lines
			p.quiet.next = p.quiet.run + 1
			continue
		}
		missing = append(missing, p.name)
	}
	slices.Sort(missing)
	return fresh, missing
}

// Doubtful returns the pods, by service, for which a new feed has sent lines that end and
// are all unknown: they are of another log, or the feed has reached a line that is too
// long. Resolve decides.
func (m *Merger) Doubtful() map[string][]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	doubtful := make(map[string][]string)
	for _, p := range m.pods {
		if p.doubtful {
			doubtful[p.service] = append(doubtful[p.service], p.name)
		}
	}
	return doubtful
}

// Doubts has a value when there may be doubtful pods.
func (m *Merger) Doubts() <-chan struct{} { return m.doubts }

// Resolve tells the last line of a doubtful pod that a fresh read of its log has; ok
// is false where it has none. It reports whether the pod's lines have to be read
// from behind a line that is too long.
func (m *Merger) Resolve(pod string, last uint64, ok bool) (stuck bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pods[pod]
	if p == nil || !p.doubtful {
		return false
	}
	p.doubtful = false
	if n := len(p.lines); ok && n > 0 && last == p.lines[n-1].print {
		m.believe(p)
		return false
	}
	p.stays = p.before != nil
	m.giveUp(p)
	return p.from == nil
}

// Believe takes the lines of doubtful pods of a service for another log's, since
// nobody can tell.
func (m *Merger) Believe(service string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pods {
		if p.doubtful && p.service == service {
			m.believe(p)
		}
	}
}

func (m *Merger) believe(p *pod) {
	if err := m.startAnew(p); err != nil {
		m.end(err)
		return
	}
	if !p.numbered {
		m.number(p.service, true)
	}
	m.releaseIfKnown(p)
}

// Abandon reports that a pod's feed brings no more of its lines.
func (m *Merger) Abandon(pod string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.pods[pod]; p != nil && p.from != nil {
		m.giveUp(p)
	}
}

// Lose reports a gap to the page at once, since the pod's last line cannot be read. Later
// lines are new.
func (m *Merger) Lose(pod string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pods[pod]
	if p == nil || p.history == nil || p.history.lines == 0 || p.lost {
		return
	}
	p.lost = true
	if p.wanted {
		p.named = false
		m.batch.mark(p)
		m.wake()
	}
}
