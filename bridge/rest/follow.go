package rest

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"akash-provider-web/bridge/rest/logs"
	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
)

// maxNoPods is how many times in a row a followed log may have no pods although the
// lease's status has some. The status lags by seconds.
const maxNoPods = 5

// maxFailures is how often in a row a gateway may fail to open the log of a service
// whose pods are all ready, while no other socket has it.
const maxFailures = 3

const (
	// quietInterval is the time between two counts of what pods have written.
	quietInterval = 2 * time.Second
	// proofTime is how long a socket without lines must stay open to count as working.
	proofTime = 3 * time.Second
	// drainInterval is how often a socket that is about to be closed is checked.
	drainInterval = 250 * time.Millisecond
)

// follower reads the logs of a lease into a merger for as long as they go on.
//
// A gateway sends the logs of the pods that run when a socket is opened, and of no
// others; and it fails them all while one pod's container has not started
// (proto/akash-provider-api.md, section 2.8). So the lease's status is looked at from
// time to time, and a new socket is opened where pods may have come. The old one is
// kept until the new one has proved good and the old one has brought all it had. While
// a pod of one service is starting, the other services are read on sockets of their
// own.
type follower struct {
	*exchange
	lease   *marketv1.LeaseID
	service string // the only one wanted, "" for all
	follow  bool
	merger  *logs.Merger
	last    *lastRead // of a log that is not followed, nil if not wanted

	// All that follows belongs to the goroutine that runs the follower.
	ctx     context.Context
	tasks   sync.WaitGroup
	events  chan func() error // what tasks have found out
	sources []*source         // open, the oldest first
	opening int               // sockets that are being opened
	noPods  int               // sockets in a row that had no pods

	status  *leaseStatus // the latest, nil if not known
	looked  time.Time    // when it was asked for
	looking bool
	blind   bool // the token does not permit the status

	seen     map[string]leaseService // each service as of when its pods were known to be read
	wants    map[string]*want        // services that need a new socket
	pauses   map[string]time.Duration
	probing  map[string]bool // services
	past     map[string]bool // pods that are being read past a line
	reopened map[string]bool // pods for which a log was opened again
}

// want is a service that needs a new socket.
type want struct {
	at     time.Time // not before
	since  time.Time
	failed int  // sockets in a row that could not be opened for it
	idle   bool // the last one ended and had brought nothing new
}

// errOver is returned when a followed log has ended.
var errOver = errors.New("the log is over")

// run follows the logs from the first source on until they end, well or not.
func (f *follower) run(ctx context.Context, first *source) error {
	ctx, cancel := context.WithCancel(ctx)
	f.ctx, f.events = ctx, make(chan func() error)
	f.seen, f.wants = make(map[string]leaseService), make(map[string]*want)
	f.pauses, f.probing = make(map[string]time.Duration), make(map[string]bool)
	f.past, f.reopened = make(map[string]bool), make(map[string]bool)
	defer f.tasks.Wait()
	defer func() {
		cancel()
		for _, s := range f.sources {
			s.close()
			s.feed.Close()
		}
	}()
	topic, leave := f.watchLease(f.lease)
	defer leave()
	if f.status = first.status; f.status != nil {
		f.looked = first.opened
		for _, name := range f.status.selected(f.service) {
			f.seen[name] = f.status.Services[name]
		}
	}
	f.add(first, logs.Opening{Tail: first.tail})

	count := time.NewTicker(f.quietInterval)
	defer count.Stop()
	look := time.NewTimer(jitter(f.leaseInterval))
	defer look.Stop()
	soon := time.NewTimer(time.Hour)
	defer soon.Stop()
	for {
		var err error
		select {
		case event := <-f.events:
			err = event()
		case <-count.C:
			f.count()
		case <-look.C:
			f.look(topic, f.leaseInterval/2)
			look.Reset(jitter(f.leaseInterval))
		case <-soon.C:
		case <-f.merger.Doubts():
			f.resolve()
		case <-ctx.Done():
			return ctx.Err()
		}
		f.drain()
		if err == nil {
			err = f.try(topic)
		}
		if err == errOver {
			return nil
		}
		if err != nil {
			return err
		}
		soon.Reset(f.untilSoon())
	}
}

// task runs work and then, among the events, what it returns.
func (f *follower) task(work func() func() error) {
	f.tasks.Go(func() {
		then := work()
		select {
		case f.events <- then:
		case <-f.ctx.Done():
		}
	})
}

// untilSoon is how long there is nothing to do without an event.
func (f *follower) untilSoon() time.Duration {
	d := time.Hour
	for _, s := range f.sources {
		if s.replaced {
			d = drainInterval
		}
	}
	if f.busy() {
		return d // try waits for that
	}
	for name, w := range f.wants {
		if f.probing[name] {
			continue
		}
		d = min(d, max(time.Until(w.at), time.Millisecond))
	}
	return d
}

// look asks the lease's status, unless an answer is younger than age.
func (f *follower) look(topic *topic[*leaseStatus], age time.Duration) {
	if f.looking || f.blind {
		return
	}
	f.looking = true
	asked := time.Now()
	f.task(func() func() error {
		status, err := topic.look(f.ctx, age, f.asksLease(f.lease))
		return func() error {
			f.looking = false
			return f.found(status, err, asked)
		}
	})
}

// found takes the lease's status, or why there is none.
func (f *follower) found(status *leaseStatus, err error, asked time.Time) error {
	if err != nil {
		// What cannot be known is not waited for: the lease was closed, or the token
		// permits logs and not the status.
		f.blind = isReason(err, rpcerror.ReasonScopeMissing)
		ends := f.blind || isReason(err, rpcerror.ReasonUnknownLease)
		switch {
		case len(f.sources) > 0 || f.opening > 0:
			f.postpone() // who reads the sockets notices if it is more than a bad moment
			return nil
		case ends:
			return errOver
		}
		return err
	}
	first := f.status == nil
	f.status, f.looked = status, asked
	f.merger.Update(status.names(), status.running(f.service))
	if w := f.wants[""]; w != nil {
		delete(f.wants, "")
		for _, name := range status.selected(f.service) {
			f.wants[name] = &want{since: w.since}
		}
	}
	for _, name := range status.selected(f.service) {
		now := status.Services[name]
		before, known := f.seen[name]
		switch {
		case first && f.covered(name), f.wants[name] != nil:
		case !known && now.Total > 0 || known && now.grew(before):
			f.want(name)
			continue // compared with what is read until that is changed
		}
		f.seen[name] = now
	}
	return nil
}

// postpone puts off what waits for the status.
func (f *follower) postpone() {
	for name := range f.wants {
		f.later(name)
	}
}

// want notes that a service needs a new socket, now.
func (f *follower) want(name string) *want {
	w := f.wants[name]
	if w == nil {
		w = &want{since: time.Now()}
		f.wants[name] = w
	}
	return w
}

// later puts off a new socket for a service.
func (f *follower) later(name string) *want {
	w := f.want(name)
	w.at = time.Now().Add(jitter(f.pauses[name]))
	f.pauses[name] = min(max(2*f.pauses[name], f.leaseInterval/5), 2*f.leaseInterval)
	return w
}

// covered reports whether an open socket has the logs of a service.
func (f *follower) covered(name string) bool {
	return slices.ContainsFunc(f.sources, func(s *source) bool { return s.has(name) })
}

// busy reports whether something is under way that may change what is needed.
func (f *follower) busy() bool { return f.opening > 0 || f.looking || len(f.past) > 0 }

// try opens the sockets that are needed. It returns errOver when nothing is followed
// any more, and will not be.
func (f *follower) try(topic *topic[*leaseStatus]) error {
	if f.busy() {
		return nil // one after the other
	}
	var ready []string
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(f.wants)) {
		w := f.wants[name]
		if w.at.After(now) || f.probing[name] {
			continue
		}
		if f.looked.Before(w.since) || f.looked.Before(w.at) {
			if f.blind {
				clear(f.wants) // what would be needed cannot be known
				return f.over()
			}
			f.look(topic, 0)
			return nil
		}
		service, covered := f.status.Services[name], f.covered(name)
		starting := len(f.status.starting(name)) > 0
		switch {
		case !covered && service.Total == 0:
			delete(f.wants, name)
		case !covered && service.Available == 0, w.failed > 0 && starting:
			f.later(name)
		case !covered && w.failed >= maxFailures:
			return f.closed(f.ctx, &closed{code: closeInternal})
		case w.idle:
			w.idle = false
			f.inspect(name, true)
		default:
			ready = append(ready, name)
		}
	}
	if len(ready) == 0 {
		return f.over()
	}
	// The sockets that have these services are replaced whole, so that nothing is
	// sent twice for long; not while a pod of another service keeps that from working.
	whole := slices.Clone(ready)
	for _, s := range f.sources {
		if slices.ContainsFunc(ready, s.has) {
			whole = append(whole, s.names(f)...)
		}
	}
	slices.Sort(whole)
	whole = slices.Compact(whole)
	if slices.ContainsFunc(whole, func(name string) bool { return len(f.status.starting(name)) > 0 }) {
		for _, name := range ready {
			f.open([]string{name})
		}
		return nil
	}
	f.open(whole)
	return nil
}

// over returns errOver if nothing is followed and nothing will be.
func (f *follower) over() error {
	if len(f.sources) == 0 && f.opening == 0 && len(f.past) == 0 && len(f.probing) == 0 && (len(f.wants) == 0 || f.blind) {
		return errOver
	}
	return nil
}

// gone takes note of the end of a source, and why.
func (f *follower) gone(s *source, err error) error {
	if !f.remove(s) {
		return nil // it was closed here
	}
	if time.Since(s.opened) > 2*f.leaseInterval {
		clear(f.pauses)
	}
	var frame *closed
	switch {
	case errors.As(err, &frame) && frame.code != closeNormal:
		return f.refused(s, frame)
	case frame == nil && err != io.EOF:
		if !s.feed.Proved() && f.allCovered(s) {
			f.retry(s)
			return nil
		}
		return err
	}
	f.noPods = 0
	if f.status == nil && !f.blind {
		// Which services there are is not known.
		f.want("")
		return nil
	}
	for _, name := range s.names(f) {
		if !f.covered(name) {
			f.later(name).idle = s.feed.News() == 0
		}
	}
	if f.blind {
		return f.over()
	}
	return nil
}

// allCovered reports whether other sockets have all that s had.
func (f *follower) allCovered(s *source) bool {
	return !slices.ContainsFunc(s.names(f), func(name string) bool { return !f.covered(name) })
}

// retry has another socket be opened in the place of s, which did not work.
func (f *follower) retry(s *source) {
	for _, name := range s.names(f) {
		f.later(name)
	}
}

// refused takes the close frame of a source.
func (f *follower) refused(s *source, frame *closed) error {
	covered := f.allCovered(s) && len(f.sources) > 0
	if s.first && !covered {
		if !s.feed.Proved() && frame.code == closeInternal && frame.reason != closeNoPods && f.split() {
			return nil
		}
		return f.closed(f.ctx, frame)
	}
	switch {
	case frame.code == closeNotFound && !covered:
		return errOver // the lease was closed
	case frame.code == closeInternal && frame.reason == closeNoPods:
		if f.noPods++; f.noPods >= maxNoPods && !covered {
			return errOver
		}
		f.retry(s)
	case frame.code == closeInternal && !s.feed.Proved():
		for _, name := range s.names(f) {
			if !covered || f.status != nil && len(f.status.starting(name)) > 0 || f.wanted(s, name) {
				f.later(name).failed++
			}
		}
	case covered:
		f.retry(s)
	default:
		return f.closed(f.ctx, frame)
	}
	return nil
}

// wanted reports whether s was opened because of this service.
func (f *follower) wanted(s *source, name string) bool { return slices.Contains(s.because, name) }

// split has the services read that can be, each on a socket of its own, where the
// first one failed because pods of others are starting. It reports whether there are
// any.
func (f *follower) split() bool {
	status, err := f.leaseStatus(f.ctx, f.lease)
	if err != nil {
		return false
	}
	all, starting := status.selected(f.service), status.starting(f.service)
	if len(starting) == 0 || len(starting) == len(all) {
		return false
	}
	f.status, f.looked = status, time.Now()
	f.merger.Update(status.names(), status.running(f.service))
	for _, name := range all {
		f.seen[name] = status.Services[name]
		if slices.Contains(starting, name) {
			f.later(name).failed++
			continue
		}
		f.openAt([]string{name}, f.call.Tail, false)
	}
	return true
}

// drain closes the sources whose places others have taken, once they have brought
// all they had.
func (f *follower) drain() {
	for _, s := range slices.Clone(f.sources) {
		if s.replaced && s.feed.Drained() {
			f.remove(s)
		}
	}
}

// remove closes a source and reports whether it was open.
func (f *follower) remove(s *source) bool {
	i := slices.Index(f.sources, s)
	s.close()
	s.feed.Close()
	if i < 0 {
		return false
	}
	f.sources = slices.Delete(f.sources, i, i+1)
	return true
}

// count has a look at the pods that have been quiet for long.
func (f *follower) count() {
	for _, s := range f.sources {
		if time.Since(s.opened) > proofTime && !s.feed.Proved() {
			s.feed.Prove()
		}
	}
	for _, name := range f.merger.Quiet() {
		if f.wants[name] == nil && f.opening == 0 && (f.service == "" || f.service == name) && f.covered(name) {
			f.inspect(name, false)
		}
	}
}
