// Package improbable answers what gRPC-Web clients send besides binary bodies: text
// bodies, the grpc-websockets transport and CORS preflights. It stands on
// grpcweb.WrapHandler of improbable-eng/grpc-web, and mends what that leaves to its
// users; each mend has its reason beside it.
package improbable

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/improbable-eng/grpc-web/go/grpcweb"

	"akash-provider-web/bridge/internal/timedbody"
	"akash-provider-web/bridge/relay"
)

// Options configure a Handler.
type Options struct {
	// MaxRequest bounds one message of the grpc-websockets transport, in bytes.
	MaxRequest int
	// Arrival bounds how long the messages of a request may take to arrive over a
	// WebSocket.
	Arrival time.Duration
}

// A Handler answers calls by way of WrapHandler.
type Handler struct {
	options Options
	wrapped *grpcweb.WrappedGrpcServer
}

// New returns a Handler that has next answer the calls. Whoever uses it checks origins.
func New(next relay.Server, o Options) *Handler {
	return &Handler{options: o, wrapped: grpcweb.WrapHandler(inner{next},
		// The bridge relays methods that are registered nowhere in this process.
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
	// WrapHandler takes a preflight for its own only if it asks for x-grpc-web. Not
	// every client sends that header, and the specification does not ask for it.
	if names := r.Header.Get(requested); !strings.Contains(strings.ToLower(names), "x-grpc-web") {
		r.Header.Set(requested, strings.TrimPrefix(names+",x-grpc-web", ","))
	}
	h.wrapped.ServeHTTP(w, r)
}

// ServeText answers a call whose body is base64. contentType is its content type,
// without parameters.
func (h *Handler) ServeText(w http.ResponseWriter, r *http.Request, contentType string, body *timedbody.Body) {
	body.ReadCloser = &textReader{src: body.ReadCloser}
	// A clone: WrapHandler changes the request that it is given, and net/http uses the
	// original after the call, to find where the next one begins.
	r = cloneRequest(context.WithValue(r.Context(), requestKey{}, &request{body: body}), r)
	r.Header.Set("Content-Type", contentType)
	h.wrapped.ServeHTTP(w, r)
}

// IsWebSocket reports whether r opens a call over the grpc-websockets transport.
func (h *Handler) IsWebSocket(r *http.Request) bool { return h.wrapped.IsGrpcWebSocketRequest(r) }

// ServeWebSocket answers a call over the grpc-websockets transport.
func (h *Handler) ServeWebSocket(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	// WrapHandler waits without end for the message that carries the headers, and
	// for those of the body.
	timer := time.AfterFunc(h.options.Arrival, cancel)
	defer timer.Stop()
	arrived := func() { timer.Stop() }
	r = cloneRequest(context.WithValue(ctx, requestKey{}, &request{arrived: arrived}), r)
	checked := &webSocketWriter{ResponseWriter: w}
	defer checked.close()
	h.wrapped.ServeHTTP(checked, r)
}

// request is what inner has to know of a request that has passed WrapHandler.
type request struct {
	body    *timedbody.Body // of a text call
	arrived func()          // of a WebSocket: called once its request is complete
}

type requestKey struct{}

// inner is the handler that WrapHandler wraps.
type inner struct {
	next relay.Server
}

func (h inner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := r.Context().Value(requestKey{}).(*request)
	r.ContentLength = -1 // it was that of the encoded body
	if request.body != nil {
		r.Body = request.body
		if _, err := Window(r.Header); err != nil {
			relay.Refuse(newResponse(w, r), err)
			return
		}
		h.serve(w, r)
		return
	}
	h.serveWebSocket(w, r, request.arrived)
}

func (h inner) serveWebSocket(w http.ResponseWriter, r *http.Request, arrived func()) {
	// Closing the body sends the trailers and closes the WebSocket. WrapHandler leaves
	// that to the gRPC server that it usually wraps.
	webSocket := r.Body
	timed := func(body io.ReadCloser) io.ReadCloser {
		return &timedbody.Body{ReadCloser: body, Begin: func() {}, End: arrived}
	}
	size, err := Window(r.Header)
	switch {
	case err != nil:
		relay.Refuse(newResponse(w, r), err)
	case size > 0:
		windowed := newWindowed(r.Context(), w, webSocket, size)
		defer windowed.credits.Wait() // they end with the WebSocket
		r.Body = timed(io.NopCloser(windowed))
		gathered := &gathered{ResponseWriter: windowed}
		h.serve(gathered, r)
		gathered.Flush()
	default:
		r.Body = timed(webSocket)
		h.serve(w, r)
	}
	_ = webSocket.Close()
}

func (h inner) serve(w http.ResponseWriter, r *http.Request) { h.next.ServeRPC(newResponse(w, r), r) }

func cloneRequest(ctx context.Context, r *http.Request) *http.Request {
	clone := r.WithContext(ctx)
	clone.Header = r.Header.Clone()
	return clone
}
