// Package grpcweb speaks gRPC-Web with browsers: binary and text bodies, the
// grpc-websockets transport, preflights and origins. It stands on improbable's
// grpcweb.WrapHandler and mends, each in its place and with the reason beside it,
// what that leaves to its users; only calls with binary bodies, which are nearly
// all, take a shorter way. What a call is about it does not know.
package grpcweb

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/improbable-eng/grpc-web/go/grpcweb"

	"akash-provider-web/bridge/guard"
)

// The content types of gRPC-Web (PROTOCOL-WEB.md, "Content-Type"). Only protobuf
// messages are spoken.
const (
	contentTypeWeb    = "application/grpc-web"
	contentTypeText   = "application/grpc-web-text"
	contentTypeNative = "application/grpc" // what they are translated from and to
	suffixProto       = "+proto"
)

// DefaultArrival is how long a request's body may take to arrive where nothing
// else is said.
const DefaultArrival = 30 * time.Second

// Options configure Handler.
type Options struct {
	// Origins says which pages may call.
	Origins *guard.Origins
	// MaxRequest bounds one message of the grpc-websockets transport, in bytes.
	MaxRequest int
	// Arrival bounds how long a request's body may take to arrive; 0 means
	// DefaultArrival.
	Arrival time.Duration
	// Calls, where set, counts the calls that go on after ServeHTTP has returned.
	Calls *sync.WaitGroup
}

// Handler translates gRPC-Web calls into gRPC ones for next, which must read the
// request's body to its end, and answer with trailers named with
// http.TrailerPrefix that it sets after its headers.
func Handler(next http.Handler, o Options) http.Handler {
	if o.Arrival == 0 {
		o.Arrival = DefaultArrival
	}
	if o.Calls == nil {
		o.Calls = new(sync.WaitGroup)
	}
	h := &handler{options: o, next: next}
	h.grpcWeb = grpcweb.WrapHandler(inner{next},
		// The bridge relays methods that are registered nowhere in this process.
		grpcweb.WithCorsForRegisteredEndpointsOnly(false),
		grpcweb.WithOriginFunc(func(string) bool { return true }), // decided in ServeHTTP
		grpcweb.WithWebsockets(true),
		grpcweb.WithWebsocketOriginFunc(func(*http.Request) bool { return true }), // likewise
		grpcweb.WithWebsocketsMessageReadLimit(int64(o.MaxRequest)+64<<10),
	)
	return h
}

type handler struct {
	options Options
	next    http.Handler
	grpcWeb *grpcweb.WrappedGrpcServer
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !h.options.Origins.Allows(r) {
		w.Header().Add("Vary", "Origin")
		http.Error(w, "This bridge does not serve pages of the origin "+quote(r.Header.Get("Origin"))+
			". Its operator can allow them: --allow-origin.", http.StatusForbidden)
		return
	}
	switch {
	case r.Method == http.MethodOptions:
		h.preflight(w, r)
	case h.grpcWeb.IsGrpcWebSocketRequest(r):
		h.webSocket(w, r)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST, OPTIONS")
		http.Error(w, "gRPC-Web calls are POST requests.", http.StatusMethodNotAllowed)
	default:
		h.call(w, r)
	}
}

// preflight answers an OPTIONS request.
func (h *handler) preflight(w http.ResponseWriter, r *http.Request) {
	const requested = "Access-Control-Request-Headers"
	r = cloneRequest(r.Context(), r)
	// WrapHandler takes a preflight for its own only if it asks for x-grpc-web. Not
	// every client sends that header, and the specification does not ask for it.
	if names := r.Header.Get(requested); !strings.Contains(strings.ToLower(names), "x-grpc-web") {
		r.Header.Set(requested, strings.TrimPrefix(names+",x-grpc-web", ","))
	}
	// A page on the Internet may use a bridge on the user's own machine or network
	// (https://wicg.github.io/private-network-access/).
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		w.Header().Set("Access-Control-Allow-Private-Network", "true")
	}
	if r.Header.Get("Access-Control-Request-Method") == "" {
		w.Header().Set("Allow", "POST, OPTIONS")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h.grpcWeb.ServeHTTP(w, r)
}

// noStore keeps Chromium from reading an answer as fast as it comes, whether or not
// the page does: it buffers without bound what a cache might want, which it takes any
// answer for that does not say otherwise, a POST request's included.
var noStore = []string{"no-store"}

// call answers a POST request.
func (h *handler) call(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = noStore
	contentType, text, ok := parseContentType(r.Header.Get("Content-Type"))
	if !ok {
		w.Header().Set("Accept-Post", contentTypeWeb+suffixProto+", "+contentTypeText+suffixProto)
		http.Error(w, "The bridge speaks gRPC-Web with protobuf messages: want the content type "+
			contentTypeWeb+suffixProto+" or "+contentTypeText+suffixProto+".", http.StatusUnsupportedMediaType)
		return
	}
	arrival := &arrival{body: r.Body, begin: func() {
		// Only the body is timed. http.Server.ReadTimeout would cut the answer as
		// well: it makes the connection look closed while a stream runs.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.options.Arrival))
	}, end: func() {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}}
	if !text {
		r.Body = arrival
		h.binary(w, r, contentType)
		return
	}
	arrival.body = &textReader{src: r.Body}
	// A clone: WrapHandler rewrites the request that it is given, and net/http goes
	// on using this one after the call, to see where the next begins.
	r = cloneRequest(context.WithValue(r.Context(), arrivalKey{}, arrival), r)
	r.Header.Set("Content-Type", contentType)
	h.grpcWeb.ServeHTTP(w, r)
}

// binary answers a call whose body needs no decoding. There is nothing for
// WrapHandler to do but to present it as gRPC, which costs it more than all else
// that the bridge does for a small message.
func (h *handler) binary(w http.ResponseWriter, r *http.Request, contentType string) {
	web, native := webProto, nativeProto
	if contentType == contentTypeWeb {
		web, native = webPlain, nativePlain
	}
	r.Header["Content-Type"] = native
	a := newAnswer(w, r, web, h.options.Calls)
	h.next.ServeHTTP(a, r)
	if !a.detached {
		a.finish()
	}
}

// Values of the Content-Type header, of a binary body and of what it is as gRPC.
var (
	webPlain    = []string{contentTypeWeb}
	webProto    = []string{contentTypeWeb + suffixProto}
	nativePlain = []string{contentTypeNative}
	nativeProto = []string{contentTypeNative + suffixProto}
)

// webSocket answers a call over the grpc-websockets transport.
func (h *handler) webSocket(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	// WrapHandler waits without end for the message that carries the headers, and
	// for those of the body.
	timer := time.AfterFunc(h.options.Arrival, cancel)
	defer timer.Stop()
	arrival := &arrival{begin: func() {}, end: func() { timer.Stop() }, webSocket: true}
	r = cloneRequest(context.WithValue(ctx, arrivalKey{}, arrival), r)
	checked := &webSocketWriter{ResponseWriter: w}
	defer checked.close()
	h.grpcWeb.ServeHTTP(checked, r)
}

// arrival is the body of a request, with its time limit, on its way past
// WrapHandler.
type arrival struct {
	body      io.ReadCloser // nil where WrapHandler's own is right
	begin     func()
	end       func()
	begun     bool
	webSocket bool
}

type arrivalKey struct{}

func (a *arrival) Read(p []byte) (int, error) {
	if !a.begun {
		a.begun = true
		a.begin()
	}
	n, err := a.body.Read(p)
	if err != nil {
		a.end()
	}
	return n, err
}

func (a *arrival) Close() error { return a.body.Close() }

// inner stands between WrapHandler and the handler that it wraps.
type inner struct {
	next http.Handler
}

func (h inner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrival := r.Context().Value(arrivalKey{}).(*arrival)
	if arrival.body == nil {
		arrival.body = r.Body
	}
	// What the body's length says was true before it was decoded.
	r.ContentLength = -1
	r.Body = arrival
	if !arrival.webSocket {
		h.next.ServeHTTP(w, r)
		return
	}
	// Closing the body sends the trailers and closes the WebSocket; WrapHandler
	// leaves it to the gRPC server that it usually wraps.
	webSocket := arrival.body
	if size := windowOf(r.Header); size > 0 {
		windowed := newWindowed(r.Context(), w, webSocket, size)
		arrival.body = io.NopCloser(windowed)
		defer windowed.credits.Wait()
		gathered := &gathered{ResponseWriter: windowed}
		h.next.ServeHTTP(gathered, r)
		gathered.Flush()
	} else {
		h.next.ServeHTTP(w, r)
	}
	_ = webSocket.Close()
}

// parseContentType returns a gRPC-Web content type without its parameters, and
// whether it is that of a text body.
func parseContentType(value string) (contentType string, text, ok bool) {
	if value == contentTypeWeb+suffixProto { // as nearly all calls have it
		return value, false, true
	}
	contentType, _, err := mime.ParseMediaType(value)
	if err != nil {
		return "", false, false
	}
	switch strings.TrimSuffix(contentType, suffixProto) {
	case contentTypeWeb:
		return contentType, false, true
	case contentTypeText:
		return contentType, true, true
	}
	return "", false, false
}

func cloneRequest(ctx context.Context, r *http.Request) *http.Request {
	clone := r.WithContext(ctx)
	clone.Header = r.Header.Clone()
	return clone
}

// quote shortens and quotes a header's value for an error text.
func quote(value string) string {
	if len(value) > 100 {
		value = value[:100] + "…"
	}
	return `"` + strings.Map(printable, value) + `"`
}

func printable(r rune) rune {
	if r < ' ' || r > '~' && r != '…' {
		return '?'
	}
	return r
}
