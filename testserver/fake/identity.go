package fake

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/btcsuite/btcd/btcutil/bech32"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	//lint:ignore SA1019 Cosmos addresses are defined by it.
	"golang.org/x/crypto/ripemd160"
)

// addressPrefix is the human-readable part of an Akash address.
const addressPrefix = "akash"

// account is a key pair and its address on the chain.
type account struct {
	key     *secp256k1.PrivateKey
	address string
}

// derive returns 32 bytes that depend only on the seed and the labels.
func derive(seed uint64, labels ...any) [32]byte {
	h := sha256.New()
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], seed)
	h.Write(b[:])
	for _, label := range labels {
		fmt.Fprintf(h, "/%v", label)
	}
	return [32]byte(h.Sum(nil))
}

// newAccount derives an account from the seed.
func newAccount(seed uint64, labels ...any) account {
	secret := derive(seed, append([]any{"account"}, labels...)...)
	key := secp256k1.PrivKeyFromBytes(secret[:])
	return account{key: key, address: address(key.PubKey())}
}

// address returns the bech32 form of RIPEMD-160(SHA-256(compressed key)), as in
// Cosmos.
func address(key *secp256k1.PublicKey) string {
	sum := sha256.Sum256(key.SerializeCompressed())
	h := ripemd160.New()
	h.Write(sum[:])
	// Neither call fails for 20 bytes and a lower-case prefix.
	words, err := bech32.ConvertBits(h.Sum(nil), 8, 5, true)
	if err != nil {
		panic(err)
	}
	text, err := bech32.Encode(addressPrefix, words)
	if err != nil {
		panic(err)
	}
	return text
}

// isAddress reports whether text is an Akash address.
func isAddress(text string) bool { return rawAddress(text) != nil }

// rawAddress returns the 20 bytes of an address, nil if it is none.
func rawAddress(text string) []byte {
	prefix, words, err := bech32.Decode(text)
	if err != nil || prefix != addressPrefix {
		return nil
	}
	raw, err := bech32.ConvertBits(words, 5, 8, false)
	if err != nil || len(raw) != 20 {
		return nil
	}
	return raw
}

// certificateKey derives a P-256 key from the seed.
func certificateKey(seed uint64, labels ...any) *ecdsa.PrivateKey {
	for try := 0; ; try++ {
		secret := derive(seed, append([]any{"certificate", try}, labels...)...)
		// Fails only where the secret is not below the curve's order.
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret[:]); err == nil {
			return key
		}
	}
}
