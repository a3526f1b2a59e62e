package light

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The functions here append protobuf encodings as CometBFT hashes and signs them
// (proto/tendermint/types/{types,canonical,validator}.proto). As in proto3, fields with
// the zero value are left out, except messages that are not nullable.

func appendBytes(b []byte, field protowire.Number, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
}

// appendMessage appends a message even if it is empty.
func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

func appendVarint(b []byte, field protowire.Number, value uint64) []byte {
	if value == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), value)
}

func appendFixed64(b []byte, field protowire.Number, value int64) []byte {
	if value == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), uint64(value))
}

// encodeTime encodes a google.protobuf.Timestamp.
func encodeTime(t time.Time) []byte {
	b := appendVarint(nil, 1, uint64(t.Unix()))
	return appendVarint(b, 2, uint64(t.Nanosecond()))
}

// encode encodes a BlockID. A CanonicalBlockID has the same encoding.
func (id BlockID) encode() []byte {
	parts := appendVarint(nil, 1, uint64(id.Parts.Total))
	parts = appendBytes(parts, 2, id.Parts.Hash)
	return appendMessage(appendBytes(nil, 1, id.Hash), 2, parts)
}

// encode encodes a Consensus version.
func (v Version) encode() []byte {
	return appendVarint(appendVarint(nil, 1, v.Block), 2, v.App)
}

// encode encodes a SimpleValidator.
func (v *Validator) encode() []byte {
	key := appendMessage(nil, 1, v.PubKey.Value) // PublicKey.ed25519
	return appendVarint(appendMessage(nil, 1, key), 2, uint64(v.VotingPower))
}

// precommit is SIGNED_MSG_TYPE_PRECOMMIT.
const precommit = 2

// signBytes returns what a validator signs when it commits the block: a CanonicalVote
// with its length before it.
func (c *Commit) signBytes(chainID string, at time.Time) []byte {
	vote := appendVarint(nil, 1, precommit)
	vote = appendFixed64(vote, 2, c.Height)
	vote = appendFixed64(vote, 3, int64(c.Round))
	vote = appendMessage(vote, 4, c.BlockID.encode())
	vote = appendMessage(vote, 5, encodeTime(at))
	vote = appendBytes(vote, 6, []byte(chainID))
	return protowire.AppendBytes(nil, vote)
}
