package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"sync"
	"time"

	"akash-provider-web/bridge/internal/coalesce"
	"akash-provider-web/bridge/internal/happyeyeballs"
	"akash-provider-web/bridge/trust"
)

const (
	// addressHeadStart is what one address of a host has over the next, the
	// Connection Attempt Delay of RFC 8305 section 5.
	addressHeadStart = 250 * time.Millisecond
	// recheckPause is how long to wait before judging a certificate again if it
	// could not be judged.
	recheckPause = 30 * time.Second
	// closePatience is how long a close may try to say goodbye to the peer.
	closePatience = 250 * time.Millisecond
)

// patience is how long a provider may take.
type patience struct {
	connect   time.Duration // for a TCP connection to one address
	handshake time.Duration // for a TLS handshake, in which the chain is asked
	settings  time.Duration // for its first words of HTTP/2; gRPC servers say them at once
	ports     time.Duration // for any port to speak gRPC, while its gateway answers
	version   time.Duration // for its version, with all that it takes to ask
	silence   time.Duration // on a connection with open streams before it is pinged
	pong      time.Duration // for the answer to that
}

// standardPatience holds the defaults. Providers punish pings that come more
// often than every 30 s (proto/akash-provider-api.md, section 1.2).
var standardPatience = patience{
	connect:   5 * time.Second,
	handshake: 8 * time.Second,
	settings:  5 * time.Second,
	ports:     portSilence,
	version:   8 * time.Second,
	silence:   40 * time.Second,
	pong:      15 * time.Second,
}

// dial connects to a port of the route's host over TLS. When it returns, the
// server's certificate has been accepted; before that, not a byte was sent but
// the handshake's, nor is the client's certificate shown earlier (TLS 1.3,
// RFC 8446 section 4.4.2).
func (rt *route) dial(ctx context.Context, port uint16, protocols []string, client *clientCert) (*securedConn, error) {
	addresses, err := rt.addresses(ctx)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{
		Timeout:        rt.pool.patience.connect,
		ControlContext: rt.pool.destinations.Control,
	}
	raw, errs := happyeyeballs.First(ctx, addressHeadStart, addresses, func(ctx context.Context, a netip.Addr) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, port).String())
	}, func(c net.Conn) { c.Close() })
	if len(errs) > 0 {
		return nil, explain(ctx, errs[0], port, "the TCP connection")
	}
	conn, err := rt.secure(ctx, raw, protocols, client)
	if err != nil {
		raw.Close()
		return nil, explain(ctx, err, port, "the TLS handshake")
	}
	return conn, nil
}

// secure does the TLS handshake and, in it, has the certificate judged.
func (rt *route) secure(ctx context.Context, raw net.Conn, protocols []string, client *clientCert) (*securedConn, error) {
	ctx, cancel := context.WithTimeout(ctx, rt.pool.patience.handshake)
	defer cancel()

	conn := &securedConn{route: rt}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, // proto/akash-provider-api.md, section 1.3
		NextProtos: protocols,
		ServerName: rt.key.host.Host,
		// The certificate is judged below, by other rules than crypto/tls knows.
		// There is no session cache, so no session is resumed; and were there one,
		// VerifyConnection is called all the same.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			decision, err := rt.pool.verifier.Decide(ctx, state.PeerCertificates, rt.policy)
			conn.certs, conn.decision = state.PeerCertificates, decision
			return err
		},
	}
	if client != nil {
		// With SNI a provider may serve its CA certificate, and then it asks for no
		// client certificate (proto/akash-provider-api.md, section 1.3).
		config.ServerName = ""
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			client.asked.Store(true)
			return client.pair, nil
		}
	}
	conn.Conn = tls.Client(coalesce.NewConn(raw), config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	conn.watch()
	rt.pool.log.Debug("connected to a provider", "provider", rt.key.address, "at", raw.RemoteAddr(), "verified", conn.decision.Basis)
	return conn, nil
}

// securedConn is a TLS connection to a server whose certificate was accepted,
// and still is: a decision that lapses is taken again, and if the certificate
// has been revoked meanwhile the connection closes.
type securedConn struct {
	*tls.Conn
	route *route
	certs []*x509.Certificate
	// unwatch ends the wait for the pool's end.
	unwatch func() bool

	mu       sync.Mutex
	decision trust.Decision
	recheck  *time.Timer
	closed   bool
}

// coalesce lets reads wait for more data where much comes, as for the lines of a log.
func (c *securedConn) coalesce() { c.NetConn().(*coalesce.Conn).Coalesce() }

// watch closes the connection with its pool and keeps its decision fresh.
func (c *securedConn) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unwatch = context.AfterFunc(c.route.pool.ctx, func() { c.Close() })
	c.recheck = time.AfterFunc(c.decision.Until.Sub(c.route.pool.now()), func() {
		ctx, cancel := context.WithTimeout(c.route.pool.ctx, c.route.pool.patience.handshake)
		defer cancel()
		pause := recheckPause
		if c.fresh(ctx) == nil {
			pause = max(pause, c.current().Until.Sub(c.route.pool.now()))
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closed {
			c.recheck.Reset(pause)
		}
	})
}

// fresh returns nil if the certificate may be trusted now. It closes the
// connection if the certificate is refused. If it merely cannot be judged,
// streams that are open go on but new ones must not begin.
func (c *securedConn) fresh(ctx context.Context) error {
	if !c.lapsed() {
		return nil
	}
	decision, err := c.route.pool.verifier.Decide(ctx, c.certs, c.route.policy)
	if err != nil {
		if trust.IsRefusal(err) {
			c.route.pool.log.Warn("provider's certificate is no longer accepted", "provider", c.route.key.address, "error", err)
			c.Close()
		}
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.decision = decision
	return nil
}

// lapsed tells whether the decision must be taken again.
func (c *securedConn) lapsed() bool {
	return !c.route.pool.now().Before(c.current().Until)
}

func (c *securedConn) current() trust.Decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.decision
}

// Close closes the connection, with a word to the peer if it listens.
func (c *securedConn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.recheck.Stop()
	c.mu.Unlock()
	c.unwatch()
	abrupt := time.AfterFunc(closePatience, func() { c.NetConn().Close() })
	defer abrupt.Stop()
	return c.Conn.Close()
}
