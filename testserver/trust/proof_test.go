package trust

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"cosmossdk.io/log"
	"cosmossdk.io/store/metrics"
	"cosmossdk.io/store/rootmulti"
	storetypes "cosmossdk.io/store/types"
	"github.com/cometbft/cometbft/crypto/merkle"
	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	dbm "github.com/cosmos/cosmos-db"
	ics23 "github.com/cosmos/ics23/go"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/chain/proof"
)

// state is the state of an application of the Cosmos SDK.
type state struct {
	multi  *rootmulti.Store
	stores []*storetypes.KVStoreKey
	values map[string]map[string][]byte // by store and key, of the newest version
	hashes [][]byte                     // app hashes by version - 1
}

// newState makes stores with keys, and commits versions that change some of them.
func newState(t testing.TB, r *rand.Rand, stores, keys, versions int) *state {
	s := &state{multi: rootmulti.NewStore(dbm.NewMemDB(), log.NewNopLogger(), metrics.NewNoOpMetrics()), values: map[string]map[string][]byte{}}
	names := []string{"provider", "cert", "acc", "bank", "deployment", "market", "audit", "staking", "gov", "mint"}
	for _, name := range names[:stores] {
		key := storetypes.NewKVStoreKey(name)
		s.stores = append(s.stores, key)
		s.multi.MountStoreWithDB(key, storetypes.StoreTypeIAVL, nil)
		s.values[name] = map[string][]byte{}
	}
	require.NoError(t, s.multi.LoadLatestVersion())
	for range versions {
		for _, store := range s.stores {
			kv := s.multi.GetCommitKVStore(store)
			for range keys {
				key, value := randomBytes(r, 1+r.IntN(24)), randomBytes(r, 1+r.IntN(200))
				kv.Set(key, value)
				s.values[store.Name()][string(key)] = value
			}
		}
		s.hashes = append(s.hashes, s.multi.Commit().Hash)
	}
	return s
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// A claim is an answer to a query, and what it is said to prove.
type claim struct {
	Name    string     `json:"name"`
	Ops     []proof.Op `json:"ops"`
	AppHash []byte     `json:"app_hash"`
	Store   string     `json:"store"`
	Key     []byte     `json:"key"`
	Value   []byte     `json:"value"` // nil claims absence
	Holds   bool       `json:"holds"`
}

// query asks the state at a version as abci_query does.
func (s *state) query(t testing.TB, version int, store string, key []byte) *claim {
	response, err := s.multi.Query(&storetypes.RequestQuery{Path: "/" + store + "/key", Data: key, Height: int64(version), Prove: true})
	require.NoError(t, err)
	require.Zero(t, response.Code, response.Log)
	c := &claim{AppHash: s.hashes[version-1], Store: store, Key: key, Value: response.Value}
	for _, op := range response.ProofOps.Ops {
		c.Ops = append(c.Ops, proof.Op{Type: op.Type, Key: op.Key, Data: op.Data})
	}
	return c
}

// theirProof is the verdict of the Cosmos SDK.
func theirProof(c *claim) (err error) {
	defer func() {
		if p := recover(); p != nil { // ICS-23's implementation panics on some malformed paths
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	ops := &cmtcrypto.ProofOps{}
	for _, op := range c.Ops {
		ops.Ops = append(ops.Ops, cmtcrypto.ProofOp{Type: op.Type, Key: op.Key, Data: op.Data})
	}
	path := merkle.KeyPath{}.AppendKey([]byte(c.Store), merkle.KeyEncodingURL).AppendKey(c.Key, merkle.KeyEncodingHex)
	if c.Value == nil {
		return rootmulti.DefaultProofRuntime().VerifyAbsence(ops, c.AppHash, path.String())
	}
	return rootmulti.DefaultProofRuntime().VerifyValue(ops, c.AppHash, path.String(), c.Value)
}

// ourProof is the verdict of package proof.
func ourProof(c *claim) error {
	if c.Value == nil {
		return proof.Absence(c.Ops, c.AppHash, c.Store, c.Key)
	}
	return proof.Membership(c.Ops, c.AppHash, c.Store, c.Key, c.Value)
}

func judge(t testing.TB, c *claim) bool {
	t.Helper()
	want, got := theirProof(c), ourProof(c)
	if c.Holds = want == nil; c.Holds != (got == nil) {
		text, _ := json.Marshal(c)
		t.Errorf("%s: the SDK: %v; ours: %v\n%s", c.Name, want, got, text)
	}
	return c.Holds
}

// tamperings change an answer of the state, as a node could.
var tamperings = []struct {
	name string
	do   func(t testing.TB, r *rand.Rand, s *state, c *claim)
}{
	{"honest", func(testing.TB, *rand.Rand, *state, *claim) {}},
	{"another value", func(_ testing.TB, r *rand.Rand, _ *state, c *claim) { c.Value = randomBytes(r, 1+r.IntN(8)) }},
	{"denied", func(_ testing.TB, _ *rand.Rand, _ *state, c *claim) { c.Value = nil }},
	{"an empty value", func(_ testing.TB, _ *rand.Rand, _ *state, c *claim) { c.Value = []byte{} }},
	{"another key", func(_ testing.TB, r *rand.Rand, _ *state, c *claim) { c.Key = randomBytes(r, 5) }},
	{"another key, in the proof, too", func(_ testing.TB, r *rand.Rand, _ *state, c *claim) {
		c.Key = randomBytes(r, 5)
		c.Ops[0].Key = c.Key
	}},
	{"another store", func(_ testing.TB, _ *rand.Rand, s *state, c *claim) { c.Store = "params" }},
	{"another store, in the proof, too", func(_ testing.TB, _ *rand.Rand, s *state, c *claim) {
		c.Store = "params"
		c.Ops[1].Key = []byte("params")
	}},
	{"the proof of another store", func(t testing.TB, r *rand.Rand, s *state, c *claim) {
		for _, store := range s.stores {
			if name := store.Name(); name != c.Store {
				c.Ops[1] = s.query(t, len(s.hashes), name, []byte(sorted(s.values[name])[0])).Ops[1]
				return
			}
		}
	}},
	{"an old version", func(t testing.TB, r *rand.Rand, s *state, c *claim) {
		old := s.query(t, 1+r.IntN(len(s.hashes)), c.Store, c.Key)
		c.Ops, c.Value = old.Ops, old.Value
	}},
	{"an old version in the store only", func(t testing.TB, r *rand.Rand, s *state, c *claim) {
		old := s.query(t, 1, c.Store, c.Key)
		c.Ops[0], c.Value = old.Ops[0], old.Value
	}},
	{"no proof", func(_ testing.TB, _ *rand.Rand, _ *state, c *claim) { c.Ops = nil }},
	{"the first half", func(_ testing.TB, _ *rand.Rand, _ *state, c *claim) { c.Ops = c.Ops[:1] }},
	{"the second half", func(_ testing.TB, _ *rand.Rand, _ *state, c *claim) { c.Ops = c.Ops[1:] }},
	{"both halves twice", func(_ testing.TB, _ *rand.Rand, _ *state, c *claim) { c.Ops = append(c.Ops, c.Ops...) }},
	{"the halves in another order", func(_ testing.TB, _ *rand.Rand, _ *state, c *claim) { c.Ops[0], c.Ops[1] = c.Ops[1], c.Ops[0] }},
	{"an unknown type", func(_ testing.TB, _ *rand.Rand, _ *state, c *claim) { c.Ops[0].Type = "ics23:smt" }},
	{"the types exchanged", func(_ testing.TB, _ *rand.Rand, _ *state, c *claim) {
		c.Ops[0].Type, c.Ops[1].Type = c.Ops[1].Type, c.Ops[0].Type
	}},
	{"absence, with the neighbors of another key", func(t testing.TB, r *rand.Rand, s *state, c *claim) {
		other := s.query(t, len(s.hashes), c.Store, randomBytes(r, 6))
		other.Ops[0].Key, c.Ops, c.Value = c.Key, other.Ops, nil
	}},
	{"absence, with neighbors that are not next to each other", func(t testing.TB, r *rand.Rand, s *state, c *claim) {
		left, right := s.query(t, len(s.hashes), c.Store, randomBytes(r, 6)), s.query(t, len(s.hashes), c.Store, randomBytes(r, 6))
		a, b := parse(t, left.Ops[0].Data).GetNonexist(), parse(t, right.Ops[0].Data).GetNonexist()
		if a == nil || b == nil {
			return
		}
		c.Ops[0].Data = absent(t, a.Left, b.Right)
		c.Value = nil
	}},
	{"absence, with a neighbor left out", func(t testing.TB, r *rand.Rand, s *state, c *claim) {
		n := parse(t, c.Ops[0].Data).GetNonexist()
		if n == nil {
			return
		}
		if r.IntN(2) == 0 {
			n.Left = nil
		} else {
			n.Right = nil
		}
		c.Ops[0].Data = absent(t, n.Left, n.Right)
	}},
	{"absence, with the key itself as a neighbor", func(t testing.TB, r *rand.Rand, s *state, c *claim) {
		e := parse(t, c.Ops[0].Data).GetExist()
		if e == nil {
			return
		}
		c.Ops[0].Data, c.Value = absent(t, e, nil), nil
	}},
	{"bytes changed", func(_ testing.TB, r *rand.Rand, _ *state, c *claim) {
		op := &c.Ops[r.IntN(2)]
		op.Data = bytes.Clone(op.Data)
		op.Data[r.IntN(len(op.Data))] ^= 1 << r.IntN(8)
	}},
	{"cut off", func(_ testing.TB, r *rand.Rand, _ *state, c *claim) {
		op := &c.Ops[r.IntN(2)]
		op.Data = op.Data[:r.IntN(len(op.Data))]
	}},
	// In these the node also forges the app hash, so that only the form of the proof
	// decides: what is hashed as a leaf must not pass as a node, and so on.
	{"a form changed, with an app hash to match", func(t testing.TB, r *rand.Rand, s *state, c *claim) {
		inStore, ofStores := parse(t, c.Ops[0].Data), parse(t, c.Ops[1].Data)
		for range 1 + r.IntN(2) {
			if r.IntN(3) > 0 {
				deform(r, inStore)
			} else {
				deform(r, ofStores)
			}
		}
		c.forge(t, inStore, ofStores)
	}},
	{"absence between any two keys, with an app hash to match", func(t testing.TB, r *rand.Rand, s *state, c *claim) {
		n := &ics23.NonExistenceProof{}
		if r.IntN(3) > 0 {
			n.Left = anyExistence(t, r, s, c.Store)
		}
		if r.IntN(3) > 0 {
			n.Right = anyExistence(t, r, s, c.Store)
		}
		c.Value = nil
		c.forge(t, &ics23.CommitmentProof{Proof: &ics23.CommitmentProof_Nonexist{Nonexist: n}}, parse(t, c.Ops[1].Data))
	}},
}

func anyExistence(t testing.TB, r *rand.Rand, s *state, store string) *ics23.ExistenceProof {
	n := parse(t, s.query(t, len(s.hashes), store, randomBytes(r, 6)).Ops[0].Data).GetNonexist()
	if n.Left == nil {
		return n.Right
	}
	return n.Left
}

func parse(t testing.TB, data []byte) *ics23.CommitmentProof {
	p := &ics23.CommitmentProof{}
	require.NoError(t, p.Unmarshal(data))
	return p
}

func absent(t testing.TB, left, right *ics23.ExistenceProof) []byte {
	data, err := (&ics23.CommitmentProof{Proof: &ics23.CommitmentProof_Nonexist{Nonexist: &ics23.NonExistenceProof{Left: left, Right: right}}}).Marshal()
	require.NoError(t, err)
	return data
}

// forge sets the proof, and the app hash that it leads to.
func (c *claim) forge(t testing.TB, inStore, ofStores *ics23.CommitmentProof) {
	root, err := inStore.Calculate()
	if e := ofStores.GetExist(); e != nil && err == nil {
		e.Value = root
	}
	if hash, err := ofStores.Calculate(); err == nil {
		c.AppHash = hash
	}
	c.Ops[0].Data, err = inStore.Marshal()
	require.NoError(t, err)
	c.Ops[1].Data, err = ofStores.Marshal()
	require.NoError(t, err)
}

// deform changes a part of a proof.
func deform(r *rand.Rand, p *ics23.CommitmentProof) {
	e := p.GetExist()
	if n := p.GetNonexist(); n != nil {
		if e = n.Left; e == nil || n.Right != nil && r.IntN(2) == 0 {
			e = n.Right
		}
	}
	if e == nil {
		return
	}
	bend := func(b []byte) []byte {
		b = bytes.Clone(b)
		switch n := r.IntN(5); {
		case n == 0:
			return append(b, randomBytes(r, 1+r.IntN(40))...)
		case n == 1 && len(b) > 0:
			return b[:r.IntN(len(b))]
		case n == 2 && len(b) > 0:
			return b[1+r.IntN(len(b)):]
		case len(b) > 0:
			b[r.IntN(min(len(b), 5))] = byte(r.IntN(70))
			return b
		}
		return randomBytes(r, 33*r.IntN(3))
	}
	switch r.IntN(12) {
	case 0:
		e.Leaf.Prefix = bend(e.Leaf.Prefix)
	case 1:
		e.Leaf.Hash = ics23.HashOp(r.IntN(9))
	case 2:
		e.Leaf.PrehashKey = ics23.HashOp(r.IntN(9))
	case 3:
		e.Leaf.PrehashValue = ics23.HashOp(r.IntN(9))
	case 4:
		e.Leaf.Length = ics23.LengthOp(r.IntN(9))
	case 5:
		e.Key = bend(e.Key)
	case 6:
		e.Path = append(e.Path, &ics23.InnerOp{Hash: ics23.HashOp_SHA256, Prefix: randomBytes(r, 4+r.IntN(42)), Suffix: randomBytes(r, 33*r.IntN(2))})
	case 7:
		if len(e.Path) > 0 {
			e.Path = e.Path[:len(e.Path)-1]
		}
	default:
		if len(e.Path) == 0 {
			return
		}
		node := e.Path[r.IntN(len(e.Path))]
		switch r.IntN(8) {
		case 0:
			node.Hash = ics23.HashOp(r.IntN(9))
		case 1, 2, 3:
			node.Suffix = bend(node.Suffix)
		default:
			node.Prefix = bend(node.Prefix)
		}
	}
}

// Package proof decides as the Cosmos SDK does, about answers of its stores and about
// forged ones.
func TestProofVerdictsAreTheSDKs(t *testing.T) {
	holds, fails := 0, 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		s := newState(t, r, 2+r.IntN(9), 1+r.IntN(1+int(seed)), 1+r.IntN(3))
		for _, tampering := range tamperings {
			for range 6 {
				store := s.stores[r.IntN(len(s.stores))].Name()
				c := s.query(t, len(s.hashes), store, s.anyKey(r, store))
				c.Name = fmt.Sprintf("%s, seed %d", tampering.name, seed)
				tampering.do(t, r, s, c)
				if judge(t, c) {
					holds++
				} else {
					fails++
				}
			}
		}
	}
	t.Logf("%d claims hold, %d do not", holds, fails)
	require.Greater(t, holds, 500)
	require.Greater(t, fails, 500)
}

// anyKey returns a key of the store, or one that it does not have.
func (s *state) anyKey(r *rand.Rand, store string) []byte {
	if r.IntN(2) == 0 {
		return randomBytes(r, 1+r.IntN(24))
	}
	skip := r.IntN(len(s.values[store]))
	for _, key := range sorted(s.values[store]) {
		if skip == 0 {
			return []byte(key)
		}
		skip--
	}
	return nil
}

// The one difference that is meant: proofs of many keys in one are refused.
func TestBatchProofsAreRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	s := newState(t, r, 3, 20, 2)
	c := s.query(t, 2, "cert", []byte(sorted(s.values["cert"])[0]))
	require.True(t, judge(t, c))
	batch, err := ics23.CombineProofs([]*ics23.CommitmentProof{parse(t, c.Ops[0].Data)})
	require.NoError(t, err)
	c.Ops[0].Data, err = batch.Marshal()
	require.NoError(t, err)
	require.NoError(t, theirProof(c))
	require.ErrorContains(t, ourProof(c), "unexpected kind", hex.EncodeToString(c.Ops[0].Data))
}
