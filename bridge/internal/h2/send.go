package h2

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// sendWindow is what a peer lets us send (RFC 9113, section 5.2), guarded by the
// connection's mutex.
type sendWindow struct {
	available int32 // negative where the peer took back what it had given
	more      chan struct{}
}

// add gives n bytes, which may be negative, and reports whether they are within
// what RFC 9113, section 6.9.1 allows.
func (w *sendWindow) add(n int32) bool {
	sum := int64(w.available) + int64(n)
	if sum > math.MaxInt32 {
		return false
	}
	w.available = int32(sum)
	if w.available > 0 {
		w.release()
	}
	return true
}

// release wakes everyone who waits for the window.
func (w *sendWindow) release() {
	if w.more != nil {
		close(w.more)
		w.more = nil
	}
}

// wait returns a channel that is closed when there may be more.
func (w *sendWindow) wait() <-chan struct{} {
	if w.more == nil {
		w.more = make(chan struct{})
	}
	return w.more
}

// send opens a stream with r's headers and body.
func (c *Conn) send(r *http.Request) (*stream, error) {
	body, err := newOutgoing(r)
	if err != nil {
		return nil, err
	}
	s := &stream{conn: c, ctx: r.Context(), news: make(chan struct{}, 1), received: streamWindow}
	opened := false
	for !opened {
		if err := c.awaitPlace(s.ctx); err != nil {
			return nil, err
		}
		err = c.write(func() error {
			if opened = c.open(s); !opened {
				return nil
			}
			if err := c.writeHeader(s.id, r, body.ended); err != nil {
				return err
			}
			// A gRPC-Web request is one small message: it goes out with its headers.
			return c.writeBody(s, body)
		})
	}
	for err == nil && !body.ended {
		err = s.awaitWindow()
		if err == nil {
			err = c.write(func() error { return c.writeBody(s, body) })
		}
	}
	if errors.Is(err, errAnswered) {
		err = nil // the peer wants no more of the body; what it says comes next
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// awaitPlace waits until the peer allows another stream.
func (c *Conn) awaitPlace(ctx context.Context) error {
	for {
		c.mu.Lock()
		if !c.usable() {
			defer c.mu.Unlock()
			return errors.Join(errNoMore, c.err)
		}
		if len(c.streams) < int(c.maxStreams) {
			c.mu.Unlock()
			return nil
		}
		if c.freed == nil {
			c.freed = make(chan struct{})
		}
		freed := c.freed
		c.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// open numbers s, if there is still a place for it. It runs under wmu, since
// streams open in the order of their ids.
func (c *Conn) open(s *stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.usable() || len(c.streams) >= int(c.maxStreams) {
		return false
	}
	s.id = c.nextID
	c.nextID += 2
	s.window.available = c.peer.initialWindow
	if len(c.streams) == 0 {
		c.watch()
	}
	c.streams[s.id] = s
	return true
}

// writeBody writes as much of b as the windows let it. It runs under wmu.
func (c *Conn) writeBody(s *stream, b *outgoing) error {
	for !b.ended {
		n := c.take(s, len(b.rest))
		if n == 0 && len(b.rest) > 0 {
			return nil
		}
		chunk := b.rest[:n]
		b.rest = b.rest[n:]
		if len(b.rest) == 0 {
			b.ended = true
		}
		if err := c.framer.WriteData(s.id, b.ended, chunk); err != nil {
			return err
		}
	}
	return nil
}

// take takes up to n bytes, at most a frame's worth, from both windows.
func (c *Conn) take(s *stream, n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = min(n, int(c.peer.frameSize), int(c.window.available), int(s.window.available))
	if n <= 0 {
		return 0
	}
	c.window.available -= int32(n)
	s.window.available -= int32(n)
	return n
}

// writeHeader writes r's header block. It runs under wmu.
func (c *Conn) writeHeader(id uint32, r *http.Request, end bool) error {
	c.block.Reset()
	field := func(name, value string) {
		c.encoder.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: sensitive(name)})
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	field(":method", r.Method)
	field(":scheme", r.URL.Scheme)
	field(":path", r.URL.RequestURI())
	field(":authority", host)
	for key, values := range r.Header {
		name := lower(key)
		if connectionSpecific(name) {
			continue
		}
		for _, value := range values {
			field(name, value)
		}
	}
	c.mu.Lock()
	limit := int(c.peer.frameSize)
	c.mu.Unlock()
	first := true
	for b := c.block.Bytes(); first || len(b) > 0; first = false {
		n := min(len(b), limit)
		part := b[:n]
		b = b[n:]
		var err error
		if first {
			err = c.framer.WriteHeaders(http2.HeadersFrameParam{
				StreamID: id, BlockFragment: part, EndStream: end, EndHeaders: len(b) == 0,
			})
		} else {
			err = c.framer.WriteContinuation(id, len(b) == 0, part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sensitive reports whether a field's value must not enter the compression table,
// where its length could be told by guessing at it (RFC 7541, section 7.1).
func sensitive(name string) bool { return name == "authorization" }

// connectionSpecific reports whether RFC 9113, section 8.2.2 forbids a field.
func connectionSpecific(name string) bool {
	switch name {
	case "connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "content-length":
		return true
	}
	return false
}

// outgoing is a request's body on its way.
type outgoing struct {
	rest  []byte
	ended bool // END_STREAM is written, or goes with the headers
}

// newOutgoing reads r's body. Bodies are whole gRPC-Web requests, which the relay
// has bounded already.
func newOutgoing(r *http.Request) (*outgoing, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return &outgoing{ended: true}, nil
	}
	defer r.Body.Close()
	if r.ContentLength > 0 {
		b := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, b); err != nil {
			return nil, err
		}
		return &outgoing{rest: b}, nil
	}
	b, err := io.ReadAll(r.Body)
	return &outgoing{rest: b, ended: len(b) == 0}, err
}

// Unsent reports whether the peer did not see to a call that failed with err, so
// that it may be sent again whatever it does: it was never sent, or by RFC 9113,
// sections 6.8 and 8.7, the peer says so.
func Unsent(err error) bool {
	var reset http2.StreamError
	if errors.As(err, &reset) {
		return reset.Code == http2.ErrCodeRefusedStream
	}
	var unprocessed *unprocessedError
	return errors.As(err, &unprocessed) || errors.Is(err, errNoMore)
}

// unprocessedError is the error of a stream beyond the last one that a closing peer
// sees to.
type unprocessedError struct{ away GoAwayError }

func (e *unprocessedError) Error() string { return e.away.Error() }
func (e *unprocessedError) Unwrap() error { return e.away }

// errAnswered ends the sending of a body to a peer that has answered already.
var errAnswered = errors.New("h2: answered before the request ended")

// awaitWindow waits until s may send more.
func (s *stream) awaitWindow() error {
	for {
		c := s.conn
		c.mu.Lock()
		if c.err != nil {
			c.mu.Unlock()
			return c.err
		}
		if c.window.available > 0 && s.window.available > 0 {
			c.mu.Unlock()
			return nil
		}
		var more <-chan struct{}
		if s.window.available <= 0 {
			more = s.window.wait()
		} else {
			more = c.window.wait()
		}
		c.mu.Unlock()

		s.mu.Lock()
		ended := s.ended
		s.mu.Unlock()
		if ended {
			return errAnswered
		}
		select {
		case <-more:
		case <-s.news:
			s.tell() // for awaitHeader
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
	}
}
