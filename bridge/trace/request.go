// Package trace identifies requests, so that what a page saw can be found in the bridge's
// log and in traces: each has an id, and what the log says of who made it. It exports
// traces with OpenTelemetry.
package trace

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strings"

	api "go.opentelemetry.io/otel/trace"
)

// Header is the header of an answer that has its request's id, in canonical form.
const Header = "Akash-Request-Id"

// A Request is what is known of a request before it is a call. It belongs to the goroutine
// that serves the request.
type Request struct {
	// ID is the trace id of the request's traceparent, or 16 random bytes; in hexadecimal.
	ID string
	// Client is the caller's IP address, or "".
	Client string
	// Origin is the origin of the page that calls, or "" for a program.
	Origin string

	parent   string // the valid traceparent that the id is from, or ""
	exporter *Exporter
	span     api.SpanContext // of the whole request, if there is an exporter
}

// maxOrigin bounds an origin in the log. A name has at most 253 characters.
const maxOrigin = 300

// New returns a Request with the id that r's headers have, or a new one. The exporter gets
// its spans; nil means nobody does.
func New(r *http.Request, client, origin string, exporter *Exporter) *Request {
	t := &Request{Client: client, Origin: origin[:min(len(origin), maxOrigin)], exporter: exporter}
	if !t.adopt(r.Header) {
		var id [16]byte
		fill(id[:])
		t.ID = hex.EncodeToString(id[:])
	}
	return t
}

// fill fills b with random bytes.
func fill(b []byte) { _, _ = rand.Read(b) } // it never fails

// adopt takes the id from the headers, if they have one.
func (t *Request) adopt(h http.Header) bool {
	values := h[headerParent]
	if len(values) != 1 {
		return false
	}
	id, ok := traceID(values[0])
	if ok {
		t.ID, t.parent = id, strings.Clone(values[0][:parentLength])
	}
	return ok
}

type key struct{}

// With returns a context that has t, for Of.
func With(ctx context.Context, t *Request) context.Context {
	return context.WithValue(ctx, key{}, t)
}

// Of returns the request that With has put into the context. Without one it returns an empty
// Request.
func Of(ctx context.Context) *Request {
	if t, ok := ctx.Value(key{}).(*Request); ok {
		return t
	}
	return &Request{}
}

// Arrived takes the id from the headers of a call over a WebSocket, which follow its
// request.
func Arrived(r *http.Request) { Of(r.Context()).adopt(r.Header) }

// Attrs appends to attrs what a log line says of the request.
func (t *Request) Attrs(attrs []slog.Attr) []slog.Attr {
	for _, a := range [...]slog.Attr{
		slog.String("requestId", t.ID),
		slog.String("client", t.Client),
		slog.String("origin", t.Origin),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return attrs
}
