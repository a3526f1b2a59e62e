package grpcweb

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"akash-provider-web/bridge/internal/deep"
)

// maxAfterRequest bounds the data that a client may send after its request, which is
// discarded (RFC 9112, section 9.6). A client that sends more is treated as
// disconnected.
const maxAfterRequest = 64 << 10

// lingerTime is how long a connection stays open after an answer for the client to
// close it first. Closing it earlier could lose the end of the answer (RFC 9112,
// section 9.6).
const lingerTime = 500 * time.Millisecond

// Detach implements relay.Response. It supports HTTP/1.1 without TLS, which net/http hands
// over, and HTTP/2.
func (a *response) Detach(onDisconnect, serve func()) bool {
	switch {
	case a.committed:
		return false
	case a.r.ProtoMajor >= 2:
		return a.leave(onDisconnect, serve)
	case a.r.ProtoMajor != 1 || a.r.ProtoMinor != 1 || a.r.TLS != nil:
		return false
	}
	return a.takeOver(onDisconnect, serve)
}

// leave has serve run in the handler's goroutine, which HTTP/2 needs, when the handler's
// frames are gone (package deep).
func (a *response) leave(onDisconnect, serve func()) bool {
	ctx, body := a.r.Context(), a.r.Body
	left := deep.Leave(ctx, func() {
		stop := context.AfterFunc(ctx, onDisconnect)
		defer stop()
		defer body.Close()
		serve()
		a.end()
	})
	if left {
		a.r, a.detached = nil, true
	}
	return left
}

// takeOver takes the connection over from net/http.
//
// A stream keeps its connection for hours and is idle most of the time. The goroutine
// and the buffers that net/http keeps for it take more memory than the rest of the
// stream, and net/http makes three writes per message. In exchange the connection
// closes after the answer, as its headers say.
func (a *response) takeOver(onDisconnect, serve func()) bool {
	// Added before Hijack, because http.Server.Shutdown does not wait for hijacked
	// connections.
	a.calls.Add(2)
	conn, rw, err := http.NewResponseController(a.w).Hijack()
	if err != nil {
		a.calls.Add(-2)
		return false
	}
	if wrapped, ok := conn.(interface{ Unwrap() net.Conn }); ok {
		// Of a wrapped connection, net.Buffers would write each piece on its own.
		conn = wrapped.Unwrap()
	}
	server, _ := a.r.Context().Value(http.ServerContextKey).(*http.Server)
	d := &detached{conn: conn, header: a.w.Header(), server: server, disconnected: make(chan struct{})}
	a.w, a.r, a.detached = d, nil, true
	buffered := rw.Reader.Buffered()
	go func() {
		defer a.calls.Done()
		d.awaitDisconnect(buffered, onDisconnect)
	}()
	go func() {
		defer a.calls.Done()
		defer d.close()
		serve()
		a.end()
	}()
	return true
}

// detached is an http.ResponseWriter for one answer on an HTTP/1.1 connection taken
// over from net/http.
type detached struct {
	conn         net.Conn
	header       http.Header
	server       *http.Server  // its ErrorLog receives panics
	disconnected chan struct{} // closed when the client has disconnected, or counts as such

	status int
	sent   bool // the headers have been sent
}

// awaitDisconnect reads and discards data until the client disconnects, and then calls
// onDisconnect.
func (d *detached) awaitDisconnect(received int, onDisconnect func()) {
	defer close(d.disconnected)
	var discarded [512]byte
	for received < maxAfterRequest {
		n, err := d.conn.Read(discarded[:])
		received += n
		if err != nil {
			break
		}
	}
	onDisconnect()
}

// Header implements http.ResponseWriter.
func (d *detached) Header() http.Header { return d.header }

// WriteHeader implements http.ResponseWriter. The headers are sent with the first
// data, or by Flush.
func (d *detached) WriteHeader(status int) {
	if d.status == 0 {
		d.status = status
	}
}

var crlf = []byte("\r\n")

// Write implements http.ResponseWriter.
func (d *detached) Write(p []byte) (int, error) { return d.writePieces([][]byte{p}) }

// writePieces sends a chunk (RFC 9112, section 7.1) in one write.
func (d *detached) writePieces(pieces [][]byte) (int, error) {
	n := length(pieces)
	if n == 0 {
		return 0, nil
	}
	var size [20]byte
	chunk := make([][]byte, 0, len(pieces)+3)
	if !d.sent {
		chunk = append(chunk, d.chunkedHead())
	}
	chunk = append(chunk, append(strconv.AppendInt(size[:0], int64(n), 16), crlf...))
	chunk = append(append(chunk, pieces...), crlf)
	buffers := net.Buffers(chunk)
	if _, err := buffers.WriteTo(d.conn); err != nil {
		return 0, err
	}
	return n, nil
}

// Flush implements http.Flusher. Only headers are ever buffered.
func (d *detached) Flush() {
	if !d.sent {
		_, _ = d.conn.Write(d.chunkedHead()) // the next Write returns the error, too
	}
}

// chunkedHead returns the headers of a chunked body and marks them as sent.
func (d *detached) chunkedHead() []byte {
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

// close ends the answer and the connection. After a panic it cuts the answer off
// instead, so that the client cannot take it for complete. As in a handler of
// net/http, a panic ends only this answer.
func (d *detached) close() {
	defer d.conn.Close()
	if err := recover(); err != nil {
		d.logf("panic serving %v: %v\n%s", d.conn.RemoteAddr(), err, debug.Stack())
		return
	}
	var err error
	if d.sent {
		_, err = io.WriteString(d.conn, "0\r\n\r\n")
	} else {
		d.header["Content-Length"] = []string{"0"}
		_, err = d.conn.Write(d.head())
	}
	tcp, ok := d.conn.(interface{ CloseWrite() error })
	if err != nil || !ok || tcp.CloseWrite() != nil {
		return
	}
	_ = d.conn.SetReadDeadline(time.Now().Add(lingerTime))
	<-d.disconnected
}

// logf writes to net/http's error log.
func (d *detached) logf(format string, args ...any) {
	if d.server != nil && d.server.ErrorLog != nil {
		d.server.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}
