package light

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/hdevalence/ed25519consensus"
)

// maxSignature is the longest signature that CometBFT takes, in bytes.
const maxSignature = 64

// Commit has the votes of a block's validators for it.
type Commit struct {
	Height     int64       `json:"height,string"`
	Round      int32       `json:"round"`
	BlockID    BlockID     `json:"block_id"`
	Signatures []CommitSig `json:"signatures"` // in the order of the validators
}

// CommitSig is a validator's vote.
type CommitSig struct {
	Flag             BlockIDFlag `json:"block_id_flag"`
	ValidatorAddress HexBytes    `json:"validator_address"`
	Timestamp        time.Time   `json:"timestamp"`
	Signature        []byte      `json:"signature"` // base64 in JSON
}

// BlockIDFlag says what a validator voted for.
type BlockIDFlag uint8

// The possible votes.
const (
	FlagAbsent BlockIDFlag = 1
	FlagCommit BlockIDFlag = 2 // for the block
	FlagNil    BlockIDFlag = 3
)

func (c *Commit) check() error {
	switch {
	case c.Height <= 0:
		return fmt.Errorf("the commit has the height %d", c.Height)
	case c.Round < 0:
		return errors.New("the commit has a negative round")
	case len(c.BlockID.Hash) != hashSize || !isHash(c.BlockID.Parts.Hash):
		return errors.New("the commit's block id has a hash of a wrong length")
	case len(c.Signatures) == 0:
		return errors.New("the commit has no signatures")
	case len(c.Signatures) > maxValidators:
		return fmt.Errorf("the commit has more than %d signatures", maxValidators)
	}
	for i := range c.Signatures {
		if !c.Signatures[i].wellFormed() {
			return fmt.Errorf("the commit's signature %d is malformed", i)
		}
	}
	return nil
}

func (s *CommitSig) wellFormed() bool {
	switch s.Flag {
	case FlagAbsent:
		return len(s.ValidatorAddress) == 0 && s.Timestamp.IsZero() && len(s.Signature) == 0
	case FlagCommit, FlagNil:
		return len(s.ValidatorAddress) == addressSize && len(s.Signature) > 0 && len(s.Signature) <= maxSignature
	default:
		return false
	}
}

// vote is a signature to verify, and whose it is.
type vote struct {
	index     int
	validator *Validator
}

// errPower is returned if too few validators signed.
var errPower = errors.New("not enough voting power signed the header")

// verifyOwn verifies that more than two thirds of the block's own validators, by voting
// power, signed it.
func (c *Commit) verifyOwn(chainID string, set *ValidatorSet) error {
	if len(c.Signatures) != len(set.validators) {
		return fmt.Errorf("the commit has %d signatures of %d validators", len(c.Signatures), len(set.validators))
	}
	return c.verify(chainID, set.total*2/3, func(i int) (*Validator, error) {
		v := &set.validators[i]
		if !bytes.Equal(v.Address, c.Signatures[i].ValidatorAddress) {
			return nil, fmt.Errorf("the commit's signature %d is of another validator", i)
		}
		return v, nil
	})
}

// verifyTrusted verifies that more than a third of other validators than the block's
// own, by voting power, signed it.
func (c *Commit) verifyTrusted(chainID string, set *ValidatorSet) error {
	signed := make(map[*Validator]bool, len(c.Signatures))
	return c.verify(chainID, set.total/3, func(i int) (*Validator, error) {
		v := set.byAddress(c.Signatures[i].ValidatorAddress)
		switch {
		case v == nil:
			return nil, nil
		case signed[v]:
			return nil, errors.New("the commit has two signatures of a validator")
		}
		signed[v] = true
		return v, nil
	})
}

// verify verifies signatures for the block until those who made them have more power
// than needed. signer returns the validator whose signature is at an index; nil means
// that it does not count. It returns errPower before any cryptography if there are too
// few.
func (c *Commit) verify(chainID string, needed int64, signer func(int) (*Validator, error)) error {
	var votes []vote
	var power int64
	for i := range c.Signatures {
		if c.Signatures[i].Flag != FlagCommit {
			continue
		}
		v, err := signer(i)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		votes = append(votes, vote{i, v})
		if power += v.VotingPower; power > needed {
			return c.verifySignatures(chainID, votes)
		}
	}
	return errPower
}

// verifySignatures verifies signatures by the rules of ZIP 215, as CometBFT does. The
// rules of crypto/ed25519 are stricter: a validator could sign so that the network
// accepts its vote and this package does not.
func (c *Commit) verifySignatures(chainID string, votes []vote) error {
	batch := ed25519consensus.NewPreallocatedBatchVerifier(len(votes))
	for _, v := range votes {
		s := &c.Signatures[v.index]
		batch.Add(v.validator.PubKey.Value, c.signBytes(chainID, s.Timestamp), s.Signature)
	}
	if batch.Verify() {
		return nil
	}
	for _, v := range votes {
		s := &c.Signatures[v.index]
		if !ed25519consensus.Verify(v.validator.PubKey.Value, c.signBytes(chainID, s.Timestamp), s.Signature) {
			return fmt.Errorf("the commit's signature %d is invalid", v.index)
		}
	}
	return errors.New("the commit has an invalid signature")
}
