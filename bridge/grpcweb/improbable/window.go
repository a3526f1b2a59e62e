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

// A browser's WebSocket has no backpressure: what a server sends is taken in,
// whether or not the page reads it. So a page may name a window, in the metadata of
// a call over the grpc-websockets transport:
//
//	akash-window: BYTES
//
// It then sends its one request message without the sign that nothing follows, and
// after it, as further messages of four bytes, how many bytes of the answer's
// messages, their prefixes included, it has used up since it last said so (unsigned,
// big endian). While BYTES or more are sent and not used up, the bridge sends
// nothing, and reads nothing of the provider's answer either.
const headerWindow = "Akash-Window"

// The windows that pages may name, in bytes.
const (
	MinWindow = 16 << 10
	MaxWindow = 16 << 20
)

const creditSize = 4

var errCredit = errors.New("what follows the request is no credit")

// Window returns the window that a call's headers name, 0 for none.
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

// windowed is a call whose page says how far it has read.
type windowed struct {
	http.ResponseWriter
	ctx  context.Context
	body io.Reader // the WebSocket's messages from the page, as one stream
	size int64

	// What the handler reads of the request: one message.
	head [grpcwire.PrefixSize]byte
	at   int // bytes of head that were read
	rest int // bytes of the message that were not

	credits sync.WaitGroup

	mu     sync.Mutex
	unused int64         // bytes sent that the page has not used up
	more   chan struct{} // closed when it has used up some
	broken error
}

func newWindowed(ctx context.Context, w http.ResponseWriter, body io.Reader, size int) *windowed {
	return &windowed{ResponseWriter: w, ctx: ctx, body: body, size: int64(size), more: make(chan struct{})}
}

// Read reads the request: the first message of the page, and no more.
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
			w.await()
		}
		return n, err
	case w.rest > 0:
		n, err := w.body.Read(p[:min(len(p), w.rest)])
		w.rest -= n
		w.await()
		return n, err
	}
	return 0, io.EOF
}

// await begins to read credits once the request is complete.
func (w *windowed) await() {
	if w.rest == 0 {
		w.credits.Go(w.readCredits)
	}
}

// readCredits reads what the page says after its request. It ends with the
// WebSocket.
func (w *windowed) readCredits() {
	for {
		var credit [grpcwire.PrefixSize + creditSize]byte
		_, err := io.ReadFull(w.body, credit[:])
		if err == nil && (credit[0] != 0 || binary.BigEndian.Uint32(credit[1:]) != creditSize) {
			err = errCredit
		}
		w.mu.Lock()
		if err != nil {
			w.broken = err
		} else {
			w.unused = max(0, w.unused-int64(binary.BigEndian.Uint32(credit[grpcwire.PrefixSize:])))
		}
		close(w.more)
		w.more = make(chan struct{})
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Write sends messages, when the page has room for them.
func (w *windowed) Write(p []byte) (int, error) {
	for {
		w.mu.Lock()
		broken, more := w.broken, w.more
		room := w.unused < w.size
		if room && broken == nil {
			w.unused += int64(len(p))
		}
		w.mu.Unlock()
		switch {
		case broken != nil:
			return 0, broken
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
