//lint:file-ignore SA1019 see grpcTransport

package provider

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/fault"
)

const (
	// grpcIdleTimeout is how long an unused connection is kept.
	grpcIdleTimeout = 2 * time.Minute
	// writeTimeout is how long a provider may refuse to read.
	writeTimeout = 20 * time.Second
	// maxConns bounds the connections of one peer. Providers allow any number of
	// streams on one; to a server that does not, some more are opened, and when
	// they are full too, calls wait their turn within their deadlines.
	maxConns = 4
	// maxGRPCHeaderBytes bounds the headers, and the trailers, of an answer. It is
	// more than the relay takes, which can tell the page what is wrong; what is
	// larger still ends the connection.
	maxGRPCHeaderBytes = 256 << 10
	// streamWindow and connWindow are how far a provider may run ahead of the
	// browser, per stream and in all. The second leaves room for many stalled
	// streams beside a lively one.
	streamWindow = 512 << 10
	connWindow   = 64 << 20
)

// grpcTransport sends HTTP/2 requests to a provider's gRPC port over pooled
// connections.
//
// It stands on x/net's transport and not on [http.Transport.NewClientConn],
// which x/net recommends instead, for the latter can keep a connection alive
// only by pings that also go out when it is idle.
type grpcTransport struct {
	peer *peer
	h2   *http2.Transport

	mu    sync.Mutex
	conns []*grpcConn
}

func newGRPCTransport(p *peer) *grpcTransport {
	t := &grpcTransport{peer: p}
	// Windows can be set only by way of an http.Transport.
	settings := &http.Transport{
		DisableCompression:     true,
		IdleConnTimeout:        grpcIdleTimeout,
		MaxResponseHeaderBytes: maxGRPCHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connWindow,
			StrictMaxConcurrentRequests:   true,
			WriteByteTimeout:              writeTimeout,
		},
	}
	var err error
	t.h2, err = http2.ConfigureTransports(settings)
	if err != nil {
		panic(err) // only if settings were configured before
	}
	t.h2.ConnPool = (*h2Pool)(t)
	return t
}

// RoundTrip implements [http.RoundTripper]. Errors on the way to the provider
// are *fault.Error.
func (t *grpcTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.h2.RoundTrip(req)
}

// open counts the connections.
func (t *grpcTransport) open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

// conn returns a live connection, a new one if there is none.
func (t *grpcTransport) conn(ctx context.Context) (*grpcConn, error) {
	t.mu.Lock()
	c, _ := t.best()
	t.mu.Unlock()
	if c != nil {
		return c, c.fresh(ctx)
	}
	return t.connect(ctx)
}

// best returns the live connection with the fewest streams, and whether the
// server allows it another. The lock is held.
func (t *grpcTransport) best() (best *grpcConn, room bool) {
	t.conns = slices.DeleteFunc(t.conns, func(c *grpcConn) bool { return !c.h2.CanTakeNewRequest() })
	fewest := 0
	for _, c := range t.conns {
		state := c.h2.State()
		streams := state.StreamsActive + state.StreamsReserved + state.StreamsPending
		if best == nil || streams < fewest {
			best, fewest, room = c, streams, streams < int(state.MaxConcurrentStreams)
		}
	}
	return best, room
}

// reserve takes a place for a stream on the best connection, or returns nil if
// another connection should be opened.
func (t *grpcTransport) reserve() *grpcConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, room := t.best()
	if c == nil || !room && len(t.conns) < maxConns || !c.h2.ReserveNewRequest() {
		return nil
	}
	return c
}

// connect opens one more connection.
func (t *grpcTransport) connect(ctx context.Context) (*grpcConn, error) {
	return share(ctx, t.peer.route, "grpc/"+t.peer.id, func(ctx context.Context) (*grpcConn, error) {
		c, err := t.find(ctx)
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.conns = append(t.conns, c)
		return c, nil
	})
}

func (t *grpcTransport) remove(c *grpcConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns = slices.DeleteFunc(t.conns, func(x *grpcConn) bool { return x == c })
}

// h2Pool is a grpcTransport as x/net's transport sees it.
type h2Pool grpcTransport

// GetClientConn returns a connection on which a stream is reserved.
func (p *h2Pool) GetClientConn(req *http.Request, _ string) (*http2.ClientConn, error) {
	t, ctx := (*grpcTransport)(p), req.Context()
	for range 2 * maxConns { // others may be faster, or a connection end
		if _, err := t.conn(ctx); err != nil {
			return nil, aboutPeer(t.peer, err)
		}
		if c := t.reserve(); c != nil {
			return c.h2, nil
		}
		if t.open() > 0 { // and full
			if _, err := t.connect(ctx); err != nil {
				return nil, aboutPeer(t.peer, err)
			}
		}
	}
	return nil, aboutPeer(t.peer, fault.New(codes.Unavailable, fault.ReasonProviderGone, "it accepts connections but ends them at once"))
}

func aboutPeer(p *peer, err error) error {
	return fault.About(p.route.key.address, codes.Unavailable, err)
}

// MarkDead drops a connection.
func (p *h2Pool) MarkDead(dead *http2.ClientConn) {
	t := (*grpcTransport)(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns = slices.DeleteFunc(t.conns, func(c *grpcConn) bool { return c.h2 == dead })
}
