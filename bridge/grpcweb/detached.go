package grpcweb

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

// maxAfterRequest is how much a page may send after its request, which is to be
// ignored (RFC 9112, section 9.6), before it is taken to have left.
const maxAfterRequest = 64 << 10

// lingerTime is how long a connection stays open after an answer, for the page to
// close it: what is closed first may be lost on the way (RFC 9112, section 9.6).
const lingerTime = 500 * time.Millisecond

// Detach implements relay.Response. It works on HTTP/1.1 in the clear, and nowhere else:
// there the connection must be left to net/http.
//
// A stream holds its connection for hours, and most of the time is quiet. The stack
// and the buffers with which net/http waits for it take more memory than all else
// that a stream needs, and each message costs it three writes on the network. The
// price is that the connection closes with the answer, as its headers say.
func (a *response) Detach(gone, serve func()) bool {
	if a.committed || a.r.ProtoMajor != 1 || a.r.ProtoMinor != 1 || a.r.TLS != nil {
		return false
	}
	// Counted first: http.Server.Shutdown does not wait for what is no longer its own.
	a.calls.Add(2)
	conn, buffered, err := http.NewResponseController(a.w).Hijack()
	if err != nil {
		a.calls.Add(-2)
		return false
	}
	server, _ := a.r.Context().Value(http.ServerContextKey).(*http.Server)
	d := &detached{conn: conn, header: a.w.Header(), server: server, left: make(chan struct{})}
	a.w, a.r, a.detached = d, nil, true
	early := buffered.Reader.Buffered()
	go func() {
		defer a.calls.Done()
		d.watch(early, gone)
	}()
	go func() {
		defer a.calls.Done()
		defer d.close()
		serve()
		a.end()
	}()
	return true
}

// detached is an http.ResponseWriter on a connection of HTTP/1.1 that is no longer
// net/http's, for one answer.
type detached struct {
	conn   net.Conn
	header http.Header
	server *http.Server  // whose log a panic goes to
	left   chan struct{} // closed when the page has left, or is to be taken for it

	status int
	sent   bool // the headers were
}

// watch waits until the page leaves.
func (d *detached) watch(received int, gone func()) {
	defer close(d.left)
	var ignored [512]byte
	for received < maxAfterRequest {
		n, err := d.conn.Read(ignored[:])
		received += n
		if err != nil {
			break
		}
	}
	gone()
}

// Header implements http.ResponseWriter.
func (d *detached) Header() http.Header { return d.header }

// WriteHeader implements http.ResponseWriter. The headers go out with what follows
// them.
func (d *detached) WriteHeader(status int) {
	if d.status == 0 {
		d.status = status
	}
}

var crlf = []byte("\r\n")

// Write implements http.ResponseWriter.
func (d *detached) Write(p []byte) (int, error) { return d.writePieces([][]byte{p}) }

// writePieces sends a chunk (RFC 9112, section 7.1), in one write.
func (d *detached) writePieces(pieces [][]byte) (int, error) {
	n := length(pieces)
	if n == 0 {
		return 0, nil
	}
	var room [20]byte
	chunk := make([][]byte, 0, len(pieces)+3)
	if !d.sent {
		chunk = append(chunk, d.begin())
	}
	chunk = append(chunk, append(strconv.AppendInt(room[:0], int64(n), 16), crlf...))
	chunk = append(append(chunk, pieces...), crlf)
	buffers := net.Buffers(chunk)
	if _, err := buffers.WriteTo(d.conn); err != nil {
		return 0, err
	}
	return n, nil
}

// Flush implements http.Flusher: only the headers ever wait.
func (d *detached) Flush() {
	if !d.sent {
		_, _ = d.conn.Write(d.begin()) // the next Write has the error, too
	}
}

// begin returns the headers of a body in chunks, which are to be sent now.
func (d *detached) begin() []byte {
	d.sent = true
	d.header["Transfer-Encoding"] = []string{"chunked"}
	delete(d.header, "Content-Length")
	return d.head()
}

// head returns the status line and the headers.
func (d *detached) head() []byte {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 " + strconv.Itoa(d.status) + " " + http.StatusText(d.status) + "\r\n")
	d.header["Connection"] = []string{"close"}
	d.header["Date"] = []string{time.Now().UTC().Format(http.TimeFormat)}
	_ = d.header.Write(&b)
	b.Write(crlf)
	return b.Bytes()
}

// close ends the answer and the connection. A panic cuts it off instead, so that no
// page takes it for complete; it costs the bridge no more than this answer, as it
// would in a handler of net/http's.
func (d *detached) close() {
	defer d.conn.Close()
	if err := recover(); err != nil {
		d.note("panic serving %v: %v\n%s", d.conn.RemoteAddr(), err, debug.Stack())
		return
	}
	var err error
	if d.sent {
		_, err = io.WriteString(d.conn, "0\r\n\r\n")
	} else {
		d.header["Content-Length"] = []string{"0"}
		_, err = d.conn.Write(d.head())
	}
	half, ok := d.conn.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		return
	}
	_ = d.conn.SetReadDeadline(time.Now().Add(lingerTime))
	<-d.left
}

// note writes to the log that net/http writes to.
func (d *detached) note(format string, args ...any) {
	if d.server != nil && d.server.ErrorLog != nil {
		d.server.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}
