// Package iavl is an immutable AVL tree with the hashes of cosmos/iavl, in which Cosmos
// chains keep their state. The library itself brings databases and their drivers.
package iavl

import (
	"bytes"
	"crypto/sha256"

	"akash-provider-web/testserver/fake/ics23"
)

// Tree is a version of a store. The zero value is the empty tree. A Tree does not change
// once it has been hashed: Set and Delete return another one, which shares nodes with it.
type Tree struct{ root *node }

// node is a leaf, if height is 0, or has two children. Its key is that of the entry, or
// the smallest key of the right child.
type node struct {
	key, value  []byte
	height      int8
	size        int64
	version     int64
	left, right *node
	hash        []byte // nil until needed
}

func leaf(version int64, key, value []byte) *node {
	return &node{key: key, value: value, size: 1, version: version}
}

func inner(version int64, key []byte, left, right *node) *node {
	return &node{
		key: key, left: left, right: right, version: version,
		height: max(left.height, right.height) + 1,
		size:   left.size + right.size,
	}
}

func (n *node) balance() int { return int(n.left.height) - int(n.right.height) }

// Len returns the number of entries.
func (t Tree) Len() int64 {
	if t.root == nil {
		return 0
	}
	return t.root.size
}

// Get returns a key's value.
func (t Tree) Get(key []byte) ([]byte, bool) {
	n := t.root
	for n != nil && n.height > 0 {
		n = n.child(key)
	}
	if n == nil || !bytes.Equal(n.key, key) {
		return nil, false
	}
	return n.value, true
}

func (n *node) child(key []byte) *node {
	if bytes.Compare(key, n.key) < 0 {
		return n.left
	}
	return n.right
}

// Set returns the tree with an entry. All new nodes are of the version, which is the
// height of the block that changes the state.
func (t Tree) Set(version int64, key, value []byte) Tree {
	if t.root == nil {
		return Tree{leaf(version, key, value)}
	}
	return Tree{t.root.set(version, key, value)}
}

func (n *node) set(version int64, key, value []byte) *node {
	order := bytes.Compare(key, n.key)
	switch {
	case n.height == 0 && order == 0:
		return leaf(version, key, value)
	case n.height == 0 && order < 0:
		return inner(version, n.key, leaf(version, key, value), n)
	case n.height == 0:
		return inner(version, key, n, leaf(version, key, value))
	case order < 0:
		return inner(version, n.key, n.left.set(version, key, value), n.right).balanced(version)
	}
	return inner(version, n.key, n.left, n.right.set(version, key, value)).balanced(version)
}

// Delete returns the tree without an entry.
func (t Tree) Delete(version int64, key []byte) Tree {
	if _, has := t.Get(key); !has {
		return t
	}
	root, _ := t.root.remove(version, key)
	return Tree{root}
}

// remove returns the node without an entry of it, nil if there is no other. If the
// smallest key was removed and is the key of a node above, it also returns the key that
// is the smallest now.
func (n *node) remove(version int64, key []byte) (rest *node, smallest []byte) {
	if n.height == 0 {
		return nil, nil
	}
	if bytes.Compare(key, n.key) < 0 {
		left, smallest := n.left.remove(version, key)
		if left == nil {
			return n.right, n.key
		}
		return inner(version, n.key, left, n.right).balanced(version), smallest
	}
	right, smallest := n.right.remove(version, key)
	if right == nil {
		return n.left, nil
	}
	pivot := n.key
	if smallest != nil {
		pivot = smallest
	}
	return inner(version, pivot, n.left, right).balanced(version), nil
}

// balanced rotates a new node whose children's heights differ by two.
func (n *node) balanced(version int64) *node {
	switch b := n.balance(); {
	case b > 1 && n.left.balance() >= 0:
		return n.rotateRight(version)
	case b > 1:
		return inner(version, n.key, n.left.rotateLeft(version), n.right).rotateRight(version)
	case b < -1 && n.right.balance() <= 0:
		return n.rotateLeft(version)
	case b < -1:
		return inner(version, n.key, n.left, n.right.rotateRight(version)).rotateLeft(version)
	}
	return n
}

func (n *node) rotateRight(version int64) *node {
	l := n.left
	return inner(version, l.key, l.left, inner(version, n.key, l.right, n.right))
}

func (n *node) rotateLeft(version int64) *node {
	r := n.right
	return inner(version, r.key, inner(version, n.key, n.left, r.left), r.right)
}

// Hash returns the root's hash. Trees that share nodes must not be hashed at the same
// time for the first time.
func (t Tree) Hash() []byte {
	if t.root == nil {
		sum := sha256.Sum256(nil)
		return sum[:]
	}
	return t.root.hashed()
}

func (n *node) hashed() []byte {
	if n.hash != nil {
		return n.hash
	}
	if n.height == 0 {
		n.hash = n.leafOp().Apply(n.key, n.value)
	} else {
		n.hash = n.innerOp(false).Apply(n.left.hashed())
	}
	return n.hash
}

func (n *node) prefix() []byte { return ics23.Varint(int64(n.height), n.size, n.version) }

func (n *node) leafOp() ics23.Leaf { return ics23.NewLeaf(n.prefix()) }

// hashLength is the encoded length of a child's hash.
const hashLength = sha256.Size

// innerOp returns the operation that makes the node's hash of the left child's, or of the
// right child's.
func (n *node) innerOp(right bool) ics23.Inner {
	op := ics23.Inner{Hash: ics23.SHA256, Prefix: append(n.prefix(), hashLength)}
	if right {
		op.Prefix = append(append(op.Prefix, n.left.hashed()...), hashLength)
		return op
	}
	op.Suffix = append([]byte{hashLength}, n.right.hashed()...)
	return op
}

// Prove returns a proof of the key's value, or of its absence. An empty tree proves
// nothing.
func (t Tree) Prove(key []byte) (ics23.Proof, bool) {
	if t.root == nil {
		return ics23.Proof{}, false
	}
	// The position of the first entry that is not before the key.
	var at int64
	for n := t.root; ; {
		if n.height == 0 {
			if bytes.Compare(n.key, key) < 0 {
				at++
			}
			break
		}
		next := n.child(key)
		if next == n.right {
			at += n.left.size
		}
		n = next
	}
	if found := t.at(at); found != nil && bytes.Equal(found.Key, key) {
		return ics23.Proof{Exist: found}, true
	}
	return ics23.Proof{NonExist: &ics23.Absence{Key: key, Left: t.at(at - 1), Right: t.at(at)}}, true
}

// at returns the proof of the entry at a position, nil if there is none.
func (t Tree) at(position int64) *ics23.Existence {
	if position < 0 || position >= t.Len() {
		return nil
	}
	var path []ics23.Inner
	n := t.root
	for n.height > 0 {
		right := position >= n.left.size
		path = append(path, n.innerOp(right))
		if right {
			position -= n.left.size
			n = n.right
		} else {
			n = n.left
		}
	}
	for i, j := 0, len(path)-1; i < j; i, j = i+1, j-1 {
		path[i], path[j] = path[j], path[i]
	}
	return &ics23.Existence{Key: n.key, Value: n.value, Leaf: n.leafOp(), Path: path}
}

// Keys returns all keys in order.
func (t Tree) Keys() [][]byte {
	var keys [][]byte
	var walk func(*node)
	walk = func(n *node) {
		if n == nil {
			return
		}
		if n.height == 0 {
			keys = append(keys, n.key)
			return
		}
		walk(n.left)
		walk(n.right)
	}
	walk(t.root)
	return keys
}
