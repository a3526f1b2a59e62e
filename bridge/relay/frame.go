package relay

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/fault"
)

// A message on the wire is a flag byte, a length of four bytes, big endian, and
// that many bytes (gRPC over HTTP/2, "Length-Prefixed-Message").
const (
	prefixSize     = 5
	flagPlain      = 0x00
	flagCompressed = 0x01
)

// DefaultMaxMessage is the size of the largest message relayed, in bytes, where
// nothing else is said: what gRPC libraries receive by default.
const DefaultMaxMessage = 4 << 20

var (
	errGarbage   = errors.New("these bytes are not gRPC messages")
	errCut       = errors.New("a message ends before its stated length")
	errTooLarge  = errors.New("a message is larger than the limit")
	emptyMessage = []byte{flagPlain, 0, 0, 0, 0}
)

// wholeMessages returns how many bytes of b are complete messages, and how many
// the first incomplete one needs in all (0 where that is not known yet).
func wholeMessages(b []byte, limit int) (whole, need int, err error) {
	for len(b)-whole >= prefixSize {
		head := b[whole:]
		if head[0] != flagPlain && head[0] != flagCompressed {
			return whole, 0, errGarbage
		}
		length := binary.BigEndian.Uint32(head[1:prefixSize])
		if uint64(length) > uint64(limit) {
			return whole, 0, errTooLarge
		}
		size := prefixSize + int(length)
		if len(head) < size {
			return whole, size, nil
		}
		whole += size
	}
	return whole, 0, nil
}

// readRequest reads a request's messages to their end. A page sends one message a
// call, so holding all of it costs little, lets the provider be dialled with the
// call complete, and keeps a page that stops half-way from holding a provider.
func readRequest(body io.Reader, limit int) ([]byte, error) {
	b := make([]byte, 0, 128)
	for {
		n, err := body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if len(b) > limit+prefixSize {
			// Browsers that are still sending when the answer comes take it for a
			// network error.
			_, _ = io.CopyN(io.Discard, body, drained*int64(limit))
			return nil, requestTooLarge(limit)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
	switch whole, _, err := wholeMessages(b, limit); {
	case err == errTooLarge:
		return nil, requestTooLarge(limit)
	case err != nil:
		return nil, fault.New(codes.InvalidArgument, "", "the request's body is malformed: %w", err)
	case whole < len(b):
		return nil, fault.New(codes.InvalidArgument, "", "the request's body is cut short: %w", errCut)
	}
	return b, nil
}

// drained is how many times the limit is still read, and thrown away, of a request
// that is too large.
const drained = 4

func requestTooLarge(limit int) error {
	return fault.New(codes.ResourceExhausted, "", "the request is larger than the bridge's limit of %d bytes", limit)
}

// oneMessage returns the message of a request that has exactly one, which is not
// compressed.
func oneMessage(request []byte) ([]byte, error) {
	switch {
	case len(request) == 0:
		return nil, fault.New(codes.InvalidArgument, "", "the request has no message")
	case request[0] != flagPlain:
		return nil, fault.New(codes.Unimplemented, "", "this provider's answers come over REST, for which the bridge takes no compressed requests")
	case int(binary.BigEndian.Uint32(request[1:])) != len(request)-prefixSize:
		return nil, fault.New(codes.InvalidArgument, "", "the request has more than one message")
	}
	return request[prefixSize:], nil
}

// Sizes of the buffers that upstream bytes are read into. A quiet stream, of which
// there are many, waits with the smallest; a busy one gets room to take in one
// read what arrived while the last batch was being written.
const (
	minBuffer = 1 << 10
	midBuffer = 8 << 10
	maxBuffer = 64 << 10
)

var bufferPools = map[int]*sync.Pool{
	minBuffer: {New: func() any { b := make([]byte, minBuffer); return &b }},
	midBuffer: {New: func() any { b := make([]byte, midBuffer); return &b }},
	maxBuffer: {New: func() any { b := make([]byte, maxBuffer); return &b }},
}

// messageReader cuts a stream of bytes at the ends of messages, so that the page
// gets only whole ones and anything can follow them: a heartbeat, or the trailers
// of a call that was cut off.
type messageReader struct {
	src   io.Reader
	limit int

	buf      []byte // a pooled buffer, or one as large as a message beyond those needs
	have     int    // bytes read into buf
	returned int    // of those, bytes that the last call to next handed out
	need     int    // the size of the message that buf begins with, where known
	size     int    // the buffer that the next read wants
}

func newMessageReader(src io.Reader, limit int) *messageReader {
	return &messageReader{src: src, limit: limit, size: minBuffer}
}

// next returns the whole messages that one or more reads brought: at least one,
// unless err is set. The bytes are valid until the next call. At a clean end of
// the stream err is io.EOF; both can come together.
func (r *messageReader) next() ([]byte, error) {
	r.discard()
	for {
		r.makeRoom()
		n, err := r.src.Read(r.buf[r.have:])
		r.have += n
		r.resize(n)
		whole, need, bad := wholeMessages(r.buf[:r.have], r.limit)
		r.returned, r.need = whole, need
		switch {
		case bad != nil:
			return r.buf[:whole], bad
		case err == io.EOF && whole < r.have:
			return r.buf[:whole], errCut
		case err != nil || whole > 0:
			return r.buf[:whole], err
		}
	}
}

// discard forgets the messages that were handed out and keeps what follows them,
// in a buffer of the size that the next read wants.
func (r *messageReader) discard() {
	rest := r.buf[r.returned:r.have]
	r.returned, r.have = 0, len(rest)
	if size := bufferSize(max(r.size, r.have+1)); len(r.buf) != size {
		r.moveTo(size, rest)
		return
	}
	copy(r.buf, rest)
}

// makeRoom sees to it that the buffer has space: for a message that needs more, it
// grows as bytes arrive and not as the message's length promises.
func (r *messageReader) makeRoom() {
	if r.have < len(r.buf) {
		return
	}
	size := 2 * len(r.buf)
	if r.need > 0 {
		size = min(size, r.need)
	}
	r.moveTo(bufferSize(size), r.buf)
}

func (r *messageReader) moveTo(size int, content []byte) {
	old := r.buf
	r.buf = newBuffer(size)
	copy(r.buf, content)
	release(old)
}

// resize chooses the next buffer by how much the last read brought.
func (r *messageReader) resize(n int) {
	switch {
	case r.have == len(r.buf) && r.size < maxBuffer:
		r.size *= 8
	case n < r.size/16 && r.size > minBuffer:
		r.size /= 8
	}
}

func (r *messageReader) close() {
	release(r.buf)
	r.buf, r.have, r.returned = nil, 0, 0
}

// bufferSize returns the size of the buffer to use for n bytes.
func bufferSize(n int) int {
	for _, size := range []int{minBuffer, midBuffer, maxBuffer} {
		if n <= size {
			return size
		}
	}
	return n
}

func newBuffer(size int) []byte {
	if pool := bufferPools[size]; pool != nil {
		return *pool.Get().(*[]byte)
	}
	return make([]byte, size)
}

// release gives a buffer back; those of giant messages are left to the collector.
func release(b []byte) {
	if pool := bufferPools[len(b)]; pool != nil {
		pool.Put(&b)
	}
}
