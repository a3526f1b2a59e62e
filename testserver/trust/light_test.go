// Package trust compares how the bridge verifies the chain with how CometBFT and the Cosmos
// SDK do. It is a module of its own, so that theirs stay out of the product's go.mod.
package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cometbft/cometbft/crypto"
	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	comet "github.com/cometbft/cometbft/light"
	cmtversion "github.com/cometbft/cometbft/proto/tendermint/version"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	"github.com/cometbft/cometbft/types"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/chain/light"
)

const chainID = "oracle-1"

var genesis = time.Date(2027, 1, 15, 12, 0, 0, 123456789, time.UTC)

// signer is a validator and what it can sign with.
type signer struct {
	key   crypto.PubKey
	power int64
	sign  func(message []byte) []byte
}

func newSigner(r *rand.Rand, power int64) *signer {
	seed := make([]byte, 32)
	for i := range seed {
		seed[i] = byte(r.Uint32())
	}
	key := ed25519.GenPrivKeyFromSecret(seed)
	return &signer{key: key.PubKey(), power: power, sign: func(message []byte) []byte {
		signature, err := key.Sign(message)
		if err != nil {
			panic(err)
		}
		return signature
	}}
}

// generated is a chain whose validators change.
type generated struct {
	r      *rand.Rand
	people map[string]*signer // by address
	sets   []*types.ValidatorSet
	blocks []*types.LightBlock // by height - 1
}

// generate makes a chain of the length, each block of which replaces some of the
// validators.
func generate(r *rand.Rand, length, validators, replaced int) *generated {
	g := &generated{r: r, people: map[string]*signer{}}
	var current []*signer
	for range validators {
		current = append(current, g.join())
	}
	for range length + 1 {
		g.sets = append(g.sets, set(current))
		for range replaced {
			current[r.IntN(len(current))] = g.join()
		}
	}
	for i := range length {
		g.blocks = append(g.blocks, g.block(g.header(i), g.sets[i], everyone))
	}
	return g
}

func (g *generated) join() *signer {
	s := newSigner(g.r, 1+g.r.Int64N(1000))
	g.people[s.key.Address().String()] = s
	return s
}

func set(of []*signer) *types.ValidatorSet {
	var list []*types.Validator
	for _, s := range of {
		list = append(list, types.NewValidator(s.key, s.power))
	}
	return types.NewValidatorSet(list)
}

func (g *generated) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.r.Uint32())
	}
	return b
}

// header returns the header of the block with an index.
func (g *generated) header(i int) types.Header {
	h := types.Header{
		Version:            cmtversion.Consensus{Block: 11, App: g.r.Uint64N(3)},
		ChainID:            chainID,
		Height:             int64(i + 1),
		Time:               genesis.Add(time.Duration(i) * 6 * time.Second),
		LastCommitHash:     g.bytes(32),
		DataHash:           g.bytes(32),
		ValidatorsHash:     g.sets[i].Hash(),
		NextValidatorsHash: g.sets[i+1].Hash(),
		ConsensusHash:      g.bytes(32),
		AppHash:            g.bytes(32),
		LastResultsHash:    g.bytes(32),
		EvidenceHash:       g.bytes(32),
		ProposerAddress:    g.sets[i].Validators[0].Address,
	}
	if i > 0 && i <= len(g.blocks) {
		h.LastBlockID = g.blocks[i-1].Commit.BlockID
	}
	return h
}

// everyone votes for the block.
func everyone(int, *types.Validator) types.BlockIDFlag { return types.BlockIDFlagCommit }

// block signs a header as the validators of the set vote.
func (g *generated) block(h types.Header, set *types.ValidatorSet, votes func(int, *types.Validator) types.BlockIDFlag) *types.LightBlock {
	commit := &types.Commit{
		Height: h.Height, Round: int32(g.r.IntN(3)),
		BlockID: types.BlockID{Hash: h.Hash(), PartSetHeader: types.PartSetHeader{Total: 1 + g.r.Uint32N(3), Hash: g.bytes(32)}},
	}
	for i, v := range set.Validators {
		s := types.CommitSig{BlockIDFlag: votes(i, v)}
		if s.BlockIDFlag != types.BlockIDFlagAbsent {
			s.ValidatorAddress = v.Address
			s.Timestamp = h.Time.Add(time.Duration(g.r.IntN(2_000_000_000)))
		}
		commit.Signatures = append(commit.Signatures, s)
	}
	g.sign(h.ChainID, commit)
	header := h
	return &types.LightBlock{SignedHeader: &types.SignedHeader{Header: &header, Commit: commit}, ValidatorSet: set}
}

// sign fills in the signatures of a commit.
func (g *generated) sign(chainID string, commit *types.Commit) {
	for i := range commit.Signatures {
		s := &commit.Signatures[i]
		if s.BlockIDFlag == types.BlockIDFlagAbsent {
			continue
		}
		if who := g.people[s.ValidatorAddress.String()]; who != nil {
			s.Signature = who.sign(commit.VoteSignBytes(chainID, int32(i)))
		}
	}
}

// answer is a block as the RPC of a node returns it.
type answer struct {
	Commit     json.RawMessage `json:"commit"`
	Validators json.RawMessage `json:"validators"`
}

func rpcAnswer(t testing.TB, b *types.LightBlock) answer {
	commit, err := cmtjson.Marshal(coretypes.NewResultCommit(b.Header, b.Commit, true))
	require.NoError(t, err)
	validators, err := cmtjson.Marshal(&coretypes.ResultValidators{
		BlockHeight: b.Height, Validators: b.ValidatorSet.Validators,
		Count: len(b.ValidatorSet.Validators), Total: len(b.ValidatorSet.Validators),
	})
	require.NoError(t, err)
	return answer{commit, validators}
}

// verdict is the outcome of a verification.
type verdict string

const (
	accepted verdict = "accepted"
	expired  verdict = "expired"
	distant  verdict = "distant" // another header has to be verified first
	invalid  verdict = "invalid"
)

// theirs is the verdict of CometBFT's light client, with what its HTTP provider checks.
func theirs(trusted, next answer, period time.Duration, now time.Time) (v verdict, err error) {
	defer func() {
		// CometBFT panics on some malformed answers.
		if p := recover(); p != nil {
			v, err = invalid, fmt.Errorf("panic: %v", p)
		}
	}()
	from, err := cometBlock(trusted)
	if err != nil {
		return invalid, err
	}
	to, err := cometBlock(next)
	if err != nil {
		return invalid, err
	}
	err = comet.Verify(from.SignedHeader, from.ValidatorSet, to.SignedHeader, to.ValidatorSet, period, now, light.ClockDrift, comet.DefaultTrustLevel)
	switch err.(type) {
	case nil:
		return accepted, nil
	case comet.ErrOldHeaderExpired:
		return expired, err
	case comet.ErrNewValSetCantBeTrusted:
		return distant, err
	}
	return invalid, err
}

func cometBlock(a answer) (*types.LightBlock, error) {
	var commit coretypes.ResultCommit
	if err := cmtjson.Unmarshal(a.Commit, &commit); err != nil {
		return nil, err
	}
	var validators coretypes.ResultValidators
	if err := cmtjson.Unmarshal(a.Validators, &validators); err != nil {
		return nil, err
	}
	set, err := types.ValidatorSetFromExistingValidators(validators.Validators)
	if err != nil {
		return nil, err
	}
	b := &types.LightBlock{SignedHeader: &commit.SignedHeader, ValidatorSet: set}
	return b, b.ValidateBasic(chainID)
}

// ours is the verdict of package light.
func ours(trusted, next answer, period time.Duration, now time.Time) (verdict, error) {
	from, err := ourBlock(trusted)
	if err != nil {
		return invalid, err
	}
	to, err := ourBlock(next)
	if err != nil {
		return invalid, err
	}
	err = light.Verify(from, to, period, now)
	var old *light.ExpiredError
	switch {
	case err == nil:
		return accepted, nil
	case errors.As(err, &old):
		return expired, err
	case errors.Is(err, light.ErrNotEnoughTrust):
		return distant, err
	}
	return invalid, err
}

func ourBlock(a answer) (*light.Block, error) {
	s, err := light.DecodeCommit(a.Commit)
	if err != nil {
		return nil, err
	}
	page, _, err := light.DecodeValidators(a.Validators)
	if err != nil {
		return nil, err
	}
	set, err := light.NewValidatorSet(page)
	if err != nil {
		return nil, err
	}
	return light.NewBlock(s, set)
}

// A question is a verification that both implementations make.
type question struct {
	Name    string        `json:"name"`
	Trusted answer        `json:"trusted"`
	Next    answer        `json:"next"`
	Period  time.Duration `json:"period"`
	Now     time.Time     `json:"now"`
	Verdict verdict       `json:"verdict"`
}

// ask compares the verdicts.
func ask(t testing.TB, q *question) {
	t.Helper()
	want, theirErr := theirs(q.Trusted, q.Next, q.Period, q.Now)
	got, ourErr := ours(q.Trusted, q.Next, q.Period, q.Now)
	q.Verdict = want
	if got != want {
		t.Errorf("%s: CometBFT: %s (%v); ours: %s (%v)\n%s\n%s", q.Name, want, theirErr, got, ourErr, q.Next.Commit, q.Next.Validators)
	}
}

// lies change a block of the chain, the one with index i, as a node or some of the
// validators could. from is the index of the trusted block.
var lies = []struct {
	name string
	make func(g *generated, from, i int) *types.LightBlock
}{
	{"honest", func(g *generated, _, i int) *types.LightBlock { return g.blocks[i] }},
	{"some absent", func(g *generated, _, i int) *types.LightBlock {
		return g.block(*g.blocks[i].Header, g.sets[i], g.voters(0.75))
	}},
	{"two thirds, more or less", func(g *generated, _, i int) *types.LightBlock {
		return g.block(*g.blocks[i].Header, g.sets[i], g.voters(0.5+g.r.Float64()/3))
	}},
	{"too few", func(g *generated, _, i int) *types.LightBlock {
		return g.block(*g.blocks[i].Header, g.sets[i], g.voters(0.5))
	}},
	{"none", func(g *generated, _, i int) *types.LightBlock {
		return g.block(*g.blocks[i].Header, g.sets[i], g.voters(0))
	}},
	{"another app hash with the old signatures", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.Header.AppHash = g.bytes(32)
		return b
	}},
	{"another app hash, the commit of it, the old signatures", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.Header.AppHash = g.bytes(32)
		b.Commit.BlockID.Hash = b.Header.Hash()
		return b
	}},
	{"forked by a few", func(g *generated, _, i int) *types.LightBlock {
		h := *g.blocks[i].Header
		h.AppHash = g.bytes(32)
		return g.block(h, g.sets[i], g.voters(0.4))
	}},
	{"forked by all", func(g *generated, _, i int) *types.LightBlock {
		h := *g.blocks[i].Header
		h.AppHash = g.bytes(32)
		return g.block(h, g.sets[i], everyone)
	}},
	{"validators of the node's own", func(g *generated, _, i int) *types.LightBlock {
		own := []*signer{g.join(), g.join(), g.join(), g.join()}
		return g.withSet(i, set(own), everyone)
	}},
	{"own validators and part of the trusted ones", func(g *generated, from, i int) *types.LightBlock {
		members := []*signer{g.join(), g.join(), g.join(), g.join()}
		share := g.r.Float64()
		for _, v := range g.sets[from].Validators {
			if g.r.Float64() < share {
				members = append(members, g.people[v.Address.String()])
			}
		}
		return g.withSet(i, set(members), everyone)
	}},
	{"the trusted validators, who sign nothing, among own ones", func(g *generated, from, i int) *types.LightBlock {
		var members []*signer
		old := map[string]bool{}
		for _, v := range g.sets[from].Validators {
			members = append(members, g.people[v.Address.String()])
			old[v.Address.String()] = true
		}
		for range 4 {
			s := g.join()
			s.power = 1 << 40
			members = append(members, s)
		}
		return g.withSet(i, set(members), func(_ int, v *types.Validator) types.BlockIDFlag {
			if old[v.Address.String()] {
				return types.BlockIDFlagNil
			}
			return types.BlockIDFlagCommit
		})
	}},
	{"a trusted validator's signature forged", func(g *generated, from, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		s := &b.Commit.Signatures[g.r.IntN(len(b.Commit.Signatures))]
		s.Signature = g.bytes(64)
		return b
	}},
	{"a signature of another chain", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		g.sign("another-1", b.Commit)
		return b
	}},
	{"another chain", func(g *generated, _, i int) *types.LightBlock {
		h := *g.blocks[i].Header
		h.ChainID = "another-1"
		return g.block(h, g.sets[i], everyone)
	}},
	{"a commit of another height", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.Commit.Height++
		g.sign(chainID, b.Commit)
		return b
	}},
	{"another round", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.Commit.Round++
		return b
	}},
	{"a vote's time changed", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		s := &b.Commit.Signatures[g.r.IntN(len(b.Commit.Signatures))]
		s.Timestamp = s.Timestamp.Add(time.Nanosecond)
		return b
	}},
	{"a vote for nothing counted", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.block(*g.blocks[i].Header, g.sets[i], g.voters(0.3)))
		for j := range b.Commit.Signatures {
			b.Commit.Signatures[j].BlockIDFlag = types.BlockIDFlagCommit
		}
		return b
	}},
	{"signatures in another order", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		s := b.Commit.Signatures
		s[0], s[len(s)-1] = s[len(s)-1], s[0]
		return b
	}},
	{"a signature twice", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		s := b.Commit.Signatures
		s[len(s)-1] = s[0]
		return b
	}},
	{"a signature fewer", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.Commit.Signatures = b.Commit.Signatures[1:]
		return b
	}},
	{"a signature more", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.Commit.Signatures = append(b.Commit.Signatures, b.Commit.Signatures[0])
		return b
	}},
	{"no signatures", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.Commit.Signatures = nil
		return b
	}},
	{"a time ahead", func(g *generated, from, i int) *types.LightBlock {
		h := *g.blocks[i].Header
		h.Time = genesis.Add(100*24*time.Hour + time.Duration(g.r.IntN(20))*time.Second)
		return g.block(h, g.sets[i], everyone)
	}},
	{"a time before the trusted one", func(g *generated, from, i int) *types.LightBlock {
		h := *g.blocks[i].Header
		h.Time = g.blocks[from].Time.Add(time.Duration(g.r.IntN(3)-1) * time.Nanosecond)
		return g.block(h, g.sets[i], everyone)
	}},
	{"another block version", func(g *generated, _, i int) *types.LightBlock {
		h := *g.blocks[i].Header
		h.Version.Block = 10
		return g.block(h, g.sets[i], everyone)
	}},
	{"a hash of a wrong length", func(g *generated, _, i int) *types.LightBlock {
		h := *g.blocks[i].Header
		h.DataHash = g.bytes(31)
		return g.block(h, g.sets[i], everyone)
	}},
	{"empty hashes", func(g *generated, _, i int) *types.LightBlock {
		h := *g.blocks[i].Header
		h.DataHash, h.LastCommitHash, h.EvidenceHash, h.AppHash, h.LastBlockID = nil, nil, nil, nil, types.BlockID{}
		return g.block(h, g.sets[i], everyone)
	}},
	{"an app hash of any length", func(g *generated, _, i int) *types.LightBlock {
		h := *g.blocks[i].Header
		h.AppHash = g.bytes(8)
		return g.block(h, g.sets[i], everyone)
	}},
	{"no hash of the validators", func(g *generated, _, i int) *types.LightBlock {
		h := *g.blocks[i].Header
		h.ValidatorsHash = nil
		return g.block(h, g.sets[i], everyone)
	}},
	{"a proposer without an address", func(g *generated, _, i int) *types.LightBlock {
		h := *g.blocks[i].Header
		h.ProposerAddress = nil
		return g.block(h, g.sets[i], everyone)
	}},
	{"validators of another height", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.ValidatorSet = g.sets[i+1]
		return b
	}},
	{"a validator's power raised", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.ValidatorSet.Validators[len(b.ValidatorSet.Validators)-1].VotingPower += 1000
		return b
	}},
	{"a validator without power", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.ValidatorSet.Validators[0].VotingPower = 0
		h := *b.Header
		h.ValidatorsHash = b.ValidatorSet.Hash()
		return g.block(h, b.ValidatorSet, everyone)
	}},
	{"a negative power", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.ValidatorSet.Validators[0].VotingPower = -5
		h := *b.Header
		h.ValidatorsHash = b.ValidatorSet.Hash()
		return g.block(h, b.ValidatorSet, everyone)
	}},
	{"too much power", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		for _, v := range b.ValidatorSet.Validators {
			v.VotingPower = types.MaxTotalVotingPower / 2
		}
		h := *b.Header
		h.ValidatorsHash = b.ValidatorSet.Hash()
		return g.block(h, b.ValidatorSet, everyone)
	}},
	{"an address that is not the key's", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		b.ValidatorSet.Validators[0].Address = g.bytes(20)
		return b
	}},
	{"a validator twice", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		twice := b.ValidatorSet.Copy()
		twice.Validators = append(twice.Validators, twice.Validators[0].Copy())
		h := *b.Header
		h.ValidatorsHash = twice.Hash()
		return g.block(h, twice, everyone)
	}},
	// A key and a signature that are valid by ZIP 215 for every message, and invalid
	// by RFC 8032 or only by some implementations of it.
	{"a key of small order", func(g *generated, _, i int) *types.LightBlock {
		members := []*signer{g.smallOrder(500)}
		for _, v := range g.sets[i].Validators {
			members = append(members, g.people[v.Address.String()])
		}
		return g.withSet(i, set(members), everyone)
	}},
	{"a signature with a scalar that is not reduced", func(g *generated, _, i int) *types.LightBlock {
		b := clone(g.blocks[i])
		s := &b.Commit.Signatures[0]
		s.Signature = bytes.Clone(s.Signature)
		addOrder(s.Signature[32:])
		return b
	}},
}

// voters has each validator vote with a probability, or else abstain or vote for nothing.
func (g *generated) voters(share float64) func(int, *types.Validator) types.BlockIDFlag {
	return func(int, *types.Validator) types.BlockIDFlag {
		switch {
		case g.r.Float64() < share:
			return types.BlockIDFlagCommit
		case g.r.IntN(2) == 0:
			return types.BlockIDFlagNil
		default:
			return types.BlockIDFlagAbsent
		}
	}
}

// withSet replaces the validators of a block.
func (g *generated) withSet(i int, set *types.ValidatorSet, votes func(int, *types.Validator) types.BlockIDFlag) *types.LightBlock {
	h := *g.blocks[i].Header
	h.ValidatorsHash = set.Hash()
	return g.block(h, set, votes)
}

// smallOrder is a validator with a key of order 8 or less, in an encoding that need not
// be canonical.
func (g *generated) smallOrder(power int64) *signer {
	points := [][]byte{
		append([]byte{1}, make([]byte, 31)...),                                // the identity
		append(bytes.Repeat([]byte{0xff}, 31), 0x7f),                          // y = 2^255-1 = 18, not canonical; not on the curve or odd
		append([]byte{0xee}, append(bytes.Repeat([]byte{0xff}, 30), 0x7f)...), // y = p+1, the identity, not canonical
		make([]byte, 32), // y = 0, order 4
	}
	key := ed25519.PubKey(points[g.r.IntN(len(points))])
	signature := append(bytes.Clone(points[2*g.r.IntN(2)]), make([]byte, 32)...)
	s := &signer{key: key, power: power, sign: func([]byte) []byte { return signature }}
	g.people[key.Address().String()] = s
	return s
}

// addOrder adds the group's order to a scalar.
func addOrder(scalar []byte) {
	order := []byte{
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
	}
	carry := 0
	for i := range scalar {
		carry += int(scalar[i]) + int(order[i])
		scalar[i] = byte(carry)
		carry >>= 8
	}
}

func clone(b *types.LightBlock) *types.LightBlock {
	h := *b.Header
	return &types.LightBlock{
		SignedHeader: &types.SignedHeader{Header: &h, Commit: b.Commit.Clone()},
		ValidatorSet: b.ValidatorSet.Copy(),
	}
}

// Package light decides as CometBFT's light client does, about blocks that are honest,
// forged by nodes, and signed by some of the validators.
func TestVerdictsAreCometBFTs(t *testing.T) {
	counts := map[verdict]int{}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		g := generate(r, 24, 2+r.IntN(12), r.IntN(4))
		for _, lie := range lies {
			for range 8 {
				from := r.IntN(len(g.blocks) - 1)
				to := from + 1
				if r.IntN(3) > 0 {
					to = from + 1 + r.IntN(len(g.blocks)-1-from)
				}
				if r.IntN(20) == 0 {
					from, to = to, from // a height that is not above the trusted one
				}
				q := &question{
					Name:    fmt.Sprintf("%s, seed %d, %d to %d", lie.name, seed, from+1, to+1),
					Trusted: rpcAnswer(t, g.blocks[from]),
					Next:    rpcAnswer(t, lie.make(g, from, to)),
					Period:  time.Hour * time.Duration(1+r.IntN(24*30)),
					Now:     genesis.Add(time.Duration(1+r.IntN(24)) * time.Hour),
				}
				switch r.IntN(8) {
				case 0:
					q.Now = g.blocks[from].Time.Add(q.Period + time.Duration(r.IntN(3)-1))
				default:
					q.Period = 30 * 24 * time.Hour
				}
				if lie.name == "a time ahead" {
					q.Now, q.Period = genesis.Add(100*24*time.Hour), 200*24*time.Hour
				}
				ask(t, q)
				counts[q.Verdict]++
			}
		}
	}
	t.Logf("verdicts: %v", counts)
	for _, v := range []verdict{accepted, expired, distant, invalid} {
		require.Greater(t, counts[v], 50, "cases that are %s", v)
	}
}

// Package light decides as CometBFT's light client does, about answers in which a node
// changed any value.
func TestVerdictsOnChangedAnswers(t *testing.T) {
	counts := map[verdict]int{}
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 2))
		g := generate(r, 4, 1+r.IntN(5), r.IntN(2))
		next := rpcAnswer(t, g.blocks[1+r.IntN(3)])
		if r.IntN(3) > 0 {
			next.Commit = change(r, next.Commit)
		} else {
			next.Validators = change(r, next.Validators)
		}
		q := &question{fmt.Sprintf("seed %d", seed), rpcAnswer(t, g.blocks[0]), next, 24 * time.Hour, genesis.Add(time.Hour), ""}
		ask(t, q)
		counts[q.Verdict]++
	}
	t.Logf("verdicts: %v", counts)
}

// change changes one value in a JSON document.
func change(r *rand.Rand, document json.RawMessage) json.RawMessage {
	var root any
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if err := decoder.Decode(&root); err != nil {
		panic(err)
	}
	var leaves []func()
	var walk func(v any, replace func(any))
	walk = func(v any, replace func(any)) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				value := v[key]
				switch key {
				case "proposer_priority", "block_height", "count", "canonical", "total":
					continue // not part of what is verified
				}
				walk(value, func(n any) { v[key] = n })
			}
		case []any:
			for i, value := range v {
				walk(value, func(n any) { v[i] = n })
			}
		case string:
			leaves = append(leaves, func() { replace(changeText(r, v)) })
		case json.Number:
			leaves = append(leaves, func() { replace(json.Number(fmt.Sprint(r.IntN(5)))) })
		}
	}
	walk(root, nil)
	leaves[r.IntN(len(leaves))]()
	changed, err := json.Marshal(root)
	if err != nil {
		panic(err)
	}
	return changed
}

func changeText(r *rand.Rand, text string) string {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at.Add(time.Duration(r.IntN(3)-1) * time.Nanosecond).Format(time.RFC3339Nano)
	}
	if text == "" {
		return "AA"
	}
	b := []byte(text)
	i := r.IntN(len(b))
	switch r.IntN(4) {
	case 0:
		return text[:i] + text[i+1:]
	case 1:
		return text + text[:1]
	}
	b[i] = "0123456789ABCDEFabcdef+/="[r.IntN(25)]
	return string(b)
}
