package improbable

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
)

// maxFirstMessage bounds the WebSocket message with the call's headers, as
// http.Server.MaxHeaderBytes does for other calls.
const maxFirstMessage = 64 << 10

var errFirstMessage = errors.New("the first WebSocket message has no valid headers")

// webSocketWriter gives WrapHandler a connection whose first message is checked.
//
// If the first message is not valid, WrapHandler returns without closing the
// connection, and its WebSocket library keeps a goroutine for it forever. WrapHandler
// also logs the invalid line, which may contain a token. So webSocketWriter reads that
// message first, and presents a bad one as a read error, which WrapHandler handles
// correctly. At the end it closes the connection if WrapHandler has not.
type webSocketWriter struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack implements http.Hijacker.
func (w *webSocketWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.conn = conn
	checked := &checkedConn{Conn: &lastFrame{Conn: conn}, src: buffered.Reader}
	buffered.Writer.Reset(checked)
	return checked, bufio.NewReadWriter(bufio.NewReader(checked), buffered.Writer), nil
}

func (w *webSocketWriter) close() {
	if w.conn != nil {
		_ = w.conn.Close()
	}
}

// checkedConn is the server's side of a WebSocket. Reading fails if the first message
// is not a list of headers.
type checkedConn struct {
	net.Conn
	src     *bufio.Reader
	checked bool
	first   []byte // the unread rest of the first message
}

func (c *checkedConn) Read(p []byte) (int, error) {
	if !c.checked {
		frame, err := readHeaderFrame(c.src)
		if err != nil {
			return 0, err
		}
		c.checked, c.first = true, frame
	}
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.src.Read(p)
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
