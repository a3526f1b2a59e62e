package light

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
)

const (
	// maxValidators bounds a validator set, and so the work to verify a header. Akash
	// has 100 validators.
	maxValidators = 1000
	// maxPower is the largest total power that CometBFT takes.
	maxPower = math.MaxInt64 / 8
)

// keyEd25519 is the type of key of nearly all chains' validators, and the only one that
// Akash's consensus parameters allow.
const keyEd25519 = "tendermint/PubKeyEd25519"

// Validator is a validator, in the JSON form of CometBFT's RPC.
type Validator struct {
	Address     HexBytes `json:"address"`
	PubKey      PubKey   `json:"pub_key"`
	VotingPower int64    `json:"voting_power,string"`
}

// PubKey is a validator's public key.
type PubKey struct {
	Type  string `json:"type"`
	Value []byte `json:"value"` // base64 in JSON
}

// ValidatorSet is the validators of a height. It does not change.
type ValidatorSet struct {
	validators []Validator
	total      int64
	hash       HexBytes
}

// NewValidatorSet returns the set of validators, in the chain's order. Keys must be
// Ed25519.
func NewValidatorSet(validators []Validator) (*ValidatorSet, error) {
	if n := len(validators); n == 0 || n > maxValidators {
		return nil, fmt.Errorf("light: %d validators: want 1 to %d", n, maxValidators)
	}
	validators = slices.SortedFunc(slices.Values(validators), func(a, b Validator) int {
		return cmp.Or(cmp.Compare(b.VotingPower, a.VotingPower), bytes.Compare(a.Address, b.Address))
	})
	var total int64
	seen := make(map[string]bool, len(validators))
	encoded := make([][]byte, len(validators))
	for i := range validators {
		v := &validators[i]
		if err := v.check(); err != nil {
			return nil, fmt.Errorf("light: validator %d: %w", i, err)
		}
		if seen[string(v.Address)] {
			return nil, errors.New("light: a validator is listed twice")
		}
		seen[string(v.Address)] = true
		if v.VotingPower > maxPower-total {
			return nil, errors.New("light: the validators' total power is too large")
		}
		total += v.VotingPower
		encoded[i] = v.encode()
	}
	root := merkleRoot(encoded)
	return &ValidatorSet{validators, total, root[:]}, nil
}

func (v *Validator) check() error {
	switch {
	case v.PubKey.Type != keyEd25519:
		return fmt.Errorf("its key's type is %.40q; only %s is supported", v.PubKey.Type, keyEd25519)
	case len(v.PubKey.Value) != ed25519.PublicKeySize:
		return errors.New("its key has a wrong length")
	case v.VotingPower < 0:
		return errors.New("its voting power is negative")
	}
	if address := sha256.Sum256(v.PubKey.Value); !bytes.Equal(v.Address, address[:addressSize]) {
		return errors.New("its address is not that of its key")
	}
	return nil
}

// Hash returns the hash of the set, which headers have as ValidatorsHash.
func (s *ValidatorSet) Hash() HexBytes { return s.hash }

// Len returns the number of validators.
func (s *ValidatorSet) Len() int { return len(s.validators) }

// byAddress returns the first validator with an address, or nil.
func (s *ValidatorSet) byAddress(address []byte) *Validator {
	for i := range s.validators {
		if bytes.Equal(s.validators[i].Address, address) {
			return &s.validators[i]
		}
	}
	return nil
}
