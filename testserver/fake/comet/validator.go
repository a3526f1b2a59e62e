package comet

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"slices"
)

// Validator signs blocks with the weight of its power.
type Validator struct {
	Key   ed25519.PrivateKey
	Power int64
}

// PublicKey returns the validator's public key.
func (v Validator) PublicKey() ed25519.PublicKey { return v.Key.Public().(ed25519.PublicKey) }

// Address returns the validator's address: the first 20 bytes of its key's hash.
func (v Validator) Address() []byte { return sum(v.PublicKey())[:20] }

// Validators is a validator set in the order of the chain.
type Validators []Validator

// NewValidators returns a set in the order of the chain: by falling power, then by
// address.
func NewValidators(all []Validator) Validators {
	set := slices.Clone(all)
	slices.SortFunc(set, func(a, b Validator) int {
		return cmp.Or(cmp.Compare(b.Power, a.Power), bytes.Compare(a.Address(), b.Address()))
	})
	return set
}

// Hash returns the set's hash.
func (s Validators) Hash() []byte {
	leaves := make([][]byte, len(s))
	for i, v := range s {
		key := appendBytes(nil, 1, v.PublicKey())
		leaves[i] = appendUint(appendMessage(nil, 1, key), 2, uint64(v.Power))
	}
	return MerkleRoot(leaves)
}

// Power returns the set's total power.
func (s Validators) Power() int64 {
	var total int64
	for _, v := range s {
		total += v.Power
	}
	return total
}

// Proposer returns the index of the validator that proposes a block.
func (s Validators) Proposer(height int64) int { return int(height % int64(len(s))) }

// Subset returns the members of a set, by index, whose powers add up to exactly power.
// It tries all subsets, so that it is for small sets.
func (s Validators) Subset(power int64) (map[int]bool, bool) {
	var chosen []int
	var search func(i int, left int64) bool
	search = func(i int, left int64) bool {
		if left == 0 {
			return true
		}
		if i == len(s) || left < 0 {
			return false
		}
		chosen = append(chosen, i)
		if search(i+1, left-s[i].Power) {
			return true
		}
		chosen = chosen[:len(chosen)-1]
		return search(i+1, left)
	}
	if !search(0, power) {
		return nil, false
	}
	set := map[int]bool{}
	for _, i := range chosen {
		set[i] = true
	}
	return set, true
}
