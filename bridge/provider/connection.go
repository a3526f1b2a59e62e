package provider

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"akash-provider-web/bridge/internal/h2"
)

// grpcConn is an HTTP/2 connection.
type grpcConn struct {
	*securedConn
	transport *grpcTransport
	addr      string // host:port
	port      uint16
	h2        *h2.Conn

	streams atomic.Int32 // open streams and those waiting to open

	mu     sync.Mutex
	leases *leaseRPC // nil if not asked yet
	// missing are methods of the SDK's LeaseRPC that the server lists and does not
	// implement.
	missing map[string]bool
}

// dial opens a connection to a port and checks that it speaks HTTP/2.
func (t *grpcTransport) dial(ctx context.Context, port uint16) (*grpcConn, error) {
	rt := t.peer.route
	// Versions 0.7 to 0.8.4 do not negotiate a protocol, so ALPN is offered but not
	// required (proto/akash-provider-api.md, section 1.3).
	secured, err := rt.dial(ctx, port, []string{http2.NextProtoTLS}, t.peer.cert)
	if err != nil {
		return nil, err
	}
	c := &grpcConn{
		securedConn: secured,
		transport:   t,
		addr:        net.JoinHostPort(rt.key.host.Host, strconv.Itoa(int(port))),
		port:        port,
	}
	if err := c.greet(ctx); err != nil {
		c.Close()
		if t.peer.cert != nil && refusedClient(err) {
			return nil, t.peer.cert.refused(rt.pool)
		}
		return nil, explain(ctx, err, port, "the HTTP/2 greeting")
	}
	return c, nil
}

// greet sends the client's preface and waits for the server's (RFC 9113 section
// 3.4). A REST gateway shows the same certificate but answers with HTTP/1.1.
func (c *grpcConn) greet(ctx context.Context) error {
	timeouts := c.route.pool.timeouts
	conn, err := h2.NewConn(c.securedConn, h2.Options{
		Keepalive:        timeouts.silence,
		KeepaliveTimeout: timeouts.pong,
		IdleTimeout:      grpcIdleTimeout,
		OnClose:          c.ended,
	})
	if err != nil {
		return err
	}
	c.h2 = conn
	if c.ConnectionState().NegotiatedProtocol == http2.NextProtoTLS {
		c.transport.announce(c)
	}
	timeout := time.NewTimer(timeouts.settings)
	defer timeout.Stop()
	select {
	case <-conn.Settled():
		return nil
	case <-conn.Done():
		return conn.Err()
	case <-timeout.C:
		return context.DeadlineExceeded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ended is called with the reason when the connection has ended. Unless this side
// closed it, the route's cached information is dropped.
func (c *grpcConn) ended(why error) {
	c.transport.remove(c)
	if errors.Is(why, h2.ErrClosed) || errors.Is(why, net.ErrClosed) || errors.Is(why, h2.ErrNotHTTP2) {
		return
	}
	c.route.invalidate()
}

// Close implements [net.Conn].
func (c *grpcConn) Close() error {
	if c.h2 == nil {
		return c.securedConn.Close()
	}
	return c.h2.Close()
}

// discard closes a connection that is not needed.
func (c *grpcConn) discard() { c.Close() }
