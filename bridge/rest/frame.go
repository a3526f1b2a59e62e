package rest

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The receiving side of WebSocket (RFC 6455), for a client that only sends pong and close
// frames. A gateway sends each log line as a separate message, so the cost per message
// determines the cost of a burst of lines. Here it is reading a header, without a copy. The
// locks and copies of coder/websocket, which is the other side in the tests, take as long
// as TLS including its system calls.

// Opcodes (section 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// Bits of a frame's first two bytes (section 5.2).
const (
	bitFinal   = 0x80
	bitsOfRSV  = 0x70
	bitsOfOp   = 0x0f
	bitControl = 0x08
	bitMasked  = 0x80
	bitsOfSize = 0x7f
)

const (
	// maxControl is the maximum payload of a control frame (section 5.5).
	maxControl = 125
	// frameBuffer is the size of a socket's read buffer. Frames that fit are not copied.
	frameBuffer = 8 << 10
	// keptMessage is the size up to which a stream keeps the buffer of a message for the next
	// one. It shares larger ones.
	keptMessage = 16 << 10
)

// The protocol's magic (section 1.3).
const webSocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// errFrame is the error of a frame that violates the protocol.
var errFrame = errors.New("a malformed WebSocket frame")

// errFrameSize is the error of a message that exceeds the limit.
var errFrameSize = errors.New("a WebSocket message that is too long")

// errFrameFlood is the error of a connection with too many frames without data.
var errFrameFlood = errors.New("a flood of WebSocket frames without data")

// handshake adds the headers that request a WebSocket (section 4.1) to h, and returns a
// function that checks the response.
func handshake(h http.Header) (check func(http.Header) bool) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	h.Set("Sec-WebSocket-Version", "13")
	h.Set("Sec-WebSocket-Key", key)
	return func(h http.Header) bool {
		return strings.EqualFold(h.Get("Upgrade"), "websocket") &&
			strings.Contains(strings.ToLower(h.Get("Connection")), "upgrade") &&
			h.Get("Sec-WebSocket-Accept") == acceptKey(key) &&
			// Neither was requested.
			h.Get("Sec-WebSocket-Extensions") == "" && h.Get("Sec-WebSocket-Protocol") == ""
	}
}

// acceptKey returns a server's response to a key (section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + webSocketGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// frames reads messages from a connection, and answers pings and close frames.
type frames struct {
	conn    io.ReadWriter
	r       *bufio.Reader
	taken   int     // bytes of r that hold the last message
	message []byte  // for messages that do not fit r
	large   *[]byte // if the message is large, where its buffer goes back to
	limit   int
	// pinged, if set, is called for each ping.
	pinged func()
	// mute disables answers to pings.
	mute bool

	empty      int // frames without data, since emptySince
	emptySince time.Time
}

// maxEmpty is how many frames without data, such as pings, a provider may send a second.
// One that sends more keeps the processor from other calls.
const maxEmpty = 1000

// countEmpty counts a frame without data.
func (f *frames) countEmpty() error {
	if f.empty++; f.empty < maxEmpty {
		return nil
	}
	now := time.Now()
	if now.Sub(f.emptySince) < time.Second {
		return errFrameFlood
	}
	f.empty, f.emptySince = 0, now
	return nil
}

func newFrames(conn io.ReadWriter, limit int) *frames {
	return &frames{conn: conn, r: bufio.NewReaderSize(conn, frameBuffer), limit: limit}
}

// next returns the next message, which is valid until the next call. It returns a *closed
// for a close frame, and io.EOF if the connection ends between messages without one.
func (f *frames) next() ([]byte, error) {
	f.discard()
	if f.large != nil {
		largeMessages.Put(f.large)
		f.large, f.message = nil, nil
	}
	f.message = f.message[:0]
	for started := false; ; {
		op, final, size, err := f.header(!started)
		if err != nil {
			return nil, err
		}
		if op&bitControl != 0 || size == 0 {
			if err := f.countEmpty(); err != nil {
				return nil, err
			}
		}
		if op&bitControl != 0 {
			if err := f.control(op, final, size); err != nil {
				return nil, err
			}
			continue
		}
		if started != (op == opContinuation) || op > opBinary {
			return nil, errFrame
		}
		if size > uint64(f.limit-len(f.message)) {
			return nil, errFrameSize
		}
		if final && !started && size <= frameBuffer {
			return f.peek(int(size))
		}
		started = true
		at := len(f.message)
		f.grow(at + int(size))
		if _, err := io.ReadFull(f.r, f.message[at:]); err != nil {
			return nil, cut(err)
		}
		if final {
			return f.message, nil
		}
	}
}

// largeMessages has the buffers of large messages that are no longer used: a stream that is
// idle has none. A new one takes longer to clear than to fill.
var largeMessages = sync.Pool{New: func() any { return new([]byte) }}

// grow makes the message as long as size.
func (f *frames) grow(size int) {
	if size <= keptMessage && f.large == nil {
		f.message = slices.Grow(f.message, size-len(f.message))[:size]
		return
	}
	if f.large == nil {
		f.large = largeMessages.Get().(*[]byte)
		f.message = append((*f.large)[:0], f.message...)
	}
	f.message = slices.Grow(f.message, size-len(f.message))[:size]
	*f.large = f.message
}

// header reads the header of a frame. If the connection ends before it, the error is io.EOF
// between messages.
func (f *frames) header(between bool) (op byte, final bool, size uint64, err error) {
	b, err := f.r.Peek(2)
	if err != nil {
		if !between || len(b) > 0 {
			err = cut(err)
		}
		return 0, false, 0, err
	}
	op, final, size = b[0]&bitsOfOp, b[0]&bitFinal != 0, uint64(b[1]&bitsOfSize)
	if b[0]&bitsOfRSV != 0 || b[1]&bitMasked != 0 { // servers do not mask
		return 0, false, 0, errFrame
	}
	n := 2
	switch size {
	case 126:
		n += 2
		if b, err = f.r.Peek(n); err == nil {
			size = uint64(binary.BigEndian.Uint16(b[2:]))
		}
	case 127:
		n += 8
		if b, err = f.r.Peek(n); err == nil {
			size = binary.BigEndian.Uint64(b[2:])
		}
	}
	if err != nil {
		return 0, false, 0, cut(err)
	}
	_, err = f.r.Discard(n)
	return op, final, size, err
}

// peek returns the next n bytes, which are valid until discard.
func (f *frames) peek(n int) ([]byte, error) {
	b, err := f.r.Peek(n)
	if err != nil {
		return nil, cut(err)
	}
	f.taken = n
	return b, nil
}

func (f *frames) discard() {
	_, _ = f.r.Discard(f.taken) // it is buffered
	f.taken = 0
}

// control handles a control frame (section 5.5).
func (f *frames) control(op byte, final bool, size uint64) error {
	if !final || size > maxControl {
		return errFrame
	}
	payload, err := f.peek(int(size))
	if err != nil {
		return err
	}
	defer f.discard()
	switch op {
	case opPing:
		if f.pinged != nil {
			f.pinged()
		}
		if f.mute {
			return nil
		}
		return f.write(opPong, payload)
	case opPong:
		return nil
	case opClose:
		frame := &closed{code: closeNoStatus}
		if len(payload) == 1 {
			return errFrame
		}
		if len(payload) >= 2 {
			frame.code, frame.reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
		_ = f.write(opClose, payload[:min(2, len(payload))])
		return frame
	}
	return errFrame
}

// write sends a control frame.
func (f *frames) write(op byte, payload []byte) error {
	_, err := f.conn.Write(appendFrame(make([]byte, 0, 6+maxControl), op, payload))
	return err
}

// appendFrame appends a complete client message to b, masked (section 5.3). The payload is
// given in pieces.
func appendFrame(b []byte, op byte, payload ...[]byte) []byte {
	size := 0
	for _, piece := range payload {
		size += len(piece)
	}
	b = append(b, bitFinal|op)
	switch {
	case size < 126:
		b = append(b, bitMasked|byte(size))
	case size < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, bitMasked|126), uint16(size))
	default:
		b = binary.BigEndian.AppendUint64(append(b, bitMasked|127), uint64(size))
	}
	var mask [4]byte
	_, _ = rand.Read(mask[:]) // never fails
	b = append(b, mask[:]...)
	start := len(b)
	for _, piece := range payload {
		b = append(b, piece...)
	}
	for i := range b[start:] {
		b[start+i] ^= mask[i%4]
	}
	return b
}

// cut is the error of a connection that ends within a frame or message.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close codes (section 7.4.1), and those that gateways use of their own
// (proto/akash-provider-api.md, section 2.8).
const (
	closeNormal      = 1000
	closeNoStatus    = 1005
	closeInternal    = 4000
	closeNotFound    = 4001
	closeUnreachable = 4002
)

// closeNoPods is the reason of closeInternal if no pod matches.
const closeNoPods = "no running pods"

// closed is the error of a connection that the provider closed with a close frame.
type closed struct {
	code   int
	reason string
}

func (c *closed) Error() string { return fmt.Sprintf("closed with %d %s", c.code, c.reason) }
