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
	services []string // that it was opened for, nil for all that were selected
	because  []string // those of them that needed it
	only     string   // the only pod that it is read for, "" for all
	status   *leaseStatus
	tail     int // lines of history that were asked for, negative for all
	opened   time.Time
	first    bool
	cut      bool // lines are missing before the first of a pod
	replaced bool // another one takes its place
}

// has reports whether the source has the logs of a service.
func (s *source) has(name string) bool { return s.services == nil || slices.Contains(s.services, name) }

// names are the services that the source has the logs of, as far as they are known.
func (s *source) names(f *follower) []string {
	switch {
	case s.services != nil:
		return s.services
	case f.status == nil:
		return nil
	}
	return f.status.selected(f.service)
}

// start opens the first socket. The lease's status is asked meanwhile; a token
// need not permit it, for it makes names and numbers better and is not required.
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

// route is where the logs of some services are, nil for all that are wanted, with
// tail lines of history, all if negative.
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

// add takes an open source among those that are read.
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

// move moves the lines of a source into the merger until it ends.
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

// open opens a socket for services of which more may have come than the open ones
// have.
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
	// Where it has not all been read, there is no telling how much it is.
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

// openedSource takes a source that was opened, or why it was not.
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
