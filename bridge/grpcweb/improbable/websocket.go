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

// maxFirstMessage bounds the message that carries a WebSocket call's headers, as
// http.Server.MaxHeaderBytes does those of other calls.
const maxFirstMessage = 64 << 10

var errFirstMessage = errors.New("the first WebSocket message does not carry headers")

// webSocketWriter hands WrapHandler a connection that it can be trusted with.
//
// WrapHandler forgets a WebSocket whose first message is not what it wants: it
// returns without closing it, and a goroutine of its WebSocket library keeps the
// connection for ever. It also logs the offending line, which may hold a token. So
// that message is looked at before, and a bad one looks like a broken connection,
// which is handled well. Anything else that is left open is closed at the end.
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

// checkedConn is a server's side of a WebSocket that breaks if its first message
// is not a list of headers.
type checkedConn struct {
	net.Conn
	src     *bufio.Reader
	checked bool
	first   []byte // of the first message, what was not read yet
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

// readHeaderFrame reads a WebSocket frame (RFC 6455, section 5.2) and returns it as
// it came, if it is a whole binary message of header lines. Browsers send one so
// short in one frame.
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
