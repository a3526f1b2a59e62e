package rest

import (
	"context"
	"sync"
	"time"
)

// shared lets calls that watch the same thing look at it together: a provider is
// asked as often for a hundred watchers as for one. Nothing is kept that nobody
// watches.
type shared[T any] struct {
	mu     sync.Mutex
	topics map[topicKey]*topic[T]
}

// topicKey names what is watched. Only calls that reach the provider in the same
// way, and so trust it for the same reason, and that show the same credential
// see each other's answers.
type topicKey struct {
	transport  any // which is the same only for the same decision about a certificate
	credential [32]byte
	path       string
}

// topic is one thing that is watched.
type topic[T any] struct {
	watchers int           // guarded by shared.mu
	turn     chan struct{} // holds a token while somebody asks
	asked    time.Time
	answer   T
}

// watch joins those who watch key. The caller leaves in the end.
func (s *shared[T]) watch(key topicKey) (t *topic[T], leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics == nil {
		s.topics = make(map[topicKey]*topic[T])
	}
	t = s.topics[key]
	if t == nil {
		t = &topic[T]{turn: make(chan struct{}, 1)}
		s.topics[key] = t
	}
	t.watchers++
	return t, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.watchers--; t.watchers == 0 {
			delete(s.topics, key)
		}
	}
}

// look returns an answer that is not older than age, asking for one if there is
// none. A failure is the asker's alone.
func (t *topic[T]) look(ctx context.Context, age time.Duration, ask func(context.Context) (T, error)) (T, error) {
	var none T
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	if !t.asked.IsZero() && time.Since(t.asked) < age {
		return t.answer, nil
	}
	answer, err := ask(ctx)
	if err != nil {
		return none, err
	}
	t.answer, t.asked = answer, time.Now()
	return answer, nil
}
