package grpcweb

import (
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// flagTrailer marks the frame that holds the trailers (PROTOCOL-WEB.md, "Trailers").
const flagTrailer = 0x80

// maxJoined is how many bytes are rather copied together than written from where
// they lie.
const maxJoined = 2 << 10

// answer is an http.ResponseWriter that turns a handler's gRPC answer into a binary
// gRPC-Web one, as WrapHandler does: what the handler names with
// http.TrailerPrefix, after its headers, becomes the last frame of the body. But
// each header is looked at once, and an answer that was never flushed goes out
// whole and with its length: most calls have one small message as their answer, and
// writing it in pieces would cost more than relaying it.
type answer struct {
	w           http.ResponseWriter
	contentType []string
	crossOrigin bool // a page may be of another origin: it sent its own

	trailer   http.Header // the handler's Header, once its headers are written
	words     http.Header // trailers that it gave by their own names
	held      held        // of the body, what waits
	committed bool        // the handler has written its headers
	sent      bool        // they went out

	r        *http.Request
	calls    *sync.WaitGroup // where a detached answer is counted
	detached bool
}

func newAnswer(w http.ResponseWriter, r *http.Request, contentType []string, calls *sync.WaitGroup) *answer {
	a := &answer{w: w, r: r, contentType: contentType, crossOrigin: r.Header["Origin"] != nil, calls: calls}
	// As WrapHandler's package for CORS has it. The origin was allowed by ServeHTTP.
	h := w.Header()
	h["Vary"] = varyOrigin
	if a.crossOrigin {
		h["Access-Control-Allow-Origin"] = r.Header["Origin"]
		h["Access-Control-Allow-Credentials"] = allowCredentials
	}
	return a
}

var (
	varyOrigin       = []string{"Origin"}
	allowCredentials = []string{"true"}
)

// Header returns the headers, or, once they are written, the trailers.
func (a *answer) Header() http.Header {
	if !a.committed {
		return a.w.Header()
	}
	if a.trailer == nil {
		a.trailer = http.Header{}
	}
	return a.trailer
}

// WriteTrailers sets the trailers, without http.TrailerPrefix.
func (a *answer) WriteTrailers(h http.Header) { a.words = h }

// WriteHeader ends the headers. Nothing is sent yet.
func (a *answer) WriteHeader(status int) {
	if a.committed {
		return
	}
	a.committed = true
	h := a.w.Header()
	h["Content-Type"] = a.contentType
	if a.crossOrigin {
		h["Access-Control-Expose-Headers"] = []string{exposed(h)}
	}
	if status != http.StatusOK {
		a.send(status)
	}
}

// exposed lists the headers that a page may read, as the specification of CORS
// wants them: all that there are.
func exposed(h http.Header) string {
	var names strings.Builder
	for name := range h {
		names.WriteString(name)
		names.WriteString(", ")
	}
	names.WriteString("grpc-status, grpc-message")
	return names.String()
}

// Write sends a piece of the body, in its time.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.held.add(p) {
		return len(p), nil
	}
	if err := a.release(); err != nil {
		return 0, err
	}
	a.send(http.StatusOK)
	return a.w.Write(p)
}

// WritePieces is Write for bytes that lie here and there.
func (a *answer) WritePieces(pieces [][]byte) (n int, err error) {
	if d, ok := a.w.(*detached); ok && length(pieces) > maxJoined {
		a.WriteHeader(http.StatusOK)
		if err := a.release(); err != nil {
			return 0, err
		}
		a.send(http.StatusOK)
		return d.writePieces(pieces)
	}
	for _, p := range pieces {
		m, err := a.Write(p)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// length returns how many bytes pieces have.
func length(pieces [][]byte) (n int) {
	for _, p := range pieces {
		n += len(p)
	}
	return n
}

// Flush sends what is held.
func (a *answer) Flush() {
	if !a.committed {
		return
	}
	a.send(http.StatusOK)
	if a.release() == nil {
		a.w.(http.Flusher).Flush()
	}
}

func (a *answer) send(status int) {
	if !a.sent {
		a.sent = true
		a.w.WriteHeader(status)
	}
}

// release writes what is held and holds nothing more.
func (a *answer) release() error {
	if a.held.empty() {
		return nil
	}
	a.send(http.StatusOK)
	return a.held.release(a.w)
}

// finish sends the trailers, after the handler has returned: as headers where it
// wrote nothing.
func (a *answer) finish() {
	if !a.committed {
		a.WriteHeader(http.StatusOK)
		a.send(http.StatusOK)
		return
	}
	rest := a.held.room()
	*rest = a.appendTrailers(*rest)
	if !a.sent {
		a.w.Header()["Content-Length"] = []string{strconv.Itoa(len(*rest))}
	}
	_ = a.release() // an error means that the page has left
}

// appendTrailers appends the frame of the trailers.
func (a *answer) appendTrailers(b []byte) []byte {
	start := len(b)
	b = append(b, flagTrailer, 0, 0, 0, 0)
	for name, values := range a.words {
		b = appendTrailer(b, name, values)
	}
	for key, values := range a.trailer {
		if name, ok := strings.CutPrefix(key, http.TrailerPrefix); ok {
			b = appendTrailer(b, name, values)
		}
	}
	binary.BigEndian.PutUint32(b[start+1:], uint32(len(b)-start-prefixSize))
	return b
}

// appendTrailer appends the lines of one trailer, whose name is in lower case, as
// PROTOCOL-WEB.md, "HTTP wire protocols", wants it.
func appendTrailer(b []byte, name string, values []string) []byte {
	if !httpguts.ValidHeaderFieldName(name) {
		return b
	}
	for _, value := range values {
		if !httpguts.ValidHeaderFieldValue(value) {
			continue // it could end the line, and begin another trailer
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
