package provider

import (
	"strings"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

const (
	addressPrefix  = "akash"
	bech32Alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	bech32Checksum = 6
	accountSymbols = 32 // of 5 bits: an account key's hash, 20 bytes
	// maxAddress is the longest address that the chain takes, in bytes. Nearly all are of
	// accounts and have 20; those of modules and contracts have 32.
	maxAddress = 255
)

// CheckAddress validates an address as bech32 (BIP 173), so that a mistyped address is
// reported as such before the chain is queried. Its error is an *rpcerror.Error.
func CheckAddress(address string) error {
	if address == "" {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedAddress, "no provider address was given")
	}
	prefix, data, ok := strings.Cut(address, "1")
	usual := len(data) == accountSymbols+bech32Checksum
	valid := ok && prefix == addressPrefix && wholeBytes(len(data)-bech32Checksum) && isBech32(data)
	switch {
	case !valid, !usual && !validChecksum(prefix, data):
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedAddress,
			"%q is not an Akash address; one looks like akash1… and has 44 characters", clip(address, 80))
	case !validChecksum(prefix, data):
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedAddress,
			"%q is not an Akash address: its checksum is wrong, so a character of it is mistyped", address)
	}
	return nil
}

// wholeBytes reports whether a number of symbols of 5 bits is that of 1 to maxAddress
// bytes, with less than a symbol of padding.
func wholeBytes(symbols int) bool {
	bits := 5 * symbols
	return bits >= 8 && bits/8 <= maxAddress && bits%8 < 5
}

// isBech32 reports whether data consists of BIP 173's lower-case alphabet. Upper case,
// which BIP 173 allows, is refused: the chain writes addresses in lower case, and a
// provider must have only one name.
func isBech32(data string) bool {
	return strings.Trim(data, bech32Alphabet) == ""
}

// validChecksum verifies the BIP 173 checksum of data, which must be in its alphabet.
func validChecksum(prefix, data string) bool {
	sum := uint32(1)
	feed := func(symbol uint32) {
		sum = (sum&0x1ffffff)<<5 ^ symbol ^ bech32Terms[sum>>25]
	}
	for _, c := range []byte(prefix) {
		feed(uint32(c >> 5))
	}
	feed(0)
	for _, c := range []byte(prefix) {
		feed(uint32(c & 31))
	}
	for _, c := range []byte(data) {
		feed(uint32(strings.IndexByte(bech32Alphabet, c)))
	}
	return sum == 1
}

// bech32Terms are the sums of BIP 173's generators for each combination of the top
// five bits.
var bech32Terms = func() (terms [32]uint32) {
	for top := range terms {
		for i, generator := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				terms[top] ^= generator
			}
		}
	}
	return terms
}()

// clip shortens untrusted text for an error message.
func clip(text string, limit int) string {
	if len(text) > limit {
		return text[:limit] + "…"
	}
	return text
}
