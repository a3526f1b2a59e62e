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

// A message on the wire is a flag byte, a big-endian length of four bytes, and that
// many bytes of data (gRPC over HTTP/2, "Length-Prefixed-Message").
const (
	flagPlain      = 0x00
	flagCompressed = 0x01
)

// DefaultMaxMessage is the default size limit of a relayed message, in bytes. gRPC
// libraries have the same default for messages that they receive.
const DefaultMaxMessage = 4 << 20

var (
	errMalformed = errors.New("the data is not a gRPC message")
	errTruncated = errors.New("a message ends before its stated length")
	errTooLarge  = errors.New("a message is larger than the limit")
	emptyMessage = []byte{flagPlain, 0, 0, 0, 0}
)

// wholeMessages returns the number of bytes in pieces, and how many of them form
// complete messages. On an error, it counts the bytes before it.
func wholeMessages(pieces [][]byte, limit int) (whole, total int, err error) {
	var (
		prefix [grpcwire.PrefixSize]byte
		have   int // bytes of prefix read
		left   int // bytes of the message's data that remain
	)
	for _, p := range pieces {
		for len(p) > 0 {
			if have < grpcwire.PrefixSize {
				n := copy(prefix[have:], p)
				have, total, p = have+n, total+n, p[n:]
				if prefix[0] != flagPlain && prefix[0] != flagCompressed {
					return whole, total, errMalformed
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

// readRequest reads a request to its end. A client sends one message per call, so
// buffering the whole request is cheap. The provider is dialed only for complete
// requests, and a client that stops halfway occupies no connection to it. memory, if not
// nil, accounts for a request that is large. wasted is called with the bytes that are read
// for nothing.
func readRequest(body io.Reader, limit int, memory Memory, wasted func(bytes int)) ([]byte, error) {
	b := make([]byte, 0, 128)
	accounted := smallRequest
	for {
		n, err := body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if len(b) > limit+grpcwire.PrefixSize {
			// A browser that is still sending when the answer arrives reports a
			// network error instead of the answer.
			wasted((drainFactor + 1) * limit)
			_, _ = io.CopyN(io.Discard, body, drainFactor*int64(limit))
			return nil, requestTooLarge(limit)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(b) < cap(b) {
			continue
		}
		b = append(b, 0)[:len(b)]
		if more := cap(b) - accounted; more > 0 && memory != nil {
			if err := memory.Wait(more); err != nil {
				wasted(len(b))
				return nil, err
			}
			accounted = cap(b)
		}
	}
	whole, _, err := wholeMessages([][]byte{b}, limit)
	if err != nil || whole < len(b) {
		wasted(len(b))
	}
	switch {
	case err == errTooLarge:
		return nil, requestTooLarge(limit)
	case err != nil:
		return nil, rpcerror.New(codes.InvalidArgument, "", "the request's body is malformed: %w", err)
	case whole < len(b):
		return nil, rpcerror.New(codes.InvalidArgument, "", "the request's body is truncated: %w", errTruncated)
	}
	return b, nil
}

// smallRequest is how many bytes a request may have without being accounted for: no
// more than the connection itself.
const smallRequest = 16 << 10

// drainFactor says how much of a request that is too large is read and discarded, in
// multiples of the limit.
const drainFactor = 4

func requestTooLarge(limit int) error {
	return rpcerror.New(codes.ResourceExhausted, "", "the request is larger than the bridge's limit of %d bytes", limit)
}

// oneMessage returns the data of a request that must consist of one uncompressed
// message.
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

// source is a stream that can be read without copying. h2.Body documents the methods.
type source interface {
	Peek(seen int) ([][]byte, error)
	Discard(n int)
}

// messageReader splits a stream into batches of complete messages. The client receives
// only complete messages, so a heartbeat or the trailers of an interrupted call can
// follow any batch. It copies nothing, and while it waits it holds no more memory than
// its source does.
type messageReader struct {
	src   source
	limit int

	seen     int // bytes of the source that were scanned
	returned int // of those, the bytes that the last call to next returned
}

func newMessageReader(body io.Reader, limit int) *messageReader {
	src, ok := body.(source)
	if !ok {
		src = &buffered{src: body}
	}
	return &messageReader{src: src, limit: limit}
}

// next returns at least one complete message, in pieces, unless err is set. The pieces
// are valid until the next call. At a clean end of the stream err is io.EOF, which may
// accompany messages.
func (r *messageReader) next() ([][]byte, error) {
	r.src.Discard(r.returned)
	r.seen -= r.returned
	for {
		pieces, err := r.src.Peek(r.seen)
		whole, total, bad := wholeMessages(pieces, r.limit)
		r.seen, r.returned = total, whole
		batch := truncate(pieces, whole)
		switch {
		case bad != nil:
			return batch, bad
		case err == io.EOF && whole < total:
			return batch, errTruncated
		case err != nil || whole > 0:
			return batch, err
		}
	}
}

// truncate returns the first n bytes of pieces.
func truncate(pieces [][]byte, n int) [][]byte {
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

// minBuffer is the size of an idle stream's buffer, where its transport offers no
// buffer of its own.
const minBuffer = 1 << 10

// buffered is a source that reads from any io.Reader into one buffer.
type buffered struct {
	src    io.Reader
	buf    []byte
	pieces [1][]byte
}

// Peek implements source. The buffer grows as bytes arrive, not by the length that a
// message's prefix claims.
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
