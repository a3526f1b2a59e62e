package light

import (
	"crypto/sha256"
	"math/bits"
)

// merkleRoot returns the root of the Merkle tree over items, as in RFC 6962, section
// 2.1 (CometBFT crypto/merkle).
func merkleRoot(items [][]byte) [sha256.Size]byte {
	switch n := len(items); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, items[0]...))
	default:
		// The left tree has the largest power of two below n.
		split := 1 << (bits.Len(uint(n-1)) - 1)
		left, right := merkleRoot(items[:split]), merkleRoot(items[split:])
		node := append(append([]byte{1}, left[:]...), right[:]...)
		return sha256.Sum256(node)
	}
}
