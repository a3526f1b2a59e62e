// Package grpcweb implements the framing of gRPC-Web: messages, and the trailers that
// end a response. It does not decode messages.
//
// It follows https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md.
package grpcweb

import "strconv"

// ContentType is the content type of binary gRPC-Web with protobuf messages.
const ContentType = "application/grpc-web+proto"

// HeaderSize is the size of a message's prefix: one byte of flags and four bytes of
// length.
const HeaderSize = 5

// Flags of a frame.
const (
	flagCompressed = 0x01
	flagTrailers   = 0x80
)

// DefaultMaxMessage is the default size limit of a message, in bytes: 4 MiB, as usual
// in gRPC.
const DefaultMaxMessage = 4 << 20

// keepBuffer is the size of the largest buffer that a Decoder keeps when it is empty,
// so that one large message does not occupy memory for the rest of a long stream.
const keepBuffer = 256 << 10

// AppendHeader appends the prefix of a message of n bytes.
func AppendHeader(b []byte, n int) []byte {
	return append(b, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// A Decoder splits a response's body, given in pieces of any size, into messages. It
// allocates only when its buffer must grow.
//
// The zero value is ready to use.
type Decoder struct {
	// MaxMessage is the size limit of a message, in bytes; 0 means DefaultMaxMessage.
	MaxMessage int

	buf        []byte // holds the unread bytes at [start:end]
	start, end int
	ended      bool
	trailers   Fields
	err        *Status
}

// Reserve returns a buffer for n more bytes of the body. Commit adds what was written
// there to the body. Messages returned by Next before are no longer valid.
func (d *Decoder) Reserve(n int) []byte {
	if d.start == d.end {
		d.start, d.end = 0, 0
		if len(d.buf) > keepBuffer && n <= keepBuffer {
			d.buf = nil
		}
	}
	if d.end+n > len(d.buf) {
		unread := d.end - d.start
		if unread+n > len(d.buf) {
			bigger := make([]byte, max(2*len(d.buf), unread+n))
			copy(bigger, d.buf[d.start:d.end])
			d.buf = bigger
		} else {
			copy(d.buf, d.buf[d.start:d.end])
		}
		d.start, d.end = 0, unread
	}
	return d.buf[d.end : d.end+n]
}

// Commit adds the first n bytes of what Reserve returned to the body.
func (d *Decoder) Commit(n int) {
	d.end += n
}

// Write adds p to the body.
func (d *Decoder) Write(p []byte) {
	copy(d.Reserve(len(p)), p)
	d.Commit(len(p))
}

// Next returns the next complete message. It returns false if more of the body is
// needed, if the stream has ended, or on an error, which Err returns. The message is
// valid until the next call of Reserve or Write.
func (d *Decoder) Next() (message []byte, ok bool) {
	if d.ended && d.end > d.start && d.err == nil {
		d.err = Error(Internal, "the stream went on after its trailers")
	}
	if d.err != nil || d.end-d.start < HeaderSize {
		return nil, false
	}
	header := d.buf[d.start:]
	flags := header[0]
	length := uint32(header[1])<<24 | uint32(header[2])<<16 | uint32(header[3])<<8 | uint32(header[4])
	if d.err = d.check(flags, length); d.err != nil {
		return nil, false
	}
	if uint32(d.end-d.start-HeaderSize) < length {
		return nil, false
	}
	body := d.buf[d.start+HeaderSize : d.start+HeaderSize+int(length)]
	d.start += HeaderSize + int(length)
	if flags&flagTrailers == 0 {
		return body, true
	}
	d.ended = true
	d.trailers, d.err = parseTrailers(body)
	return d.Next()
}

// check validates a frame by its header, before its data arrives.
func (d *Decoder) check(flags byte, length uint32) *Status {
	limit := d.MaxMessage
	if limit == 0 {
		limit = DefaultMaxMessage
	}
	switch {
	case flags&^(flagTrailers|flagCompressed) != 0:
		return Error(Internal, "the stream is not gRPC-Web: a frame has unknown flags")
	case flags&flagCompressed != 0:
		return Error(Internal, "the stream has a compressed frame, which was not asked for")
	case flags&flagTrailers != 0 && length > maxTrailerBytes:
		return Error(ResourceExhausted, "the stream's trailers are longer than 64 KiB")
	case flags&flagTrailers == 0 && uint64(length) > uint64(limit):
		return Error(ResourceExhausted, "a message of "+strconv.Itoa(int(length))+
			" bytes is longer than the limit of "+strconv.Itoa(limit))
	}
	return nil
}

// Err returns the error found in the stream so far, or nil.
func (d *Decoder) Err() *Status { return d.err }

// Ended reports whether the trailers have arrived.
func (d *Decoder) Ended() bool { return d.ended }

// Trailers returns the fields of the trailer frame, or nil before it has arrived.
func (d *Decoder) Trailers() Fields { return d.trailers }

// End returns the status of a stream whose body is complete. A body that ended without
// trailers, or within a frame, is an error. headers are the response's headers. A
// response without a body has its status there, and so do some that end with an empty
// trailer frame. A status in the trailers takes precedence.
func (d *Decoder) End(headers Fields) *Status {
	if d.err != nil {
		return d.err
	}
	if status, ok := StatusOf(d.trailers); ok {
		return status
	}
	if !d.ended && d.end > d.start {
		return Error(Unavailable, "the stream broke off in the middle of a message")
	}
	// Fields from the trailers come first, since Get returns the first value of a
	// name.
	if status, ok := StatusOf(append(d.trailers[:len(d.trailers):len(d.trailers)], headers...)); ok {
		return status
	}
	if d.ended {
		return Error(Internal, "the stream's trailers hold no grpc-status")
	}
	// The transport saw a proper end of the body. gRPC defines the status of a call
	// that ends without one as UNKNOWN.
	return Error(Unknown, "the stream broke off before its end")
}
