package comet

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Hex is encoded as upper-case hexadecimal digits, as CometBFT encodes hashes and
// addresses.
type Hex []byte

// MarshalJSON implements json.Marshaler.
func (h Hex) MarshalJSON() ([]byte, error) {
	return json.Marshal(strings.ToUpper(hex.EncodeToString(h)))
}

// Int is encoded as a string, as CometBFT encodes integers of 64 bits.
type Int int64

// MarshalJSON implements json.Marshaler.
func (i Int) MarshalJSON() ([]byte, error) { return json.Marshal(strconv.FormatInt(int64(i), 10)) }

// Time is encoded with nanoseconds, in UTC.
func Time(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// HeaderJSON is a header in the RPC's JSON.
type HeaderJSON struct {
	Version            VersionJSON `json:"version"`
	ChainID            string      `json:"chain_id"`
	Height             Int         `json:"height"`
	Time               string      `json:"time"`
	LastBlockID        BlockIDJSON `json:"last_block_id"`
	LastCommitHash     Hex         `json:"last_commit_hash"`
	DataHash           Hex         `json:"data_hash"`
	ValidatorsHash     Hex         `json:"validators_hash"`
	NextValidatorsHash Hex         `json:"next_validators_hash"`
	ConsensusHash      Hex         `json:"consensus_hash"`
	AppHash            Hex         `json:"app_hash"`
	LastResultsHash    Hex         `json:"last_results_hash"`
	EvidenceHash       Hex         `json:"evidence_hash"`
	ProposerAddress    Hex         `json:"proposer_address"`
}

// VersionJSON is the version in a header. The application's is 0, and left out.
type VersionJSON struct {
	Block Int `json:"block"`
}

// BlockIDJSON is a BlockID in the RPC's JSON.
type BlockIDJSON struct {
	Hash  Hex       `json:"hash"`
	Parts PartsJSON `json:"parts"`
}

// PartsJSON is a PartSetHeader in the RPC's JSON.
type PartsJSON struct {
	Total uint32 `json:"total"`
	Hash  Hex    `json:"hash"`
}

// CommitJSON is a commit in the RPC's JSON.
type CommitJSON struct {
	Height     Int             `json:"height"`
	Round      int32           `json:"round"`
	BlockID    BlockIDJSON     `json:"block_id"`
	Signatures []SignatureJSON `json:"signatures"`
}

// SignatureJSON is a signature in the RPC's JSON.
type SignatureJSON struct {
	Flag      Flag   `json:"block_id_flag"`
	Address   Hex    `json:"validator_address"`
	Timestamp string `json:"timestamp"`
	Signature []byte `json:"signature"`
}

// ValidatorJSON is a validator in the RPC's JSON.
type ValidatorJSON struct {
	Address  Hex     `json:"address"`
	PubKey   KeyJSON `json:"pub_key"`
	Power    Int     `json:"voting_power"`
	Priority Int     `json:"proposer_priority"`
}

// KeyJSON is a public key in the RPC's JSON.
type KeyJSON struct {
	Type  string `json:"type"`
	Value []byte `json:"value"`
}

// NewKeyJSON returns the JSON of an ed25519 key.
func NewKeyJSON(key []byte) KeyJSON { return KeyJSON{"tendermint/PubKeyEd25519", key} }

// JSON returns the header as the RPC has it.
func (h *Header) JSON() HeaderJSON {
	return HeaderJSON{
		Version:            VersionJSON{blockProtocol},
		ChainID:            h.ChainID,
		Height:             Int(h.Height),
		Time:               Time(h.Time),
		LastBlockID:        h.LastBlockID.JSON(),
		LastCommitHash:     h.LastCommit,
		DataHash:           h.Data,
		ValidatorsHash:     h.Validators,
		NextValidatorsHash: h.NextValidators,
		ConsensusHash:      h.Consensus,
		AppHash:            h.App,
		LastResultsHash:    h.LastResults,
		EvidenceHash:       h.Evidence,
		ProposerAddress:    h.ProposerAddress,
	}
}

// JSON returns the identifier as the RPC has it.
func (id BlockID) JSON() BlockIDJSON {
	return BlockIDJSON{Hash: id.Hash, Parts: PartsJSON{Total: id.Parts.Total, Hash: id.Parts.Hash}}
}

// JSON returns the commit as the RPC has it.
func (c *Commit) JSON() CommitJSON {
	signatures := make([]SignatureJSON, len(c.Signatures))
	for i, s := range c.Signatures {
		signatures[i] = SignatureJSON{s.Flag, s.Address, Time(s.Time), s.Signature}
	}
	return CommitJSON{Int(c.Height), c.Round, c.BlockID.JSON(), signatures}
}

// JSON returns the set as the RPC has it at a height, with the priorities of a set after
// its first proposal.
func (s Validators) JSON(height int64) []ValidatorJSON {
	all := make([]ValidatorJSON, len(s))
	for i, v := range s {
		all[i] = ValidatorJSON{v.Address(), NewKeyJSON(v.PublicKey()), Int(v.Power), Int(v.Power)}
		if i == s.Proposer(height) {
			all[i].Priority -= Int(s.Power())
		}
	}
	return all
}
