package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"akash-provider-web/bridge/internal/coalesce"
	"akash-provider-web/bridge/internal/happyeyeballs"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trace"
	"akash-provider-web/bridge/trust"
)

const (
	// addressHeadStart is the head start of each address of a host over the next: the
	// Connection Attempt Delay of RFC 8305, section 5.
	addressHeadStart = 250 * time.Millisecond
	// recheckDelay is the delay before a certificate that could not be verified is
	// verified again.
	recheckDelay = 30 * time.Second
	// closeTimeout bounds the TLS closing alert.
	closeTimeout = 250 * time.Millisecond
)

// timeouts are the limits for a provider's answers.
type timeouts struct {
	connect   time.Duration // TCP connection to one address
	handshake time.Duration // TLS handshake, including queries to the chain
	settings  time.Duration // HTTP/2 SETTINGS frame, which gRPC servers send at once
	ports     time.Duration // any port to speak gRPC, if the REST gateway answers
	version   time.Duration // request for the version, including the connection
	head      time.Duration // request for the version, once the gRPC port has answered
	silence   time.Duration // silence on a connection with open streams before a ping
	pong      time.Duration // answer to a ping
}

// defaultTimeouts are the defaults. Providers close connections with more pings than
// one every 30 s (proto/akash-provider-api.md, section 1.2).
var defaultTimeouts = timeouts{
	connect:   5 * time.Second,
	handshake: 8 * time.Second,
	settings:  5 * time.Second,
	ports:     portSilence,
	version:   8 * time.Second,
	head:      versionHeadStart,
	silence:   40 * time.Second,
	pong:      15 * time.Second,
}

// dial connects to a port of the route's host with TLS. When it returns, the server's
// certificate has been accepted. Until then nothing but the handshake is sent, and the
// client's certificate is not sent earlier either (TLS 1.3, RFC 8446, section 4.4.2).
func (rt *route) dial(ctx context.Context, port uint16, protocols []string, client *clientCert) (*securedConn, error) {
	span := trace.Begin(ctx, trace.Client, "connect to provider")
	span.Set("server.address", rt.key.host.Host)
	span.SetInt("server.port", int64(port))
	conn, err := rt.connect(ctx, port, protocols, client)
	if err == nil {
		span.Set("akash.verified", string(conn.current().Basis))
	}
	endSpan(span, err)
	return conn, err
}

// endSpan ends a span of work that ended with err.
func endSpan(span *trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		var known *rpcerror.Error
		if errors.As(err, &known) {
			span.Set("akash.reason", string(known.Reason))
			span.Fail(known.Message)
		} else {
			span.Fail("failed")
		}
	}
	span.End()
}

// connect is dial without its span.
func (rt *route) connect(ctx context.Context, port uint16, protocols []string, client *clientCert) (*securedConn, error) {
	addresses, err := rt.addresses(ctx)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{
		Timeout:        rt.pool.timeouts.connect,
		ControlContext: rt.pool.allow,
	}
	raw, errs := happyeyeballs.First(ctx, addressHeadStart, addresses, func(ctx context.Context, a netip.Addr) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, port).String())
	}, func(c net.Conn) { c.Close() })
	if len(errs) > 0 {
		return nil, explain(ctx, errs[0], port, "the TCP connection")
	}
	began := time.Now()
	conn, err := rt.secure(ctx, raw, protocols, client)
	if err != nil {
		raw.Close()
		err = explain(ctx, err, port, "the TLS handshake")
	}
	rt.pool.metrics.shook(err, time.Since(began))
	return conn, err
}

// allow decides about a socket before it connects.
func (p *Pool) allow(ctx context.Context, network, address string, c syscall.RawConn) error {
	if err := p.destinations.Control(ctx, network, address, c); err != nil || p.control == nil {
		return err
	}
	return p.control(ctx, network, address, c)
}

// secure performs the TLS handshake and verifies the certificate.
func (rt *route) secure(ctx context.Context, raw net.Conn, protocols []string, client *clientCert) (*securedConn, error) {
	ctx, cancel := context.WithTimeout(ctx, rt.pool.timeouts.handshake)
	defer cancel()

	conn := &securedConn{route: rt}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, // proto/akash-provider-api.md, section 1.3
		NextProtos: protocols,
		ServerName: rt.key.host.Host,
		// VerifyConnection verifies the certificate by rules that crypto/tls does
		// not implement. Without a session cache no session is resumed;
		// VerifyConnection would be called even then.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			decision, err := rt.pool.verifier.Decide(ctx, state.PeerCertificates, rt.policy)
			conn.certs, conn.decision = state.PeerCertificates, decision
			return err
		},
	}
	if client != nil {
		// With SNI, a provider may use its CA certificate, and then does not request
		// a client certificate (proto/akash-provider-api.md, section 1.3).
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
	conn.monitor()
	rt.pool.metrics.connections.Inc()
	rt.pool.log.Debug("connected to a provider", "provider", rt.key.address, "at", raw.RemoteAddr(), "verified", conn.decision.Basis)
	return conn, nil
}

// securedConn is a TLS connection to a server with an accepted certificate. When the
// decision expires, the certificate is verified again. If it has been revoked, the
// connection is closed.
type securedConn struct {
	*tls.Conn
	route *route
	certs []*x509.Certificate
	// detach stops waiting for the pool's context.
	detach func() bool

	mu       sync.Mutex
	decision trust.Decision
	recheck  *time.Timer
	closed   bool
}

// coalesce enables read coalescing, for connections with much data such as log lines.
func (c *securedConn) coalesce() { c.NetConn().(*coalesce.Conn).Coalesce() }

// monitor closes the connection with its pool and keeps its decision up to date.
func (c *securedConn) monitor() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.detach = context.AfterFunc(c.route.pool.ctx, func() { c.Close() })
	c.recheck = time.AfterFunc(c.decision.Until.Sub(c.route.pool.now()), func() {
		ctx, cancel := context.WithTimeout(c.route.pool.ctx, c.route.pool.timeouts.handshake)
		defer cancel()
		delay := recheckDelay
		if c.fresh(ctx) == nil {
			delay = max(delay, c.current().Until.Sub(c.route.pool.now()))
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closed {
			c.recheck.Reset(delay)
		}
	})
}

// fresh verifies the certificate again if the decision has expired. It closes the
// connection if the certificate is refused. If the certificate cannot be verified,
// open streams continue, but fresh returns an error so that no new ones begin.
func (c *securedConn) fresh(ctx context.Context) error {
	if !c.expired() {
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

// expired reports whether the decision has expired.
func (c *securedConn) expired() bool {
	return !c.route.pool.now().Before(c.current().Until)
}

func (c *securedConn) current() trust.Decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.decision
}

// Close closes the connection, after sending a closing alert if possible.
func (c *securedConn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.recheck.Stop()
	c.mu.Unlock()
	c.detach()
	c.route.pool.metrics.connections.Dec()
	abrupt := time.AfterFunc(closeTimeout, func() { c.NetConn().Close() })
	defer abrupt.Stop()
	return c.Conn.Close()
}
