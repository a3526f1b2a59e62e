package improbable

import (
	"encoding/binary"
	"net"

	"akash-provider-web/bridge/internal/writebuf"
)

// opClose is the opcode of the frame that ends a WebSocket (RFC 6455, section 5.5.1).
const opClose = 8

// lastFrame is the server's side of a WebSocket that sends nothing after its first
// Close frame. WrapHandler's WebSocket library replies to the client's reply to a
// Close with another Close, which browsers report as an error on the page's console.
//
// It sends a frame in one write. The library writes the first 4 KB of a large one by
// themselves, and a browser then hands the message to the page in pieces, each of which
// costs the page.
type lastFrame struct {
	net.Conn
	waiting writebuf.Buffer // the beginning of the current frame
	head    []byte          // of the current frame's header, the bytes written so far
	payload uint64          // bytes of the frame's payload not written yet
	closing bool            // the current frame is a Close
	closed  bool            // a Close has been written
}

// Write implements net.Conn. Data after the Close is dropped and counts as written.
func (c *lastFrame) Write(p []byte) (int, error) {
	if end := c.scan(p); end > 0 {
		if err := c.send(p[:end], len(c.head) > 0 || c.payload > 0); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// send writes p, or keeps it where the rest of its frame follows and there is room.
func (c *lastFrame) send(p []byte, more bool) error {
	if (more || !c.waiting.Empty()) && c.waiting.AddLarge(p) {
		if more {
			return nil
		}
		p = nil
	}
	if _, err := c.waiting.WriteTo(c.Conn); err != nil || p == nil {
		return err
	}
	_, err := c.Conn.Write(p)
	return err
}

// scan returns the number of bytes of p up to the end of the first Close.
func (c *lastFrame) scan(p []byte) int {
	at := 0
	for at < len(p) && !c.closed {
		if c.payload > 0 {
			n := min(c.payload, uint64(len(p)-at))
			c.payload -= n
			at += int(n)
		} else {
			c.head = append(c.head, p[at])
			at++
			length, ok := payloadLength(c.head)
			if !ok {
				continue
			}
			c.closing = c.head[0]&0x0f == opClose
			c.head, c.payload = c.head[:0], length
		}
		c.closed = c.closing && c.payload == 0
	}
	return at
}

// payloadLength returns the payload's length from a server's frame header, which has
// no mask, and whether the header is complete.
func payloadLength(head []byte) (uint64, bool) {
	if len(head) < 2 {
		return 0, false
	}
	switch length := head[1] & 0x7f; length {
	case 126:
		if len(head) < 4 {
			return 0, false
		}
		return uint64(binary.BigEndian.Uint16(head[2:])), true
	case 127:
		if len(head) < 10 {
			return 0, false
		}
		return binary.BigEndian.Uint64(head[2:]), true
	default:
		return uint64(length), true
	}
}
