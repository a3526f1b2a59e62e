package improbable

import (
	"context"
	"net/http"

	"akash-provider-web/bridge/internal/deep"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/trace"
)

// response is a relay.Response over WrapHandler's http.ResponseWriter, which expects
// trailers the way net/http's gRPC servers set them.
type response struct {
	http.ResponseWriter
	protocol    relay.Protocol
	contentType string
	committed   bool
	ctx         context.Context // of the request
}

var _ relay.Response = (*response)(nil)

func newResponse(w http.ResponseWriter, r *http.Request, protocol relay.Protocol) *response {
	// WrapHandler lets pages read only the headers that are set here.
	if id := trace.Of(r.Context()).ID; id != "" {
		w.Header()[trace.Header] = []string{id}
	}
	return &response{ResponseWriter: w, protocol: protocol, contentType: r.Header.Get("Content-Type"), ctx: r.Context()}
}

// Protocol implements relay.Response.
func (r *response) Protocol() relay.Protocol { return r.protocol }

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
	// WrapHandler sends trailers that are set before the headers are written as
	// headers, followed by an empty trailer frame. So the prefix is used only after
	// WriteHeader.
	for key, values := range trailers {
		h[prefix+key] = values
	}
}

// Detach implements relay.Response. WrapHandler ends the call when its handler returns, so
// serve is left to what calls ServeRPC, which takes it only for WebSockets.
func (r *response) Detach(onDisconnect, serve func()) bool {
	if r.protocol != relay.ProtocolWebSocket {
		return false
	}
	ctx := r.ctx
	return deep.Leave(ctx, func() {
		stop := context.AfterFunc(ctx, onDisconnect)
		defer stop()
		serve()
	})
}
