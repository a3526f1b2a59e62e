package provider

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
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
	h2   *http2.Transport //lint:ignore SA1019 see above

	mu    sync.Mutex
	conns []*grpcConn
}

func newGRPCTransport(p *peer) *grpcTransport {
	t := &grpcTransport{peer: p}
	// Windows can be set only by way of an http.Transport.
	settings := &http.Transport{
		DisableCompression:     true,
		IdleConnTimeout:        grpcIdleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
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
	if c, _ := t.best(); c != nil {
		return c, c.fresh(ctx)
	}
	return t.connect(ctx)
}

// best returns the live connection with the fewest streams, and whether it has
// room for another.
func (t *grpcTransport) best() (best *grpcConn, room bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns = slices.DeleteFunc(t.conns, func(c *grpcConn) bool { return !c.h2.CanTakeNewRequest() })
	fewest := 0
	for _, c := range t.conns {
		state := c.h2.State()
		streams := state.StreamsActive + state.StreamsReserved + state.StreamsPending
		if best == nil || streams < fewest {
			best, fewest = c, streams
			room = state.MaxConcurrentStreams == 0 || streams < int(state.MaxConcurrentStreams)
		}
	}
	return best, room
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
	for range maxConns {
		c, room := t.best()
		if c == nil || !room && t.open() < maxConns {
			more, err := t.connect(ctx)
			switch {
			case err == nil:
				c = more
			case c == nil:
				return nil, aboutPeer(t.peer, err)
			}
		}
		if err := c.fresh(ctx); err != nil {
			return nil, aboutPeer(t.peer, err)
		}
		if c.h2.ReserveNewRequest() {
			return c.h2, nil
		}
		t.remove(c) // it ended just now
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

// grpcConn is one HTTP/2 connection.
type grpcConn struct {
	*securedConn
	transport *grpcTransport
	addr      string // host:port
	port      uint16
	h2        *http2.ClientConn

	heard atomic.Int64 // when bytes last came, in Unix nanoseconds
	died  sync.Once

	words []byte     // the server's first; for the reader only
	first chan error // gets the verdict on them

	mu        sync.Mutex
	keepAlive *time.Timer
	ended     bool
	leases    *bool // whether LeaseRPC is AEP-37's; nil if not asked yet
}

// dial opens a connection to a port and makes sure that it speaks HTTP/2.
func (t *grpcTransport) dial(ctx context.Context, port uint16) (*grpcConn, error) {
	rt := t.peer.route
	// Versions 0.7 to 0.8.4 negotiate no protocol, so ALPN is offered but not
	// insisted on (reference section 1.3).
	secured, err := rt.dial(ctx, port, []string{http2.NextProtoTLS}, t.peer.cert)
	if err != nil {
		return nil, err
	}
	c := &grpcConn{
		securedConn: secured,
		transport:   t,
		addr:        net.JoinHostPort(rt.key.host.Host, strconv.Itoa(int(port))),
		port:        port,
		first:       make(chan error, 1),
	}
	if err := c.greet(ctx); err != nil {
		c.Close()
		if t.peer.cert != nil && refusedClient(err) {
			return nil, clientRefused(err)
		}
		return nil, explain(ctx, err, port, "the HTTP/2 greeting")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepAlive = time.AfterFunc(rt.pool.patience.silence, c.ping)
	return c, nil
}

// greet sends the client's preface and waits for the server's (RFC 9113 section
// 3.4). A REST gateway shows the same certificate but answers with HTTP/1.1.
func (c *grpcConn) greet(ctx context.Context) error {
	//lint:ignore SA1019 see grpcTransport
	h2, err := c.transport.h2.NewClientConn(c)
	if err != nil {
		return err
	}
	c.h2 = h2
	timeout := time.NewTimer(c.route.pool.patience.settings)
	defer timeout.Stop()
	select {
	case err := <-c.first:
		return err
	case <-timeout.C:
		return context.DeadlineExceeded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Read implements [net.Conn] for the HTTP/2 reader, which alone calls it.
func (c *grpcConn) Read(b []byte) (int, error) {
	n, err := c.securedConn.Read(b)
	if n > 0 {
		c.heard.Store(time.Now().UnixNano())
	}
	if len(c.words) < frameHeader {
		c.listen(b[:n], err)
	}
	if err != nil && !c.isClosed() {
		c.died.Do(func() {
			c.transport.remove(c)
			c.transport.peer.route.forget()
		})
	}
	return n, err
}

var errNotHTTP2 = errors.New("no HTTP/2 SETTINGS frame came first")

// frameHeader is the length of an HTTP/2 frame's header, RFC 9113 section 4.1.
const frameHeader = 9

// listen judges a server's first words: they must be a SETTINGS frame.
func (c *grpcConn) listen(b []byte, err error) {
	c.words = append(c.words, b[:min(len(b), frameHeader-len(c.words))]...)
	switch w := c.words; {
	case len(w) == frameHeader:
		length := int(w[0])<<16 | int(w[1])<<8 | int(w[2])
		isSettings := http2.FrameType(w[3]) == http2.FrameSettings &&
			!http2.Flags(w[4]).Has(http2.FlagSettingsAck) &&
			w[5]|w[6]|w[7]|w[8] == 0 && // the stream
			length%6 == 0
		err = nil
		if !isSettings {
			err = errNotHTTP2
		}
	case err == nil:
		return // more is to come
	case len(w) > 0:
		err = errNotHTTP2
	}
	select {
	case c.first <- err:
	default: // it was told already
	}
}

// ping asks, if streams are open and the connection is silent, whether it lives.
func (c *grpcConn) ping() {
	if c.isClosed() {
		return
	}
	silent := time.Since(time.Unix(0, c.heard.Load()))
	patience := c.route.pool.patience
	next := patience.silence
	switch {
	case c.h2.State().StreamsActive == 0: // which a provider would punish, too
	case silent < patience.silence:
		next -= silent
	default:
		ctx, cancel := context.WithTimeout(c.route.pool.ctx, patience.pong)
		err := c.h2.Ping(ctx)
		cancel()
		if err != nil {
			c.route.forget()
			c.Close()
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.keepAlive.Reset(next)
	}
}

// Close implements [net.Conn].
func (c *grpcConn) Close() error {
	c.mu.Lock()
	c.ended = true
	if c.keepAlive != nil {
		c.keepAlive.Stop()
	}
	c.mu.Unlock()
	c.transport.remove(c)
	return c.securedConn.Close()
}

// discard closes a connection that lost the race.
func (c *grpcConn) discard() { c.Close() }
