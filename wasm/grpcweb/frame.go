// Package grpcweb speaks gRPC-Web's framing: messages in, messages out, and the
// trailers that end a response. It knows nothing of what the messages hold.
//
// It follows https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md.
package grpcweb

import "strconv"

// ContentType is that of binary gRPC-Web with protobuf messages.
const ContentType = "application/grpc-web+proto"

// HeaderSize is the length of what stands before every message: one byte of
// flags and four of length.
const HeaderSize = 5

// Flags of a frame.
const (
	flagCompressed = 0x01
	flagTrailers   = 0x80
)

// DefaultMaxMessage is the length in bytes of the longest message that is
// accepted, gRPC's usual 4 MiB.
const DefaultMaxMessage = 4 << 20

// keepBuffer is the largest buffer that a Decoder keeps when it is empty, so
// that one giant message does not hold its memory for the rest of a long stream.
const keepBuffer = 256 << 10

// AppendHeader appends the header of a message of n bytes.
func AppendHeader(b []byte, n int) []byte {
	return append(b, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// A Decoder takes a response's body in pieces of any size and gives its
// messages. It allocates nothing while messages fit the buffer it has.
//
// The zero Decoder is ready for use.
type Decoder struct {
	// MaxMessage bounds a message's length in bytes; 0 is DefaultMaxMessage.
	MaxMessage int

	buf        []byte // holds the unread bytes at [start:end]
	start, end int
	ended      bool
	trailers   Fields
	err        *Status
}

// Reserve returns room for n more bytes of the body. What is written there
// becomes part of the body with Commit. A message that Next returned before is
// not valid any more.
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

// Next returns the next message that has arrived whole, and false where there is
// none: more of the body is needed, or the stream has ended, or Err tells what is
// wrong with it. The message is valid until the next call of Reserve or Write.
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

// check refuses a frame by its header, before room is made for it.
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

// Err returns what is wrong with the stream so far, or nil.
func (d *Decoder) Err() *Status { return d.err }

// Ended reports whether the trailers have come.
func (d *Decoder) Ended() bool { return d.ended }

// Trailers returns the fields of the trailer frame, nil before it has come.
func (d *Decoder) Trailers() Fields { return d.trailers }

// End returns the status of a stream whose body is complete. A body that ended
// without trailers, or in the middle of a frame, is an error. Headers are the
// response's: a response without a body has its status there, and so do some that
// end with an empty trailer frame. Where both hold a status, the trailers' counts.
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
	// Trailers may hold the rest of what the headers say. They come first: Get
	// returns the first value of a name.
	if status, ok := StatusOf(append(d.trailers[:len(d.trailers):len(d.trailers)], headers...)); ok {
		return status
	}
	if d.ended {
		return Error(Internal, "the stream's trailers hold no grpc-status")
	}
	// Whatever cut the stream ended it in good order, so that the transport saw
	// nothing amiss; gRPC calls an end without a status UNKNOWN.
	return Error(Unknown, "the stream broke off before its end")
}
