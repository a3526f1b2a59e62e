package client

import (
	"sync"

	"akash-provider-web/wasm/grpcweb"
)

// A Scope is how long something may go on: a call, or one attempt at it. It ends
// once, for a cause. It does the work of a context.Context, which together with
// package time weighs as much as a quarter of the module.
type Scope struct {
	mu    sync.Mutex
	cause *grpcweb.Status
	hooks []*hook
}

type hook struct{ f func() }

// Cause returns why the scope ended, or nil while it goes on.
func (s *Scope) Cause() *grpcweb.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// End ends the scope. Only the first cause counts.
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

// OnEnd calls f when the scope ends, at once if it has, unless remove is called
// before. It must not block.
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

// attempt returns a Scope that ends when s does, and where ms is not 0 also when
// that time has passed without untimed having been called. release must be called
// when the attempt is over.
func (s *Scope) attempt(clock Clock, ms int) (attempt *Scope, untimed, release func()) {
	attempt = &Scope{}
	remove := s.OnEnd(func() { attempt.End(s.Cause()) })
	untimed = func() {}
	if ms > 0 {
		untimed = clock.AfterFunc(ms, func() { attempt.End(expired(ms)) })
	}
	return attempt, untimed, func() {
		untimed()
		remove()
	}
}

// A Clock tells the time, and when some has passed.
type Clock interface {
	// Now returns the seconds since 1970.
	Now() int64
	// AfterFunc calls f once, after so many milliseconds, unless stop is called
	// before.
	AfterFunc(ms int, f func()) (stop func())
}

// sleep waits so many milliseconds, or until the scope ends. It returns false in
// the second case.
func sleep(scope *Scope, clock Clock, ms int) bool {
	over := make(chan bool, 2) // room for both, so that neither blocks
	stop := clock.AfterFunc(ms, func() { over <- true })
	remove := scope.OnEnd(func() { over <- false })
	slept := <-over
	stop()
	remove()
	return slept
}
