package improbable

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"

	"google.golang.org/grpc/codes"
)

// A browser's WebSocket has no backpressure: the browser buffers everything that a
// server sends, whether or not the page reads it. So a page may set a window in the
// metadata of a call over the grpc-websockets transport:
//
//	akash-window: BYTES
//
// The page then sends its one request message without the end-of-request marker. After
// it, the page sends credits: messages of four bytes that say how many bytes of the
// answer's messages, including their prefixes, it has consumed since the last credit
// (unsigned, big endian). While BYTES or more are sent but not consumed, the bridge
// sends nothing and reads nothing from the provider.
const headerWindow = "Akash-Window"

// The range of windows that pages may set, in bytes.
const (
	MinWindow = 16 << 10
	MaxWindow = 16 << 20
)

const creditSize = 4

var errCredit = errors.New("a message after the request is not a credit")

// Window returns the window that a call's headers set, or 0 if they set none.
func Window(h http.Header) (bytes int, err error) {
	value := h.Get(headerWindow)
	if value == "" {
		return 0, nil
	}
	bytes, err = strconv.Atoi(value)
	if err != nil || bytes < MinWindow || bytes > MaxWindow {
		return 0, rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata,
			"header akash-window is malformed: want a number of bytes, %d to %d", MinWindow, MaxWindow)
	}
	return bytes, nil
}

// windowed is a call with a window.
type windowed struct {
	http.ResponseWriter
	ctx  context.Context
	body io.Reader // the page's WebSocket messages as one stream
	size int64

	// The request's one message, which Read returns.
	head [grpcwire.PrefixSize]byte
	at   int // bytes of head read so far
	rest int // bytes of the message's data not read yet

	credits sync.WaitGroup

	mu         sync.Mutex
	unconsumed int64         // bytes that were sent but not consumed
	more       chan struct{} // closed, and replaced, at each credit
	err        error         // why no more credits come
}

func newWindowed(ctx context.Context, w http.ResponseWriter, body io.Reader, size int) *windowed {
	return &windowed{ResponseWriter: w, ctx: ctx, body: body, size: int64(size), more: make(chan struct{})}
}

// Read reads the page's first message, and then returns io.EOF.
func (w *windowed) Read(p []byte) (int, error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case w.at < grpcwire.PrefixSize:
		n, err := w.body.Read(p[:min(len(p), grpcwire.PrefixSize-w.at)])
		copy(w.head[w.at:], p[:n])
		w.at += n
		if w.at == grpcwire.PrefixSize {
			w.rest = int(binary.BigEndian.Uint32(w.head[1:]))
			w.startCredits()
		}
		return n, err
	case w.rest > 0:
		n, err := w.body.Read(p[:min(len(p), w.rest)])
		w.rest -= n
		w.startCredits()
		return n, err
	}
	return 0, io.EOF
}

// startCredits starts readCredits once the request is complete.
func (w *windowed) startCredits() {
	if w.rest == 0 {
		w.credits.Go(w.readCredits)
	}
}

// readCredits reads the page's credits. It returns when the WebSocket closes.
func (w *windowed) readCredits() {
	for {
		var credit [grpcwire.PrefixSize + creditSize]byte
		_, err := io.ReadFull(w.body, credit[:])
		if err == nil && (credit[0] != 0 || binary.BigEndian.Uint32(credit[1:]) != creditSize) {
			err = errCredit
		}
		w.mu.Lock()
		if err != nil {
			w.err = err
		} else {
			w.unconsumed = max(0, w.unconsumed-int64(binary.BigEndian.Uint32(credit[grpcwire.PrefixSize:])))
		}
		close(w.more)
		w.more = make(chan struct{})
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Write sends messages, and blocks while the window is full.
func (w *windowed) Write(p []byte) (int, error) {
	for {
		w.mu.Lock()
		failed, more := w.err, w.more
		room := w.unconsumed < w.size
		if room && failed == nil {
			w.unconsumed += int64(len(p))
		}
		w.mu.Unlock()
		switch {
		case failed != nil:
			return 0, failed
		case room:
			return w.ResponseWriter.Write(p)
		}
		select {
		case <-more:
		case <-w.ctx.Done():
			return 0, context.Cause(w.ctx)
		}
	}
}
