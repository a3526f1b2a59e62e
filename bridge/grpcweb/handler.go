// Package grpcweb serves gRPC-Web to browsers: binary and text bodies, the
// grpc-websockets transport, CORS preflights and origin checks. It does not know what
// the calls mean.
//
// It answers calls with binary bodies, which are nearly all calls, itself. Everything
// else goes through improbable-eng's WrapHandler, in the package improbable.
package grpcweb

import (
	"context"
	"mime"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"akash-provider-web/bridge/grpcweb/improbable"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/internal/timedbody"
	"akash-provider-web/bridge/relay"
)

// The content types of gRPC-Web (PROTOCOL-WEB.md, "Content-Type"). Only protobuf
// messages are supported.
const (
	contentTypeWeb    = "application/grpc-web"
	contentTypeText   = "application/grpc-web-text"
	contentTypeNative = "application/grpc" // of the translated call
	contentTypeJSON   = "application/json" // of Connect, which package edge answers
	suffixProto       = "+proto"
)

// DefaultArrival is the default of Options.Arrival.
const DefaultArrival = 30 * time.Second

// Options configure Handler.
type Options struct {
	// Origins are the web origins that may call.
	Origins *guard.Origins
	// MaxRequest is the size limit of a message on the grpc-websockets transport, in
	// bytes.
	MaxRequest int
	// Arrival bounds the time that a request's body may take to arrive; 0 means
	// DefaultArrival.
	Arrival time.Duration
	// Calls, if set, counts the answers that continue after ServeHTTP has returned.
	Calls *sync.WaitGroup
	// Requests, if set, ends calls over WebSockets with its cause, as http.Server.BaseContext
	// does other requests.
	Requests context.Context
}

// Handler returns a handler that answers gRPC-Web calls with next.
func Handler(next relay.Server, o Options) http.Handler {
	if o.Arrival == 0 {
		o.Arrival = DefaultArrival
	}
	if o.Calls == nil {
		o.Calls = new(sync.WaitGroup)
	}
	if o.Requests == nil {
		o.Requests = context.Background()
	}
	return &handler{options: o, next: next, wrapped: improbable.New(next, improbable.Options{
		MaxRequest: o.MaxRequest,
		Arrival:    o.Arrival,
		Calls:      o.Calls,
		Requests:   o.Requests,
	})}
}

type handler struct {
	options Options
	next    relay.Server
	wrapped *improbable.Handler
	probes  atomic.Int32 // being answered
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !h.options.Origins.Check(w, r) {
		return
	}
	switch {
	case r.Method == http.MethodOptions:
		h.preflight(w, r)
	case h.wrapped.IsWebSocket(r):
		h.wrapped.ServeWebSocket(w, r)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST, OPTIONS")
		http.Error(w, "gRPC-Web calls are POST requests.", http.StatusMethodNotAllowed)
	default:
		h.call(w, r)
	}
}

// preflight answers an OPTIONS request.
func (h *handler) preflight(w http.ResponseWriter, r *http.Request) {
	// Allow pages on the Internet to use a bridge on the user's machine or private
	// network
	// (https://wicg.github.io/private-network-access/).
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		w.Header().Set("Access-Control-Allow-Private-Network", "true")
	}
	if r.Header.Get("Access-Control-Request-Method") == "" {
		w.Header().Set("Allow", "POST, OPTIONS")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h.wrapped.ServePreflight(w, r)
}

// Headers of every answer.
var (
	// no-store stops Chromium from buffering an answer without bound while the page does
	// not read it. Chromium does that for answers that its cache might store, and
	// considers even the answer to a POST request cacheable unless told otherwise.
	// no-transform stops proxies, HAProxy among them, from compressing a stream: they
	// wait until there is enough of it.
	cacheControl = []string{"no-store, no-transform"}
	// nginx, and proxies that follow its example, otherwise hold an answer back until it
	// ends or fills their buffers.
	noBuffering = []string{"no"}
)

// call answers a POST request.
func (h *handler) call(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = cacheControl
	w.Header()["X-Accel-Buffering"] = noBuffering
	contentType, text, ok := parseContentType(r.Header.Get("Content-Type"))
	if !ok {
		w.Header().Set("Accept-Post", contentTypeWeb+suffixProto+", "+contentTypeText+suffixProto)
		http.Error(w, "The bridge speaks gRPC-Web with protobuf messages: want the content type "+
			contentTypeWeb+suffixProto+" or "+contentTypeText+suffixProto+
			". It takes Connect's "+contentTypeJSON+", too.", http.StatusUnsupportedMediaType)
		return
	}
	if !text && r.Header[headerProbe] != nil {
		h.probe(w, r, contentType)
		return
	}
	if !text && r.ProtoMajor >= 2 {
		// Clients other than browsers can send requests while the call is answered.
		body := timedbody.NewLive(w, r, h.options.Arrival)
		detached := false
		defer func() {
			if !detached {
				body.Close()
			}
		}()
		r.Body = body
		detached = h.binary(w, r, contentType)
		return
	}
	begin := func() { _ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.options.Arrival)) }
	end := func() { _ = http.NewResponseController(w).SetReadDeadline(time.Time{}) }
	body := &timedbody.Body{ReadCloser: r.Body, Begin: begin, End: end}
	if text {
		h.wrapped.ServeText(w, r, contentType, body)
		return
	}
	r.Body = body
	h.binary(w, r, contentType)
}

// binary answers a call with a binary body. WrapHandler would first translate it to
// native gRPC, which costs more than all other work that the bridge does for a small
// message. It returns true if the answer, which then closes the request's body, goes on.
func (h *handler) binary(w http.ResponseWriter, r *http.Request, contentType string) (detached bool) {
	web, native := webProto, nativeProto
	if contentType == contentTypeWeb {
		web, native = webPlain, nativePlain
	}
	r.Header["Content-Type"] = native
	a := newResponse(w, r, web, h.options.Calls)
	if _, err := improbable.Window(r.Header); err != nil {
		relay.Refuse(a, err)
	} else {
		h.next.ServeRPC(a, r)
	}
	if !a.detached {
		a.end()
	}
	return a.detached
}

// Values of the Content-Type header for a binary body, and their equivalents in native
// gRPC.
var (
	webPlain    = []string{contentTypeWeb}
	webProto    = []string{contentTypeWeb + suffixProto}
	nativePlain = []string{contentTypeNative}
	nativeProto = []string{contentTypeNative + suffixProto}
)

// parseContentType returns a gRPC-Web content type without its parameters, and whether
// it denotes a text body.
func parseContentType(value string) (contentType string, text, ok bool) {
	if value == contentTypeWeb+suffixProto { // the common case, which needs no parsing
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
