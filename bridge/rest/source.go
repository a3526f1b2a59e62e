package rest

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"akash-provider-web/bridge/rest/logs"
	"akash-provider-web/bridge/rpcerror"
)

// source is an open socket of logs.
type source struct {
	*socket
	feed     *logs.Feed
	services []string // the services it was opened for; nil for all selected ones
	because  []string // the services that it had to be opened for, a subset of services
	only     string   // the pod whose lines are used; "" for all
	status   *leaseStatus
	tail     int // the requested lines of history; negative for all
	opened   time.Time
	first    bool
	cut      bool // lines are missing before each pod's first line
	replaced bool // a newer source covers the same pods
}

// has reports whether the source includes the logs of a service.
func (s *source) has(name string) bool { return s.services == nil || slices.Contains(s.services, name) }

// names returns the services whose logs the source includes, as far as they are known.
func (s *source) names(f *follower) []string {
	switch {
	case s.services != nil:
		return s.services
	case f.status == nil:
		return nil
	}
	return f.status.selected(f.service)
}

// start opens the first socket. At the same time it requests the lease's status, which
// makes services' names and replicas' numbers more exact. The log does not need it, so a
// token without the scope is enough.
func (f *follower) start(ctx context.Context) (*source, error) {
	s := &source{first: true, tail: f.call.Tail, opened: time.Now()}
	asking, enough := context.WithCancel(ctx)
	defer enough()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		s.status, _ = f.leaseStatus(asking, f.lease)
	}()
	socket, err := f.dial(ctx, ctx, f.route(nil, f.follow, f.call.Tail))
	if err == nil {
		defer time.AfterFunc(f.statusPatience, enough).Stop()
	} else {
		enough()
	}
	<-asked
	s.socket = socket
	if s.status != nil {
		f.merger.Update(s.status.names(), s.status.running(f.service))
	}
	return s, err
}

// route returns the route of the logs of services, or of all selected ones if services is
// nil, with tail lines of history, or all if tail is negative.
func (f *follower) route(services []string, follow bool, tail int) route {
	r := leaseRoute(f.lease, "logs", scopeLogs)
	r.query = url.Values{
		"follow": {strconv.FormatBool(follow)},
		"tail":   {strconv.Itoa(max(tail, -1))},
	}
	if services == nil && f.service != "" {
		services = []string{f.service}
	}
	if services != nil {
		r.query.Set("service", strings.Join(services, ","))
	}
	return r
}

// add starts to read an open source. Sources whose pods it covers are replaced.
func (f *follower) add(s *source, o logs.Opening) {
	for _, old := range f.sources {
		covers := !slices.ContainsFunc(old.names(f), func(name string) bool { return !s.has(name) })
		if s.only == "" && covers || s.only != "" && s.only == old.only {
			old.replaced = true
			o.Replaces = append(o.Replaces, old.feed)
		}
	}
	s.feed = f.merger.Open(o)
	f.sources = append(f.sources, s)
	f.task(func() func() error {
		err := f.move(s)
		return func() error { return f.gone(s, err) }
	})
}

// move passes the lines of a source to the merger until the source ends.
func (f *follower) move(s *source) error {
	for {
		line, err := s.read()
		if err != nil {
			return err
		}
		switch err := s.feed.Add(line); err {
		case nil:
		case logs.ErrLine:
			f.skip(FrameLogLine, line)
		default:
			return err
		}
	}
}

// open opens a socket for services that may have pods which the open sockets do not include.
func (f *follower) open(services []string) { f.openAt(services, logs.ReopenTail, false) }

func (f *follower) openAt(services []string, tail int, cut bool) {
	s := &source{services: services, status: f.status, tail: tail, cut: cut}
	if slices.Equal(services, f.status.selected(f.service)) {
		s.services = nil
	}
	for _, name := range services {
		if w := f.wants[name]; w != nil {
			s.because = append(s.because, name)
		}
	}
	// How many lines a source that is not read to the end still has is unknown, so
	// the whole history is requested then.
	var unread []*source
	for _, old := range f.sources {
		if old.only == "" && slices.ContainsFunc(services, old.has) {
			unread = append(unread, old)
		}
	}
	f.opening++
	f.tasks.Go(func() {
		for _, old := range unread {
			if s.tail >= 0 && !old.drained(f.ctx) {
				s.tail = -1
			}
		}
		var err error
		s.socket, err = f.dial(f.ctx, f.ctx, f.route(s.services, true, s.tail))
		s.opened = time.Now()
		select {
		case f.events <- func() error { return f.openedSource(s, services, err) }:
		case <-f.ctx.Done():
			if err == nil {
				s.close()
			}
		}
	})
}

// openedSource handles the result of opening a source.
func (f *follower) openedSource(s *source, services []string, err error) error {
	f.opening--
	if err != nil {
		for _, name := range services {
			f.later(name)
		}
		switch {
		case f.allCovered(s):
			return nil
		case isReason(err, rpcerror.ReasonUnknownLease) && len(f.sources) == 0:
			return errOver
		}
		return err
	}
	for _, name := range services {
		f.seen[name] = s.status.Services[name]
		delete(f.wants, name)
	}
	f.add(s, logs.Opening{Tail: s.tail, Cut: s.cut})
	return nil
}
