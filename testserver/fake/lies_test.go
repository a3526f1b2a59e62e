package fake

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	certv1 "akash-provider-web/proto/akash/cert/v1"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	marketv1beta5 "akash-provider-web/proto/akash/market/v1beta5"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
)

// exhausting has the lies that are not about what is answered, or that take long to answer.
var exhausting = regexp.MustCompile(`^(answer|headers)-|-(deep|many|huge|endless|oversized)`)

// Every lie shows in what a node answers to a client that asks for headers, validators,
// records and proofs. Lies need an impostor.
func TestEveryLieShows(t *testing.T) {
	honest, err := Start(t.Context(), Options{Seed: 7})
	require.NoError(t, err)
	require.ErrorIs(t, honest.SetChainLie(1, "forged-host"), errNoImpostor)
	require.NoError(t, honest.Close())

	s, err := Start(t.Context(), Options{Seed: 7, Providers: 2, ChainNodes: 2, Impostor: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	all := ChainLies()
	assert.Greater(t, len(all), 100)
	for _, lie := range all {
		assert.NotEmpty(t, lie.Text)
		if exhausting.MatchString(string(lie.Name)) {
			continue
		}
		require.NoError(t, s.SetChainLie(2, lie.Name))
		height := s.chain.now().height()
		assert.NotEqual(t, answersOf(s, s.nodes[0], height), answersOf(s, s.nodes[1], height), lie.Name)
	}
}

// answersOf returns what a node answers about a height.
func answersOf(s *Server, n *chainNode, height int64) string {
	owner := s.providers[0].address()
	var b strings.Builder
	ask := func(route string) {
		w := httptest.NewRecorder()
		n.ServeHTTP(w, httptest.NewRequest(http.MethodGet, route, nil))
		fmt.Fprintf(&b, "%d %s\n", w.Code, w.Body)
	}
	query := func(path string, data []byte) {
		ask(fmt.Sprintf("/abci_query?path=%q&data=0x%s&height=%d&prove=true", path, hex.EncodeToString(data), height-1))
	}
	ask(fmt.Sprintf("/commit?height=%d", height))
	ask(fmt.Sprintf("/validators?height=%d", height))
	query("/store/provider/key", providerKey(owner))
	for _, c := range []*certificate{s.providers[0].certificate(), s.impostor.theft.forged, s.impostor.theft.stolen} {
		query("/store/cert/key", certificateStoreKey(certv1.State_valid, owner, c.spec.serial))
	}
	query("/akash.provider.v1beta4.Query/Provider", marshal(&providerv1beta4.QueryProviderRequest{Owner: owner}))
	query("/akash.market.v1beta5.Query/Leases", marshal(&marketv1beta5.QueryLeasesRequest{Filters: &marketv1.LeaseFilters{Owner: s.tenant.address}}))
	return b.String()
}
