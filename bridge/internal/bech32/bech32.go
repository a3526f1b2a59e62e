// Package bech32 decodes the addresses of Cosmos chains, which are bech32 (BIP 173)
// without its limit on length.
package bech32

import (
	"errors"
	"strings"
)

const (
	alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	// checksumSymbols is the length of a checksum, in symbols of 5 bits.
	checksumSymbols = 6
	// maxBytes is the longest address that the Cosmos SDK takes. Nearly all are of
	// accounts and have 20; those of modules and contracts have 32.
	maxBytes = 255
	// accountSymbols is the length of an account's address of 20 bytes, in symbols.
	accountSymbols = 32
)

// Errors of Decode.
var (
	// ErrForm means that the text is not an address.
	ErrForm = errors.New("bech32: not an address")
	// ErrChecksum means that the text has the form of an account's address and a wrong
	// checksum, so that a character of it is mistyped.
	ErrChecksum = errors.New("bech32: wrong checksum")
)

// Decode returns the bytes of an address with the given prefix. Upper case, which BIP
// 173 allows, is refused: the chain writes addresses in lower case, and an account must
// have only one name.
func Decode(prefix, address string) ([]byte, error) {
	found, data, ok := strings.Cut(address, "1")
	switch symbols := len(data) - checksumSymbols; {
	case !ok, found != prefix, !wholeBytes(symbols), strings.Trim(data, alphabet) != "":
		return nil, ErrForm
	case validChecksum(prefix, data):
		return pack(data[:symbols])
	case symbols == accountSymbols:
		return nil, ErrChecksum
	default:
		return nil, ErrForm
	}
}

// wholeBytes reports whether a number of symbols of 5 bits is that of 1 to maxBytes
// bytes, with less than a symbol of padding.
func wholeBytes(symbols int) bool {
	bits := 5 * symbols
	return bits >= 8 && bits/8 <= maxBytes && bits%8 < 5
}

// pack turns symbols of 5 bits into bytes. The padding must be zero, as in BIP 173.
func pack(symbols string) ([]byte, error) {
	packed := make([]byte, 0, len(symbols)*5/8)
	var bits, pending uint32
	for _, c := range []byte(symbols) {
		pending = pending<<5 | uint32(strings.IndexByte(alphabet, c))
		if bits += 5; bits >= 8 {
			bits -= 8
			packed = append(packed, byte(pending>>bits))
			pending &= 1<<bits - 1
		}
	}
	if pending != 0 {
		return nil, ErrForm
	}
	return packed, nil
}

// validChecksum verifies the BIP 173 checksum of data, which must be in its alphabet.
func validChecksum(prefix, data string) bool {
	sum := uint32(1)
	feed := func(symbol uint32) {
		sum = (sum&0x1ffffff)<<5 ^ symbol ^ terms[sum>>25]
	}
	for _, c := range []byte(prefix) {
		feed(uint32(c >> 5))
	}
	feed(0)
	for _, c := range []byte(prefix) {
		feed(uint32(c & 31))
	}
	for _, c := range []byte(data) {
		feed(uint32(strings.IndexByte(alphabet, c)))
	}
	return sum == 1
}

// terms are the sums of BIP 173's generators for each combination of the top five bits.
var terms = func() (terms [32]uint32) {
	for top := range terms {
		for i, generator := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				terms[top] ^= generator
			}
		}
	}
	return terms
}()
