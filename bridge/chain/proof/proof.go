// Package proof verifies answers from the state of a Cosmos chain: that a module's
// store has a key with a value, or does not have it, at the height that an app hash is
// of. Proofs are those of ICS-23 that the Cosmos SDK's store/rootmulti returns for an
// abci_query with prove=true: one in the module's IAVL tree, and one in the tree of all
// stores' roots.
//
// The package sends no requests, and imports nothing that WebAssembly would have to pay
// for.
package proof

import (
	"bytes"
	"errors"
	"fmt"
)

// Types of the operations in a proof, inner first.
const (
	OpIAVL   = "ics23:iavl"   // in a module's store; the key is the queried one
	OpSimple = "ics23:simple" // in the tree of all stores; the key is the store's name
)

// Op is an operation in a proof, an element of proofOps.ops in an abci_query answer.
type Op struct {
	Type string `json:"type"`
	Key  []byte `json:"key"`  // base64 in JSON
	Data []byte `json:"data"` // an ics23 CommitmentProof
}

// Maximum lengths of what is verified. Both are far above what a chain has.
const (
	maxProof = 64 << 10
	maxValue = 1 << 20
)

// Membership verifies that a store has the key with the value. The app hash is that of
// the header after the height that was queried. A nil error means that it is so.
func Membership(ops []Op, appHash []byte, store string, key, value []byte) error {
	if len(value) > maxValue {
		return fmt.Errorf("proof: the value has more than %d bytes", maxValue)
	}
	return verify(ops, appHash, store, key, func(inStore commitment) ([]byte, error) {
		e := inStore.exist
		switch {
		case e == nil:
			return nil, errors.New("the proof is of the key's absence")
		case !bytes.Equal(e.key, key):
			return nil, errors.New("the proof is of another key")
		case !bytes.Equal(e.value, value):
			return nil, errors.New("the proof is of another value")
		}
		if err := e.checkForm(iavlSpec); err != nil {
			return nil, err
		}
		return e.root(), nil
	})
}

// Absence verifies that a store does not have the key, as Membership does that it has.
func Absence(ops []Op, appHash []byte, store string, key []byte) error {
	return verify(ops, appHash, store, key, func(inStore commitment) ([]byte, error) {
		n := inStore.nonexist
		if n == nil {
			return nil, errors.New("the proof is of a key's presence")
		}
		root, err := n.root(iavlSpec)
		if err != nil {
			return nil, err
		}
		return root, n.verify(iavlSpec, root, key)
	})
}

// verify checks that a proof has the two operations that it must have. It has
// storeRoot verify the first one and return its root, which the second one must lead
// from to the app hash.
func verify(ops []Op, appHash []byte, store string, key []byte, storeRoot func(commitment) ([]byte, error)) error {
	switch {
	case len(appHash) == 0 || len(key) == 0:
		return errors.New("proof: no app hash or no key to verify with")
	case len(ops) != 2 || ops[0].Type != OpIAVL || ops[1].Type != OpSimple:
		return fmt.Errorf("proof: the answer has no proof of the types %s and %s", OpIAVL, OpSimple)
	case !bytes.Equal(ops[0].Key, key):
		return errors.New("proof: the proof is of another key")
	case string(ops[1].Key) != store:
		return errors.New("proof: the proof is of another store")
	case len(ops[0].Data) > maxProof || len(ops[1].Data) > maxProof:
		return fmt.Errorf("proof: the proof has more than %d bytes", maxProof)
	}
	inStore, err := decodeCommitment(ops[0].Data)
	if err != nil {
		return fmt.Errorf("proof: in the store: %w", err)
	}
	root, err := storeRoot(inStore)
	if err != nil {
		return fmt.Errorf("proof: in the store: %w", err)
	}
	ofStores, err := decodeCommitment(ops[1].Data)
	if err != nil {
		return fmt.Errorf("proof: of the store: %w", err)
	}
	switch e := ofStores.exist; {
	case e == nil || string(e.key) != store:
		return errors.New("proof: of the store: the proof is of another store")
	case !bytes.Equal(e.value, root):
		return errors.New("proof: the two proofs are of different states of the store")
	default:
		if err := e.verify(simpleSpec, appHash); err != nil {
			return fmt.Errorf("proof: of the store: %w", err)
		}
	}
	return nil
}
