package logs

import (
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// Lines are held back while it is not known which replica they belong to, or whether they
// were sent before.
const (
	// settleQuiet is how long no held line may arrive before all pods are assumed to have
	// sent lines, so that their replicas are numbered.
	settleQuiet = 250 * time.Millisecond
	// settleLimit is the maximum time for that.
	settleLimit = 2 * time.Second
	// absentQuiet and absentLimit are the same if the lease's status has more pods than
	// have sent lines: a busy provider may be slow to open their logs, and numbers do not
	// change once assigned.
	absentQuiet = time.Second
	absentLimit = 5 * time.Second
	// overlapQuiet and overlapLimit are the same for a log that was reopened and in which
	// no line is recognised. If the rest were only slow, it would be sent twice.
	overlapQuiet = 2 * time.Second
	overlapLimit = 30 * time.Second
	// maxHeld limits the held lines of a call, in bytes.
	maxHeld = 1 << 20
)

// examine holds a line back, and decides what it can.
func (m *Merger) examine(p *pod, data, escaped []byte, usual bool) (err error) {
	start := len(p.held)
	if p.held, err = decode(p.held, data, escaped, usual); err != nil {
		return err
	}
	m.held += len(p.held) - start
	line := heldLine{end: len(p.held)}
	if p.history != nil {
		line.print = fingerprint(p.held[start:])
	}
	p.lines = append(p.lines, line)
	p.doubtful, p.gone = false, false
	m.arm()
	if p.overlap != nil {
		if err := m.judge(p, line.print); err != nil {
			return err
		}
	}
	if !p.numbered {
		n, ok := ordinalOf(p.name, p.service)
		if !ok {
			n, ok = m.known[p.name]
			ok = ok && !m.occupied(p.service, n)
		}
		if ok {
			m.assign(p, n)
		}
	}
	if !p.numbered {
		m.number(p.service, false)
	}
	m.releaseIfKnown(p)
	if m.held > maxHeld {
		m.relieve()
	}
	return nil
}

// judge decides with the next line of a reopened log whether its held lines were sent
// before.
func (m *Merger) judge(p *pod, line uint64) error {
	o := p.overlap
	switch o.next(line) {
	case repeated:
		o.blind = false // the lines that were not kept are not needed
		m.hold(p, 0)
	case caughtUp:
		m.hold(p, 0)
		m.caughtUp(p)
	case different:
		return m.startAnew(p)
	case unsure:
		if o.blind {
			m.hold(p, 0)
		}
	}
	return nil
}

// startAnew treats a pod's held lines as the start of a different log.
func (m *Merger) startAnew(p *pod) error {
	if p.overlap.blind && p.before != nil {
		p.stays = true
		m.giveUp(p)
		return nil
	}
	if p.overlap.blind {
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderGone, "the log of %s cannot be continued where it broke off", p.name)
	}
	m.caughtUp(p)
	p.named = p.lost
	*p.history = history{tail: p.from.tail}
	return nil
}

// arm starts the timer for the decision about held lines.
func (m *Merger) arm() {
	m.lastHeld = time.Now()
	if !m.armed {
		m.armed, m.since = true, m.lastHeld
		m.settle.Reset(settleQuiet)
	}
}

// hold keeps the first n of a pod's held lines.
func (m *Merger) hold(p *pod, n int) {
	end := 0
	if n > 0 {
		end = p.lines[n-1].end
	}
	m.held -= len(p.held) - end
	p.held, p.lines = p.held[:end], p.lines[:n]
	if n == 0 && cap(p.held) > flushBytes {
		p.held = nil
	}
}

// releaseIfKnown moves a pod's held lines to the batch if nothing about them is undecided.
func (m *Merger) releaseIfKnown(p *pod) {
	if !p.numbered || p.overlap != nil || len(p.lines) == 0 {
		return
	}
	if p.from != nil {
		p.from.news += len(p.lines)
	}
	if p.wanted {
		before := m.batch.size()
		m.batch.text = append(m.batch.text, p.held...)
		if p.history != nil {
			start := 0
			for _, line := range p.lines {
				p.history.add(line.print, line.end-start)
				start = line.end
			}
			if p.early {
				m.checkStart(p)
			}
		}
		m.batch.extend(p, before)
		m.announce(before)
	}
	p.lost = false
	m.hold(p, 0)
}

// relieve makes room if too much is held back.
func (m *Merger) relieve() {
	for _, p := range m.pods {
		if o := p.overlap; o != nil && !o.found {
			// A log with so many repeated lines is probably not a new one.
			o.blind = true
			m.hold(p, 0)
			continue
		}
		if p.overlap != nil {
			m.caughtUp(p)
		}
		if len(p.lines) > 0 && !p.numbered {
			m.number(p.service, true)
		}
		m.releaseIfKnown(p)
	}
}

// tick decides about held lines after an idle time, or at the time limit.
func (m *Merger) tick() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	now := time.Now()
	if m.roomWaits > 0 {
		m.lastHeld = now // the page is slow, not the provider
	}
	quiet, since := now.Sub(m.lastHeld), now.Sub(m.since)
	var err error
	if quiet >= settleQuiet || since >= settleLimit {
		err = m.decide(quiet >= overlapQuiet || since >= overlapLimit, quiet >= absentQuiet || since >= absentLimit)
	}
	switch {
	case err != nil:
		m.end(err)
	case m.held > 0 || m.overlapping():
		m.settle.Reset(settleQuiet)
	default:
		m.armed = false
	}
}

// overlapping reports whether a pod that has sent lines may still repeat some.
func (m *Merger) overlapping() bool {
	for _, p := range m.pods {
		if p.overlap != nil {
			return true
		}
	}
	return false
}

// decide decides about the held lines with what is known. If no line was recognised it
// waits for more, until the time limit; and if not all pods have sent lines, until the
// numbering limit.
func (m *Merger) decide(over, late bool) error {
	for _, p := range m.pods {
		if p.from == nil && len(p.lines) == 0 {
			continue
		}
		if o := p.overlap; o != nil && (o.found || over) {
			switch sent := o.rest(); {
			case o.found:
				m.caughtUp(p)
			case sent > 0 && !o.blind:
				m.caughtUp(p)
				m.skip(p, sent)
			case !p.from.sure && !m.certain:
				m.doubt(p)
				continue
			default:
				if err := m.startAnew(p); err != nil {
					return err
				}
			}
		}
		if !p.numbered {
			leaves := m.leaves(p.service) && !m.certain && time.Since(m.since) < absentLimit
			m.number(p.service, !leaves && (late || !m.awaits(p.service)))
		}
		m.releaseIfKnown(p)
	}
	return nil
}

// skip drops the first n of a pod's held lines.
func (m *Merger) skip(p *pod, n int) {
	cut := p.lines[n-1].end
	m.held -= cut
	p.held = append(p.held[:0], p.held[cut:]...)
	p.lines = append(p.lines[:0], p.lines[n:]...)
	for i := range p.lines {
		p.lines[i].end -= cut
	}
}

// doubt requests a check of whether a pod's held lines, the last of which arrived a while
// ago, are of a different log.
func (m *Merger) doubt(p *pod) {
	if p.doubtful || p.overlap.seen != p.overlap.looked {
		p.overlap.looked = p.overlap.seen
		return
	}
	p.doubtful = true
	select {
	case m.doubts <- struct{}{}:
	default:
	}
}
