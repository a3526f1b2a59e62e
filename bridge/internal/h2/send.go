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

// sendWindow is a flow control window for sending (RFC 9113, section 5.2). It is
// guarded by the connection's mutex.
type sendWindow struct {
	available int32 // negative after the peer has reduced its initial window
	more      chan struct{}
}

// add adds n, which may be negative, to the window. It reports whether the sum is
// within the limit of RFC 9113, section 6.9.1.
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

// release wakes all goroutines that wait for the window.
func (w *sendWindow) release() {
	if w.more != nil {
		close(w.more)
		w.more = nil
	}
}

// wait returns a channel that is closed when the window may have grown.
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
	s := &stream{conn: c, ctx: r.Context(), ready: make(chan struct{}, 1), recvWindow: smallestWindow, allowed: smallestWindow}
	opened := false
	for !opened {
		if err := c.awaitSlot(s.ctx); err != nil {
			return nil, err
		}
		err = c.write(func() error {
			if opened = c.open(s); !opened {
				return nil
			}
			if err := c.writeHeader(s.id, r, body.ended); err != nil {
				return err
			}
			// Most requests are one small message, which is sent together with the
			// headers.
			return c.writeBody(s, body)
		})
	}
	if err == nil && !body.ended {
		// Nobody reads the answer until all of the request has been sent, and a server
		// that answers meanwhile reads on only while it can write.
		s.widen()
	}
	for err == nil && !body.ended {
		err = s.awaitWindow()
		if err == nil {
			err = c.write(func() error { return c.writeBody(s, body) })
		}
	}
	if errors.Is(err, errAnswered) {
		err = nil // the peer needs no more of the body; the caller reads its answer
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// awaitSlot waits until the peer allows another stream.
func (c *Conn) awaitSlot(ctx context.Context) error {
	for {
		c.mu.Lock()
		if !c.usable() {
			defer c.mu.Unlock()
			return errors.Join(errUnusable, c.err)
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

// open registers s under the next stream ID, if the peer allows another stream. The
// caller holds wmu, since streams must be opened in the order of their IDs.
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
		c.startKeepalive()
	}
	c.streams[s.id] = s
	openStreams.Add(1)
	return true
}

// writeBody writes as much of b as the windows allow. The caller holds wmu.
func (c *Conn) writeBody(s *stream, b *outgoing) error {
	for !b.ended {
		n := c.reserve(s, len(b.rest))
		if n == 0 && len(b.rest) > 0 {
			return nil
		}
		chunk := b.rest[:n]
		b.rest = b.rest[n:]
		if len(b.rest) == 0 {
			b.ended = true
		}
		c.sentFrames.Add(1)
		if err := c.framer.WriteData(s.id, b.ended, chunk); err != nil {
			return err
		}
	}
	return nil
}

// reserve takes up to n bytes, and at most one frame's worth, from both windows.
func (c *Conn) reserve(s *stream, n int) int {
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

// writeHeader writes r's header block. The caller holds wmu.
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

// sensitive reports whether a field's value must not enter the HPACK table, where it
// could be found out by guessing (RFC 7541, section 7.1).
func sensitive(name string) bool { return name == "authorization" }

// connectionSpecific reports whether a field is forbidden by RFC 9113, section 8.2.2.
func connectionSpecific(name string) bool {
	switch name {
	case "connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "content-length":
		return true
	}
	return false
}

// outgoing is a request's body that is being sent.
type outgoing struct {
	rest  []byte
	ended bool // END_STREAM is sent, or will be with the headers
}

// newOutgoing reads r's body. The relay has bounded its size.
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

// Unsent reports whether a call that failed with err was certainly not processed, so
// that it may be retried even if it has side effects. Either it was never sent, or the
// peer says so (RFC 9113, sections 6.8 and 8.7).
func Unsent(err error) bool {
	var reset http2.StreamError
	if errors.As(err, &reset) {
		return reset.Code == http2.ErrCodeRefusedStream
	}
	var unprocessed *unprocessedError
	return errors.As(err, &unprocessed) || errors.Is(err, errUnusable)
}

// unprocessedError is the error of a stream that a closing peer does not process.
type unprocessedError struct{ away GoAwayError }

func (e *unprocessedError) Error() string { return e.away.Error() }
func (e *unprocessedError) Unwrap() error { return e.away }

// errAnswered says that the peer has answered before the request's body was sent.
var errAnswered = errors.New("h2: answered before the request ended")

// awaitWindow waits until s may send more data.
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
		case <-s.ready:
			s.notify() // for awaitHeader
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
	}
}
