package proof

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of ICS-23 (cosmos/ics23/v1/proofs.proto) that a Cosmos chain sends.
// They are read by hand: the generated code of ics23/go costs the bridge 0.9 MB.
type (
	// existence is an ExistenceProof.
	existence struct {
		key, value []byte
		leaf       *leafOp
		path       []innerNode // from the leaf to the root
	}
	// leafOp is a LeafOp: how a key and value are hashed.
	leafOp struct {
		hash, prehashKey, prehashValue, length int32
		prefix                                 []byte
	}
	// innerNode is an InnerOp: what stands before and after a child in its parent.
	innerNode struct {
		hash           int32
		prefix, suffix []byte
	}
	// nonexistence is a NonExistenceProof: a key's neighbors in the tree. One is
	// missing if the key is before the first or after the last.
	nonexistence struct {
		left, right *existence
	}
	// commitment is a CommitmentProof. One field is set.
	commitment struct {
		exist    *existence
		nonexist *nonexistence
	}
)

// Values of the enums HashOp and LengthOp.
const (
	hashNone     = 0
	hashSHA256   = 1
	lengthVarint = 1
)

// errMalformed is returned for bytes that are not the expected protobuf message.
var errMalformed = errors.New("the proof cannot be decoded")

// errKind is returned for proofs of many keys in one, which no chain sends in answer to
// a query.
var errKind = errors.New("the proof is of an unexpected kind")

func decodeCommitment(data []byte) (c commitment, err error) {
	err = fields(data, func(f field) (err error) {
		switch f.number {
		case 1:
			c = commitment{exist: new(existence)}
			return f.message(c.exist.set)
		case 2:
			c = commitment{nonexist: new(nonexistence)}
			return f.message(c.nonexist.set)
		case 3, 4: // BatchProof, CompressedBatchProof
			return errKind
		}
		return nil
	})
	if err == nil && c.exist == nil && c.nonexist == nil {
		err = errMalformed
	}
	return c, err
}

func (n *nonexistence) set(f field) error {
	neighbor := func(e **existence) error {
		if *e == nil {
			*e = new(existence)
		}
		return f.message((*e).set)
	}
	switch f.number {
	case 1: // the key; the caller knows it
		return f.bytes(new([]byte))
	case 2:
		return neighbor(&n.left)
	case 3:
		return neighbor(&n.right)
	}
	return nil
}

func (e *existence) set(f field) error {
	switch f.number {
	case 1:
		return f.bytes(&e.key)
	case 2:
		return f.bytes(&e.value)
	case 3:
		if e.leaf == nil {
			e.leaf = new(leafOp)
		}
		return f.message(e.leaf.set)
	case 4:
		if len(e.path) > maxDepth {
			return errors.New("the proof's path is too long")
		}
		var node innerNode
		err := f.message(node.set)
		e.path = append(e.path, node)
		return err
	}
	return nil
}

func (l *leafOp) set(f field) error {
	switch f.number {
	case 1:
		return f.enum(&l.hash)
	case 2:
		return f.enum(&l.prehashKey)
	case 3:
		return f.enum(&l.prehashValue)
	case 4:
		return f.enum(&l.length)
	case 5:
		return f.bytes(&l.prefix)
	}
	return nil
}

func (n *innerNode) set(f field) error {
	switch f.number {
	case 1:
		return f.enum(&n.hash)
	case 2:
		return f.bytes(&n.prefix)
	case 3:
		return f.bytes(&n.suffix)
	}
	return nil
}

// field is a field of a protobuf message.
type field struct {
	number protowire.Number
	kind   protowire.Type
	value  []byte // encoded, without the tag
}

// fields calls visit for each field of a message, known or not.
func fields(data []byte, visit func(field) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errMalformed
		}
		data = data[n:]
		n = protowire.ConsumeFieldValue(number, kind, data)
		if n < 0 {
			return errMalformed
		}
		if err := visit(field{number, kind, data[:n]}); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

func (f field) bytes(into *[]byte) error {
	if f.kind != protowire.BytesType {
		return errMalformed
	}
	*into, _ = protowire.ConsumeBytes(f.value)
	return nil
}

func (f field) text(into *string) error {
	var text []byte
	err := f.bytes(&text)
	*into = string(text)
	return err
}

func (f field) uint64(into *uint64) error {
	if f.kind != protowire.VarintType {
		return errMalformed
	}
	*into, _ = protowire.ConsumeVarint(f.value)
	return nil
}

func (f field) uint32(into *uint32) error {
	var value uint64
	err := f.uint64(&value)
	*into = uint32(value)
	return err
}

func (f field) int64(into *int64) error {
	var value uint64
	err := f.uint64(&value)
	*into = int64(value)
	return err
}

func (f field) enum(into *int32) error {
	var value uint64
	err := f.uint64(&value)
	*into = int32(value)
	return err
}

func (f field) message(visit func(field) error) error {
	var data []byte
	if err := f.bytes(&data); err != nil {
		return err
	}
	return fields(data, visit)
}
