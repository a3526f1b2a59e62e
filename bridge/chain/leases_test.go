package chain_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/chain/light"
	"akash-provider-web/bridge/chain/proof"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/testserver/fake"
)

// tenancy is a chain of three nodes, where a tenant has a lease at each of two providers.
type tenancy struct {
	*fake.Server
	t     *testing.T
	owner string
	nodes []string
}

func startTenancy(t *testing.T) *tenancy {
	t.Helper()
	server, err := fake.Start(t.Context(), fake.Options{Seed: 3, Providers: 2, ChainNodes: 3, Impostor: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	s := &tenancy{Server: server, t: t, owner: server.Ready().Lease.Owner}
	for _, n := range server.Ready().ChainNodes {
		s.nodes = append(s.nodes, n.URL)
	}
	return s
}

// record changes the tenant's leases on the chain.
func (s *tenancy) record(query string) {
	s.t.Helper()
	res, err := http.Post(s.Ready().Control+"/lease?"+query, "", nil)
	require.NoError(s.t, err)
	require.NoError(s.t, res.Body.Close())
	require.Equal(s.t, http.StatusOK, res.StatusCode)
}

// trust returns a header to trust.
func (s *tenancy) trust() *light.Trust {
	s.t.Helper()
	v := &verifiable{t: s.t}
	latest := v.ask(http.DefaultTransport, s.nodes[2], "status", object{})["sync_info"].(object)["latest_block_height"].(string)
	height, err := strconv.ParseInt(latest, 10, 64)
	require.NoError(s.t, err)
	text, err := json.Marshal(v.ask(http.DefaultTransport, s.nodes[2], "commit", object{"height": strconv.FormatInt(height-8, 10)}))
	require.NoError(s.t, err)
	signed, err := light.DecodeCommit(text)
	require.NoError(s.t, err)
	return &light.Trust{Height: signed.Header.Height, Hash: signed.Header.Hash(), Period: light.DefaultPeriod}
}

// list lists the tenant's active leases with a new client.
func (s *tenancy) list(o chain.Options) (chain.Leases, error) {
	s.t.Helper()
	return newClient(s.t, o).Leases(s.t.Context(), s.owner, "active")
}

// ids names the leases of a list, by their dseq.
func ids(l chain.Leases) (all []uint64) {
	for _, one := range l.Leases {
		all = append(all, one.ID.DSeq)
	}
	return all
}

func (s *tenancy) own() []uint64 {
	providers := s.Ready().Providers
	return []uint64{providers[1].Lease.DSeq, providers[0].Lease.DSeq}
}

func TestLeases(t *testing.T) {
	s := startTenancy(t)
	s.record("dseq=5&state=closed")
	for name, o := range map[string]chain.Options{
		"over the RPC":      {Nodes: s.nodes},
		"over the REST API": {RESTNodes: s.nodes},
		"over both":         {Nodes: s.nodes[:1], RESTNodes: s.nodes[1:], Quorum: 3},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, o)
			active, err := c.Leases(t.Context(), s.owner, "active")
			require.NoError(t, err)
			assert.Equal(t, s.own(), ids(active), "the newest first")
			assert.Equal(t, chain.Trust(fmt.Sprintf("quorum=%d/3", max(o.Quorum, 2))), active.Trust)
			assert.Equal(t, active.Trust, active.Completeness)
			assert.NotZero(t, active.Height)
			assert.False(t, active.More)
			first := s.Ready().Providers[1].Lease
			assert.Equal(t, proof.Lease{
				ID:    proof.LeaseID{Owner: s.owner, DSeq: first.DSeq, GSeq: 1, OSeq: 1, Provider: first.Provider},
				State: proof.LeaseActive, Denom: "uakt", Amount: "0.75", CreatedAt: int64(first.DSeq) + 10,
			}, active.Leases[0])

			closed, err := c.Leases(t.Context(), s.owner, "closed")
			require.NoError(t, err)
			assert.Equal(t, []uint64{5}, ids(closed))
			assert.Positive(t, closed.Leases[0].ClosedOn)
			all, err := c.Leases(t.Context(), s.owner, "")
			require.NoError(t, err)
			assert.Len(t, all.Leases, 3)
			none, err := c.Leases(t.Context(), s.Ready().Provider, "active")
			require.NoError(t, err)
			assert.Empty(t, none.Leases)
		})
	}
}

func TestLeasesOfAnOldChain(t *testing.T) {
	s := startTenancy(t)
	require.NoError(t, s.SetFault("chain-v1beta3", ""))
	active, err := s.list(chain.Options{Nodes: s.nodes[:2], RESTNodes: s.nodes[2:], Quorum: 3})
	require.NoError(t, err)
	assert.Equal(t, s.own(), ids(active))
}

// A list has the newest leases, and says that there are more. Nodes may have smaller pages.
func TestManyLeases(t *testing.T) {
	s := startTenancy(t)
	s.record("dseq=1000&count=250&state=closed")
	c := newClient(t, chain.Options{Nodes: s.nodes[:2], RESTNodes: s.nodes[2:], Quorum: 3})
	closed, err := c.Leases(t.Context(), s.owner, "closed")
	require.NoError(t, err)
	assert.Len(t, closed.Leases, 200)
	assert.EqualValues(t, 1249, closed.Leases[0].ID.DSeq)
	assert.EqualValues(t, 1050, closed.Leases[199].ID.DSeq)
	assert.True(t, closed.More)

	require.NoError(t, s.SetFault("chain-paginated", ""))
	active, err := c.Leases(t.Context(), s.owner, "active")
	require.NoError(t, err)
	assert.Equal(t, s.own(), ids(active))
	assert.False(t, active.More)
}

func TestLeasesOfNobody(t *testing.T) {
	s := startTenancy(t)
	c := newClient(t, chain.Options{Nodes: s.nodes})
	for _, owner := range []string{"", "akash1", "cosmos1" + s.owner[6:], s.owner[:len(s.owner)-1] + "q"} {
		_, err := c.Leases(t.Context(), owner, "active")
		assert.Equal(t, rpcerror.ReasonMalformedAddress, errorOf(t, err).Reason, owner)
	}
	_, err := c.Leases(t.Context(), s.owner, "open")
	assert.Equal(t, codes.InvalidArgument, errorOf(t, err).Code)
	assert.Contains(t, err.Error(), `"open": want active`)
}

// One node of three lies about the leases, and is asked first. Beside the others it is not
// believed. Alone it is, unless it has to prove what it says. That it leaves a lease out is
// not known then, and the list says that one node was believed about that. With a second node
// the list has what either proves.
func TestLiesAboutLeases(t *testing.T) {
	s := startTenancy(t)
	trust := s.trust()
	for _, lie := range []fake.ChainLie{"lease-left-out", "lease-added", "lease-altered", "lease-closed"} {
		t.Run(string(lie), func(t *testing.T) {
			require.NoError(t, s.SetChainLie(1, lie))
			active, err := s.list(chain.Options{Nodes: s.nodes})
			require.NoError(t, err)
			assert.Equal(t, s.own(), ids(active))
			assert.Equal(t, "0.75", active.Leases[0].Amount)
			assert.Equal(t, chain.Trust("quorum=2/3"), active.Completeness)

			_, err = s.list(chain.Options{Nodes: s.nodes[:2]})
			assert.Equal(t, rpcerror.ReasonChainDisagreement, errorOf(t, err).Reason)

			alone, err := s.list(chain.Options{Nodes: s.nodes[:1]})
			require.NoError(t, err)
			assert.Equal(t, chain.OneNode, alone.Completeness)
			believed := len(alone.Leases) != 2 || alone.Leases[0].Amount != "0.75"
			assert.True(t, believed, "%s", alone.Leases)

			proven, err := s.list(chain.Options{Nodes: s.nodes[:1], Trust: trust})
			if lie == "lease-left-out" || lie == "lease-closed" {
				// What it says of the leases that it lists is true: it lists none.
				require.NoError(t, err)
				assert.Empty(t, proven.Leases)
				assert.Equal(t, chain.OneNode, proven.Completeness)
			} else {
				assert.Equal(t, rpcerror.ReasonChainUnavailable, errorOf(t, err).Reason)
				assert.Contains(t, err.Error(), "the proof is of")
			}

			both, err := s.list(chain.Options{Nodes: s.nodes[:2], Trust: trust})
			require.NoError(t, err)
			if lie != "lease-left-out" && lie != "lease-closed" {
				assert.Equal(t, s.own(), ids(both), "the other node is asked")
			}
			both, err = s.list(chain.Options{Nodes: s.nodes[:2], Trust: trust, Quorum: 2})
			if lie == "lease-left-out" || lie == "lease-closed" {
				require.NoError(t, err)
				assert.Equal(t, s.own(), ids(both))
				assert.Equal(t, chain.OneNode, both.Completeness)
			} else {
				assert.Equal(t, rpcerror.ReasonChainUnavailable, errorOf(t, err).Reason)
			}

			three := newClient(t, chain.Options{Nodes: s.nodes, Trust: trust, Quorum: 2})
			active, err = three.Leases(t.Context(), s.owner, "active")
			require.NoError(t, err)
			assert.Equal(t, s.own(), ids(active))
			assert.Equal(t, chain.Proven, active.Trust)
			assert.Equal(t, chain.Trust("quorum=2/3"), active.Completeness)
		})
	}
}

// A list that one node alone would prove is read again when it is old, and not before.
func TestListsAreCached(t *testing.T) {
	v := startVerifiable(t)
	v.open("a", chain.Options{})
	owner := v.ready.Lease.Owner
	active, err := v.Leases(t.Context(), owner, "active")
	require.NoError(t, err)
	require.Len(t, active.Leases, 2)
	assert.Equal(t, chain.Proven, active.Trust)
	assert.Equal(t, chain.OneNode, active.Completeness)
	assert.Equal(t, 3, v.asked["a"], "the list, and a proof of each")
	v.control("/lease?state=closed")
	again, err := v.Leases(t.Context(), owner, "active")
	require.NoError(t, err)
	assert.Equal(t, active, again)
	v.clock.advance(6e9)
	again, err = v.Leases(t.Context(), owner, "active")
	require.NoError(t, err)
	assert.Len(t, again.Leases, 1)
}

// A node that lists leases of others, or one lease twice, or too many, is not believed.
func TestListsThatCannotBe(t *testing.T) {
	s := startTenancy(t)
	for name, change := range map[string]func(list string) string{
		"of another owner":   func(l string) string { return strings.ReplaceAll(l, s.owner, s.Ready().Provider) },
		"in another state":   func(l string) string { return strings.ReplaceAll(l, `"state":"active"`, `"state":"closed"`) },
		"with a bad address": func(l string) string { return strings.ReplaceAll(l, s.Ready().Providers[1].Provider, "akash1nobody") },
		"twice":              func(l string) string { return strings.Replace(l, `"leases":[`, `"leases":[`+firstOf(l)+",", 1) },
		"too many": func(l string) string {
			return strings.Replace(l, `"leases":[`, `"leases":[`+strings.Repeat(firstOf(l)+",", 100), 1)
		},
		"an empty page with another behind it": func(string) string { return `{"leases":[],"pagination":{"next_key":"AAAA"}}` },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.list(chain.Options{RESTNodes: s.nodes[:1], Transport: rewriting(change)})
			assert.Equal(t, rpcerror.ReasonChainUnavailable, errorOf(t, err).Reason)
			assert.Regexp(t, "the list of leases cannot be decoded|the list has|the answer has more", err.Error())
		})
	}
}

// firstOf returns the first lease of a list.
func firstOf(list string) string {
	var l struct{ Leases []json.RawMessage }
	if json.Unmarshal([]byte(list), &l) != nil || len(l.Leases) == 0 {
		return ""
	}
	return string(l.Leases[0])
}

// rewriting is a transport that changes lists of leases.
type rewriting func(list string) string

// RoundTrip implements http.RoundTripper.
func (change rewriting) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !strings.Contains(r.URL.Path, "/leases/") {
		return res, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	res.Body = io.NopCloser(strings.NewReader(change(string(text))))
	res.ContentLength = -1
	return res, err
}
