package fake_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"akash-provider-web/testserver/fake"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostAt returns the host that a node names to a client that believes everything.
func hostAt(t *testing.T, s *fake.Server, url string) string {
	t.Helper()
	_, text := fetch(t, browser(t), http.MethodGet, url+"/akash/provider/v1beta4/providers/"+s.Ready().Provider, "")
	var answer struct {
		Provider struct {
			HostURI string `json:"host_uri"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &answer), text)
	return answer.Provider.HostURI
}

// One node lies, the others do not, and it stops when it is told to.
func TestLiar(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, ChainNodes: 3, ChainLies: []string{"2:forged-host"}})
	nodes := s.Ready().ChainNodes
	require.Len(t, nodes, 3)
	assert.Equal(t, fake.ChainLie("forged-host"), nodes[1].Lie)
	assert.Equal(t, s.Ready().HostURI, hostAt(t, s, nodes[0].URL))
	assert.Equal(t, s.Ready().Impostor.HostURI, hostAt(t, s, nodes[1].URL))
	assert.Equal(t, s.Ready().HostURI, hostAt(t, s, nodes[2].URL))

	control(t, s, http.MethodDelete, "/lie?node=2", "", nil)
	assert.Equal(t, s.Ready().HostURI, hostAt(t, s, nodes[1].URL))
	control(t, s, http.MethodPost, "/lie?node=3&name=forged-records", "", nil)
	assert.Equal(t, s.Ready().Impostor.HostURI, hostAt(t, s, nodes[2].URL))
	require.ErrorContains(t, s.SetChainLie(4, "forged-host"), "no chain node 4: want 1 to 3")
	require.ErrorContains(t, s.SetChainLie(1, "white"), `unknown lie "white"`)

	control(t, s, http.MethodPost, "/hijack", "", nil)
	assert.Equal(t, s.Ready().Impostor.HostURI, hostAt(t, s, nodes[0].URL))
	control(t, s, http.MethodDelete, "/hijack", "", nil)
	assert.Equal(t, s.Ready().HostURI, hostAt(t, s, nodes[0].URL))
}

// A fault can be that of one node.
func TestFaultOfOneNode(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, ChainNodes: 2})
	control(t, s, http.MethodPost, "/fault?name=chain-down&node=2", "", nil)
	_, err := http.Get(s.Ready().ChainNodes[1].URL + "/health")
	require.ErrorContains(t, err, "refused")
	assert.Equal(t, s.Ready().HostURI, hostAt(t, s, s.Ready().ChainRPC))
	control(t, s, http.MethodDelete, "/fault?name=chain-down&node=2", "", nil)
	assert.Equal(t, s.Ready().HostURI, hostAt(t, s, s.Ready().ChainNodes[1].URL))
}
