package proof

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// A treeSpec says how a kind of tree hashes, as a ProofSpec of ICS-23 does. Both trees
// here have two children per node, hash with SHA-256, and hash a leaf's value before the
// leaf.
type treeSpec struct {
	minPrefix, maxPrefix int // of an inner node's own data, before its children
	childSize            int // with the child's length where the tree encodes it
	iavl                 bool
}

var (
	// iavlSpec is the tree of a module's store (cosmos/iavl).
	iavlSpec = &treeSpec{minPrefix: 4, maxPrefix: 12, childSize: 33, iavl: true}
	// simpleSpec is the tree over the roots of all stores (CometBFT crypto/merkle).
	simpleSpec = &treeSpec{minPrefix: 1, maxPrefix: 1, childSize: 32}
)

// leafPrefix is the first byte of a leaf's encoding, and of no inner node's.
const leafPrefix = 0

// maxDepth bounds a path, as in ICS-23's implementation.
const maxDepth = 128

// errMismatch is returned where a proof is well formed and proves something else.
var errMismatch = errors.New("the proof does not lead to the root")

// verify checks that the tree with the root has the proof's key and value.
func (e *existence) verify(spec *treeSpec, root []byte) error {
	if err := e.checkForm(spec); err != nil {
		return err
	}
	if !bytes.Equal(e.root(), root) {
		return errMismatch
	}
	return nil
}

// checkForm checks the proof against the tree's specification, without which another
// encoding of the same hash could be taken for a proof.
func (e *existence) checkForm(spec *treeSpec) error {
	leaf := e.leaf
	switch {
	case leaf == nil:
		return errors.New("the proof has no leaf")
	case leaf.hash != hashSHA256, leaf.prehashKey != hashNone, leaf.prehashValue != hashSHA256, leaf.length != lengthVarint:
		return errors.New("the proof's leaf is of another kind of tree")
	case len(leaf.prefix) == 0 || leaf.prefix[0] != leafPrefix:
		return errors.New("the proof's leaf has the prefix of an inner node")
	case spec.iavl && !validIAVLPrefix(leaf.prefix, 0):
		return errors.New("the proof's leaf has a malformed prefix")
	case len(e.key) == 0 || len(e.value) == 0:
		return errors.New("the proof's leaf has no key or no value")
	case len(e.path) > maxDepth:
		return errors.New("the proof's path is too long")
	}
	for i, node := range e.path {
		switch {
		case node.hash != hashSHA256:
			return errors.New("the proof's path is of another kind of tree")
		case spec.iavl && !validIAVLPrefix(node.prefix, i+1):
			return errors.New("the proof's path has a malformed node")
		case len(node.prefix) < spec.minPrefix, len(node.prefix) > spec.maxPrefix+spec.childSize,
			node.prefix[0] == leafPrefix, len(node.suffix)%spec.childSize != 0:
			return errors.New("the proof's path has a malformed node")
		}
	}
	return nil
}

// validIAVLPrefix checks the beginning of an IAVL node: its height, size and version as
// signed varints, then for an inner node the length of a child, after the other child
// if that is the left one. layer is the distance from the leaf; a node cannot be lower
// in the tree than that.
func validIAVLPrefix(prefix []byte, layer int) bool {
	for i := range 3 {
		value, n := binary.Varint(prefix)
		if n <= 0 || value < 0 || i == 0 && value < int64(layer) {
			return false
		}
		prefix = prefix[n:]
	}
	if layer == 0 {
		return len(prefix) == 0
	}
	return len(prefix) == 1 || len(prefix) == 1+sha256.Size+1
}

// root returns the root that the proof leads to. The proof's form must be valid.
func (e *existence) root() []byte {
	value := sha256.Sum256(e.value)
	leaf := bytes.Clone(e.leaf.prefix)
	leaf = binary.AppendUvarint(leaf, uint64(len(e.key)))
	leaf = append(leaf, e.key...)
	leaf = binary.AppendUvarint(leaf, sha256.Size)
	leaf = append(leaf, value[:]...)
	hash := sha256.Sum256(leaf)
	for _, node := range e.path {
		h := sha256.New()
		h.Write(node.prefix)
		h.Write(hash[:])
		h.Write(node.suffix)
		h.Sum(hash[:0])
	}
	return hash[:]
}

// verify checks that the tree with the root does not have the key: that of the keys in
// the tree, those on its left and right are neighbors.
func (n *nonexistence) verify(spec *treeSpec, root, key []byte) error {
	if n.left == nil && n.right == nil {
		return errors.New("the proof has neither neighbor of the key")
	}
	if n.left != nil {
		if err := n.left.verify(spec, root); err != nil {
			return err
		}
		if bytes.Compare(n.left.key, key) >= 0 {
			return errors.New("the proof's left neighbor is not left of the key")
		}
	}
	if n.right != nil {
		if err := n.right.verify(spec, root); err != nil {
			return err
		}
		if bytes.Compare(n.right.key, key) <= 0 {
			return errors.New("the proof's right neighbor is not right of the key")
		}
	}
	switch {
	case n.left == nil && !spec.leftmost(n.right.path):
		return errors.New("the proof has no left neighbor, and its right one is not the first key")
	case n.right == nil && !spec.rightmost(n.left.path):
		return errors.New("the proof has no right neighbor, and its left one is not the last key")
	case n.left != nil && n.right != nil && !spec.adjacent(n.left.path, n.right.path):
		return errors.New("the proof's neighbors have other keys between them")
	}
	return nil
}

// root returns the root that the proof leads to.
func (n *nonexistence) root(spec *treeSpec) ([]byte, error) {
	e := n.left
	if e == nil {
		e = n.right
	}
	if e == nil {
		return nil, errors.New("the proof has neither neighbor of the key")
	}
	if err := e.checkForm(spec); err != nil {
		return nil, err
	}
	return e.root(), nil
}

// isLeft reports whether the path comes from a node's left child.
func (s *treeSpec) isLeft(node innerNode) bool {
	return len(node.prefix) >= s.minPrefix && len(node.prefix) <= s.maxPrefix && len(node.suffix) == s.childSize
}

// isRight reports whether the path comes from a node's right child.
func (s *treeSpec) isRight(node innerNode) bool {
	return len(node.prefix) >= s.childSize+s.minPrefix && len(node.prefix) <= s.childSize+s.maxPrefix && len(node.suffix) == 0
}

// leftmost reports whether a path leads to the first leaf below its top.
func (s *treeSpec) leftmost(path []innerNode) bool {
	for _, node := range path {
		if !s.isLeft(node) {
			return false
		}
	}
	return true
}

// rightmost reports whether a path leads to the last leaf below its top.
func (s *treeSpec) rightmost(path []innerNode) bool {
	for _, node := range path {
		if !s.isRight(node) {
			return false
		}
	}
	return true
}

// adjacent reports whether two paths, leaf first, lead to leaves next to each other:
// they part at some node, and below it the left path is always right, and the right
// path always left.
func (s *treeSpec) adjacent(left, right []innerNode) bool {
	for len(left) > 0 && len(right) > 0 {
		l, r := left[len(left)-1], right[len(right)-1]
		left, right = left[:len(left)-1], right[:len(right)-1]
		if bytes.Equal(l.prefix, r.prefix) && bytes.Equal(l.suffix, r.suffix) {
			continue
		}
		return s.isLeft(l) && s.isRight(r) && s.rightmost(left) && s.leftmost(right)
	}
	return false
}
