package message

import (
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// AppendText appends text as valid UTF-8 and returns its length in UTF-16 code units,
// the unit of JavaScript's strings. It replaces invalid UTF-8 by U+FFFD exactly as a
// browser's TextDecoder does
// (https://encoding.spec.whatwg.org/#utf-8-decoder).
func AppendText(b, text []byte) (result []byte, utf16 int) {
	plain := asciiPrefix(text)
	if plain == len(text) {
		return append(b, text...), plain
	}
	if utf8.Valid(text[plain:]) {
		return append(b, text...), plain + utf16Len(text[plain:])
	}
	start := len(b)
	b = append(b, text[:plain]...)
	for rest := text[plain:]; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			n = invalidLen(rest)
		}
		b = utf8.AppendRune(b, r)
		rest = rest[n:]
	}
	return b, plain + utf16Len(b[start+plain:])
}

// IsASCII reports whether text is ASCII only.
func IsASCII(text []byte) bool { return asciiPrefix(text) == len(text) }

// UTF16Len returns the length of valid UTF-8 in UTF-16 code units.
func UTF16Len(text []byte) int {
	plain := asciiPrefix(text)
	return plain + utf16Len(text[plain:])
}

// utf16Len processes eight bytes at a time. A character is one unit, or two if its
// encoding has four bytes.
func utf16Len(text []byte) int {
	const highBits = 0x8080808080808080
	n, i := len(text), 0
	for ; i+8 <= len(text); i += 8 {
		word := *(*uint64)(unsafe.Pointer(&text[i]))
		continuation := word & ^(word << 1) & highBits                                    // 10xxxxxx
		if four := word & (word << 1) & (word << 2) & (word << 3) & highBits; four != 0 { // 1111xxxx
			n += bits.OnesCount64(four)
		}
		n -= bits.OnesCount64(continuation)
	}
	for ; i < len(text); i++ {
		if text[i]&0xc0 == 0x80 {
			n--
		} else if text[i] >= 0xf0 {
			n++
		}
	}
	return n
}

// asciiPrefix returns the length of text's ASCII prefix, or up to seven bytes less.
func asciiPrefix(text []byte) int {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		if *(*uint64)(unsafe.Pointer(&text[i]))&0x8080808080808080 != 0 {
			return i
		}
	}
	for ; i < len(text) && text[i] < 0x80; i++ {
	}
	return i
}

// invalidLen returns how many leading bytes form one invalid character: the longest
// prefix of a well-formed sequence, or one byte.
func invalidLen(text []byte) int {
	// The range of the second byte narrows for some first bytes.
	low, high, size := byte(0x80), byte(0xbf), 0
	switch c := text[0]; {
	case 0xc2 <= c && c <= 0xdf:
		size = 2
	case 0xe0 <= c && c <= 0xef:
		size = 3
		if c == 0xe0 {
			low = 0xa0
		} else if c == 0xed {
			high = 0x9f
		}
	case 0xf0 <= c && c <= 0xf4:
		size = 4
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	}
	n := 1
	for n < size && n < len(text) && low <= text[n] && text[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}

// Base64 encodes text as binary metadata is encoded: in the standard alphabet, without
// padding. It does not use package encoding/base64, which would link reflection into the
// module.
func Base64(text string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	encoded := make([]byte, 0, (len(text)*4+2)/3)
	for ; len(text) > 0; text = text[min(3, len(text)):] {
		group := uint32(text[0]) << 16
		if len(text) > 1 {
			group |= uint32(text[1]) << 8
		}
		if len(text) > 2 {
			group |= uint32(text[2])
		}
		for i := range min(len(text), 3) + 1 {
			encoded = append(encoded, alphabet[group>>(18-6*i)&63])
		}
	}
	return string(encoded)
}
