// Package ics23 builds and encodes proofs that a store has an entry or does not have it
// (ICS 23, vector commitments). The encoding is that of cosmos.ics23.v1.CommitmentProof.
package ics23

import (
	"crypto/sha256"
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// Proof is a proof of existence, or, with Exist nil, of absence.
type Proof struct {
	Exist    *Existence
	NonExist *Absence
}

// Existence proves that Key has Value.
type Existence struct {
	Key, Value []byte
	Leaf       Leaf
	Path       []Inner // from the leaf to the root
}

// Absence proves that a key has no value, by its neighbors. A neighbor is nil where the
// key is beyond the first or the last.
type Absence struct {
	Key         []byte
	Left, Right *Existence
}

// HashOp selects a hash function.
type HashOp uint64

// The hash functions that are used here.
const (
	NoHash HashOp = 0
	SHA256 HashOp = 1
)

// varProto is the only length operation used here: a length as in protobuf.
const varProto = 1

// Leaf says how key and value are hashed. The key is not hashed before.
type Leaf struct {
	Hash, PrehashValue HashOp
	Prefix             []byte
}

// Inner says how the hash of a child becomes that of its parent.
type Inner struct {
	Hash           HashOp
	Prefix, Suffix []byte
}

// NewLeaf returns a leaf operation of both stores' trees and the tree of stores.
func NewLeaf(prefix []byte) Leaf { return Leaf{Hash: SHA256, PrehashValue: SHA256, Prefix: prefix} }

// Apply returns the hash of an entry.
func (l Leaf) Apply(key, value []byte) []byte {
	hashed := sha256.Sum256(value)
	b := append([]byte{}, l.Prefix...)
	b = protowire.AppendBytes(b, key)
	b = protowire.AppendBytes(b, hashed[:])
	sum := sha256.Sum256(b)
	return sum[:]
}

// Apply returns the parent's hash.
func (n Inner) Apply(child []byte) []byte {
	b := append([]byte{}, n.Prefix...)
	b = append(b, child...)
	b = append(b, n.Suffix...)
	sum := sha256.Sum256(b)
	return sum[:]
}

// Root returns the root that the proof leads to.
func (e *Existence) Root() []byte {
	hash := e.Leaf.Apply(e.Key, e.Value)
	for _, inner := range e.Path {
		hash = inner.Apply(hash)
	}
	return hash
}

// Marshal encodes a CommitmentProof.
func (p Proof) Marshal() []byte {
	if p.Exist != nil {
		return appendMessage(nil, 1, p.Exist.marshal())
	}
	if p.NonExist != nil {
		return appendMessage(nil, 2, p.NonExist.marshal())
	}
	return nil
}

func (e *Existence) marshal() []byte {
	b := appendBytes(nil, 1, e.Key)
	b = appendBytes(b, 2, e.Value)
	leaf := appendUint(nil, 1, uint64(e.Leaf.Hash))
	leaf = appendUint(leaf, 3, uint64(e.Leaf.PrehashValue))
	leaf = appendUint(leaf, 4, varProto)
	leaf = appendBytes(leaf, 5, e.Leaf.Prefix)
	b = appendMessage(b, 3, leaf)
	for _, n := range e.Path {
		inner := appendUint(nil, 1, uint64(n.Hash))
		inner = appendBytes(inner, 2, n.Prefix)
		inner = appendBytes(inner, 3, n.Suffix)
		b = appendMessage(b, 4, inner)
	}
	return b
}

func (a *Absence) marshal() []byte {
	b := appendBytes(nil, 1, a.Key)
	if a.Left != nil {
		b = appendMessage(b, 2, a.Left.marshal())
	}
	if a.Right != nil {
		b = appendMessage(b, 3, a.Right.marshal())
	}
	return b
}

func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return appendMessage(b, field, v)
}

func appendMessage(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

// Varint encodes an integer as IAVL nodes have them: zigzag.
func Varint(values ...int64) []byte {
	var b []byte
	for _, v := range values {
		b = binary.AppendVarint(b, v)
	}
	return b
}
