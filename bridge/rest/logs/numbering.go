package logs

import (
	"cmp"
	"slices"
)

// replica identifies a replica by service and number.
type replica struct {
	service string
	number  uint32
}

// group has the pods of a service. It is there so that a line, of which there may be
// millions, costs the same however many pods there are.
type group struct {
	pods    []*pod
	present int            // pods that a feed has
	numbers map[uint32]int // pods by their numbers
	taken   uint32         // all numbers below it are in numbers
	waiting []*pod         // all pods without a number, and some that got one since
}

// add adds a pod that has just been met.
func (m *Merger) add(p *pod) {
	p.group = m.groups[p.service]
	if p.group == nil {
		p.group = &group{numbers: make(map[uint32]int)}
		m.groups[p.service] = p.group
	}
	p.group.pods = append(p.group.pods, p)
	p.group.wait(p)
	m.pods[p.name] = p
}

// wait adds a pod to those without a number.
func (g *group) wait(p *pod) {
	if !p.waits {
		p.waits = true
		g.waiting = append(g.waiting, p)
	}
}

// setFrom sets the feed that a pod's lines come from.
func (p *pod) setFrom(f *Feed) {
	switch {
	case p.from == nil && f != nil:
		p.group.present++
	case p.from != nil && f == nil:
		p.group.present--
	}
	p.from = f
}

// unnumber takes a pod's number away.
func (p *pod) unnumber() {
	if !p.numbered {
		return
	}
	g := p.group
	if g.numbers[p.replica]--; g.numbers[p.replica] == 0 {
		delete(g.numbers, p.replica)
		g.taken = min(g.taken, p.replica)
	}
	p.numbered = false
	g.wait(p)
}

// number assigns replica numbers to the pods of a service if all expected ones have sent
// lines, or if now, because the wait is over: in the order of their names, the lowest
// numbers that no other present pod has, and that are not kept for one that is not there.
func (m *Merger) number(service string, now bool) {
	g := m.groups[service]
	running, ok := m.running[service]
	if !now && !m.settled[service] && (!ok || g.present < running || m.leaves(service)) {
		return
	}
	m.settled[service] = true
	var pods []*pod
	rest := g.waiting[:0]
	for _, p := range g.waiting {
		switch {
		case p.numbered:
			p.waits = false
		case p.from == nil && len(p.lines) == 0:
			rest = append(rest, p)
		default:
			p.waits = false
			pods = append(pods, p)
		}
	}
	clear(g.waiting[len(rest):])
	g.waiting = rest
	if len(pods) == 0 {
		return
	}
	var kept map[uint32]bool
	if !ok || g.present < running {
		// A pod that has not sent lines yet may already have a number.
		kept = make(map[uint32]bool)
		for name, n := range m.known {
			if p := m.pods[name]; (p == nil || p.from == nil) && serviceOf(name, m.services) == service {
				kept[n] = true
			}
		}
	}
	slices.SortFunc(pods, func(a, b *pod) int { return cmp.Compare(a.name, b.name) })
	for g.numbers[g.taken] > 0 {
		g.taken++
	}
	next := g.taken
	for _, p := range pods {
		for kept[next] || g.numbers[next] > 0 {
			next++
		}
		m.assign(p, next)
		next++
	}
	for _, p := range pods {
		m.releaseIfKnown(p)
	}
}

// assign sets a pod's number.
func (m *Merger) assign(p *pod, n uint32) {
	p.group.numbers[n]++
	p.replica, p.numbered, p.wanted = n, true, m.wants(n)
	m.known[p.name] = n
	name := replica{p.service, n}
	if before := m.spoken[name]; before != p {
		if before != nil {
			before.named = false
		}
		p.named = false
		m.spoken[name] = p
	}
}

// occupied reports whether a present pod of the service has the number.
func (m *Merger) occupied(service string, n uint32) bool {
	return m.groups[service].numbers[n] > 0
}

func (m *Merger) wants(replica uint32) bool {
	return len(m.replicas) == 0 || slices.Contains(m.replicas, replica)
}

// awaits reports whether a service should have more pods than have sent lines.
func (m *Merger) awaits(service string) bool {
	return m.groups[service].present < m.running[service]
}
