// Package message encodes and decodes the protobuf messages of Akash providers without
// a protobuf runtime, which would be larger than the rest of the module. Responses
// become JSON text, which a browser converts to objects faster than Go could. Requests
// are appended field by field.
//
// Tables describe the messages. A test compares them with the generated descriptors in
// proto/.
package message

import "errors"

// ErrMalformed is the error for data that is not the expected message.
var ErrMalformed = errors.New("malformed message")

// Wire types (https://protobuf.dev/programming-guides/encoding/#structure).
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// maxFieldNumber is the largest field number that protobuf allows.
const maxFieldNumber = 1<<29 - 1

// fields iterates over the fields of an encoded message in their order.
type fields struct {
	rest   []byte
	number uint32
	wire   byte
	varint uint64 // the value, if wire is wireVarint
	bytes  []byte // the value, if wire is wireBytes; a slice of the message
	bad    bool   // the message is malformed from here on
}

// next advances to the next field. It returns false at the end, and if the message is
// malformed.
func (f *fields) next() bool {
	if len(f.rest) == 0 || f.bad {
		return false
	}
	// Decode the common form without a function call: messages are scanned once for
	// each field that they may have.
	if b := f.rest; b[0]&(0x80|7) == wireBytes && b[0] >= 1<<3 {
		if n, size := short(b); size != 0 && n <= len(b)-size {
			f.number, f.wire = uint32(b[0]>>3), wireBytes
			f.bytes, f.rest = b[size:size+n], b[size+n:]
			return true
		}
	}
	tag, ok := f.uvarint()
	number := tag >> 3
	if !ok || number == 0 || number > maxFieldNumber {
		return f.fail()
	}
	f.number, f.wire = uint32(number), byte(tag&7)
	switch f.wire {
	case wireVarint:
		f.varint, ok = f.uvarint()
		return ok || f.fail()
	case wireBytes:
		length, ok := f.uvarint()
		if !ok || length > uint64(len(f.rest)) {
			return f.fail()
		}
		f.bytes, f.rest = f.rest[:length], f.rest[length:]
		return true
	case wireFixed64:
		return f.skip(8)
	case wireFixed32:
		return f.skip(4)
	}
	// Groups are deprecated, and no message of a provider has any.
	return f.fail()
}

func (f *fields) fail() bool {
	f.bad = true
	return false
}

func (f *fields) skip(n int) bool {
	if len(f.rest) < n {
		return f.fail()
	}
	f.rest = f.rest[n:]
	return true
}

func (f *fields) uvarint() (value uint64, ok bool) {
	for i, b := range f.rest {
		if i == 9 && b > 1 {
			return 0, false
		}
		value |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			f.rest = f.rest[i+1:]
			return value, true
		}
		if i == 9 {
			return 0, false
		}
	}
	return 0, false
}

// short decodes a number below 2^14 after a one-byte tag. It returns the number and
// the size of both, or a size of 0 for any other encoding.
func short(b []byte) (n, size int) {
	if len(b) >= 2 && b[1] < 0x80 {
		return int(b[1]), 2
	}
	if len(b) >= 3 && b[2] < 0x80 {
		return int(b[1]&0x7f) | int(b[2])<<7, 3
	}
	return 0, 0
}

// is reports whether the field has the number and wire type. A field with a known
// number but another wire type is treated as unknown.
func (f *fields) is(number uint32, wire byte) bool {
	return f.number == number && f.wire == wire
}
