package fake

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Streams counts calls by full gRPC method, such as
// /akash.provider.v1.ProviderRPC/GetStatus, or by REST route, such as GET /status.
type Streams struct {
	Open  map[string]int `json:"open"`
	Total map[string]int `json:"total"`
	// Cancelled counts the calls that the caller canceled, or whose deadline passed.
	Cancelled map[string]int `json:"cancelled"`
}

// Request is a call as received by a provider.
type Request struct {
	Method   string `json:"method"`
	Protocol string `json:"protocol"` // "grpc", "rest" or "ws"
	// Authorization and ClientCert say which credentials the call had.
	Authorization bool `json:"authorization"`
	ClientCert    bool `json:"clientCert"`
	// Metadata has the names of all headers, sorted.
	Metadata []string `json:"metadata"`
	// Traceparent is the trace that a gRPC call belongs to, or "".
	Traceparent string `json:"traceparent,omitempty"`
}

// keptRequests bounds the recorded requests; older ones are dropped.
const keptRequests = 4096

// counters counts and records calls.
type counters struct {
	mu       sync.Mutex
	streams  Streams
	requests []Request
	oldest   int // index of the oldest request, once the buffer is full
}

func newCounters() *counters {
	return &counters{streams: Streams{
		Open: map[string]int{}, Total: map[string]int{}, Cancelled: map[string]int{},
	}}
}

// open counts a call as open until done is called or ctx ends, whichever is first. In
// the latter case it counts as canceled.
func (c *counters) open(ctx context.Context, method string) (done func()) {
	c.mu.Lock()
	c.streams.Open[method]++
	c.streams.Total[method]++
	c.mu.Unlock()
	end := sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.streams.Open[method]--
		if ctx.Err() != nil {
			c.streams.Cancelled[method]++
		}
	})
	stop := context.AfterFunc(ctx, end)
	return func() {
		stop()
		end()
	}
}

// record records a request for tests.
func (c *counters) record(r Request) {
	slices.Sort(r.Metadata)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.requests) < keptRequests {
		c.requests = append(c.requests, r)
		return
	}
	c.requests[c.oldest] = r
	c.oldest = (c.oldest + 1) % keptRequests
}

// snapshot returns a copy of the counts.
func (c *counters) snapshot() Streams {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Streams{
		Open:      maps.Clone(c.streams.Open),
		Total:     maps.Clone(c.streams.Total),
		Cancelled: maps.Clone(c.streams.Cancelled),
	}
}

// seen returns the recorded requests, oldest first.
func (c *counters) seen() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Request, 0, len(c.requests)) // not nil, which would be null in JSON
	return append(append(all, c.requests[c.oldest:]...), c.requests[:c.oldest]...)
}
