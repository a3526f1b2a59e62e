package provider

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"akash-provider-web/bridge/trust"
)

const (
	// restIdleTimeout is how long an unused HTTP/1.1 connection stays open.
	restIdleTimeout = time.Minute
	// restHeaderTimeout bounds the wait for the headers of an answer. A gateway may
	// process a manifest for 120 s; other requests are bounded by their contexts.
	restHeaderTimeout = 150 * time.Second
	// maxHeaderBytes bounds the headers of an answer.
	maxHeaderBytes = 64 << 10
	// maxIdleREST bounds the unused connections per provider.
	maxIdleREST = 4
)

// restTransport sends HTTP/1.1 requests, including WebSocket upgrades, to a provider's
// REST gateway and to no other host.
type restTransport struct {
	route *route
	http  *http.Transport

	mu   sync.Mutex
	last *securedConn // the latest connection, for its decision
}

func newRESTTransport(rt *route, cert *clientCert) *restTransport {
	t := &restTransport{route: rt}
	t.http = &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			// No ALPN: a real gateway negotiates none (proto/akash-provider-api.md, section 1.3).
			conn, err := rt.dial(ctx, rt.key.host.Port, nil, cert)
			if err != nil {
				return nil, err
			}
			if cert != nil {
				if conn, err = cert.accepted(ctx, conn); err != nil {
					return nil, err
				}
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			t.last = conn
			return conn, nil
		},
		DisableCompression:     true,
		IdleConnTimeout:        restIdleTimeout,
		MaxIdleConnsPerHost:    maxIdleREST,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ResponseHeaderTimeout:  restHeaderTimeout,
	}
	return t
}

// RoundTrip implements [http.RoundTripper]. Errors in connecting to the provider are
// *rpcerror.Error.
func (t *restTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" || !sameHost(req.URL.Host, t.route.key.host.Addr()) {
		return nil, fmt.Errorf("provider: a request for %s://%s on a connection to %s", req.URL.Scheme, req.URL.Host, t.route.key.host)
	}
	ctx := req.Context()
	return t.http.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) {
			// A pooled connection may no longer be trusted. If it is closed before
			// data is sent, the http.Transport takes another one, which is verified
			// in its handshake.
			c, ok := got.Conn.(*securedConn)
			switch {
			case !ok:
			case c.fresh(ctx) != nil:
				c.Close()
			case req.Header.Get("Upgrade") != "":
				c.coalesce() // a WebSocket's connection has no other use
			}
		},
	})))
}

// decision returns the decision about the latest certificate; zero if there is none.
func (t *restTransport) decision() trust.Decision {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		return trust.Decision{}
	}
	return t.last.current()
}

// sameHost reports whether a URL's host, whose port may be omitted, is addr.
func sameHost(inURL, addr string) bool {
	if _, _, err := net.SplitHostPort(inURL); err != nil {
		inURL = net.JoinHostPort(inURL, "443")
	}
	return inURL == addr
}
