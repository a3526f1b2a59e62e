package message

import "unsafe"

// The append functions append one field each. As in proto3, a scalar with its default
// value is omitted. They are not inlined, because each append is hundreds of bytes of
// WebAssembly.

//go:noinline
func appendUvarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

//go:noinline
func appendTag(b []byte, number uint32, wire byte) []byte {
	return appendUvarint(b, uint64(number)<<3|uint64(wire))
}

//go:noinline
func appendUint(b []byte, number uint32, v uint64) []byte {
	if v == 0 {
		return b
	}
	return appendUvarint(appendTag(b, number, wireVarint), v)
}

func appendBool(b []byte, number uint32, v bool) []byte {
	if !v {
		return b
	}
	return appendUint(b, number, 1)
}

//go:noinline
func appendString(b []byte, number uint32, v string) []byte {
	if v == "" {
		return b
	}
	return appendMessage(b, number, unsafe.Slice(unsafe.StringData(v), len(v)))
}

// appendMessage appends an encoded message, even if it is empty, because its presence
// is significant.
//
//go:noinline
func appendMessage(b []byte, number uint32, v []byte) []byte {
	b = appendUvarint(appendTag(b, number, wireBytes), uint64(len(v)))
	return append(b, v...)
}
