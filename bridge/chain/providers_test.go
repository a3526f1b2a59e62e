package chain_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/testserver/fake"
)

// All providers are listed, whatever the pages, by either interface of the nodes.
func TestProviders(t *testing.T) {
	server, err := fake.Start(t.Context(), fake.Options{Seed: 5, Providers: 203, ChainNodes: 3})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	var want, nodes []string
	for _, p := range server.Ready().Providers {
		want = append(want, p.Provider)
	}
	slices.Sort(want)
	for _, n := range server.Ready().ChainNodes {
		nodes = append(nodes, n.URL)
	}
	for name, o := range map[string]chain.Options{"rpc": {Nodes: nodes, Quorum: 2}, "rest": {RESTNodes: nodes, Quorum: 2}} {
		t.Run(name, func(t *testing.T) {
			found, err := newClient(t, o).Providers(t.Context())
			require.NoError(t, err)
			assert.Equal(t, want, found.Addresses)
			assert.Equal(t, chain.Trust("quorum=2/3"), found.Trust)
			assert.Positive(t, found.Height)
		})
	}
}

// A list is refused if it has what is no address, a provider twice, or no end.
func TestProvidersThatCannotBe(t *testing.T) {
	const one, another = "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv", "akash1nobody"
	for name, c := range map[string]struct {
		owners []string
		next   string
		says   string
	}{
		"no address": {[]string{another}, "", "cannot be decoded"},
		"twice":      {[]string{one, one}, "", "twice"},
		"no end":     {slices.Repeat([]string{one}, 100), "bmV4dA==", "too long"},
		"empty page": {nil, "bmV4dA==", "cannot be decoded"},
	} {
		t.Run(name, func(t *testing.T) {
			node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/akash/provider/v1beta4/providers" {
					w.WriteHeader(http.StatusNotImplemented)
					return
				}
				providers := []map[string]string{}
				for _, owner := range c.owners {
					providers = append(providers, map[string]string{"owner": owner})
				}
				w.Header().Set("Grpc-Metadata-X-Cosmos-Block-Height", strconv.Itoa(7))
				json.NewEncoder(w).Encode(map[string]any{"providers": providers, "pagination": map[string]string{"next_key": c.next}})
			}))
			defer node.Close()
			_, err := newClient(t, chain.Options{RESTNodes: []string{node.URL}, Quorum: 1}).Providers(t.Context())
			assert.ErrorContains(t, err, c.says)
		})
	}
}
