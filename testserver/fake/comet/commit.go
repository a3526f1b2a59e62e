package comet

import (
	"crypto/ed25519"
	"encoding/binary"
	"slices"
	"time"
)

// Flag says what a validator voted for.
type Flag byte

// The flags of CometBFT.
const (
	FlagAbsent Flag = 1 // no vote
	FlagCommit Flag = 2 // the block
	FlagNil    Flag = 3 // no block
)

// Commit has the votes for a block, one for each validator in the set's order.
type Commit struct {
	Height     int64
	Round      int32
	BlockID    BlockID
	Signatures []Signature
}

// Signature is a validator's vote. An absent one has none of the other fields.
type Signature struct {
	Flag      Flag
	Address   []byte
	Time      time.Time
	Signature []byte
}

// precommit is the type of the votes in a commit.
const precommit = 2

// SignBytes returns what a validator signs: a CanonicalVote with its length. With a nil
// id it is a vote for no block.
func SignBytes(chainID string, height int64, round int32, id *BlockID, at time.Time) []byte {
	vote := appendUint(nil, 1, precommit)
	vote = appendFixed(vote, 2, uint64(height))
	vote = appendFixed(vote, 3, uint64(round))
	if id != nil {
		vote = appendMessage(vote, 4, id.marshal())
	}
	vote = appendMessage(vote, 5, timestamp(at))
	vote = appendBytes(vote, 6, []byte(chainID))
	return append(binary.AppendUvarint(nil, uint64(len(vote))), vote...)
}

// Vote describes how a validator votes.
type Vote struct {
	Flag Flag
	Time time.Time
}

// Sign returns the commit of a header, with the vote of each validator.
func Sign(h *Header, round int32, validators Validators, vote func(i int, v Validator) Vote) Commit {
	id := h.ID()
	c := Commit{Height: h.Height, Round: round, BlockID: id, Signatures: make([]Signature, len(validators))}
	for i, v := range validators {
		c.Signatures[i] = v.sign(h.ChainID, c, vote(i, v))
	}
	return c
}

// sign returns a validator's signature for a commit.
func (v Validator) sign(chainID string, c Commit, vote Vote) Signature {
	if vote.Flag == FlagAbsent {
		return Signature{Flag: FlagAbsent}
	}
	id := &c.BlockID
	if vote.Flag == FlagNil {
		id = nil
	}
	return Signature{
		Flag:      vote.Flag,
		Address:   v.Address(),
		Time:      vote.Time,
		Signature: ed25519.Sign(v.Key, SignBytes(chainID, c.Height, c.Round, id, vote.Time)),
	}
}

// Hash returns the hash of the commit's signatures.
func (c *Commit) Hash() []byte {
	leaves := make([][]byte, len(c.Signatures))
	for i, s := range c.Signatures {
		leaves[i] = s.marshal()
	}
	return MerkleRoot(leaves)
}

func (s Signature) marshal() []byte {
	b := appendUint(nil, 1, uint64(s.Flag))
	b = appendBytes(b, 2, s.Address)
	b = appendMessage(b, 3, timestamp(s.Time))
	return appendBytes(b, 4, s.Signature)
}

// MedianTime returns the median of the votes' times, weighted by power, which is the time
// of the next block.
func (c *Commit) MedianTime(validators Validators) time.Time {
	type weighed struct {
		at    time.Time
		power int64
	}
	var votes []weighed
	var total int64
	for i, s := range c.Signatures {
		if s.Flag != FlagAbsent {
			votes = append(votes, weighed{s.Time, validators[i].Power})
			total += validators[i].Power
		}
	}
	slices.SortFunc(votes, func(a, b weighed) int { return a.at.Compare(b.at) })
	left := total / 2
	for _, v := range votes {
		if left <= v.power {
			return v.at
		}
		left -= v.power
	}
	return time.Time{}
}
