package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/chain/light"
	"akash-provider-web/testserver/fake"
)

// trustIn returns a block of a chain for --chain-trust, so many blocks before the newest.
func trustIn(t *testing.T, node string, before int64) string {
	t.Helper()
	get := func(path string) json.RawMessage {
		response, err := http.Get(node + path)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		var reply struct{ Result json.RawMessage }
		require.NoError(t, json.Unmarshal(body, &reply))
		return reply.Result
	}
	newest, err := light.DecodeCommit(get("/commit"))
	require.NoError(t, err)
	trusted, err := light.DecodeCommit(get(fmt.Sprintf("/commit?height=%d", newest.Header.Height-before)))
	require.NoError(t, err)
	return fmt.Sprintf("%d:%s", trusted.Header.Height, trusted.Header.Hash())
}

// One chain node leads to an impostor, and the other one is honest. With a block that the
// operator trusts that is enough, and a bridge that starts again needs only its file.
func TestOneHonestNodeIsEnoughWithProof(t *testing.T) {
	server := startFake(t, fake.Options{ChainNodes: 2, Providers: 2, Impostor: true})
	ready := server.Ready()
	liar, honest := ready.ChainNodes[0].URL, ready.ChainNodes[1].URL
	trust := trustIn(t, honest, 10)
	require.NoError(t, server.SetChainLie(1, "forged-records"))
	file := filepath.Join(t.TempDir(), "trust.json")
	args := []string{"--allow-private-networks", "--chain-rpc", liar, "--chain-rpc", honest, "--chain-trust-file", file}

	for _, with := range [][]string{{"--chain-trust", trust}, nil} {
		w := &world{process: start(t, append(args, with...)...), fake: ready}
		s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
		require.NoError(t, err)
		require.Equal(t, codes.OK, s.Code(), s.Message())
		assert.Equal(t, "proven", s.Header.Get("Akash-Trust"))
		assert.Equal(t, "chain", s.Header.Get("Akash-Verified"))
		status, body := w.get(t, "/readyz")
		assert.Equal(t, http.StatusOK, status, body)

		_, body = w.get(t, "/metrics")
		assert.Contains(t, body, `akash_bridge_chain_refused_total{node="`+honest+`"} 0`)
		assert.NotContains(t, body, `akash_bridge_chain_refused_total{node="`+liar+`"} 0`)
		assert.Contains(t, w.stderr.String(), "what is not true")
		assert.Contains(t, w.stderr.String(), "node="+liar)
	}
	assert.Zero(t, visits(t, server))
}

// Validators signed two blocks of one height. Nothing is sent to anybody, also not after a
// restart, until the operator has decided which block is right.
func TestNobodyIsServedAfterAFork(t *testing.T) {
	server := startFake(t, fake.Options{ChainNodes: 2, Providers: 2, Impostor: true})
	ready := server.Ready()
	trust := trustIn(t, ready.ChainNodes[0].URL, 10)
	require.NoError(t, server.SetChainLie(2, "equivocation"))
	file := filepath.Join(t.TempDir(), "trust.json")
	args := []string{"--allow-private-networks", "--chain-rpc", ready.ChainNodes[0].URL, "--chain-rpc", ready.ChainNodes[1].URL, "--chain-trust", trust, "--chain-trust-file", file}
	for range 2 {
		w := &world{process: start(t, args...), fake: ready}
		s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
		require.NoError(t, err)
		assert.Equal(t, codes.Unavailable, s.Code())
		assert.Equal(t, "chainDisagreement", s.Get("akash-error"))
		for _, text := range []string{"the chain has forked", ready.ChainNodes[0].URL, ready.ChainNodes[1].URL, "--chain-trust"} {
			assert.Contains(t, s.Message(), text)
		}
		status, _ := w.get(t, "/readyz")
		assert.Equal(t, http.StatusServiceUnavailable, status)
		_, body := w.get(t, "/metrics")
		assert.Contains(t, body, "akash_bridge_chain_forked 1")
		assert.Empty(t, w.seen(t))
		require.NoError(t, server.SetChainLie(2, ""))
	}
	assert.Zero(t, visits(t, server))
}

// A block that is older than the trusting period proves nothing, and the error says what to
// do about it.
func TestABlockThatIsTooOldToTrust(t *testing.T) {
	server := startFake(t, fake.Options{ChainHistory: 700}) // 70 minutes
	ready := server.Ready()
	trust := trustIn(t, ready.ChainRPC, 650)
	w := &world{process: start(t, "--allow-private-networks", "--chain-rpc", ready.ChainRPC, "--chain-trust", trust+":1h"), fake: ready}
	s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, "chainUnavailable", s.Get("akash-error"))
	assert.Contains(t, s.Message(), "trust in the chain has run out")
	assert.Contains(t, s.Message(), "restart it with --chain-trust and a newer header")
	status, body := w.get(t, "/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, body, "--chain-trust")
}
