// Package flood slows down clients that send much and ask for nothing.
//
// An HTTP/2 client may send pings, settings, updates of windows, priorities and empty DATA
// frames at any rate, and each costs the server more than the client. net/http bounds the
// memory that they take, but not the time (CVE-2019-9512 and its siblings). Here a
// connection has an allowance of bytes that belong to no request. Once it is used up, the
// connection is read only as fast as the allowance grows.
package flood

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// perSecond is how many bytes of a connection may belong to no request, on average:
	// 2,000 pings.
	perSecond = 32 << 10
	// allowance is how many may do so at once. It is more than the 1 MiB that net/http
	// reads of bodies that their handlers do not read, behind which a reset may come.
	allowance = 2 << 20
	// perRequest and perField are what surrounds a request's headers on the wire, and each
	// of them.
	perRequest = 64
	perField   = 4
	// smallBody is the size up to which a body is counted before it is read.
	smallBody = 8 << 10
	// perReset is taken off for each request that its client has given up, together with
	// what was counted for it: opening streams and resetting them at once is cheap for a
	// client (CVE-2023-44487). 180 a second are allowed, and 11,000 at once.
	perReset = 128
	// debt bounds what a connection is behind, and so how long it is not read, to 4 s.
	debt = 128 << 10
	// bodyFactor is for what surrounds small pieces of a body: a keystroke in a shell is a
	// frame, and a record of TLS.
	bodyFactor = 4
	bodyPiece  = 128
	// perWritten is one of how many bytes of answers may be acknowledged. Clients update
	// their windows for every 4 KiB at the most often, with 70 bytes.
	perWritten = 32
	// saved bounds what a connection saves up.
	saved = 4 << 20
	// pause is how long a connection that has used up its allowance is left alone.
	pause = 5 * time.Millisecond
)

// Listener returns l with connections that have an allowance.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, left: allowance, since: time.Now()}, nil
}

// conn is a connection. Reading has one goroutine at a time.
type conn struct {
	net.Conn
	useful atomic.Int64 // bytes that belong to requests and have not been counted yet
	wrote  atomic.Int64 // bytes of answers that have not been counted yet
	exempt atomic.Bool  // it has become a WebSocket, whose bytes are all its handler's
	closed atomic.Bool
	left   int64 // of the allowance
	since  time.Time
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	for c.left < 0 && !c.exempt.Load() && !c.closed.Load() {
		if c.count(); c.left < 0 {
			time.Sleep(pause)
		}
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	return n, err
}

// count adds to the allowance what is due.
func (c *conn) count() {
	now := time.Now()
	// What is saved up is bounded; what is due for the time alone is bounded by the
	// allowance.
	c.left = max(-debt, min(saved, c.left+c.useful.Swap(0)+c.wrote.Swap(0)/perWritten))
	if c.left < allowance {
		passed := min(now.Sub(c.since), time.Minute)
		c.left = min(allowance, c.left+int64(passed*perSecond/time.Second))
	}
	c.since = now
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.wrote.Add(int64(n))
	return n, err
}

// Unwrap returns the connection without an allowance, for whoever has taken it over from
// net/http: it writes many buffers at once, and can be closed for writing only.
func (c *conn) Unwrap() net.Conn { return c.Conn }

// Close implements net.Conn.
func (c *conn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

type contextKey struct{}

// Context is for [http.Server.ConnContext] of a server that serves a [Listener].
func Context(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if c, ok := c.(*conn); ok {
		return context.WithValue(ctx, contextKey{}, c)
	}
	return ctx
}

// Handler counts the requests that next handles. The server's HTTP/2 frames must be smaller
// than the allowance ([http.HTTP2Config.MaxReadFrameSize]): what is read of a frame counts
// for nothing until it is complete.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(contextKey{}).(*conn); ok {
			n := size(r)
			switch {
			case r.Header["Upgrade"] != nil && r.ProtoMajor == 1:
				c.exempt.Store(true)
			case r.ContentLength < 0 || r.ContentLength > smallBody:
				r.Body = &body{r.Body, c}
			default:
				n += bodyFactor*min(r.ContentLength, bodyPiece) + r.ContentLength
			}
			c.useful.Add(n)
			defer func() {
				if r.Context().Err() != nil {
					c.useful.Add(-n - perReset)
				}
			}()
		}
		next.ServeHTTP(w, r)
	})
}

// size returns about how many bytes a request's headers have on the wire. HTTP/2 may have
// compressed them.
func size(r *http.Request) int64 {
	n := perRequest + len(r.URL.Path) + len(r.URL.RawQuery)
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value) + perField
		}
	}
	return int64(n)
}

// body counts what is read of a request's body.
type body struct {
	io.ReadCloser
	conn *conn
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.conn.useful.Add(int64(n) + int64(bodyFactor*min(n, bodyPiece)))
	}
	return n, err
}
