package comet

import (
	"crypto/sha256"
	"math/bits"

	"google.golang.org/protobuf/encoding/protowire"

	"akash-provider-web/testserver/fake/ics23"
)

// MerkleRoot returns the root of CometBFT's simple Merkle tree (RFC 6962).
func MerkleRoot(leaves [][]byte) []byte {
	switch len(leaves) {
	case 0:
		return sum(nil)
	case 1:
		return sum(append([]byte{0}, leaves[0]...))
	}
	half := split(len(leaves))
	return sum(append(append([]byte{1}, MerkleRoot(leaves[:half])...), MerkleRoot(leaves[half:])...))
}

// split returns the largest power of two below n.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

// MerklePath returns the path from a leaf to the root.
func MerklePath(leaves [][]byte, i int) []ics23.Inner {
	if len(leaves) < 2 {
		return nil
	}
	half := split(len(leaves))
	if i < half {
		return append(MerklePath(leaves[:half], i),
			ics23.Inner{Hash: ics23.SHA256, Prefix: []byte{1}, Suffix: MerkleRoot(leaves[half:])})
	}
	return append(MerklePath(leaves[half:], i-half),
		ics23.Inner{Hash: ics23.SHA256, Prefix: append([]byte{1}, MerkleRoot(leaves[:half])...)})
}

// StoreRoot is the root of one of the application's stores.
type StoreRoot struct {
	Name string
	Root []byte
}

// AppHash returns the hash of the application's state: that of its stores' roots, which
// must be in the order of their names.
func AppHash(stores []StoreRoot) []byte { return MerkleRoot(storeLeaves(stores)) }

// ProveStore returns the proof of a store's root, nil if there is no such store.
func ProveStore(stores []StoreRoot, name string) *ics23.Existence {
	for i, s := range stores {
		if s.Name == name {
			return &ics23.Existence{
				Key: []byte(name), Value: s.Root,
				Leaf: ics23.NewLeaf([]byte{0}),
				Path: MerklePath(storeLeaves(stores), i),
			}
		}
	}
	return nil
}

func storeLeaves(stores []StoreRoot) [][]byte {
	leaves := make([][]byte, len(stores))
	for i, s := range stores {
		leaves[i] = protowire.AppendBytes(protowire.AppendBytes(nil, []byte(s.Name)), sum(s.Root))
	}
	return leaves
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}
