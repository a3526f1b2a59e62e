// Package improbable answers the gRPC-Web requests without a binary body: text bodies,
// the grpc-websockets transport and CORS preflights. It uses grpcweb.WrapHandler of
// improbable-eng/grpc-web and works around its limitations. Each workaround has its
// reason beside it.
package improbable

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/improbable-eng/grpc-web/go/grpcweb"

	"akash-provider-web/bridge/internal/deep"
	"akash-provider-web/bridge/internal/timedbody"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/trace"
)

// Options configure a Handler.
type Options struct {
	// MaxRequest is the size limit of a message on the grpc-websockets transport, in
	// bytes.
	MaxRequest int
	// Arrival bounds the time that a request's messages may take to arrive over a
	// WebSocket.
	Arrival time.Duration
	// Calls counts the WebSockets that continue after ServeWebSocket has returned.
	Calls *sync.WaitGroup
	// Requests ends them, with its cause.
	Requests context.Context
}

// A Handler answers calls through WrapHandler.
type Handler struct {
	options Options
	wrapped *grpcweb.WrappedGrpcServer
}

// New returns a Handler that answers calls with next. It does not check origins; the
// caller must.
func New(next relay.Server, o Options) *Handler {
	return &Handler{options: o, wrapped: grpcweb.WrapHandler(bridgeHandler{next},
		// WrapHandler knows no methods: the bridge registers none with a gRPC
		// server.
		grpcweb.WithCorsForRegisteredEndpointsOnly(false),
		grpcweb.WithOriginFunc(func(string) bool { return true }),
		grpcweb.WithWebsockets(true),
		grpcweb.WithWebsocketOriginFunc(func(*http.Request) bool { return true }),
		grpcweb.WithWebsocketsMessageReadLimit(int64(o.MaxRequest)+64<<10),
	)}
}

// ServePreflight answers a CORS preflight.
func (h *Handler) ServePreflight(w http.ResponseWriter, r *http.Request) {
	const requested = "Access-Control-Request-Headers"
	r = cloneRequest(r.Context(), r)
	// WrapHandler recognizes a preflight only if it requests the x-grpc-web header.
	// The specification does not require that header, and some clients do not send
	// it.
	if names := r.Header.Get(requested); !strings.Contains(strings.ToLower(names), "x-grpc-web") {
		r.Header.Set(requested, strings.TrimPrefix(names+",x-grpc-web", ","))
	}
	h.wrapped.ServeHTTP(w, r)
}

// ServeText answers a call with a base64 body. contentType is its content type without
// parameters.
func (h *Handler) ServeText(w http.ResponseWriter, r *http.Request, contentType string, body *timedbody.Body) {
	body.ReadCloser = &textReader{src: body.ReadCloser}
	// WrapHandler changes the request that it is given. net/http still uses the
	// original after the call, to find the start of the next request.
	r = cloneRequest(context.WithValue(r.Context(), requestKey{}, &request{body: body}), r)
	r.Header.Set("Content-Type", contentType)
	h.wrapped.ServeHTTP(w, r)
}

// IsWebSocket reports whether r opens a call over the grpc-websockets transport.
func (h *Handler) IsWebSocket(r *http.Request) bool { return h.wrapped.IsGrpcWebSocketRequest(r) }

// ServeWebSocket answers a call over the grpc-websockets transport. It returns when the
// WebSocket is open, which frees what net/http keeps for a connection: two buffers of 4 KB,
// and a goroutine with a stack of 8 KB.
func (h *Handler) ServeWebSocket(w http.ResponseWriter, r *http.Request) {
	// The request's context ends when ServeWebSocket returns.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	unlink := context.AfterFunc(h.options.Requests, func() { cancel(context.Cause(h.options.Requests)) })
	end := func() { cancel(nil) }
	// WrapHandler has no timeout for the message with the headers, or for those with
	// the body.
	timer := time.AfterFunc(h.options.Arrival, end)
	arrived := func() { timer.Stop() }
	socket := newWebSocket(w, r)
	r = cloneRequest(context.WithValue(ctx, requestKey{}, &request{arrived: arrived, abort: socket.abort}), r)
	h.options.Calls.Add(1)
	go func() {
		defer h.options.Calls.Done()
		defer unlink()
		defer end()
		defer arrived()
		defer socket.close()
		h.wrapped.ServeHTTP(socket, r)
	}()
	if failed := <-socket.taken; failed {
		panic(http.ErrAbortHandler)
	}
}

// request is what bridgeHandler needs to know about a request that went through
// WrapHandler.
type request struct {
	body    *timedbody.Body // of a text call
	arrived func()          // of a WebSocket: called once its request is complete
	abort   func()          // of a WebSocket: closes its connection at once
}

type requestKey struct{}

// bridgeHandler is the handler that WrapHandler wraps.
type bridgeHandler struct {
	next relay.Server
}

func (h bridgeHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := r.Context().Value(requestKey{}).(*request)
	r.ContentLength = -1 // WrapHandler leaves that of the encoded body
	if request.body != nil {
		r.Body = request.body
		if _, err := Window(r.Header); err != nil {
			relay.Refuse(newResponse(w, r, relay.ProtocolGRPCWebText), err)
			return
		}
		h.next.ServeRPC(newResponse(w, r, relay.ProtocolGRPCWebText), r)
		return
	}
	trace.Arrived(r)
	h.serveWebSocket(w, r, request)
}

func (h bridgeHandler) serveWebSocket(w http.ResponseWriter, r *http.Request, request *request) {
	arrived := request.arrived
	// Closing the body sends the trailers and closes the WebSocket. WrapHandler
	// leaves that to the gRPC server that it usually wraps.
	webSocket := r.Body
	whole := false
	wait := func() {} // for what reads from the WebSocket, which closing it ends
	defer func() {
		if !whole { // a panic: there are no trailers
			request.abort()
		}
		_ = webSocket.Close()
		wait()
	}()
	timed := func(body io.ReadCloser) io.ReadCloser {
		return &timedbody.Body{ReadCloser: body, Begin: func() {}, End: arrived}
	}
	size, err := Window(r.Header)
	switch {
	case err != nil:
		relay.Refuse(newResponse(w, r, relay.ProtocolWebSocket), err)
	case size > 0:
		windowed := newWindowed(r.Context(), w, webSocket, size)
		wait = windowed.credits.Wait
		r.Body = timed(io.NopCloser(windowed))
		batched := newBatchWriter(windowed, size)
		h.serveMessages(batched, r)
		batched.close()
	default:
		live := &liveBody{ReadCloser: timed(webSocket), arrived: arrived}
		wait = live.wait
		r.Body = live
		h.serveMessages(w, r)
	}
	whole = true
}

func (h bridgeHandler) serveMessages(w http.ResponseWriter, r *http.Request) {
	deep.Serve(r.Context(), func(ctx context.Context) {
		r := r.WithContext(ctx)
		h.next.ServeRPC(newResponse(w, r, relay.ProtocolWebSocket), r)
	})
}

// liveBody is the body of a call over a WebSocket, on which messages may follow while
// the call is answered.
type liveBody struct {
	io.ReadCloser
	arrived func()
	reading sync.Mutex // held while a read is under way
}

var _ relay.LiveBody = (*liveBody)(nil)

// Arrived implements relay.LiveBody.
func (b *liveBody) Arrived() { b.arrived() }

// Read implements io.Reader.
func (b *liveBody) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	return b.ReadCloser.Read(p)
}

// wait waits for a read that is under way.
func (b *liveBody) wait() {
	b.reading.Lock()
	defer b.reading.Unlock() // a later read fails at once
}

func cloneRequest(ctx context.Context, r *http.Request) *http.Request {
	clone := r.WithContext(ctx)
	clone.Header = r.Header.Clone()
	return clone
}
