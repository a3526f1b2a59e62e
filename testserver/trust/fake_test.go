package trust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"cosmossdk.io/log"
	"cosmossdk.io/store/rootmulti"
	cometdb "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/crypto/merkle"
	comet "github.com/cometbft/cometbft/light"
	"github.com/cometbft/cometbft/light/provider"
	comethttp "github.com/cometbft/cometbft/light/provider/http"
	cometstore "github.com/cometbft/cometbft/light/store/db"
	rpcclient "github.com/cometbft/cometbft/rpc/client"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/cosmos/iavl"
	iavldb "github.com/cosmos/iavl/db"
	ics23 "github.com/cosmos/ics23/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/chain/proof"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	"akash-provider-web/testserver/fake"
	fakeiavl "akash-provider-web/testserver/fake/iavl"
)

// fakeChain is the testserver's chain and its name.
const fakeChain = "akashnet-2"

// startFake runs a testserver with two nodes of the chain.
func startFake(t *testing.T) *fake.Server {
	t.Helper()
	s, err := fake.Start(t.Context(), fake.Options{Seed: 3, Providers: 2, ChainNodes: 2, Impostor: true, ChainHistory: 60})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// rpc returns CometBFT's client of a node.
func rpc(t *testing.T, url string) *rpchttp.HTTP {
	t.Helper()
	client, err := rpchttp.NewWithTimeout(url, "/websocket", 5)
	require.NoError(t, err)
	return client
}

// careful is a client of others: CometBFT's light client and the SDK's proofs.
type careful struct {
	light *comet.Client
	rpc   *rpchttp.HTTP
}

// newCareful returns a client of a node with a witness, which trusts the oldest block of
// an honest node but some.
func newCareful(ctx context.Context, t *testing.T, honest, node, witness string) (*careful, error) {
	t.Helper()
	status, err := rpc(t, honest).Status(ctx)
	require.NoError(t, err)
	height := status.SyncInfo.EarliestBlockHeight + 1
	trusted, err := rpc(t, honest).Commit(ctx, &height)
	require.NoError(t, err)
	at := func(url string) provider.Provider {
		p, err := comethttp.New(fakeChain, url)
		require.NoError(t, err)
		return p
	}
	client, err := comet.NewClient(ctx, fakeChain, comet.TrustOptions{Period: time.Hour, Height: height, Hash: trusted.Hash()},
		at(node), []provider.Provider{at(witness)}, cometstore.New(cometdb.NewMemDB(), "light"))
	return &careful{client, rpc(t, node)}, err
}

// get returns an entry of a store with its proof verified, nil if it is absent.
func (c *careful) get(ctx context.Context, store string, key []byte) ([]byte, error) {
	next, err := c.light.Update(ctx, time.Now())
	if err == nil && next == nil {
		next, err = c.light.TrustedLightBlock(0)
	}
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	result, err := c.rpc.ABCIQueryWithOptions(ctx, "/store/"+store+"/key", key, rpcclient.ABCIQueryOptions{Height: next.Height - 1, Prove: true})
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	r := result.Response
	if r.Code != 0 || r.Height != next.Height-1 || r.ProofOps == nil || len(r.ProofOps.Ops) == 0 {
		return nil, errors.New("no proof")
	}
	path := merkle.KeyPath{}.AppendKey([]byte(store), merkle.KeyEncodingURL).AppendKey(key, merkle.KeyEncodingHex).String()
	if len(r.Value) == 0 {
		return nil, rootmulti.DefaultProofRuntime().VerifyAbsence(r.ProofOps, next.AppHash, path)
	}
	return r.Value, rootmulti.DefaultProofRuntime().VerifyValue(r.ProofOps, next.AppHash, path, r.Value)
}

// CometBFT's light client follows the testserver's chain over the rotations of its
// validators, skipping and block by block, and the SDK accepts the proofs of its stores.
func TestFakeChain(t *testing.T) {
	s := startFake(t)
	client, err := newCareful(t.Context(), t, s.Ready().ChainRPC, s.Ready().ChainRPC, s.Ready().ChainNodes[1].URL)
	require.NoError(t, err)
	latest, err := client.light.Update(t.Context(), time.Now())
	require.NoError(t, err)
	for height := latest.Height - 50; height <= latest.Height; height++ {
		_, err := client.light.VerifyLightBlockAtHeight(t.Context(), height, time.Now())
		require.NoError(t, err)
	}
	key, err := proof.ProviderKey(s.Ready().Provider)
	require.NoError(t, err)
	value, err := client.get(t.Context(), "provider", key)
	require.NoError(t, err)
	var record providerv1beta4.Provider
	require.NoError(t, proto.Unmarshal(value, &record))
	assert.Equal(t, s.Ready().HostURI, record.GetHostUri())

	other, err := proof.ProviderKey(s.Ready().Lease.Owner)
	require.NoError(t, err)
	value, err = client.get(t.Context(), "provider", other)
	require.NoError(t, err)
	assert.Empty(t, value)

	// A record that has just changed can be proven.
	require.NoError(t, s.Hijack(true))
	value, err = client.get(t.Context(), "provider", key)
	require.NoError(t, err)
	require.NoError(t, proto.Unmarshal(value, &record))
	assert.Equal(t, s.Ready().Impostor.HostURI, record.GetHostUri())
}

// long are lies that these clients read for very long.
var long = regexp.MustCompile(`^(answer|headers)-|^set-huge$`)

// host asks a node for the first provider's host. Some answers make the clients panic,
// which is an error here.
func host(ctx context.Context, t *testing.T, s *fake.Server, node, witness string) (uri string, err error) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	key, err := proof.ProviderKey(s.Ready().Provider)
	require.NoError(t, err)
	client, err := newCareful(ctx, t, s.Ready().ChainRPC, node, witness)
	if err != nil {
		return "", err
	}
	value, err := client.get(ctx, "provider", key)
	if err != nil {
		return "", err
	}
	var record providerv1beta4.Provider
	require.NoError(t, proto.Unmarshal(value, &record))
	return record.GetHostUri(), nil
}

// No lie of a node makes these clients believe in the impostor, unless validators who were
// trusted tell it, too, and there is no other node. So the lies are what they say.
func TestFakeLies(t *testing.T) {
	s := startFake(t)
	honest, liar := s.Ready().ChainNodes[0].URL, s.Ready().ChainNodes[1].URL
	for _, lie := range fake.ChainLies() {
		if long.MatchString(string(lie.Name)) {
			continue
		}
		for _, witness := range []string{honest, liar} {
			require.NoError(t, s.SetChainLie(2, lie.Name))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			uri, err := host(ctx, t, s, liar, witness)
			cancel()
			require.NoError(t, s.SetChainLie(2, ""))
			switch {
			case lie.Name == "equivocation" && witness == liar:
				assert.Equal(t, s.Ready().Impostor.HostURI, uri, "the validators themselves lie: %v", err)
			case lie.Collusion && witness == liar:
			case lie.Name == "height-frozen": // CometBFT's client asks for no header of today
			case err == nil:
				assert.Equal(t, s.Ready().HostURI, uri, lie.Name)
			case strings.HasPrefix(err.Error(), "panic: "):
				t.Logf("%s: %.100v", lie.Name, err)
			}
		}
	}
}

// The testserver's tree has the hashes and proofs of cosmos/iavl.
func TestFakeTree(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(2, seed))
		theirs := iavl.NewMutableTree(iavldb.NewMemDB(), 100, true, log.NewNopLogger())
		var ours fakeiavl.Tree
		for version := int64(1); version < 40; version++ {
			for range r.IntN(12) {
				key := fmt.Appendf(nil, "key %03d", r.IntN(150))
				if r.IntN(3) == 0 {
					_, _, err := theirs.Remove(key)
					require.NoError(t, err)
					ours = ours.Delete(version, key)
					continue
				}
				value := fmt.Append(nil, r.Int())
				_, err := theirs.Set(key, value)
				require.NoError(t, err)
				ours = ours.Set(version, key, value)
			}
			root, _, err := theirs.SaveVersion()
			require.NoError(t, err)
			require.Equal(t, root, ours.Hash())
			saved, err := theirs.GetImmutable(version)
			require.NoError(t, err)
			for range 5 {
				key := fmt.Appendf(nil, "key %03d", r.IntN(170))
				got, ok := ours.Prove(key)
				if !ok {
					continue
				}
				want, err := saved.GetProof(key)
				require.NoError(t, err)
				encoded, err := want.Marshal()
				require.NoError(t, err)
				require.True(t, bytes.Equal(encoded, got.Marshal()))
				if value, has := ours.Get(key); has {
					require.True(t, ics23.VerifyMembership(ics23.IavlSpec, root, want, key, value))
				} else {
					require.True(t, ics23.VerifyNonMembership(ics23.IavlSpec, root, want, key))
				}
			}
		}
	}
}
