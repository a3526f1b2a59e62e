package logs

import (
	"cmp"
	"slices"
)

// LeastTail is the least number of lines asked for of which some may be missing
// without notice: one line comes, or does not.
const LeastTail = 2

// Short is a pod whose log, which is not followed, has ended without what a fresh read
// has as its last line.
type Short struct {
	Pod, Service string
	// End are fingerprints of the last lines that came, as many as it takes to tell
	// them from those before, and none if no line came.
	End []uint64
}

// Short compares the last line of each pod that a fresh read has with the lines that
// have come, and returns the pods of which some seem to be missing, those first of
// which there are none at all. tail is how many lines of each were asked for, negative
// for all.
//
// A pod of which the read has no line is taken to have a last line that cannot be
// read. One that has grown since its last line was read is not short: that line is
// among those that came.
func (m *Merger) Short(last map[string]uint64, tail int) []Short {
	m.mu.Lock()
	defer m.mu.Unlock()
	var short []Short
	for name := range last {
		if m.pods[name] == nil && isPodName([]byte(name)) {
			short = append(short, Short{Pod: name, Service: serviceOf(name, m.services)})
		}
	}
	for _, p := range m.pods {
		if p.history == nil || p.numbered && !p.wanted {
			continue
		}
		lines := p.history.last()
		for _, held := range p.lines {
			lines = append(lines, held.print)
		}
		n := len(lines)
		if n == 0 || tail >= 0 && p.history.lines+len(p.lines) >= tail {
			continue
		}
		line, ok := last[p.name]
		if ok && (line == lines[n-1] || occurrences(lines, []uint64{line}) == 1) {
			continue
		}
		end := lines[n-1:]
		for len(end) < n && occurrences(lines, end) > 1 {
			end = lines[n-len(end)-1:]
		}
		short = append(short, Short{Pod: p.name, Service: p.service, End: end})
	}
	slices.SortFunc(short, func(a, b Short) int {
		return cmp.Or(cmp.Compare(min(len(a.End), 1), min(len(b.End), 1)), cmp.Compare(a.Pod, b.Pod))
	})
	return short
}

// occurrences is how often some lines occur in others.
func occurrences(lines, some []uint64) (n int) {
	for i := len(some); i <= len(lines); i++ {
		if slices.Equal(lines[i-len(some):i], some) {
			n++
		}
	}
	return n
}

// Joins reports whether the lines that came, which end with end, go on in lines.
func Joins(lines, end []uint64) bool {
	return len(end) > 0 && occurrences(lines, end) > 0
}

// Cut has the page told that lines of a pod are missing after those that have come. It
// waits until the page has these.
func (m *Merger) Cut(pod string) {
	m.mu.Lock()
	p := m.pods[pod]
	if p != nil && !p.numbered {
		m.number(p.service, true)
	}
	for p != nil && p.size > 0 && !m.ended {
		m.room.Wait()
	}
	m.mu.Unlock()
	m.Lose(pod)
}
