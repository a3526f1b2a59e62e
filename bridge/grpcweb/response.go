package grpcweb

import (
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/internal/writebuf"
	"akash-provider-web/bridge/relay"

	"golang.org/x/net/http/httpguts"
)

// flagTrailer marks the frame that holds the trailers (PROTOCOL-WEB.md, "Trailers").
const flagTrailer = 0x80

// maxJoined is up to how many bytes are copied into one buffer instead of being
// written as separate pieces.
const maxJoined = 2 << 10

// response is a relay.Response that writes a binary gRPC-Web body, whose last frame
// has the trailers (PROTOCOL-WEB.md). An answer that is never flushed is sent in one
// write, with a Content-Length. Most answers are one small message, for which several
// writes would cost more than relaying it.
type response struct {
	w           http.ResponseWriter
	contentType []string
	crossOrigin bool // the request has an Origin header

	trailers  http.Header
	waiting   writebuf.Buffer // body data not written yet
	committed bool            // WriteHeader was called
	sent      bool            // the headers were sent

	r        *http.Request
	calls    *sync.WaitGroup // counts the goroutines of a detached answer
	detached bool
}

var _ relay.Response = (*response)(nil)

func newResponse(w http.ResponseWriter, r *http.Request, contentType []string, calls *sync.WaitGroup) *response {
	a := &response{w: w, r: r, contentType: contentType, crossOrigin: r.Header["Origin"] != nil, calls: calls}
	// The same CORS headers that WrapHandler's package sends. ServeHTTP has checked
	// the origin.
	h := w.Header()
	h["Vary"] = varyOrigin
	if a.crossOrigin {
		h["Access-Control-Allow-Origin"] = r.Header["Origin"]
		h["Access-Control-Allow-Credentials"] = allowCredentials
		// Tells the page's client by its Resource Timing which HTTP it speaks.
		h["Timing-Allow-Origin"] = r.Header["Origin"]
	}
	return a
}

var (
	varyOrigin       = []string{"Origin"}
	allowCredentials = []string{"true"}
)

// Protocol implements relay.Response.
func (a *response) Protocol() relay.Protocol { return relay.ProtocolGRPCWeb }

// Header implements relay.Response.
func (a *response) Header() http.Header { return a.w.Header() }

// WriteHeader implements relay.Response. Nothing is sent yet.
func (a *response) WriteHeader() {
	if a.committed {
		return
	}
	a.committed = true
	h := a.w.Header()
	h["Content-Type"] = a.contentType
	if a.crossOrigin {
		h["Access-Control-Expose-Headers"] = []string{exposed(h)}
	}
}

// exposed lists the headers that a page may read. CORS requires each name.
func exposed(h http.Header) string {
	var names strings.Builder
	for name := range h {
		names.WriteString(name)
		names.WriteString(", ")
	}
	names.WriteString("grpc-status, grpc-message")
	return names.String()
}

// Write implements relay.Response.
func (a *response) Write(pieces [][]byte) (n int, err error) {
	if d, ok := a.w.(*detached); ok && length(pieces) > maxJoined {
		if err := a.flushWaiting(); err != nil {
			return 0, err
		}
		a.send()
		return d.writePieces(pieces)
	}
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
	if err := a.flushWaiting(); err != nil {
		return 0, err
	}
	a.send()
	return a.w.Write(p)
}

// length returns how many bytes pieces have.
func length(pieces [][]byte) (n int) {
	for _, p := range pieces {
		n += len(p)
	}
	return n
}

// Flush implements relay.Response.
func (a *response) Flush() {
	if !a.committed {
		return
	}
	a.send()
	if a.flushWaiting() == nil {
		a.w.(http.Flusher).Flush()
	}
}

// send sends the headers.
func (a *response) send() {
	if !a.sent {
		a.sent = true
		a.w.WriteHeader(http.StatusOK)
	}
}

// flushWaiting writes the buffered data to the connection.
func (a *response) flushWaiting() error {
	if a.waiting.Empty() {
		return nil
	}
	a.send()
	_, err := a.waiting.WriteTo(a.w)
	return err
}

// Finish implements relay.Response.
func (a *response) Finish(trailers http.Header) { a.trailers = trailers }

// end sends the trailers after the handler has returned: as headers, if there are no
// messages.
func (a *response) end() {
	if !a.committed {
		h := a.w.Header()
		for key, values := range a.trailers {
			h[key] = values
		}
		a.WriteHeader()
		a.send()
		return
	}
	rest := a.waiting.Bytes()
	*rest = a.appendTrailers(*rest)
	if !a.sent {
		a.w.Header()["Content-Length"] = []string{strconv.Itoa(len(*rest))}
	}
	_ = a.flushWaiting() // an error means that the client has disconnected
}

// appendTrailers appends the trailer frame.
func (a *response) appendTrailers(b []byte) []byte {
	start := len(b)
	b = append(b, flagTrailer, 0, 0, 0, 0)
	for name, values := range a.trailers {
		b = appendTrailer(b, name, values)
	}
	binary.BigEndian.PutUint32(b[start+1:], uint32(len(b)-start-grpcwire.PrefixSize))
	return b
}

// appendTrailer appends the lines of one trailer. Its name is in lower case, as
// required by PROTOCOL-WEB.md, "HTTP wire protocols".
func appendTrailer(b []byte, name string, values []string) []byte {
	if !httpguts.ValidHeaderFieldName(name) {
		return b
	}
	for _, value := range values {
		if !httpguts.ValidHeaderFieldValue(value) {
			continue // it could end the line and inject another trailer
		}
		for i := range len(name) {
			c := name[i]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			b = append(b, c)
		}
		b = append(b, ": "...)
		b = append(b, value...)
		b = append(b, "\r\n"...)
	}
	return b
}
