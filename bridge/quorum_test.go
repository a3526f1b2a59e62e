package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	"akash-provider-web/testserver/fake"
)

// chainNode starts a further node of a chain. hostURI changes the host of each provider in
// its answers; nil makes it honest.
func chainNode(t *testing.T, chain string, hostURI func(owner string) string) *httptest.Server {
	t.Helper()
	to, err := url.Parse(chain)
	require.NoError(t, err)
	node := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{DisableKeepAlives: true},
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			r.Body = io.NopCloser(bytes.NewReader(body))
			if err != nil || hostURI == nil {
				return err
			}
			var answer map[string]any
			if err := json.Unmarshal(body, &answer); err != nil {
				return err
			}
			result, _ := answer["result"].(map[string]any)
			response, _ := result["response"].(map[string]any)
			text, _ := response["value"].(string)
			var value []byte
			if json.Unmarshal([]byte(`"`+text+`"`), &value) != nil {
				return nil
			}
			var record providerv1beta4.QueryProviderResponse
			if proto.Unmarshal(value, &record) != nil || record.GetProvider().GetHostUri() == "" {
				return nil // another answer
			}
			record.Provider.HostUri = hostURI(record.Provider.Owner)
			if response["value"], err = proto.Marshal(&record); err != nil {
				return err
			}
			if body, err = json.Marshal(answer); err != nil {
				return err
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Del("Content-Length")
			return nil
		},
	}
	server := httptest.NewServer(node)
	t.Cleanup(server.Close)
	return server
}

// One of three chain nodes names a host of its own. The provider is called all the same,
// and the log and the metrics name the node.
func TestOneOfThreeChainNodesLies(t *testing.T) {
	honest, attacker := startFake(t, fake.Options{Providers: 2}), startFake(t, fake.Options{Seed: 9})
	ready := honest.Ready()
	liar := chainNode(t, ready.ChainRPC, func(string) string { return attacker.Ready().HostURI })
	second := chainNode(t, ready.ChainRPC, nil)
	w := &world{fake: ready, process: start(t, "--allow-private-networks",
		"--chain-rpc", liar.URL, "--chain-rpc", ready.ChainRPC, "--chain-rpc", second.URL)}

	status, body := w.get(t, "/readyz")
	assert.Equal(t, http.StatusOK, status, body)
	s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	assert.Equal(t, "quorum=2/3", s.Header.Get("Akash-Trust"))
	assert.Equal(t, "chain", s.Header.Get("Akash-Verified"))
	assert.Empty(t, (&world{process: w.process, fake: attacker.Ready()}).seen(t), "the attacker was called")

	named := `akash_bridge_chain_disagreements_total{node="` + liar.URL + `"} 1`
	require.Eventually(t, func() bool {
		_, body = w.get(t, "/metrics")
		return strings.Contains(body, named)
	}, 10*time.Second, 10*time.Millisecond, "%s", named)
	assert.Contains(t, body, `akash_bridge_chain_disagreements_total{node="`+second.URL+`"} 0`)
	assert.Contains(t, w.stderr.String(), "node="+liar.URL)
	assert.NotContains(t, w.stderr.String(), "node="+second.URL)

	// Another node is down. Nobody is believed then, least of all the one that lied.
	second.Close()
	other := w.to()
	other.Set("Akash-Provider", ready.Providers[1].Provider)
	s, _, err = w.Call(t.Context(), pathGetStatus, other, &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.Unavailable, s.Code())
	assert.Equal(t, "chainUnavailable", s.Get("akash-error"))
	for _, text := range []string{"1 of 3 chain nodes answered, and 2 must agree", liar.URL + ": left out", second.URL + ": ", "--chain-quorum"} {
		assert.Contains(t, s.Message(), text)
	}
	status, body = w.get(t, "/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, body, liar.URL)
}

// Two chain nodes disagree: nothing is sent to either host, and the page learns why.
func TestTwoChainNodesDisagree(t *testing.T) {
	honest, attacker := startFake(t, fake.Options{}), startFake(t, fake.Options{Seed: 9})
	liar := chainNode(t, honest.Ready().ChainRPC, func(string) string { return attacker.Ready().HostURI })
	w := &world{fake: honest.Ready(), process: start(t, "--allow-private-networks",
		"--chain-rpc", liar.URL, "--chain-rpc", honest.Ready().ChainRPC)}
	s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.Unavailable, s.Code())
	assert.Equal(t, "chainDisagreement", s.Get("akash-error"))
	assert.Contains(t, s.Message(), attacker.Ready().HostURI)
	assert.Contains(t, s.Message(), honest.Ready().HostURI)
	assert.Empty(t, w.seen(t))
	assert.Empty(t, (&world{process: w.process, fake: attacker.Ready()}).seen(t))
}
