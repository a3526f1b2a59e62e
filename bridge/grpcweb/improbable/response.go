package improbable

import (
	"net/http"

	"akash-provider-web/bridge/internal/writebuf"
	"akash-provider-web/bridge/relay"
)

// response is a relay.Response over the http.ResponseWriter that WrapHandler gives its
// handler, which expects gRPC as net/http presents it.
type response struct {
	http.ResponseWriter
	contentType string
	committed   bool
}

var _ relay.Response = (*response)(nil)

func newResponse(w http.ResponseWriter, r *http.Request) *response {
	return &response{ResponseWriter: w, contentType: r.Header.Get("Content-Type")}
}

// WriteHeader implements relay.Response.
func (r *response) WriteHeader() {
	r.committed = true
	r.Header().Set("Content-Type", r.contentType)
	r.ResponseWriter.WriteHeader(http.StatusOK)
}

// Write implements relay.Response.
func (r *response) Write(pieces [][]byte) (n int, err error) {
	for _, piece := range pieces {
		m, err := r.ResponseWriter.Write(piece)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Flush implements relay.Response.
func (r *response) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Finish implements relay.Response.
func (r *response) Finish(trailers http.Header) {
	h, prefix := r.Header(), http.TrailerPrefix
	if !r.committed {
		prefix = ""
		h.Set("Content-Type", r.contentType)
	}
	// Trailers may be set only after the headers are written: WrapHandler sends what it
	// finds before as headers, and then an empty trailer frame.
	for key, values := range trailers {
		h[prefix+key] = values
	}
}

// Detach implements relay.Response: WrapHandler needs its handler to stay.
func (r *response) Detach(gone, serve func()) bool { return false }

// gathered is an http.ResponseWriter over a WebSocket: what is written between two
// flushes goes out as one message, for each costs the page an event.
type gathered struct {
	http.ResponseWriter
	waiting writebuf.Buffer
	err     error // why nothing more is sent
}

// Write sends messages, at the latest when they are flushed.
func (g *gathered) Write(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	if g.waiting.Add(p) {
		return len(p), nil
	}
	if g.Flush(); g.err != nil {
		return 0, g.err
	}
	if g.waiting.Add(p) {
		return len(p), nil
	}
	n, err := g.ResponseWriter.Write(p)
	g.err = err
	return n, err
}

// Flush implements http.Flusher. The next Write returns its error.
func (g *gathered) Flush() {
	if g.err == nil {
		_, g.err = g.waiting.WriteTo(g.ResponseWriter)
	}
}
