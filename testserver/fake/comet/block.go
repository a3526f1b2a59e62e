// Package comet makes headers, commits and validator sets as CometBFT 0.38 does, with
// real keys and signatures, and their JSON as its RPC has it.
package comet

import (
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// blockProtocol is the version of headers.
const blockProtocol = 11

// Header is a block's header. Empty has the hash of an empty list, which several fields
// of a block without transactions have.
type Header struct {
	ChainID         string
	Height          int64
	Time            time.Time
	LastBlockID     BlockID
	LastCommit      []byte
	Data            []byte
	Validators      []byte
	NextValidators  []byte
	Consensus       []byte
	App             []byte // of the state after the block before
	LastResults     []byte
	Evidence        []byte
	ProposerAddress []byte
}

// Empty is the Merkle root of an empty list.
var Empty = MerkleRoot(nil)

// BlockID identifies a block.
type BlockID struct {
	Hash  []byte
	Parts PartSetHeader
}

// PartSetHeader identifies the parts that a block is sent in.
type PartSetHeader struct {
	Total uint32
	Hash  []byte
}

// Block is a header with its validators and their signatures.
type Block struct {
	Header     Header
	Commit     Commit
	LastCommit *Commit // nil in the oldest block
	Validators Validators
}

// ID returns the block's identifier. The block itself is never sent, so that the hash of
// its parts only needs to be unique.
func (h *Header) ID() BlockID {
	hash := h.Hash()
	return BlockID{Hash: hash, Parts: PartSetHeader{Total: 1, Hash: sum(append([]byte("parts"), hash...))}}
}

// Hash returns the hash of the header's fields.
func (h *Header) Hash() []byte {
	var height []byte
	if h.Height != 0 {
		height = appendUint(nil, 1, uint64(h.Height))
	}
	return MerkleRoot([][]byte{
		appendUint(nil, 1, blockProtocol),
		appendBytes(nil, 1, []byte(h.ChainID)),
		height,
		timestamp(h.Time),
		h.LastBlockID.marshal(),
		appendBytes(nil, 1, h.LastCommit),
		appendBytes(nil, 1, h.Data),
		appendBytes(nil, 1, h.Validators),
		appendBytes(nil, 1, h.NextValidators),
		appendBytes(nil, 1, h.Consensus),
		appendBytes(nil, 1, h.App),
		appendBytes(nil, 1, h.LastResults),
		appendBytes(nil, 1, h.Evidence),
		appendBytes(nil, 1, h.ProposerAddress),
	})
}

func (id BlockID) marshal() []byte {
	b := appendBytes(nil, 1, id.Hash)
	return appendMessage(b, 2, id.Parts.marshal())
}

// marshal also encodes a CanonicalPartSetHeader, which has the same fields.
func (p PartSetHeader) marshal() []byte {
	return appendBytes(appendUint(nil, 1, uint64(p.Total)), 2, p.Hash)
}

// timestamp encodes a google.protobuf.Timestamp.
func timestamp(t time.Time) []byte {
	b := appendUint(nil, 1, uint64(t.Unix()))
	return appendUint(b, 2, uint64(t.Nanosecond()))
}

func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendFixed(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return binary.LittleEndian.AppendUint64(protowire.AppendTag(b, field, protowire.Fixed64Type), v)
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
