package rest

import (
	"context"
	"errors"
	"io"
	"time"

	"akash-provider-web/bridge/rest/logs"
)

// Bounds of a fresh read of a service's log.
const (
	probePatience = 10 * time.Second
	maxProbe      = 16 << 20 // bytes
	// maxReach is how many lines after one that is too long are looked for.
	maxReach = 8192
)

// probe is what a fresh read of a service's log has of each pod.
type probe map[string]probedPod

type probedPod struct {
	lines  int
	last   uint64   // fingerprint
	prints []uint64 // of all lines, for the pod that was asked for
}

// probe reads the last lines of the logs of some services, nil for all that are wanted,
// without following them. The fingerprints of all lines are kept of one pod, "" for
// none.
func (f *follower) probe(ctx context.Context, services []string, tail int, pod string) (probe, error) {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	s, err := f.dial(ctx, ctx, f.route(services, false, tail))
	if err != nil {
		return nil, err
	}
	defer s.close()
	p := make(probe)
	for size := 0; size < maxProbe && len(p) <= logs.MaxPods; {
		line, err := s.read()
		var frame *closed
		switch {
		case err == io.EOF, errors.As(err, &frame) && (frame.code == closeNormal || frame.reason == closeNoPods):
			return p, nil
		case err != nil:
			return nil, err
		}
		size += len(line)
		if name, print, ok := logs.ReadLine(line); ok {
			now := p[name]
			now.lines, now.last = now.lines+1, print
			if name == pod {
				now.prints = append(now.prints, print)
			}
			p[name] = now
		}
	}
	return nil, io.ErrShortBuffer
}

// last are the fingerprints of each pod's last line.
func (p probe) last() map[string]uint64 {
	last := make(map[string]uint64, len(p))
	for name, pod := range p {
		last[name] = pod.last
	}
	return last
}

// lastLines reads the last line of each pod of a service, together with all who watch
// the same.
func (f *follower) lastLines(ctx context.Context, service string, age time.Duration) (probe, error) {
	r := f.route([]string{service}, false, 1)
	topic, leave := f.probes.watch(f.topic(r.path+"?service="+service, scopeLogs))
	defer leave()
	return topic.look(ctx, age, func(ctx context.Context) (probe, error) { return f.probe(ctx, []string{service}, 1, "") })
}

// inspect compares the last lines of a service's pods with what came of them. idle
// says that its log has just ended without anything new.
func (f *follower) inspect(service string, idle bool) {
	if f.probing[service] {
		return
	}
	f.probing[service] = true
	f.task(func() func() error {
		p, err := f.lastLines(f.ctx, service, f.quietInterval/2)
		return func() error {
			delete(f.probing, service)
			return f.inspected(service, idle, p, err)
		}
	})
}

// inspected takes the last lines of a service's pods.
func (f *follower) inspected(service string, idle bool, p probe, err error) error {
	var frame *closed
	switch {
	case errors.As(err, &frame) && frame.code == closeInternal && f.status != nil:
		f.later(service).failed++ // a pod has come that is starting
		return nil
	case err != nil:
		return nil
	}
	last := p.last()
	total := 0
	if f.status != nil {
		total = int(f.status.Services[service].Total)
	}
	fresh, missing := f.merger.Compare(service, last, total, idle)
	for _, name := range fresh {
		if f.status == nil {
			continue
		}
		if !idle && !f.reopened[name] {
			f.reopened[name] = true
			f.want(service)
			continue
		}
		missing = append(missing, name)
	}
	for _, name := range missing {
		_, ok := p[name]
		f.readPast(service, name, ok)
	}
	if idle && len(missing) == 0 && len(p) == 0 && total > 0 {
		// All there is of it is a line that is too long.
		f.openAt([]string{service}, 0, true)
	}
	return nil
}

// resolve finds out what the lines are that nobody knows.
func (f *follower) resolve() {
	for service, pods := range f.merger.Doubtful() {
		f.task(func() func() error {
			p, err := f.lastLines(f.ctx, service, 0)
			return func() error {
				if err != nil {
					f.merger.Believe(service)
					return nil
				}
				for _, name := range pods {
					pod, ok := p[name]
					if f.merger.Resolve(name, pod.last, ok) {
						f.readPast(service, name, ok)
					}
				}
				return nil
			}
		})
	}
}

// readPast has the log of a pod read on after a line that is too long, at which a
// gateway ends it without a word. last says that there is a line after that.
func (f *follower) readPast(service, pod string, last bool) {
	if f.past[pod] {
		return
	}
	f.past[pod] = true
	f.tasks.Go(func() {
		s := &source{services: []string{service}, because: []string{service}, only: pod, status: f.status}
		var err error
		if last {
			var r reach
			r, err = f.reach(f.ctx, s.services, pod, nil)
			s.tail, s.cut = r.lines, !r.whole
		}
		if err == nil {
			s.socket, err = f.dial(f.ctx, f.ctx, f.route(s.services, true, s.tail))
		}
		s.opened = time.Now()
		select {
		case f.events <- func() error { return f.openedPast(s, err) }:
		case <-f.ctx.Done():
			if s.socket != nil {
				s.close()
			}
		}
	})
}

// openedPast takes a source that was opened past a line that is too long.
func (f *follower) openedPast(s *source, err error) error {
	delete(f.past, s.only)
	if err != nil {
		if !f.covered(s.because[0]) {
			f.later(s.because[0])
		}
		return nil // the next look tries again
	}
	if !f.covered(s.because[0]) {
		delete(f.wants, s.because[0])
	}
	if s.tail == 0 {
		f.merger.Lose(s.only)
	}
	f.merger.Abandon(s.only)
	f.add(s, logs.Opening{Tail: s.tail, Only: s.only, Sure: true, Cut: s.cut})
	return nil
}

// reach is how much of the end of a pod's log can be read.
type reach struct {
	lines  int  // of the end, at least 1
	whole  bool // the log has no line that is too long, and no more than these
	joined bool // these lines go on from those that were looked for
}

// reach finds how many of the last lines of a pod's log can be read: all lines after the
// last one that is too long, up to a limit. A read that asks for more lines stops at the
// long one, and the number of lines before it shows its position. The search stops when
// it finds lines that end with end, if end is not empty.
func (f *follower) reach(ctx context.Context, services []string, pod string, end []uint64) (reach, error) {
	good := 0
	for tail := 2; tail <= maxReach; tail *= 2 {
		p, err := f.probe(ctx, services, tail, pod)
		if err != nil {
			return reach{}, err
		}
		n := p[pod].lines
		most := tail - n - 1
		whole := n < tail && most < good
		if (n == tail || whole) && logs.Joins(p[pod].prints, end) {
			return reach{lines: tail, whole: whole, joined: true}, nil
		}
		if n == tail {
			good = tail
			continue
		}
		if whole {
			return reach{lines: tail, whole: true}, nil
		}
		for ask := most; good < ask; ask = (good + most + 1) / 2 {
			if p, err = f.probe(ctx, services, ask, pod); err != nil {
				return reach{}, err
			}
			if n := p[pod].lines; n == ask {
				good = ask
			} else {
				most = ask - n - 1
			}
			if good >= most {
				break
			}
		}
		break
	}
	return reach{lines: max(good, 1)}, nil
}
