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

// number assigns replica numbers to the pods of a service if all expected ones have sent
// lines, or if now, because the wait is over.
func (m *Merger) number(service string, now bool) {
	var pods []*pod
	present := 0
	for _, p := range m.pods {
		if p.service == service {
			pods = append(pods, p)
			if p.from != nil {
				present++
			}
		}
	}
	if running, ok := m.running[service]; !now && !m.settled[service] && (!ok || present < running || m.leaves(service)) {
		return
	}
	m.settled[service] = true
	kept := make(map[uint32]bool)
	if running, ok := m.running[service]; !ok || present < running {
		// A pod that has not sent lines yet may already have a number.
		for name, n := range m.known {
			if p := m.pods[name]; (p == nil || p.from == nil) && serviceOf(name, m.services) == service {
				kept[n] = true
			}
		}
	}
	number(pods, kept, m.assign)
	for _, p := range pods {
		m.releaseIfKnown(p)
	}
}

// assign sets a pod's number.
func (m *Merger) assign(p *pod, n uint32) {
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
	for _, p := range m.pods {
		if p.numbered && p.replica == n && p.service == service {
			return true
		}
	}
	return false
}

func (m *Merger) wants(replica uint32) bool {
	return len(m.replicas) == 0 || slices.Contains(m.replicas, replica)
}

// awaits reports whether a service should have more pods than have sent lines.
func (m *Merger) awaits(service string) bool {
	running, ok := m.running[service]
	for _, p := range m.pods {
		if p.service == service && p.from != nil {
			running--
		}
	}
	return ok && running > 0
}

// number gives the unnumbered among the present pods of one service their replicas:
// in the order of their names, the lowest numbers that no other present pod has and
// that are not kept for a pod that is not there.
func number(pods []*pod, kept map[uint32]bool, assign func(*pod, uint32)) {
	slices.SortFunc(pods, func(a, b *pod) int { return cmp.Compare(a.name, b.name) })
	for _, p := range pods {
		if p.numbered {
			kept[p.replica] = true
		}
	}
	next := uint32(0)
	for _, p := range pods {
		if p.numbered || p.from == nil && len(p.lines) == 0 {
			continue
		}
		for kept[next] {
			next++
		}
		assign(p, next)
		next++
	}
}
