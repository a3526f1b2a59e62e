package provider

import (
	"context"
	"net/http"
	"slices"
)

// reachAhead is reach for a request that may be sent before everything is known. If no
// connection is open, it returns as soon as there is one to a port that has presented an
// accepted certificate and negotiated HTTP/2. This saves two round trips: to learn the
// provider's version, and its HTTP/2 settings.
func (p *peer) reachAhead(ctx context.Context, r Request, at place) (*Endpoint, error) {
	type result struct {
		endpoint *Endpoint
		err      error
	}
	reached := make(chan result, 1)
	first, unwatch := p.grpc.watch()
	defer unwatch()
	go func() {
		endpoint, err := p.reach(ctx, r)
		if err == nil {
			endpoint.located(at)
		}
		reached <- result{endpoint, err}
	}()
	select {
	case r := <-reached:
		return r.endpoint, r.err
	case conn := <-first:
		endpoint := p.overGRPC(conn, versionAnswer{})
		endpoint.Transport = (*aheadConn)(conn)
		endpoint.Settle = func(ctx context.Context) (*Endpoint, error) {
			select {
			case r := <-reached:
				return r.endpoint, r.err
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return endpoint.located(at), nil
	}
}

// aheadConn sends requests over a connection that has yet to show that it speaks HTTP/2.
type aheadConn grpcConn

// RoundTrip implements [http.RoundTripper].
func (c *aheadConn) RoundTrip(req *http.Request) (*http.Response, error) {
	c.streams.Add(1)
	return (*grpcConn)(c).roundTrip(req)
}

// watch returns a channel that gets the next connection on which requests may be sent,
// although its server has not sent its settings.
func (t *grpcTransport) watch() (<-chan *grpcConn, func()) {
	watcher := make(chan *grpcConn, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watchers = append(t.watchers, watcher)
	return watcher, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.watchers = slices.DeleteFunc(t.watchers, func(w chan *grpcConn) bool { return w == watcher })
	}
}

// announce tells watchers of a connection.
func (t *grpcTransport) announce(c *grpcConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, watcher := range t.watchers {
		select {
		case watcher <- c:
		default:
		}
	}
}
