package fake

import (
	"encoding/binary"
	"math/big"
	"slices"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"google.golang.org/protobuf/proto"

	certv1 "akash-provider-web/proto/akash/cert/v1"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	"akash-provider-web/testserver/fake/comet"
	"akash-provider-web/testserver/fake/iavl"
)

// The stores whose entries clients ask for.
const (
	storeAccount  = "acc"
	storeCert     = "cert"
	storeMarket   = "market"
	storeProvider = "provider"
	// storeMint changes with every block, as several stores of a real chain do.
	storeMint = "mint"
)

// storeNames has the stores in order. Those that are not named above have one entry.
var storeNames = []string{
	storeAccount, "audit", "authz", "bank", storeCert, "consensus", "deployment", "distribution", "escrow",
	"evidence", "feegrant", "gov", "ibc", storeMarket, storeMint, storeProvider, "slashing", "staking", "take",
	"transfer", "upgrade",
}

// change sets a key of a store, or removes it if value is nil.
type change struct {
	store      string
	key, value []byte
}

// providerKey is a provider's key in its store (the node's x/provider/keeper/key.go).
func providerKey(owner string) []byte {
	raw := rawAddress(owner)
	return append([]byte{0x01, byte(len(raw))}, raw...)
}

// certificateStoreKey is a certificate's key in its store (the node's
// x/cert/keeper/key.go). The state is part of it, and a number in 0x01 (valid), 0x02.
func certificateStoreKey(state certv1.State, owner string, serial *big.Int) []byte {
	raw, number := rawAddress(owner), serial.Bytes()
	key := append([]byte{0x11, byte(state), byte(len(raw))}, raw...)
	if len(number) > 0 {
		key = append(append(key, byte(len(number))), number...)
	}
	return key
}

// accountKey is an account's key in its store.
func accountKey(address string) []byte { return append([]byte{0x01}, rawAddress(address)...) }

func providerChange(p *providerv1beta4.Provider) change {
	return change{storeProvider, providerKey(p.GetOwner()), marshal(p)}
}

func certificateChanges(c chainCertificate) []change {
	other := certv1.State_valid
	if c.record.GetState() == certv1.State_valid {
		other = certv1.State_revoked
	}
	return []change{
		{storeCert, certificateStoreKey(other, c.owner, c.serial), nil},
		{storeCert, certificateStoreKey(c.record.GetState(), c.owner, c.serial), marshal(c.record)},
	}
}

func certificateRemoval(owner string, serial *big.Int) []change {
	return []change{
		{storeCert, certificateStoreKey(certv1.State_valid, owner, serial), nil},
		{storeCert, certificateStoreKey(certv1.State_revoked, owner, serial), nil},
	}
}

func accountChange(address string, key *secp256k1.PublicKey) change {
	return change{storeAccount, accountKey(address), marshal(accountRecord(address, key))}
}

// leaseKey is a lease's key in its store (the node's x/market/keeper/keys/lease.go, which the
// SDK's collections encode).
func leaseKey(id *marketv1.LeaseID) []byte {
	key := append([]byte{0x13, 0x02}, id.GetOwner()+"\x00"...)
	key = binary.BigEndian.AppendUint64(key, id.GetDseq())
	key = binary.BigEndian.AppendUint32(key, id.GetGseq())
	key = binary.BigEndian.AppendUint32(key, id.GetOseq())
	key = append(key, id.GetProvider()+"\x00"...)
	return binary.BigEndian.AppendUint32(key, id.GetBseq())
}

func leaseChange(l *marketv1.Lease) change {
	return change{storeMarket, leaseKey(l.GetId()), marshal(l)}
}

func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err) // cannot happen for this package's messages
	}
	return b
}

// state is the state of the chain after a block. It does not change.
type state struct {
	records records
	trees   []iavl.Tree // in the order of storeNames
	app     []byte      // its hash
}

// newState returns the state at a height that has only what no client asks for.
func newState(height int64) *state {
	s := &state{trees: make([]iavl.Tree, len(storeNames))}
	for i, name := range storeNames {
		if name != storeAccount && name != storeCert && name != storeMarket && name != storeProvider {
			s.trees[i] = s.trees[i].Set(height, []byte("params"), []byte(name))
		}
	}
	return s
}

// next returns the state after a block with changes.
func (s *state) next(height int64, r records, changes []change) *state {
	n := &state{records: r, trees: slices.Clone(s.trees)}
	for _, c := range append(changes, change{storeMint, []byte("minter"), big.NewInt(height).Bytes()}) {
		tree := n.tree(c.store)
		if c.value == nil {
			*tree = tree.Delete(height, c.key)
		} else {
			*tree = tree.Set(height, c.key, c.value)
		}
	}
	n.app = comet.AppHash(n.roots())
	return n
}

// storeIndex returns a store's position in storeNames.
func storeIndex(name string) (int, bool) { return slices.BinarySearch(storeNames, name) }

// tree returns the tree of an existing store.
func (s *state) tree(store string) *iavl.Tree {
	i, _ := storeIndex(store)
	return &s.trees[i]
}

func (s *state) roots() []comet.StoreRoot {
	roots := make([]comet.StoreRoot, len(storeNames))
	for i, name := range storeNames {
		roots[i] = comet.StoreRoot{Name: name, Root: s.trees[i].Hash()}
	}
	return roots
}
