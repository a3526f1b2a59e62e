package improbable

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/textproto"
	"runtime/debug"

	"akash-provider-web/bridge/internal/deep"
)

// maxFirstMessage bounds the WebSocket message with the call's headers, as
// http.Server.MaxHeaderBytes does for other calls.
const maxFirstMessage = 64 << 10

var errFirstMessage = errors.New("the first WebSocket message has no valid headers")

// webSocket gives WrapHandler a connection whose first message is checked.
//
// If the first message is not valid, WrapHandler returns without closing the
// connection, and its WebSocket library keeps a goroutine for it forever. WrapHandler
// also logs the invalid line, which may contain a token. So webSocket reads that
// message first, and presents a bad one as a read error, which WrapHandler handles
// correctly. At the end it closes the connection if WrapHandler has not.
type webSocket struct {
	http.ResponseWriter // until the connection is taken over; then only its headers
	conn                net.Conn
	server              *http.Server // its ErrorLog receives panics
	remote              string
	taken               chan bool // gets whether the handler panicked, or false once net/http is done
}

func newWebSocket(w http.ResponseWriter, r *http.Request) *webSocket {
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	return &webSocket{ResponseWriter: w, server: server, remote: r.RemoteAddr, taken: make(chan bool, 1)}
}

// headers is the http.ResponseWriter of a connection that was taken over.
type headers http.Header

func (h headers) Header() http.Header     { return http.Header(h) }
func (headers) Write([]byte) (int, error) { return 0, http.ErrHijacked }
func (headers) WriteHeader(int)           {}

// The sizes of buffers, which each open WebSocket has. What is larger is read and written
// without them.
const (
	firstBuffer = 1 << 10 // until the first message has been read
	readBuffer  = 512
	writeBuffer = 512
)

// Hijack implements http.Hijacker.
func (w *webSocket) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early := make([]byte, buffered.Reader.Buffered())
	_, _ = io.ReadFull(buffered.Reader, early)
	src := io.MultiReader(bytes.NewReader(early), conn)
	checked := &checkedConn{Conn: &lastFrame{Conn: conn}, src: bufio.NewReaderSize(src, firstBuffer)}
	w.conn, w.ResponseWriter = conn, headers(w.Header())
	w.taken <- false
	return checked, bufio.NewReadWriter(bufio.NewReaderSize(checked, readBuffer), bufio.NewWriterSize(checked, writeBuffer)), nil
}

// close ends the connection. As in a handler of net/http, a panic ends only this one.
func (w *webSocket) close() {
	err := recover()
	if err != nil && err != http.ErrAbortHandler {
		log := log.Default()
		if w.server != nil && w.server.ErrorLog != nil {
			log = w.server.ErrorLog
		}
		log.Printf("http: panic serving %v: %v\n%s", w.remote, err, debug.Stack())
	}
	if w.conn == nil {
		w.taken <- err != nil
		return
	}
	w.abort()
}

// abort closes the connection that was taken over.
func (w *webSocket) abort() { _ = w.conn.Close() }

// checkedConn is the server's side of a WebSocket. Reading fails if the first message
// is not a list of headers.
type checkedConn struct {
	net.Conn
	src     *bufio.Reader // until it is empty and the first message was checked
	checked bool
	first   []byte // the unread rest of the first message
}

func (c *checkedConn) Read(p []byte) (int, error) {
	if !c.checked {
		var frame []byte
		var err error
		deep.Run(func() { frame, err = readHeaderFrame(c.src) })
		if err != nil {
			return 0, err
		}
		c.checked, c.first = true, frame
	}
	switch {
	case len(c.first) > 0:
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	case c.src == nil:
		return c.Conn.Read(p)
	case c.src.Buffered() > 0:
		return c.src.Read(p)
	}
	c.src, c.first = nil, nil
	return c.Conn.Read(p)
}

// readHeaderFrame reads a WebSocket frame (RFC 6455, section 5.2). It returns the
// frame unchanged if it is a complete binary message of header lines. Browsers send
// messages of this size in a single frame.
func readHeaderFrame(src io.Reader) ([]byte, error) {
	const (
		finalBinary = 0x82
		masked      = 0x80
	)
	frame := make([]byte, 2, 256)
	if _, err := io.ReadFull(src, frame); err != nil {
		return nil, err
	}
	if frame[0] != finalBinary || frame[1]&masked == 0 {
		return nil, errFirstMessage
	}
	extended := map[byte]int{126: 2, 127: 8}[frame[1]&^masked]
	frame, err := readMore(src, frame, extended+4)
	if err != nil {
		return nil, err
	}
	length := uint64(frame[1] &^ masked)
	switch extended {
	case 2:
		length = uint64(binary.BigEndian.Uint16(frame[2:]))
	case 8:
		length = binary.BigEndian.Uint64(frame[2:])
	}
	if length > maxFirstMessage {
		return nil, errFirstMessage
	}
	mask := [4]byte(frame[2+extended:])
	head := len(frame)
	if frame, err = readMore(src, frame, int(length)); err != nil {
		return nil, err
	}
	text := bytes.Clone(frame[head:])
	for i := range text {
		text[i] ^= mask[i%4]
	}
	lines := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(text), bytes.NewReader([]byte("\r\n")))))
	if _, err := lines.ReadMIMEHeader(); err != nil {
		return nil, errFirstMessage
	}
	return frame, nil
}

// readMore appends n bytes of src to b.
func readMore(src io.Reader, b []byte, n int) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, n)...)
	_, err := io.ReadFull(src, b[start:])
	return b, err
}
