package provider

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/h2"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trust"
)

const (
	// grpcIdleTimeout is how long an unused connection stays open.
	grpcIdleTimeout = 2 * time.Minute
	// maxConns bounds the connections of a peer. Providers allow any number of
	// streams on one connection. To a server with a limit, more connections are
	// opened; when they are all full, calls wait within their deadlines.
	maxConns = 4
	// maxAttempts bounds how often a request is sent if it was not processed.
	maxAttempts = 3
)

// grpcTransport sends HTTP/2 requests to a provider's gRPC port over pooled
// connections.
type grpcTransport struct {
	peer *peer

	mu       sync.Mutex
	conns    []*grpcConn
	watchers []chan *grpcConn // each has room for one
}

func newGRPCTransport(p *peer) *grpcTransport { return &grpcTransport{peer: p} }

// RoundTrip implements [http.RoundTripper]. Errors in connecting to the provider are
// *rpcerror.Error and name it.
func (t *grpcTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		c, err := t.acquire(req.Context())
		if err != nil {
			return nil, rpcerror.About(t.peer.route.key.address, codes.Unavailable, err)
		}
		res, err := c.roundTrip(req)
		if err == nil {
			return res, nil
		}
		if attempt == maxAttempts || !h2.Unsent(err) || req.Context().Err() != nil {
			return nil, err
		}
		if req, err = rewind(req); err != nil {
			return nil, err
		}
	}
}

// roundTrip sends a request on a stream that was reserved.
func (c *grpcConn) roundTrip(req *http.Request) (*http.Response, error) {
	res, err := c.h2.RoundTrip(req)
	if err != nil {
		c.streams.Add(-1)
		return nil, err
	}
	if answer, ok := res.Body.(h2.Body); ok {
		res.Body = &body{Body: answer, conn: c}
	} else {
		c.streams.Add(-1)
	}
	return res, nil
}

var errBodySpent = errors.New("provider: the connection ended, and the request's body cannot be resent")

// rewind returns a request like req, with its body at the beginning.
func rewind(req *http.Request) (*http.Request, error) {
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

// body decrements its connection's stream count when it ends.
type body struct {
	h2.Body
	conn *grpcConn
	once sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Body.Read(p)
	if err != nil {
		b.ended()
	}
	return n, err
}

func (b *body) Peek(seen int) ([][]byte, error) {
	pieces, err := b.Body.Peek(seen)
	if err != nil {
		b.ended()
	}
	return pieces, err
}

func (b *body) Close() error {
	b.ended()
	return b.Body.Close()
}

func (b *body) ended() { b.once.Do(func() { b.conn.streams.Add(-1) }) }

// open returns the number of connections.
func (t *grpcTransport) open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

// conn returns a working connection. It opens one if there is none.
func (t *grpcTransport) conn(ctx context.Context) (*grpcConn, error) {
	t.mu.Lock()
	c, _ := t.best()
	t.mu.Unlock()
	if c != nil {
		// If the certificate has been refused meanwhile, the provider may have a new
		// one.
		if err := c.fresh(ctx); !trust.IsRefusal(err) {
			return c, err
		}
	}
	return t.connect(ctx)
}

// ready returns a working connection whose decision has not expired, or nil.
func (t *grpcTransport) ready() *grpcConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, _ := t.best(); c != nil && !c.expired() {
		return c
	}
	return nil
}

// best returns the working connection with the fewest streams, and whether the server
// allows another stream on it. The caller holds t.mu.
func (t *grpcTransport) best() (best *grpcConn, room bool) {
	t.conns = slices.DeleteFunc(t.conns, func(c *grpcConn) bool { return c.h2.MaxStreams() == 0 })
	for _, c := range t.conns {
		if best == nil || c.streams.Load() < best.streams.Load() {
			best = c
		}
	}
	return best, best != nil && int(best.streams.Load()) < best.h2.MaxStreams()
}

// acquire returns a connection with a stream reserved on it.
func (t *grpcTransport) acquire(ctx context.Context) (*grpcConn, error) {
	if t.peer.route.pool.ctx.Err() != nil {
		return nil, errClosed
	}
	for range 2 * maxConns { // other calls may take the stream, or a connection may end
		if _, err := t.conn(ctx); err != nil {
			return nil, err
		}
		if c := t.reserve(); c != nil {
			return c, nil
		}
		if n := t.open(); n > 0 && n < maxConns { // all are full
			if _, err := t.connect(ctx); err != nil {
				return nil, err
			}
		}
	}
	return nil, rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderGone, "it accepts connections but ends them at once")
}

// reserve reserves a stream on the best connection, or returns nil if there is none.
func (t *grpcTransport) reserve() *grpcConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, room := t.best()
	switch {
	case c == nil, !room && len(t.conns) < maxConns:
		return nil
	case c.expired():
		return nil
	}
	c.streams.Add(1)
	return c
}

// connect opens another connection.
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
