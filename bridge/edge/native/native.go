// Package native answers gRPC over HTTP/2, the protocol of gRPC's own clients
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). It does not know
// what the calls mean.
package native

import (
	"net/http"
	"strings"
	"time"

	"akash-provider-web/bridge/internal/timedbody"
	"akash-provider-web/bridge/internal/writebuf"
	"akash-provider-web/bridge/relay"
)

// The content types of gRPC ("Content-Type"). Only protobuf messages are supported.
const (
	contentType = "application/grpc"
	suffixProto = "+proto"
)

// Speaks reports whether a request with this content type is a gRPC call, whatever the
// form of its messages.
func Speaks(value string) bool {
	rest, ok := strings.CutPrefix(value, contentType)
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// Options configure Handler.
type Options struct {
	// Arrival bounds the time that a request's body may take to arrive. For a call
	// whose requests go on while it is answered, that is the first message.
	Arrival time.Duration
}

// Handler returns a handler that answers POST requests of gRPC clients with next. It
// does not check origins; the caller must.
func Handler(next relay.Server, o Options) http.Handler { return &handler{next, o} }

type handler struct {
	next    relay.Server
	options Options
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.ProtoMajor < 2 {
		http.Error(w, "gRPC needs HTTP/2, and this request came over "+r.Proto+
			". Over HTTP/1.1 the bridge speaks gRPC-Web and Connect.", http.StatusHTTPVersionNotSupported)
		return
	}
	form, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if form = strings.TrimSpace(form); form != contentType && form != contentType+suffixProto {
		http.Error(w, "The bridge speaks gRPC with protobuf messages: want the content type "+
			contentType+suffixProto+".", http.StatusUnsupportedMediaType)
		return
	}
	body := timedbody.NewLive(w, r, h.options.Arrival)
	defer body.Close()
	r.Body = body
	r.Header["Content-Type"] = []string{form}
	a := &response{w: w, contentType: form}
	h.next.ServeRPC(a, r)
	a.end()
}

// response is a relay.Response that writes gRPC.
type response struct {
	w           http.ResponseWriter
	contentType string
	waiting     writebuf.Buffer // messages not written yet
	committed   bool            // WriteHeader was called
	trailers    http.Header
}

var _ relay.Response = (*response)(nil)

// Protocol implements relay.Response.
func (a *response) Protocol() relay.Protocol { return relay.ProtocolGRPC }

// Header implements relay.Response.
func (a *response) Header() http.Header { return a.w.Header() }

// WriteHeader implements relay.Response. Nothing is sent yet.
func (a *response) WriteHeader() {
	if a.committed {
		return
	}
	a.committed = true
	a.w.Header()["Content-Type"] = []string{a.contentType}
	a.w.WriteHeader(http.StatusOK)
}

// Write implements relay.Response.
func (a *response) Write(pieces [][]byte) (n int, err error) {
	for _, p := range pieces {
		m, err := a.write(p)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (a *response) write(p []byte) (int, error) {
	if a.waiting.Add(p) {
		return len(p), nil
	}
	if _, err := a.waiting.WriteTo(a.w); err != nil {
		return 0, err
	}
	return a.w.Write(p)
}

// Flush implements relay.Response.
func (a *response) Flush() {
	if !a.committed {
		return
	}
	if _, err := a.waiting.WriteTo(a.w); err == nil {
		a.w.(http.Flusher).Flush()
	}
}

// Finish implements relay.Response.
func (a *response) Finish(trailers http.Header) { a.trailers = trailers }

// Detach implements relay.Response. The streams of an HTTP/2 connection cannot be
// taken over from net/http, so it always returns false.
func (a *response) Detach(onDisconnect, serve func()) bool { return false }

// end sends the trailers after the handler has returned. An answer without messages has
// headers, too: net/http cannot tell trailers sent in their place ("Trailers-Only")
// from headers, and clients accept both.
func (a *response) end() {
	a.WriteHeader()
	_, _ = a.waiting.WriteTo(a.w) // an error means that the client has disconnected
	h := a.w.Header()
	for key, values := range a.trailers {
		h[http.TrailerPrefix+key] = values
	}
}
