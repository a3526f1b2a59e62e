// Package fanout lets any number of pages watch one stream of a provider. Every
// stream that is opened costs a real provider memory until it restarts, and a
// dashboard is open in many tabs (proto/akash-provider-api.md, section 1.5): so one is opened for
// all, what it says is handed to each, and it is opened again when it breaks.
//
// It stands between the choice of a provider's connection and the relay, as a
// transport, and does not decode what passes. Deadlines, heartbeats and ends of
// calls stay the relay's.
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
	defaultPatience   = 30 * time.Second
	defaultPause      = 500 * time.Millisecond
	defaultMaxMessage = 4 << 20
)

const (
	// maxPause is the longest time between two attempts to open a stream again.
	maxPause = 15 * time.Second
	// maxLingering bounds the streams that stay open though nobody watches.
	maxLingering = 1000
)

// Options are the settings of a Hub. The zero value of each field asks for its
// default.
type Options struct {
	// Linger is how long a stream stays open after its last watcher has left, for
	// pages that are loaded again; 1 s by default.
	Linger time.Duration
	// Patience is how long a stream may take to open, and how long one that broke
	// may be away before its watchers are told; 30 s by default.
	Patience time.Duration
	// Pause is the time before the first attempt to open a stream again; it doubles
	// with each, to at most 15 s. 0.5 s by default.
	Pause time.Duration
	// MaxMessage is the size of the largest message taken, in bytes; 4 MiB by
	// default.
	MaxMessage int
	// Logger hears of streams that break; by default nobody does.
	Logger *slog.Logger
}

// Hub holds the streams that are watched. Its methods may be called concurrently.
// It keeps one message and one goroutine a stream, and nothing for a stream that
// nobody watches, once it has lingered.
type Hub struct {
	options Options
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	topics    map[topicKey]*topic
	lingering int // topics without a watcher
}

// topicKey names a stream: what is called, and the way there. A transport is made
// for one provider, one host and one decision about its certificate, so watchers
// that share it may share what it brings.
type topicKey struct {
	transport http.RoundTripper
	path      string
}

// New returns a Hub, to be closed in the end.
func New(o Options) *Hub {
	o.Linger = positive(o.Linger, defaultLinger)
	o.Patience = positive(o.Patience, defaultPatience)
	o.Pause = positive(o.Pause, defaultPause)
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

// Close ends all streams, and waits until they have ended.
func (h *Hub) Close() {
	h.mu.Lock()
	h.cancel()
	h.mu.Unlock()
	h.running.Wait()
}

// Through returns a transport whose requests, which must be calls of
// server-streaming methods that tell a state, share one call over upstream for
// each path. The shared call belongs to nobody: of a request only its host and
// path go to the provider, neither its metadata nor its message, which is taken to
// be empty. upstream must be comparable.
//
// The answer to each begins with the latest message that there was. Whoever reads
// more slowly than messages come misses those that were replaced meanwhile, and
// makes nobody wait. An answer ends where the provider ends the stream for good,
// where it cannot be opened again in time, or with its request's context.
func (h *Hub) Through(upstream http.RoundTripper) http.RoundTripper {
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

// join returns the topic of key, with the caller counted among its watchers.
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
	h.rouse(t)
	t.watchers++
	return t, nil
}

// leave counts one watcher off. The last one's topic lingers.
func (t *topic) leave() {
	h := t.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	t.watchers--
	switch {
	case t.watchers > 0 || h.topics[t.key] != t:
	case h.lingering >= maxLingering:
		h.forget(t)
	default:
		h.lingering++
		t.linger = time.AfterFunc(h.options.Linger, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			// Somebody may have come while this waited for the lock.
			if t.watchers == 0 {
				h.forget(t)
			}
		})
	}
}

// rouse ends the lingering of a topic. The lock is held.
func (h *Hub) rouse(t *topic) {
	if t.linger != nil {
		t.linger.Stop()
		t.linger = nil
		h.lingering--
	}
}

// forget takes a topic out of the hub and ends its stream. The lock is held.
func (h *Hub) forget(t *topic) {
	if h.topics[t.key] != t {
		return
	}
	delete(h.topics, t.key)
	h.rouse(t)
	t.cancel()
}

// body is a topic as one watcher reads it.
type body struct {
	topic    *topic
	ctx      context.Context
	response *http.Response
	once     sync.Once

	seen uint64 // the number of the latest message read, or begun
	rest []byte // of that message
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		now := b.topic.now()
		switch {
		case b.ctx.Err() != nil:
			return 0, context.Cause(b.ctx)
		case now.number != b.seen:
			b.rest, b.seen = now.message, now.number
		case now.ended != nil:
			if now.ended.err == nil {
				b.response.Trailer = now.ended.trailer.Clone()
				return 0, io.EOF
			}
			return 0, now.ended.err
		default:
			select {
			case <-now.changed:
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
