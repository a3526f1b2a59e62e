package client

import (
	"sync"

	"akash-provider-web/wasm/grpcweb"
)

// A Scope is how long something may go on: a call, or one attempt at it. It ends
// once, for a cause. It does the work of a context.Context, which together with
// package time weighs as much as a quarter of the module.
type Scope struct {
	done   chan struct{}
	parent *Scope

	mu       sync.Mutex
	cause    *grpcweb.Status
	children map[*Scope]struct{}
}

// NewScope returns a Scope that ends when it is told to.
func NewScope() *Scope {
	return &Scope{done: make(chan struct{})}
}

// child returns a Scope that also ends when s does. It must be ended, so that s
// forgets it.
func (s *Scope) child() *Scope {
	c := &Scope{done: make(chan struct{}), parent: s}
	s.mu.Lock()
	cause := s.cause
	if cause == nil {
		if s.children == nil {
			s.children = make(map[*Scope]struct{})
		}
		s.children[c] = struct{}{}
	}
	s.mu.Unlock()
	if cause != nil {
		c.End(cause)
	}
	return c
}

// Done is closed when the scope has ended.
func (s *Scope) Done() <-chan struct{} { return s.done }

// Cause returns why the scope ended, or nil while it goes on.
func (s *Scope) Cause() *grpcweb.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// End ends the scope and those within it. Only the first cause counts.
func (s *Scope) End(cause *grpcweb.Status) {
	s.mu.Lock()
	if s.cause != nil {
		s.mu.Unlock()
		return
	}
	s.cause = cause
	children := s.children
	s.children = nil
	close(s.done)
	s.mu.Unlock()

	for c := range children {
		c.End(cause)
	}
	if s.parent != nil {
		s.parent.mu.Lock()
		delete(s.parent.children, s)
		s.parent.mu.Unlock()
	}
}

// A Clock tells when time has passed.
type Clock interface {
	// AfterFunc calls f once, after so many milliseconds, unless stop is called
	// before.
	AfterFunc(ms int, f func()) (stop func())
}

// sleep waits so many milliseconds, or until the scope ends. It returns false in
// the second case.
func sleep(scope *Scope, clock Clock, ms int) bool {
	over := make(chan struct{})
	stop := clock.AfterFunc(ms, func() { close(over) })
	select {
	case <-over:
		return true
	case <-scope.Done():
		stop()
		return false
	}
}
