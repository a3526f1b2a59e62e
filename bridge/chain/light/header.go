package light

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// Limits of CometBFT 0.38 on what a header may have.
const (
	blockProtocol = 11
	maxChainID    = 50
	hashSize      = 32
	addressSize   = 20
)

// Header is a block's header, in the JSON form of CometBFT's RPC.
type Header struct {
	Version            Version   `json:"version"`
	ChainID            string    `json:"chain_id"`
	Height             int64     `json:"height,string"`
	Time               time.Time `json:"time"`
	LastBlockID        BlockID   `json:"last_block_id"`
	LastCommitHash     HexBytes  `json:"last_commit_hash"`
	DataHash           HexBytes  `json:"data_hash"`
	ValidatorsHash     HexBytes  `json:"validators_hash"`
	NextValidatorsHash HexBytes  `json:"next_validators_hash"`
	ConsensusHash      HexBytes  `json:"consensus_hash"`
	// AppHash is the root of the state after the block before this one.
	AppHash         HexBytes `json:"app_hash"`
	LastResultsHash HexBytes `json:"last_results_hash"`
	EvidenceHash    HexBytes `json:"evidence_hash"`
	ProposerAddress HexBytes `json:"proposer_address"`
}

// Version has the versions of the block format and of the application.
type Version struct {
	Block uint64 `json:"block,string"`
	App   uint64 `json:"app,string"`
}

// BlockID identifies a block.
type BlockID struct {
	Hash  HexBytes      `json:"hash"`
	Parts PartSetHeader `json:"parts"`
}

// PartSetHeader identifies the parts in which a block is sent.
type PartSetHeader struct {
	Total uint32   `json:"total"`
	Hash  HexBytes `json:"hash"`
}

// Hash returns the header's hash: the root of the tree over its fields.
func (h *Header) Hash() HexBytes {
	root := merkleRoot([][]byte{
		h.Version.encode(),
		appendBytes(nil, 1, []byte(h.ChainID)),
		appendVarint(nil, 1, uint64(h.Height)),
		encodeTime(h.Time),
		h.LastBlockID.encode(),
		appendBytes(nil, 1, h.LastCommitHash),
		appendBytes(nil, 1, h.DataHash),
		appendBytes(nil, 1, h.ValidatorsHash),
		appendBytes(nil, 1, h.NextValidatorsHash),
		appendBytes(nil, 1, h.ConsensusHash),
		appendBytes(nil, 1, h.AppHash),
		appendBytes(nil, 1, h.LastResultsHash),
		appendBytes(nil, 1, h.EvidenceHash),
		appendBytes(nil, 1, h.ProposerAddress),
	})
	return root[:]
}

// check validates the header by itself.
func (h *Header) check() error {
	switch {
	case h.Version.Block != blockProtocol:
		return fmt.Errorf("the header has block version %d, not %d", h.Version.Block, blockProtocol)
	case len(h.ChainID) > maxChainID:
		return errors.New("the header's chain id is too long")
	case h.Height <= 0:
		return fmt.Errorf("the header has the height %d", h.Height)
	case len(h.ProposerAddress) != addressSize:
		return errors.New("the header's proposer address has a wrong length")
	case len(h.ValidatorsHash) != hashSize:
		return errors.New("the header has no hash of the validators")
	}
	for _, hash := range []HexBytes{
		h.LastBlockID.Hash, h.LastBlockID.Parts.Hash, h.LastCommitHash, h.DataHash, h.EvidenceHash,
		h.NextValidatorsHash, h.ConsensusHash, h.LastResultsHash,
	} {
		if !isHash(hash) {
			return errors.New("the header has a hash of a wrong length")
		}
	}
	return nil
}

// isHash reports whether h is a hash, or empty.
func isHash(h HexBytes) bool { return len(h) == 0 || len(h) == hashSize }

// SignedHeader is a header and the commit of its block.
type SignedHeader struct {
	Header Header `json:"header"`
	Commit Commit `json:"commit"`
}

// check validates the form of the header and the commit, and that the commit is of the
// header. It verifies no signatures.
func (s *SignedHeader) check() error {
	if err := s.Header.check(); err != nil {
		return err
	}
	if err := s.Commit.check(); err != nil {
		return err
	}
	switch {
	case s.Commit.Height != s.Header.Height:
		return errors.New("the commit is of another height than the header")
	case !bytes.Equal(s.Commit.BlockID.Hash, s.Header.Hash()):
		return errors.New("the commit is of another header")
	}
	return nil
}
