package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/testserver/fake"
)

// startWithNodes runs a bridge with several nodes of a chain, of which the first one leads
// to an impostor.
func startWithNodes(t *testing.T, nodes int) (*world, *fake.Server) {
	t.Helper()
	server := startFake(t, fake.Options{ChainNodes: nodes, Providers: 2, Impostor: true})
	require.NoError(t, server.SetChainLie(1, "forged-records"))
	args := []string{"--allow-private-networks"}
	for _, n := range server.Ready().ChainNodes {
		args = append(args, "--chain-rpc", n.URL)
	}
	return &world{process: start(t, args...), fake: server.Ready()}, server
}

// visits returns what has reached the impostor.
func visits(t *testing.T, server *fake.Server) fake.Visits {
	t.Helper()
	v, err := server.Visits()
	require.NoError(t, err)
	return v
}

// One of three chain nodes leads to an impostor. The provider is called all the same, and
// the log and the metrics name the node.
func TestOneOfThreeChainNodesLies(t *testing.T) {
	w, server := startWithNodes(t, 3)
	liar, other := w.fake.ChainNodes[0].URL, w.fake.ChainNodes[1].URL

	status, body := w.get(t, "/readyz")
	assert.Equal(t, http.StatusOK, status, body)
	s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	assert.Equal(t, "quorum=2/3", s.Header.Get("Akash-Trust"))
	assert.Equal(t, "chain", s.Header.Get("Akash-Verified"))

	named := `akash_bridge_chain_disagreements_total{node="` + liar + `"} 1`
	require.Eventually(t, func() bool {
		_, body = w.get(t, "/metrics")
		return strings.Contains(body, named)
	}, 20*time.Second, 10*time.Millisecond, "%s", named)
	assert.Contains(t, body, `akash_bridge_chain_disagreements_total{node="`+other+`"} 0`)
	assert.Contains(t, w.stderr.String(), "node="+liar)
	assert.NotContains(t, w.stderr.String(), "node="+other)

	// Another node is down. Then nobody is believed, and the bridge is not ready.
	require.NoError(t, server.SetChainFault(2, string(fake.FaultChainDown)))
	second := http.Header{"Akash-Provider": {w.fake.Providers[1].Provider}}
	s, _, err = w.Call(t.Context(), pathGetStatus, second, &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.Unavailable, s.Code())
	assert.Equal(t, "chainUnavailable", s.Get("akash-error"))
	for _, text := range []string{"1 of 3 chain nodes answered, and 2 must agree", liar + ": left out", other + ": ", "--chain-quorum"} {
		assert.Contains(t, s.Message(), text)
	}
	status, body = w.get(t, "/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, body, liar)
	assert.Zero(t, visits(t, server), "the impostor was called")
}

// Two chain nodes disagree: nothing is sent to either host, and the page learns why.
func TestTwoChainNodesDisagree(t *testing.T) {
	w, server := startWithNodes(t, 2)
	s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.Unavailable, s.Code())
	assert.Equal(t, "chainDisagreement", s.Get("akash-error"))
	assert.Contains(t, s.Message(), w.fake.HostURI)
	assert.Contains(t, s.Message(), w.fake.Impostor.HostURI)
	assert.Empty(t, w.seen(t))
	assert.Zero(t, visits(t, server))
}

// The limit of a quorum: as many nodes as it needs tell the same lie, and the impostor gets
// the call. One more would have been needed.
func TestAsManyLiarsAsTheQuorumAreBelieved(t *testing.T) {
	server := startFake(t, fake.Options{ChainNodes: 3, Impostor: true})
	var nodes []string
	for i, n := range server.Ready().ChainNodes {
		nodes = append(nodes, "--chain-rpc", n.URL)
		if i < 2 {
			require.NoError(t, server.SetChainLie(i+1, "forged-records"))
		}
	}
	call := func(quorum string) string {
		w := &world{fake: server.Ready(), process: start(t, append(nodes, "--allow-private-networks", "--chain-quorum", quorum)...)}
		s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
		require.NoError(t, err)
		return s.Code().String() + s.Get("akash-error")
	}
	assert.Equal(t, "UnavailablechainDisagreement", call("3"))
	assert.Zero(t, visits(t, server))
	assert.Equal(t, "OK", call("2"))
	assert.NotZero(t, visits(t, server))
}
