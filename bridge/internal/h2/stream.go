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
	pieces   [][]byte // what Peek returned
	peeked   int      // bytes of the queue that the reader has seen
	consumed int      // bytes seen and not yet returned to the window
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

// peekSize is how much of an answer is looked at ahead of what is used: enough for
// few writes, and little enough to be in the processor's cache still.
const peekSize = 64 << 10

// Peek implements Body. At the end the answer's trailers are set.
func (s *stream) Peek(seen int) ([][]byte, error) {
	for {
		n, done, err := s.look(seen + peekSize)
		if n > s.peeked {
			s.giveBack(n - s.peeked)
			s.peeked = n
		}
		if n > seen || done {
			return s.pieces, err
		}
		select {
		case <-s.news:
		case <-s.ctx.Done():
			return s.pieces, context.Cause(s.ctx)
		}
	}
}

// look notes the pieces of what has come, about enough bytes, and returns their
// number. done means that nothing more comes; err says how the stream ended.
func (s *stream) look(enough int) (n int, done bool, err error) {
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

// Read implements io.Reader. It waits for the first byte only.
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
			err = nil // more is left
			break
		}
	}
	s.Discard(n)
	return n, err
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
