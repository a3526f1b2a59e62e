package h2

import (
	"context"
	"io"
	"net/http"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// stream is one call, and the body of its answer. The caller reads what readLoop
// delivers.
type stream struct {
	conn *Conn
	ctx  context.Context
	id   uint32

	window sendWindow // guarded by conn.mu
	dirty  bool       // whether it is in conn.pending; used by readLoop only

	// ready has a token when the reader should scan again.
	ready chan struct{}

	mu         sync.Mutex
	queue      queue
	recvWindow int // how many bytes the peer may still send
	padding    int // bytes of padding not yet returned to the window
	header     []hpack.HeaderField
	trailer    []hpack.HeaderField
	ended      bool  // no more data will arrive
	err        error // why, unless the peer ended it properly
	closed     bool  // closed by the reader

	// Used by the reader only.
	response *http.Response
	pieces   [][]byte // what Peek returned
	peeked   int      // bytes of the queue that Peek has returned
	consumed int      // bytes peeked but not yet returned to the window
	allowed  int      // the width of the window
}

// notify wakes the reader.
func (s *stream) notify() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// end ends the stream with err and wakes the reader.
func (s *stream) end(err error) {
	s.mu.Lock()
	if !s.ended {
		s.ended, s.err = true, err
	}
	s.mu.Unlock()
	s.notify()
}

// awaitHeader waits for the answer's headers. ended says that nothing follows them.
func (s *stream) awaitHeader() (header []hpack.HeaderField, ended bool, err error) {
	for {
		s.mu.Lock()
		header, ended, err = s.header, s.ended, s.err
		waiting := s.queue.size > 0 || s.trailer != nil
		s.mu.Unlock()
		switch {
		case header != nil:
			return header, ended && !waiting && err == nil, nil
		case err != nil:
			return nil, true, err
		case ended:
			return nil, true, http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol, Cause: errProtocol}
		}
		select {
		case <-s.ready:
		case <-s.ctx.Done():
			return nil, false, context.Cause(s.ctx)
		}
	}
}

// peekSize is how much of an answer Peek returns beyond what it returned before:
// enough to keep writes few, and little enough to stay in the processor's cache.
const peekSize = 64 << 10

// Peek implements Body. At the end it sets the answer's trailers.
func (s *stream) Peek(seen int) ([][]byte, error) {
	for {
		n, done, err := s.scan(seen + peekSize)
		if n > s.peeked {
			s.returnWindow(n - s.peeked)
			s.peeked = n
		}
		if n > seen || done {
			return s.pieces, err
		}
		select {
		case <-s.ready:
		case <-s.ctx.Done():
			return s.pieces, context.Cause(s.ctx)
		}
	}
}

// scan sets s.pieces to the queued data, of at least enough bytes if there are as
// many, and returns its size. done says that no more data will arrive, and err how the
// stream ended.
func (s *stream) scan(enough int) (n int, done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.pieces)
	s.pieces = s.pieces[:0]
	if s.closed {
		return 0, true, ErrClosed
	}
	s.pieces, n = s.queue.peek(s.pieces, enough)
	s.consumed += s.padding
	s.padding = 0
	if !s.ended || n < s.queue.size {
		return n, false, nil
	}
	if s.err != nil {
		return n, true, s.err
	}
	s.response.Trailer = toHeader(s.trailer)
	return n, true, io.EOF
}

// Discard implements Body.
func (s *stream) Discard(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.queue.discard(n)
		s.peeked -= n
	}
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	pieces, err := s.Peek(0)
	n := 0
	for _, piece := range pieces {
		m := copy(p[n:], piece)
		n += m
		if m < len(piece) {
			err = nil // some data is left
			break
		}
	}
	s.Discard(n)
	return n, err
}

// returnWindow returns n bytes to the peer's window.
func (s *stream) returnWindow(n int) {
	s.consumed += n
	increment, allowed := returned(s.consumed, s.allowed, widestWindow())
	if increment == 0 {
		return
	}
	s.consumed, s.allowed = 0, allowed
	s.addWindow(increment)
}

// widen makes the window as wide as it may be before anything is read.
func (s *stream) widen() {
	if widest := widestWindow(); widest > s.allowed {
		increment := widest - s.allowed
		s.allowed = widest
		s.addWindow(increment)
	}
}

func (s *stream) addWindow(increment int) {
	s.mu.Lock()
	ended := s.ended
	s.recvWindow += increment
	s.mu.Unlock()
	if !ended {
		s.conn.write(func() error { return s.conn.framer.WriteWindowUpdate(s.id, uint32(increment)) })
	}
}

// Close ends the stream, and resets it if the peer has not ended it.
func (s *stream) Close() error {
	s.reset(http2.ErrCodeCancel)
	return nil
}

func (s *stream) reset(code http2.ErrCode) {
	s.mu.Lock()
	again := s.closed
	s.closed, s.ended = true, true
	s.queue.release()
	s.mu.Unlock()
	if again {
		return
	}
	if s.id != 0 { // it was opened
		openStreams.Add(-1)
	}
	s.notify()
	if s.conn.remove(s) {
		s.conn.write(func() error { return s.conn.framer.WriteRSTStream(s.id, code) })
	}
}
