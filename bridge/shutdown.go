package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"akash-provider-web/bridge/relay"
)

const (
	// probeLifetime is how long a load balancer that has asked /readyz is expected to
	// ask again.
	probeLifetime = time.Minute
	// interruptTimeout bounds --drain-timeout where a person ends the bridge, and waits.
	interruptTimeout = 5 * time.Second
	// cutoffGrace is how long the answers of calls that are cut off may take to leave,
	// first those of duplex calls, then the others.
	cutoffGrace = 500 * time.Millisecond
)

// shutdown has the stages in which the bridge stops. Each is a context that is canceled
// when the stage begins.
type shutdown struct {
	// asked: the bridge was asked to stop. It still serves, but /readyz fails.
	asked context.Context
	// streams: streams are ended, so that their clients go on with another bridge.
	streams    context.Context
	endStreams context.CancelFunc
	// duplex: duplex calls that have not ended are cut off.
	duplex    context.Context
	endDuplex context.CancelFunc
	// requests: all other calls are. It is the parent of all requests' contexts, those of
	// WebSockets among them, whose answers need them until they have left.
	requests    context.Context
	endRequests context.CancelCauseFunc

	lastProbe atomic.Int64 // when /readyz was asked, in nanoseconds; 0 if never
}

func newShutdown(asked context.Context) *shutdown {
	s := &shutdown{asked: asked}
	s.streams, s.endStreams = context.WithCancel(context.Background())
	s.duplex, s.endDuplex = context.WithCancel(context.Background())
	s.requests, s.endRequests = context.WithCancelCause(context.Background())
	return s
}

// probed records that /readyz was asked.
func (s *shutdown) probed() { s.lastProbe.Store(time.Now().UnixNano()) }

// watched reports whether a load balancer seems to ask /readyz.
func (s *shutdown) watched() bool {
	last := s.lastProbe.Load()
	return last != 0 && time.Since(time.Unix(0, last)) < probeLifetime
}

// drain ends the bridge's calls in stages: first /readyz fails while everything is
// served, until a load balancer has had time to notice; then streams end, and other
// calls may finish; at last what remains is cut off. servers are the one for calls and, if
// there is one, that for metrics.
func (s *server) drain(servers []*http.Server) {
	began, timeout, delay := time.Now(), s.config.drainTimeout, time.Duration(0)
	switch {
	case context.Cause(s.end.asked) != errTerminated:
		timeout = min(timeout, interruptTimeout)
	case s.end.watched() || s.limits.Open() > 0:
		delay = min(s.config.drainDelay, timeout)
	}
	s.log.Info("shutting down", "open", s.limits.Open(), "delay", delay.String(), "timeout", timeout.String())
	if delay > 0 {
		// Clients that keep connections open make new ones, which a balancer can send
		// elsewhere.
		servers[0].SetKeepAlivesEnabled(false)
		time.Sleep(delay)
	}
	s.end.endStreams()

	ctx, cancel := context.WithDeadline(context.Background(), began.Add(timeout))
	defer cancel()
	var ended sync.WaitGroup
	ended.Go(func() { _ = servers[0].Shutdown(ctx) })
	// Shutdown does not wait for WebSockets and other hijacked connections.
	done := make(chan struct{})
	go func() { s.calls.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		if open := s.limits.Open(); open > 0 {
			s.log.Warn("calls are cut off", "open", open, "after", timeout.String())
		}
		for _, cut := range []func(){s.end.endDuplex, func() { s.end.endRequests(relay.Stopped()) }} {
			cut()
			select {
			case <-done:
			case <-time.After(cutoffGrace):
			}
		}
	}
	ended.Wait()
}
