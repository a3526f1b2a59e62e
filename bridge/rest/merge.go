package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// How log lines are gathered into messages.
const (
	// flushBytes is how much makes a message worth sending at once.
	flushBytes = 32 << 10
	// flushDelay is how long a line waits for others after a message. The first
	// line after a quiet spell does not wait.
	flushDelay = 5 * time.Millisecond
	// maxPending is how much waits for a page that does not read before the
	// provider is not read either.
	maxPending = 64 << 10
)

// How lines are held back while it is not known which replica they belong to,
// or whether they were sent before.
const (
	// settleQuiet is how long no held line may come before all pods are taken to
	// have spoken that will, so that their replicas are numbered.
	settleQuiet = 250 * time.Millisecond
	// settleLimit is how long that may take altogether.
	settleLimit = 2 * time.Second
	// absentQuiet and absentLimit are the same where the lease's status tells of more
	// pods than have spoken: a provider that is busy may be slow to open their logs,
	// and numbers once given stay.
	absentQuiet = time.Second
	absentLimit = 5 * time.Second
	// overlapQuiet and overlapLimit are the same for a log that was opened anew
	// and in which nothing is recognised. It would be sent twice if the rest were
	// only slow to come.
	overlapQuiet = 2 * time.Second
	overlapLimit = 30 * time.Second
	// maxHeld bounds the held lines of a call, in bytes.
	maxHeld = 1 << 20
)

// maxPods bounds the pods of one lease.
const maxPods = 1000

// merger takes the log lines of a lease's pods, in whatever order they mix, and
// gives messages that hold many of them, by service and replica. One goroutine
// adds and another takes; adding waits while what was added is not taken.
type merger struct {
	services []string // known names, nil if none is known
	replicas []uint32 // wanted, nil for all
	follow   bool

	mu     sync.Mutex
	room   sync.Cond     // waits for what was added to be taken
	ready  chan struct{} // holds a token when there may be something to take
	pods   map[string]*pod
	latest *pod
	known  map[string]uint32 // the last number of each pod, this call's or an earlier one's
	spoken map[replica]*pod  // the pod that the page was told of last
	batch  batch
	taken  time.Time // when the last message was taken
	ended  bool
	err    error // why, nil for the end of the log

	// The current socket.
	running map[string]int  // pods by service that it is expected to have, nil if not known
	settled map[string]bool // services whose pods have their numbers
	tail    int             // lines that each pod's log starts with, negative for all
	opened  time.Time
	again   bool // it is not the first one
	held    int  // bytes held back

	// The decision on held lines.
	settle    *time.Timer
	armed     bool      // the timer runs
	since     time.Time // when the first came since it does
	lastHeld  time.Time // when the last came, or could not come
	roomWaits bool      // what was added must be taken before more can come
}

// replica names one by service and number.
type replica struct {
	service string
	number  uint32
}

func newMerger(services []string, replicas []uint32, follow bool) *merger {
	m := &merger{
		services: services,
		replicas: replicas,
		follow:   follow,
		ready:    make(chan struct{}, 1),
		pods:     make(map[string]*pod),
		known:    make(map[string]uint32),
		spoken:   make(map[replica]*pod),
		settled:  make(map[string]bool),
	}
	m.room.L = &m.mu
	m.settle = time.AfterFunc(time.Hour, m.tick)
	m.settle.Stop()
	return m
}

// open prepares for the lines of a new socket, on which each pod's log starts
// with its last tail lines, or all if tail is negative. running is how many pods
// each service should have there, nil if that is not known.
func (m *merger) open(services []string, running map[string]int, tail int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if services != nil {
		m.services = services
	}
	m.running, m.tail = running, tail
	m.again, m.opened = !m.opened.IsZero(), time.Now()
	clear(m.settled)
	for _, p := range m.pods {
		p.present, p.numbered, p.early = false, false, false
		m.hold(p, 0)
		if p.history != nil && p.history.lines > 0 {
			p.overlap = newOverlap(p.history, tail)
		}
	}
}

// add takes one line as the gateway sends it. It waits while too much is pending.
// It returns errLine if data is no line, after which it takes further ones, and
// another error if nobody wants more.
func (m *merger) add(data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.batch.size() >= maxPending && !m.ended {
		m.roomWaits = true
		m.room.Wait()
		m.roomWaits = false
	}
	if m.ended {
		return io.ErrClosedPipe
	}
	p, escaped, usual, err := m.pod(data)
	if err != nil {
		return err
	}
	if p.numbered && p.overlap == nil {
		if !p.wanted {
			return nil
		}
		return m.append(p, data, escaped, usual)
	}
	return m.examine(p, data, escaped, usual)
}

// pod returns the pod that a line is of, and its text if it is in the usual
// shape. Lines mostly come many from one pod.
func (m *merger) pod(data []byte) (p *pod, escaped []byte, usual bool, err error) {
	if p := m.latest; p != nil && bytes.HasPrefix(data, p.prefix) {
		escaped, usual = bytes.CutSuffix(bytes.TrimSuffix(data[len(p.prefix):], []byte("\n")), []byte(lineEnd))
		if usual {
			return p, escaped, true, nil
		}
	}
	name, escaped, usual := splitLine(data)
	if !usual {
		var ok bool
		if name, _, ok = parseLine(data); !ok {
			return nil, nil, false, errLine
		}
	}
	p = m.pods[string(name)]
	if p == nil {
		if p, err = m.meet(name); err != nil {
			return nil, nil, false, err
		}
	}
	m.latest = p
	return p, escaped, usual, nil
}

// meet adds a pod that has not been heard of yet.
func (m *merger) meet(name []byte) (*pod, error) {
	if !isPodName(name) {
		return nil, errLine
	}
	if len(m.pods) == maxPods {
		return nil, rpcerror.New(codes.ResourceExhausted, rpcerror.ReasonProviderProtocol, "the lease's log is of more than %d pods: ask for one service", maxPods)
	}
	p := &pod{
		name:    string(name),
		service: serviceOf(string(name), m.services),
		prefix:  []byte(lineName + string(name) + lineMessage),
	}
	if m.follow {
		p.history = &history{tail: m.tail}
		p.early = m.again && m.tail >= 0
	}
	m.pods[p.name] = p
	return p, nil
}

// errLine is the error of a frame that is not a pod's log line.
var errLine = errors.New("the frame is not a log line")

// decode appends a line's text and the end of the line.
func decode(dst, data, escaped []byte, usual bool) ([]byte, error) {
	start := len(dst)
	if usual {
		if dst, usual = appendText(dst, escaped); usual {
			return append(dst, '\n'), nil
		}
	}
	_, text, ok := parseLine(data)
	if !ok {
		return dst[:start], errLine
	}
	return append(append(dst[:start], text...), '\n'), nil
}

// append adds a line of a pod that is known and wanted to the batch.
func (m *merger) append(p *pod, data, escaped []byte, usual bool) (err error) {
	before := m.batch.size()
	if m.batch.text, err = decode(m.batch.text, data, escaped, usual); err != nil {
		return err
	}
	if p.history != nil {
		line := m.batch.text[before:]
		p.history.add(fingerprint(line), len(line))
		if p.early {
			m.checkStart(p)
		}
	}
	m.batch.extend(p, before)
	m.announce(before)
	return nil
}

// checkStart has the page told of a gap where a pod that came since the log is
// followed wrote as much as was asked for before it was heard: there may be more.
func (m *merger) checkStart(p *pod) {
	if p.history.lines >= m.tail {
		p.early = false
		p.named = p.named && time.Since(m.opened) > overlapLimit
	}
}

// announce wakes the taker where it may have something new to do.
func (m *merger) announce(before int) {
	if size := m.batch.size(); before == 0 && size > 0 || before < flushBytes && size >= flushBytes || m.ended {
		select {
		case m.ready <- struct{}{}:
		default:
		}
	}
}

// examine holds a line back, and finds out what can be found out with it.
func (m *merger) examine(p *pod, data, escaped []byte, usual bool) (err error) {
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
	m.arm()
	if p.overlap != nil {
		if err := m.judge(p, line.print); err != nil {
			return err
		}
	}
	if !p.present {
		p.present = true
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

// judge tells by the next line of a log that was opened anew whether its held
// lines were sent before.
func (m *merger) judge(p *pod, line uint64) error {
	o := p.overlap
	switch o.next(line) {
	case repeated:
		o.blind = false // what was not kept is not missed
		m.hold(p, 0)
	case caughtUp:
		m.hold(p, 0)
		p.overlap = nil
	case different:
		return m.startAnew(p)
	case unsure:
		if o.blind {
			m.hold(p, 0)
		}
	}
	return nil
}

// startAnew takes a pod's held lines for the first of another log.
func (m *merger) startAnew(p *pod) error {
	if p.overlap.blind {
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderGone, "the log of %s cannot be continued where it broke off", p.name)
	}
	p.overlap = nil
	p.named = false
	*p.history = history{tail: m.tail}
	return nil
}

// arm sees to it that there will be a decision on the lines held back.
func (m *merger) arm() {
	m.lastHeld = time.Now()
	if !m.armed {
		m.armed, m.since = true, m.lastHeld
		m.settle.Reset(settleQuiet)
	}
}

// hold leaves the first n of a pod's held lines.
func (m *merger) hold(p *pod, n int) {
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

// number gives the pods of a service their replicas, if all have spoken that
// should, or if now, since no more can be waited for.
func (m *merger) number(service string, now bool) {
	var pods []*pod
	present := 0
	for _, p := range m.pods {
		if p.service == service {
			pods = append(pods, p)
			if p.present {
				present++
			}
		}
	}
	if running, ok := m.running[service]; !now && !m.settled[service] && !(ok && present >= running) {
		return
	}
	m.settled[service] = true
	kept := make(map[uint32]bool)
	if running, ok := m.running[service]; !ok || present < running {
		// Who has not spoken yet may be one that has a number.
		for name, n := range m.known {
			if p := m.pods[name]; (p == nil || !p.present) && serviceOf(name, m.services) == service {
				kept[n] = true
			}
		}
	}
	number(pods, kept, m.assign)
	for _, p := range pods {
		m.releaseIfKnown(p)
	}
}

// assign gives a pod its number.
func (m *merger) assign(p *pod, n uint32) {
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
func (m *merger) occupied(service string, n uint32) bool {
	for _, p := range m.pods {
		if p.numbered && p.replica == n && p.service == service {
			return true
		}
	}
	return false
}

func (m *merger) wants(replica uint32) bool {
	return len(m.replicas) == 0 || slices.Contains(m.replicas, replica)
}

// releaseIfKnown moves a pod's held lines to the batch once nothing about them
// is open any more.
func (m *merger) releaseIfKnown(p *pod) {
	if !p.numbered || p.overlap != nil || len(p.lines) == 0 {
		return
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
	m.hold(p, 0)
}

// relieve makes room when too much is held back.
func (m *merger) relieve() {
	for _, p := range m.pods {
		if o := p.overlap; o != nil && !o.found {
			// A log that repeats so much is most likely not a new one.
			o.blind = true
			m.hold(p, 0)
			continue
		}
		p.overlap = nil
		if p.present && !p.numbered {
			m.number(p.service, true)
		}
		m.releaseIfKnown(p)
	}
}

// tick decides on held lines when it has become quiet, or late.
func (m *merger) tick() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	now := time.Now()
	if m.roomWaits {
		m.lastHeld = now // it is not the provider who is quiet
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

// overlapping reports whether a pod that has spoken may still repeat itself.
func (m *merger) overlapping() bool {
	for _, p := range m.pods {
		if p.present && p.overlap != nil {
			return true
		}
	}
	return false
}

// decide settles what is open about the held lines with what is known. Where
// nothing was recognised it waits for more, unless that is over, too; and where
// not all pods have spoken, unless it is late.
func (m *merger) decide(over, late bool) error {
	for _, p := range m.pods {
		if !p.present {
			continue
		}
		if o := p.overlap; o != nil && (o.found || over) {
			switch sent := o.rest(); {
			case o.found:
				p.overlap = nil
			case sent > 0 && !o.blind:
				p.overlap = nil
				m.skip(p, sent)
			default:
				if err := m.startAnew(p); err != nil {
					return err
				}
			}
		}
		if !p.numbered {
			m.number(p.service, late || !m.awaits(p.service))
		}
		m.releaseIfKnown(p)
	}
	return nil
}

// awaits reports whether a service is said to have more pods than have spoken.
func (m *merger) awaits(service string) bool {
	running, ok := m.running[service]
	for _, p := range m.pods {
		if p.service == service && p.present {
			running--
		}
	}
	return ok && running > 0
}

// skip drops the first n of a pod's held lines.
func (m *merger) skip(p *pod, n int) {
	cut := p.lines[n-1].end
	m.held -= cut
	p.held = append(p.held[:0], p.held[cut:]...)
	p.lines = append(p.lines[:0], p.lines[n:]...)
	for i := range p.lines {
		p.lines[i].end -= cut
	}
}

// finish ends the merger: with nil because the log has ended, so that what is
// held back is part of it, or with the reason why it broke off. The taker gets
// what was added before.
func (m *merger) finish(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	if err == nil {
		err = m.decide(true, true)
	}
	m.end(err)
}

func (m *merger) end(err error) {
	m.ended, m.err = true, err
	m.settle.Stop()
	m.room.Broadcast()
	m.announce(0)
}

// next returns the next message, an encoded ServiceLogsResponse, valid until the
// next call. After the last it returns the error that finish was given, io.EOF
// for none.
func (m *merger) next(ctx context.Context) ([]byte, error) {
	for {
		message, wait, err := m.take()
		if message != nil || err != nil {
			return message, err
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-m.ready:
		case <-due:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns a message if it is time for one, and otherwise how long to wait
// for what there is, 0 if there is nothing.
func (m *merger) take() (message []byte, wait time.Duration, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	size := m.batch.size()
	if size == 0 {
		if m.ended && m.err == nil {
			return nil, 0, io.EOF
		}
		return nil, 0, m.err
	}
	now := time.Now()
	if wait := flushDelay - now.Sub(m.taken); wait > 0 && size < flushBytes && !m.ended {
		return nil, wait, nil
	}
	m.taken = now
	message = m.batch.encode()
	m.room.Signal()
	return message, 0, nil
}
