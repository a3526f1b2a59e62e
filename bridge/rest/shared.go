package rest

import (
	"context"
	"sync"
	"time"
)

// shared lets calls that poll the same thing share the responses: a provider gets as many
// requests for a hundred streams as for one. Nothing is kept without a watcher.
type shared[T any] struct {
	mu     sync.Mutex
	topics map[topicKey]*topic[T]
}

// topicKey identifies what is polled. Only calls with the same transport, and so the same
// verified certificate, and the same credential share responses.
type topicKey struct {
	transport  any // differs for each decision about a certificate
	credential [32]byte
	path       string
}

// topic is something that is polled.
type topic[T any] struct {
	watchers int           // guarded by shared.mu
	turn     chan struct{} // holds a token during a request
	asked    time.Time
	answer   T
}

// watch adds a watcher of key. The caller must call leave.
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

// look returns a response that is not older than age, and makes a request if there is none.
// An error is returned to its own caller only.
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
