//lint:file-ignore SA1019 see grpcTransport

package provider

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/fault"
	"akash-provider-web/bridge/trust"
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
	// maxAttempts bounds how often a request is sent that was never seen to.
	maxAttempts = 3
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
	return t
}

// RoundTrip implements [http.RoundTripper]. Errors on the way to the provider
// are *fault.Error that name it.
func (t *grpcTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		c, err := t.take(req.Context())
		if err != nil {
			return nil, fault.About(t.peer.route.key.address, codes.Unavailable, err)
		}
		res, err := c.h2.RoundTrip(req)
		if err == nil {
			res.Body = &body{ReadCloser: res.Body, conn: c}
			return res, nil
		}
		c.streams.Add(-1)
		if attempt == maxAttempts || !unsent(err) || req.Context().Err() != nil {
			return nil, err
		}
		if req, err = rewound(req); err != nil {
			return nil, err
		}
	}
}

// unsent tells whether the provider did not see to a request: its connection
// ended before it was sent, or by RFC 9113 sections 6.8 and 8.7 the provider
// itself says so. x/net exports neither of its errors.
func unsent(err error) bool {
	var reset http2.StreamError
	if errors.As(err, &reset) {
		return reset.Code == http2.ErrCodeRefusedStream
	}
	switch err.Error() {
	case "http2: client conn not usable",
		"http2: client conn could not be established",
		"http2: Transport received Server's graceful shutdown GOAWAY":
		return true
	}
	return false
}

var errBodySpent = errors.New("provider: the connection ended, and the request's body cannot be sent again")

// rewound returns a request like req with its body at the beginning.
func rewound(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	if req.GetBody == nil {
		return nil, errBodySpent
	}
	again, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	req = req.WithContext(req.Context())
	req.Body = again
	return req, nil
}

// body counts its stream off its connection when it ends.
type body struct {
	io.ReadCloser
	conn *grpcConn
	once sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.ended()
	}
	return n, err
}

func (b *body) Close() error {
	b.ended()
	return b.ReadCloser.Close()
}

func (b *body) ended() { b.once.Do(func() { b.conn.streams.Add(-1) }) }

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
		// If its certificate has been refused meanwhile, the provider may have
		// another one now.
		if err := c.fresh(ctx); !trust.IsRefusal(err) {
			return c, err
		}
	}
	return t.connect(ctx)
}

// best returns the live connection with the fewest streams, and whether the
// server allows it another. The lock is held.
func (t *grpcTransport) best() (best *grpcConn, room bool) {
	t.conns = slices.DeleteFunc(t.conns, func(c *grpcConn) bool { return !c.h2.CanTakeNewRequest() })
	for _, c := range t.conns {
		if best == nil || c.streams.Load() < best.streams.Load() {
			best = c
		}
	}
	return best, best != nil && best.streams.Load() < best.limit
}

// take returns a connection on which a place for a stream is taken.
func (t *grpcTransport) take(ctx context.Context) (*grpcConn, error) {
	for range 2 * maxConns { // others may be faster, or a connection end
		if _, err := t.conn(ctx); err != nil {
			return nil, err
		}
		if c := t.reserve(); c != nil {
			return c, nil
		}
		if n := t.open(); n > 0 && n < maxConns { // and full
			if _, err := t.connect(ctx); err != nil {
				return nil, err
			}
		}
	}
	return nil, fault.New(codes.Unavailable, fault.ReasonProviderGone, "it accepts connections but ends them at once")
}

// reserve takes a place on the best connection, or returns nil if there is none
// to be had.
func (t *grpcTransport) reserve() *grpcConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, room := t.best()
	switch {
	case c == nil, !room && len(t.conns) < maxConns:
		return nil
	case c.lapsed(), !c.h2.ReserveNewRequest():
		return nil
	}
	c.streams.Add(1)
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
