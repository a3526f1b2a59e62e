package h2

import (
	"context"
	"io"
	"net/http"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// stream is one call, and the body of its answer. Its caller reads; readLoop
// delivers.
type stream struct {
	conn *Conn
	ctx  context.Context
	id   uint32

	window sendWindow // guarded by conn.mu
	dirty  bool       // readLoop's: among conn.woken

	// news holds a token when there is something to look at.
	news chan struct{}

	mu       sync.Mutex
	queue    queue
	received int // what the peer may still send
	padding  int // received, for nobody to read, and not yet returned to the window
	header   []hpack.HeaderField
	trailer  []hpack.HeaderField
	ended    bool  // nothing more comes
	err      error // why, unless the peer ended it well
	closed   bool  // the reader wants no more

	// The reader's own.
	response *http.Response
	consumed int // bytes read and not yet returned to the window
}

// tell wakes the reader.
func (s *stream) tell() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// end tells the reader that nothing more comes.
func (s *stream) end(err error) {
	s.mu.Lock()
	if !s.ended {
		s.ended, s.err = true, err
	}
	s.mu.Unlock()
	s.tell()
}

// awaitHeader waits for the answer's headers; ended says that nothing follows them.
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
		case <-s.news:
		case <-s.ctx.Done():
			return nil, false, context.Cause(s.ctx)
		}
	}
}

// Read returns what has come, waiting for the first byte only. At the end the
// answer's trailers are set.
func (s *stream) Read(p []byte) (int, error) {
	for {
		n, done, err := s.take(p)
		switch {
		case n > 0:
			s.giveBack(n)
			return n, err
		case done:
			return 0, err
		case len(p) == 0:
			return 0, nil
		}
		select {
		case <-s.news:
		case <-s.ctx.Done():
			return 0, context.Cause(s.ctx)
		}
	}
}

// take moves what has come into p. When nothing is left, and nothing more comes,
// err says how the stream ended.
func (s *stream) take(p []byte) (n int, done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, true, ErrClosed
	}
	n = s.queue.read(p)
	s.consumed += s.padding
	s.padding = 0
	if !s.ended || s.queue.size > 0 {
		return n, false, nil
	}
	if s.err != nil {
		return n, true, s.err
	}
	s.response.Trailer = toHeader(s.trailer)
	return n, true, io.EOF
}

// giveBack returns window to the peer, in steps so large that few frames say it.
func (s *stream) giveBack(n int) {
	s.consumed += n
	if s.consumed < streamWindow/4 {
		return
	}
	increment := s.consumed
	s.consumed = 0
	s.mu.Lock()
	ended := s.ended
	s.received += increment
	s.mu.Unlock()
	if !ended {
		s.conn.write(func() error { return s.conn.framer.WriteWindowUpdate(s.id, uint32(increment)) })
	}
}

// Close ends the stream; if the peer has not, it is told at once.
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
	s.tell()
	if s.conn.remove(s) {
		s.conn.write(func() error { return s.conn.framer.WriteRSTStream(s.id, code) })
	}
}
