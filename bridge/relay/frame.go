package relay

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"
)

// A message on the wire is a flag byte, a length of four bytes, big endian, and
// that many bytes (gRPC over HTTP/2, "Length-Prefixed-Message").
const (
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

// wholeMessages returns how many bytes pieces have, one after the other, and how
// many of these are complete messages.
func wholeMessages(pieces [][]byte, limit int) (whole, total int, err error) {
	var (
		prefix [grpcwire.PrefixSize]byte
		have   int // bytes of prefix
		left   int // bytes that the message still has after them
	)
	for _, p := range pieces {
		for len(p) > 0 {
			if have < grpcwire.PrefixSize {
				n := copy(prefix[have:], p)
				have, total, p = have+n, total+n, p[n:]
				if prefix[0] != flagPlain && prefix[0] != flagCompressed {
					return whole, total, errGarbage
				}
				if have < grpcwire.PrefixSize {
					break
				}
				length := binary.BigEndian.Uint32(prefix[1:])
				if uint64(length) > uint64(limit) {
					return whole, total, errTooLarge
				}
				left = int(length)
			}
			n := min(left, len(p))
			left, total, p = left-n, total+n, p[n:]
			if left == 0 {
				whole, have = total, 0
			}
		}
	}
	return whole, total, nil
}

// readRequest reads a request's messages to their end. A page sends one message a
// call, so holding all of it costs little, lets the provider be dialled with the
// call complete, and keeps a page that stops half-way from holding a provider.
func readRequest(body io.Reader, limit int) ([]byte, error) {
	b := make([]byte, 0, 128)
	for {
		n, err := body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if len(b) > limit+grpcwire.PrefixSize {
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
	switch whole, _, err := wholeMessages([][]byte{b}, limit); {
	case err == errTooLarge:
		return nil, requestTooLarge(limit)
	case err != nil:
		return nil, rpcerror.New(codes.InvalidArgument, "", "the request's body is malformed: %w", err)
	case whole < len(b):
		return nil, rpcerror.New(codes.InvalidArgument, "", "the request's body is cut short: %w", errCut)
	}
	return b, nil
}

// drained is how many times the limit is still read, and thrown away, of a request
// that is too large.
const drained = 4

func requestTooLarge(limit int) error {
	return rpcerror.New(codes.ResourceExhausted, "", "the request is larger than the bridge's limit of %d bytes", limit)
}

// oneMessage returns the message of a request that has exactly one, which is not
// compressed.
func oneMessage(request []byte) ([]byte, error) {
	switch {
	case len(request) == 0:
		return nil, rpcerror.New(codes.InvalidArgument, "", "the request has no message")
	case request[0] != flagPlain:
		return nil, rpcerror.New(codes.Unimplemented, "", "this provider's answers come over REST, for which the bridge takes no compressed requests")
	case int(binary.BigEndian.Uint32(request[1:])) != len(request)-grpcwire.PrefixSize:
		return nil, rpcerror.New(codes.InvalidArgument, "", "the request has more than one message")
	}
	return request[grpcwire.PrefixSize:], nil
}

// source is where messages come from; h2.Body says what its methods do.
type source interface {
	Peek(seen int) ([][]byte, error)
	Discard(n int)
}

// messageReader cuts a stream of bytes at the ends of messages, so that the page
// gets only whole ones and anything can follow them: a heartbeat, or the trailers
// of a call that was cut off. It copies nothing, and while it waits it holds no more
// than its source does.
type messageReader struct {
	src   source
	limit int

	seen     int // bytes of the source that were looked at
	returned int // of those, bytes that the last call to next handed out
}

func newMessageReader(body io.Reader, limit int) *messageReader {
	src, ok := body.(source)
	if !ok {
		src = &buffered{src: body}
	}
	return &messageReader{src: src, limit: limit}
}

// next returns the whole messages that have come, in pieces: at least one, unless err
// is set. The bytes are valid until the next call. At a clean end of the stream err
// is io.EOF; both can come together.
func (r *messageReader) next() ([][]byte, error) {
	r.src.Discard(r.returned)
	r.seen -= r.returned
	for {
		pieces, err := r.src.Peek(r.seen)
		whole, total, bad := wholeMessages(pieces, r.limit)
		r.seen, r.returned = total, whole
		batch := first(pieces, whole)
		switch {
		case bad != nil:
			return batch, bad
		case err == io.EOF && whole < total:
			return batch, errCut
		case err != nil || whole > 0:
			return batch, err
		}
	}
}

// first cuts pieces after n bytes.
func first(pieces [][]byte, n int) [][]byte {
	for i, p := range pieces {
		if n <= len(p) {
			if n == 0 {
				return pieces[:i]
			}
			pieces[i] = p[:n]
			return pieces[:i+1]
		}
		n -= len(p)
	}
	return pieces
}

// minBuffer is the size of the buffer with which a quiet stream waits where its
// transport has none to look into.
const minBuffer = 1 << 10

// buffered is a source that reads from anywhere, into one buffer.
type buffered struct {
	src    io.Reader
	buf    []byte
	pieces [1][]byte
}

// Peek implements source. Room is made as bytes come, and not as the length of a
// message promises.
func (b *buffered) Peek(int) ([][]byte, error) {
	if cap(b.buf) == 0 {
		b.buf = make([]byte, 0, minBuffer)
	}
	b.buf = slices.Grow(b.buf, 1)
	n, err := b.src.Read(b.buf[len(b.buf):cap(b.buf)])
	b.buf = b.buf[:len(b.buf)+n]
	b.pieces[0] = b.buf
	return b.pieces[:], err
}

// Discard implements source.
func (b *buffered) Discard(n int) {
	rest := b.buf[n:]
	if cap(b.buf) > minBuffer && len(rest) <= minBuffer {
		b.buf = make([]byte, 0, minBuffer)
	}
	b.buf = append(b.buf[:0], rest...)
}
