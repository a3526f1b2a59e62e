package client

import (
	"sync"

	"akash-provider-web/wasm/grpcweb"
)

// A Scope limits the life of a call, or of one attempt at it. It ends once, with a cause.
// It replaces context.Context, which together with package time would add a quarter to the
// module's size.
type Scope struct {
	mu    sync.Mutex
	cause *grpcweb.Status
	hooks []*hook
}

type hook struct{ f func() }

// Cause returns why the scope ended, or nil if it has not.
func (s *Scope) Cause() *grpcweb.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// End ends the scope. Later calls do nothing.
func (s *Scope) End(cause *grpcweb.Status) {
	s.mu.Lock()
	var hooks []*hook
	if s.cause == nil {
		s.cause = cause
		hooks, s.hooks = s.hooks, nil
	}
	s.mu.Unlock()
	for _, h := range hooks {
		h.f()
	}
}

// OnEnd arranges for f to be called when the scope ends, or at once if it has ended. f must
// not block. Calling remove cancels it.
func (s *Scope) OnEnd(f func()) (remove func()) {
	h := &hook{f}
	s.mu.Lock()
	ended := s.cause != nil
	if !ended {
		s.hooks = append(s.hooks, h)
	}
	s.mu.Unlock()
	if ended {
		f()
	}
	return func() { s.remove(h) }
}

func (s *Scope) remove(gone *hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, h := range s.hooks {
		if h == gone {
			last := len(s.hooks) - 1
			s.hooks[i], s.hooks[last] = s.hooks[last], nil
			s.hooks = s.hooks[:last]
			return
		}
	}
}

// attempt returns a Scope that ends when s does or, if ms is not 0, after that time unless
// untimed is called first; spent of it have passed. release must be called when the attempt
// is over.
func (s *Scope) attempt(clock Clock, ms, spent int) (attempt *Scope, untimed, release func()) {
	attempt = &Scope{}
	remove := s.OnEnd(func() { attempt.End(s.Cause()) })
	untimed = func() {}
	if ms > 0 {
		untimed = clock.AfterFunc(max(ms-spent, 1), func() { attempt.End(expired(ms)) })
	}
	return attempt, untimed, func() {
		untimed()
		remove()
	}
}

// A Clock tells the time and runs timers.
type Clock interface {
	// Now returns the Unix time in seconds.
	Now() int64
	// AfterFunc calls f once, after ms milliseconds, unless stop is called before.
	AfterFunc(ms int, f func()) (stop func())
}

// sleep waits for ms milliseconds and returns true, or false if the scope ends first. While
// it waits, wake is a function that ends the wait, and may be called once.
func sleep(scope *Scope, clock Clock, ms int, wake *func()) bool {
	over := make(chan bool, 3) // room for all, so that none blocks
	rise := func() { over <- true }
	*wake = rise
	stop := clock.AfterFunc(ms, rise)
	remove := scope.OnEnd(func() { over <- false })
	slept := <-over
	stop()
	remove()
	*wake = nil
	return slept
}
