// Package logs makes one stream of service logs out of the log lines of a lease's
// pods, as a provider's gateway sends them: it tells the services and replicas apart
// by the names of their pods, drops lines that a log which was opened again repeats,
// and packs many lines into each message. It knows nothing of sockets.
package logs

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// MaxPods bounds the pods of one lease.
const MaxPods = 1000

// A Merger takes the log lines of a lease's pods, in whatever order they mix, and
// gives messages that hold many of them, by service and replica. Each socket has a
// Feed to add to; adding waits while what was added is not taken.
type Merger struct {
	services []string // known names, nil if none is known
	replicas []uint32 // wanted, nil for all
	follow   bool     // several feeds bring the same lines

	mu     sync.Mutex
	room   sync.Cond     // waits for what was added to be taken, or for a decision
	ready  chan struct{} // holds a token when there may be something to take
	doubts chan struct{} // holds a token when there may be doubtful pods
	pods   map[string]*pod
	groups map[string]*group // the same, by service
	latest *pod
	known  map[string]uint32 // the last number of each pod, this call's or an earlier one's
	spoken map[replica]*pod  // the pod that the page was told of last
	batch  batch
	taken  time.Time // when the last message was taken
	ended  bool
	err    error // why, nil for the end of the log

	feeds   int             // so far
	running map[string]int  // pods by service that there should be, nil if not known
	settled map[string]bool // services whose pods have their numbers
	silent  map[string]*quiet
	held    int // bytes held back

	stalls, seenStalls int // waits for what was added to be taken
	roomWaits          int // adders that wait for it now

	// The decision on held lines.
	settle   *time.Timer
	armed    bool      // the timer runs
	since    time.Time // when the first came since it does
	lastHeld time.Time // when the last came, or could not come
	certain  bool      // what is not known cannot be found out any more
}

// NewMerger returns a Merger for some services, nil if they are not known, and
// replicas, nil for all.
func NewMerger(services []string, replicas []uint32, follow bool) *Merger {
	m := &Merger{
		services: services,
		replicas: replicas,
		follow:   follow,
		ready:    make(chan struct{}, 1),
		doubts:   make(chan struct{}, 1),
		pods:     make(map[string]*pod),
		groups:   make(map[string]*group),
		known:    make(map[string]uint32),
		spoken:   make(map[replica]*pod),
		settled:  make(map[string]bool),
		silent:   make(map[string]*quiet),
	}
	m.room.L = &m.mu
	m.settle = time.AfterFunc(time.Hour, m.tick)
	m.settle.Stop()
	return m
}

// Know has a pod keep the number that it had in an earlier call.
func (m *Merger) Know(pod string, replica uint32) { m.known[pod] = replica }

// pod returns the pod that a line is of, and its text if it is in the usual
// shape. Lines mostly come many from one pod.
func (m *Merger) pod(data []byte, f *Feed) (p *pod, escaped []byte, usual bool, err error) {
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
			return nil, nil, false, ErrLine
		}
	}
	p = m.pods[string(name)]
	if p == nil {
		if p, err = m.meet(name, f); err != nil {
			return nil, nil, false, err
		}
	}
	m.latest = p
	return p, escaped, usual, nil
}

// meet adds a pod that has not been heard of yet.
func (m *Merger) meet(name []byte, f *Feed) (*pod, error) {
	if !isPodName(name) {
		return nil, ErrLine
	}
	if len(m.pods) == MaxPods {
		return nil, rpcerror.New(codes.ResourceExhausted, rpcerror.ReasonProviderProtocol, "the lease's log is of more than %d pods: ask for one service", MaxPods)
	}
	p := &pod{
		name:    string(name),
		service: serviceOf(string(name), m.services),
		prefix:  []byte(lineName + string(name) + lineMessage),
	}
	if m.follow || f.cut || f.tail < 0 || f.tail >= LeastTail {
		p.history = &history{tail: f.tail}
		p.early = m.follow && f.again && f.tail >= 0 && !f.cut
	}
	m.add(p)
	return p, nil
}

// ErrLine is the error of a frame that is not a pod's log line.
var ErrLine = errors.New("the frame is not a log line")

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
		return dst[:start], ErrLine
	}
	return append(append(dst[:start], text...), '\n'), nil
}

// append adds a line of a pod that is known and wanted to the batch.
func (m *Merger) append(p *pod, data, escaped []byte, usual bool) (err error) {
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

// checkStart reports a gap for a pod that started while the log was followed, if its
// first read delivered as many lines as were asked for: there may have been more.
func (m *Merger) checkStart(p *pod) {
	if p.history.lines >= p.history.tail {
		p.early = false
		p.named = p.named && time.Since(p.from.opened) > overlapLimit
	}
}

// Finish ends the merger: with nil because the log has ended, so that what is
// held back is part of it, or with the reason why it broke off. The taker gets
// what was added before.
func (m *Merger) Finish(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	if err == nil {
		m.certain = true
		err = m.decide(true, true)
	}
	m.end(err)
}

func (m *Merger) end(err error) {
	m.ended, m.err = true, err
	m.settle.Stop()
	m.room.Broadcast()
	m.announce(0)
}
