package comet

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// when is a time with nanoseconds.
var when = time.Date(2026, time.November, 29, 12, 30, 45, 123456789, time.UTC)

// fixed returns 32 bytes.
func fixed(b byte) []byte {
	all := make([]byte, 32)
	for i := range all {
		all[i] = b
	}
	return all
}

func set(powers ...int64) Validators {
	var all []Validator
	for i, power := range powers {
		all = append(all, Validator{ed25519.NewKeyFromSeed(fixed(byte(i))), power})
	}
	return NewValidators(all)
}

func header(validators Validators) *Header {
	return &Header{
		ChainID: "akashnet-2", Height: 20_000_000, Time: when,
		LastBlockID: BlockID{fixed(1), PartSetHeader{1, fixed(2)}},
		LastCommit:  fixed(3), Data: Empty, Validators: validators.Hash(), NextValidators: fixed(4),
		Consensus: fixed(5), App: fixed(6), LastResults: Empty, Evidence: Empty,
		ProposerAddress: validators[0].Address(),
	}
}

// The hashes are those that CometBFT v0.38.21 calculates.
func TestHashes(t *testing.T) {
	validators := set(10, 30, 20, 20)
	h := header(validators)
	commit := Sign(h, 1, validators, func(i int, _ Validator) Vote {
		return Vote{Flag: []Flag{FlagCommit, FlagNil, FlagAbsent, FlagCommit}[i], Time: when.Add(time.Duration(i) * time.Second)}
	})
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"validators":    {validators.Hash(), "a6e789ffa2e065824641375d6bc31fd9e4bcf55e4841ca7dfd7080cf87c4c1ab"},
		"header":        {h.Hash(), "4e2c33377902337f693fc03e8d15b2f3f8a8ae607bcf10af58e0f9a3c2c939e4"},
		"commit":        {commit.Hash(), "c36bf7a54d747bb92f075cca36db5d392d32b0a61220abed1e2d3d13b325b4e5"},
		"vote for none": {sum(SignBytes("akashnet-2", 5, 2, nil, when)), "6eb7d72b2e991ac30fbe32b50b4878385032fd43d8099c4ba224c38e9fe5ecc2"},
	} {
		assert.Equal(t, c.want, hex.EncodeToString(c.got), name)
	}
	// Half of the power that voted is at the first time.
	assert.Equal(t, when, commit.MedianTime(validators))
}

// A validator's signature is for the chain, the height, the round, the block and the time.
func TestSignatures(t *testing.T) {
	validators := set(10, 20)
	h := header(validators)
	c := Sign(h, 0, validators, func(int, Validator) Vote { return Vote{FlagCommit, when} })
	id := h.ID()
	for i, s := range c.Signatures {
		key := validators[i].PublicKey()
		assert.True(t, ed25519.Verify(key, SignBytes("akashnet-2", h.Height, 0, &id, when), s.Signature))
		for _, other := range [][]byte{
			SignBytes("akashnet-3", h.Height, 0, &id, when),
			SignBytes("akashnet-2", h.Height+1, 0, &id, when),
			SignBytes("akashnet-2", h.Height, 1, &id, when),
			SignBytes("akashnet-2", h.Height, 0, nil, when),
			SignBytes("akashnet-2", h.Height, 0, &id, when.Add(1)),
		} {
			assert.False(t, ed25519.Verify(key, other, s.Signature))
		}
	}
}

// A vote that was not cast has no fields in JSON, and large numbers are strings.
func TestJSON(t *testing.T) {
	validators := set(10, 20)
	h := header(validators)
	c := Sign(h, 0, validators, func(i int, _ Validator) Vote {
		return Vote{Flag: []Flag{FlagCommit, FlagAbsent}[i], Time: when}
	})
	text, err := json.Marshal(c.JSON())
	require.NoError(t, err)
	assert.Contains(t, string(text), `{"block_id_flag":1,"validator_address":"","timestamp":"0001-01-01T00:00:00Z","signature":null}`)
	assert.Contains(t, string(text), `{"height":"20000000","round":0,"block_id":{"hash":"`)
	text, err = json.Marshal(validators.JSON(4)[1])
	require.NoError(t, err)
	assert.Contains(t, string(text), `"voting_power":"10","proposer_priority":"10"`)
}

// Every leaf of a Merkle tree has a path to its root.
func TestStores(t *testing.T) {
	for n := 1; n < 20; n++ {
		var stores []StoreRoot
		for i := range n {
			stores = append(stores, StoreRoot{string(rune('a' + i)), fixed(byte(i))})
		}
		for _, s := range stores {
			assert.Equal(t, AppHash(stores), ProveStore(stores, s.Name).Root())
		}
		assert.Nil(t, ProveStore(stores, "other"))
	}
}

// Some validators' powers add up to exactly what is asked for.
func TestSubset(t *testing.T) {
	validators := set(29, 17, 11, 9, 7, 6, 5, 3, 2, 1)
	members, ok := validators.Subset(60)
	require.True(t, ok)
	var total int64
	for i := range members {
		total += validators[i].Power
	}
	assert.EqualValues(t, 60, total)
	_, ok = validators.Subset(91)
	assert.False(t, ok)
}
