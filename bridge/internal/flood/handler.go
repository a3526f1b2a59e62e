package flood

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"time"
)

// Handler tells the connections what the requests that next handles are worth.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(contextKey{}).(*conn)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		c.setTLS(r)
		switch {
		case r.ProtoMajor >= 2:
			c.served(0)
			next.ServeHTTP(w, r)
		case r.Header["Upgrade"] != nil:
			if !c.upgrade() {
				w.Header().Set("Connection", "close")
				http.Error(w, "Wait for the answer to an upgrade before you send more.", http.StatusBadRequest)
				return
			}
			c.served(size(r))
			next.ServeHTTP(w, r)
		default:
			if r.ContentLength != 0 {
				r.Body = &body{r.Body, c}
			}
			c.served(size(r))
			next.ServeHTTP(w, r)
		}
	})
}

// setTLS sets r.TLS as net/http does where it serves TLS: all requests of a connection have
// the same, which nobody changes.
func (c *conn) setTLS(r *http.Request) {
	secure, ok := c.Conn.(*tls.Conn)
	if !ok {
		return
	}
	state := c.state.Load()
	if state == nil { // the handshake is over, so that it is the same for ever
		now := secure.ConnectionState()
		state = &now
		c.state.Store(state)
	}
	r.TLS = state
}

// served gives back what a request and the connection for it have cost, but for
// costRequest.
func (c *conn) served(cost time.Duration) {
	cost += time.Duration(c.headers.Swap(0)) + time.Duration(c.opening.Swap(0))
	c.useful.Store(true)
	c.earn(cost - costRequest)
}

// Useful says that the request that ctx is of has a use: it is not counted.
func Useful(ctx context.Context) { Charge(ctx, -2*costRequest) }

// Charge counts what a request has cost, for nothing, or gives it back if it is negative.
func Charge(ctx context.Context, cost time.Duration) {
	if c, ok := ctx.Value(contextKey{}).(*conn); ok {
		c.earn(-cost)
	}
}

// size returns about what the bytes of a request's headers cost over HTTP/1.
func size(r *http.Request) time.Duration {
	n := len(r.URL.Path) + len(r.URL.RawQuery)
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value)
		}
	}
	return time.Duration(n) * time.Microsecond / plainBytes
}

// body gives back what the bytes of a body cost once they are read.
type body struct {
	io.ReadCloser
	conn *conn
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.conn.earn(plain(p[:n]))
	}
	return n, err
}
