// Package fanout shares one stream of a provider among any number of callers. Each
// stream that is opened costs a real provider memory until its next restart, and
// dashboards are open in many tabs (proto/akash-provider-api.md, section 1.5). So the
// package opens one stream, sends each of its messages to every watcher, and reopens
// the stream when it breaks.
//
// It is an http.RoundTripper between the relay and a provider's transport, and does
// not decode messages. Deadlines, heartbeats and trailers remain the relay's task.
package fanout

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Defaults of Options.
const (
	defaultLinger     = time.Second
	defaultTimeout    = 30 * time.Second
	defaultBackoff    = 500 * time.Millisecond
	defaultMaxMessage = 4 << 20
)

const (
	// maxBackoff bounds the time between two attempts to reopen a stream.
	maxBackoff = 15 * time.Second
	// maxLingering bounds the number of streams that are open without a watcher.
	maxLingering = 1000
)

// Options are the settings of a Hub. Zero values select the defaults.
type Options struct {
	// Linger is how long a stream stays open after its last watcher has left, so that
	// a reloaded page finds it open. Default: 1 s.
	Linger time.Duration
	// Timeout is how long a stream may take to open, and how long a broken one may
	// take to reopen before its watchers receive an error. Default: 30 s.
	Timeout time.Duration
	// Backoff is the delay before the first attempt to reopen a stream. It doubles
	// with each attempt, up to 15 s. Default: 0.5 s.
	Backoff time.Duration
	// MaxMessage is the size limit of a message, in bytes. Default: 4 MiB.
	MaxMessage int
	// Logger logs streams that break. Default: no logging.
	Logger *slog.Logger
}

// Hub holds the shared streams. Its methods may be called concurrently. It uses one
// goroutine and stores one message per stream. It drops a stream that has had no
// watcher for Options.Linger.
type Hub struct {
	options Options
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	topics    map[topicKey]*topic
	lingering int // topics without a watcher
}

// topicKey identifies a stream by its transport and method. A transport belongs to one
// provider, one host and one decision about its certificate, so watchers with the same
// transport may share a stream.
type topicKey struct {
	transport http.RoundTripper
	path      string
}

// New returns a Hub. The caller must close it.
func New(o Options) *Hub {
	o.Linger = positive(o.Linger, defaultLinger)
	o.Timeout = positive(o.Timeout, defaultTimeout)
	o.Backoff = positive(o.Backoff, defaultBackoff)
	if o.MaxMessage <= 0 {
		o.MaxMessage = defaultMaxMessage
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Hub{options: o, topics: make(map[topicKey]*topic)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

func positive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// Close ends all streams and waits until they have ended.
func (h *Hub) Close() {
	h.mu.Lock()
	h.cancel()
	h.mu.Unlock()
	h.running.Wait()
}

// Share returns a transport that makes one call over upstream per path and shares it
// among all requests. The requests must be calls of server-streaming methods whose
// messages each describe a complete state. The shared call belongs to no caller: the
// provider receives the requests' host and path, but neither their metadata nor their
// message, which is assumed to be empty. upstream must be comparable.
//
// The answer to each request begins with the latest message, if there is one. A
// watcher that reads slowly skips messages that newer ones have replaced, and does not
// delay other watchers. An answer ends when the provider ends the stream with a final
// status, when a broken stream cannot be reopened in time, or with its request's
// context.
func (h *Hub) Share(upstream http.RoundTripper) http.RoundTripper {
	return transport{hub: h, upstream: upstream}
}

type transport struct {
	hub      *Hub
	upstream http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	topic, err := t.hub.join(topicKey{t.upstream, r.URL.Path}, r.URL.Host)
	if err != nil {
		return nil, err
	}
	response, err := topic.await(r)
	if err != nil {
		topic.leave()
		return nil, err
	}
	return response, nil
}

// join returns the topic of key and adds a watcher to it.
func (h *Hub) join(key topicKey, host string) (*topic, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return nil, errClosed
	}
	t := h.topics[key]
	if t == nil {
		t = newTopic(h, key, host)
		h.topics[key] = t
		h.running.Go(t.run)
	}
	h.stopLingering(t)
	t.watchers++
	return t, nil
}

// leave removes a watcher. After the last one, the topic lingers.
func (t *topic) leave() {
	h := t.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	t.watchers--
	switch {
	case t.watchers > 0 || h.topics[t.key] != t:
	case h.lingering >= maxLingering:
		h.remove(t)
	default:
		h.lingering++
		t.linger = time.AfterFunc(h.options.Linger, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			// A watcher may have joined while this waited for the lock.
			if t.watchers == 0 {
				h.remove(t)
			}
		})
	}
}

// stopLingering stops the timer of a lingering topic. The caller holds h.mu.
func (h *Hub) stopLingering(t *topic) {
	if t.linger != nil {
		t.linger.Stop()
		t.linger = nil
		h.lingering--
	}
}

// remove removes a topic from the hub and ends its stream. The caller holds h.mu.
func (h *Hub) remove(t *topic) {
	if h.topics[t.key] != t {
		return
	}
	delete(h.topics, t.key)
	h.stopLingering(t)
	t.cancel()
}

// body is the response body of one watcher.
type body struct {
	topic    *topic
	ctx      context.Context
	response *http.Response
	once     sync.Once

	seen uint64 // the number of the latest message that Read has begun to return
	rest []byte // the unread rest of that message
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		current := b.topic.current()
		switch {
		case b.ctx.Err() != nil:
			return 0, context.Cause(b.ctx)
		case current.number != b.seen:
			b.rest, b.seen = current.message, current.number
		case current.ended != nil:
			if current.ended.err == nil {
				b.response.Trailer = current.ended.trailer.Clone()
				return 0, io.EOF
			}
			return 0, current.ended.err
		default:
			select {
			case <-current.changed:
			case <-b.ctx.Done():
			}
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (b *body) Close() error {
	b.once.Do(b.topic.leave)
	return nil
}
