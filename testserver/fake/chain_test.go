package fake_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	certv1 "akash-provider-web/proto/akash/cert/v1"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	queryv1beta1 "akash-provider-web/proto/cosmos/base/query/v1beta1"
	"akash-provider-web/testserver/fake"
)

// queryAnswer is what a client reads of abci_query's result.
type queryAnswer struct {
	Result struct {
		Response struct {
			Code      int    `json:"code"`
			Log       string `json:"log"`
			Codespace string `json:"codespace"`
			Value     []byte `json:"value"`
		} `json:"response"`
	} `json:"result"`
	Error *struct {
		Code int `json:"code"`
	} `json:"error"`
}

// ask queries the chain by POST.
func ask(t *testing.T, s *fake.Server, path string, request proto.Message) queryAnswer {
	t.Helper()
	data, err := proto.Marshal(request)
	require.NoError(t, err)
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "abci_query",
		"params": map[string]any{"path": path, "data": hex.EncodeToString(data), "height": "0", "prove": false},
	})
	require.NoError(t, err)
	_, text := fetch(t, browser(t), http.MethodPost, s.Ready().ChainRPC, string(body))
	var answer queryAnswer
	require.NoError(t, json.Unmarshal([]byte(text), &answer), text)
	return answer
}

// A provider's record leads to its REST gateway; an unknown one is not found.
func TestProviderRecord(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	answer := ask(t, s, "/akash.provider.v1beta4.Query/Provider", &providerv1beta4.QueryProviderRequest{Owner: s.Ready().Provider})
	require.Zero(t, answer.Result.Response.Code, answer.Result.Response.Log)
	var record providerv1beta4.QueryProviderResponse
	require.NoError(t, proto.Unmarshal(answer.Result.Response.Value, &record))
	assert.Equal(t, s.Ready().HostURI, record.GetProvider().GetHostUri())

	for _, c := range []struct {
		path, owner string
		code        int
	}{
		{"/akash.provider.v1beta4.Query/Provider", s.Ready().Lease.Owner, 22},
		{"/akash.provider.v1beta4.Query/Provider", "akash1nonsense", 18},
		{"/akash.provider.v1beta3.Query/Provider", s.Ready().Provider, 6},
	} {
		answer := ask(t, s, c.path, &providerv1beta4.QueryProviderRequest{Owner: c.owner})
		assert.Equal(t, c.code, answer.Result.Response.Code)
		assert.Equal(t, "sdk", answer.Result.Response.Codespace)
	}
}

// The chain before v1.0 has the same records at other paths.
func TestOldChain(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Faults: []string{"chain-v1beta3"}})
	q := &providerv1beta4.QueryProviderRequest{Owner: s.Ready().Provider}
	assert.Zero(t, ask(t, s, "/akash.provider.v1beta3.Query/Provider", q).Result.Response.Code)
	assert.Equal(t, 6, ask(t, s, "/akash.provider.v1beta4.Query/Provider", q).Result.Response.Code)
	c := &certv1.QueryCertificatesRequest{Filter: &certv1.CertificateFilter{Owner: s.Ready().Provider}}
	assert.Zero(t, ask(t, s, "/akash.cert.v1beta3.Query/Certificates", c).Result.Response.Code)
}

// A query can also be a GET, with quoted strings.
func TestQueryByGet(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	data, err := proto.Marshal(&providerv1beta4.QueryProviderRequest{Owner: s.Ready().Provider})
	require.NoError(t, err)
	address := s.Ready().ChainRPC + "/abci_query?" + url.Values{
		"path": {`"/akash.provider.v1beta4.Query/Provider"`}, "data": {"0x" + hex.EncodeToString(data)},
	}.Encode()
	_, text := fetch(t, browser(t), http.MethodGet, address, "")
	var answer queryAnswer
	require.NoError(t, json.Unmarshal([]byte(text), &answer), text)
	assert.NotEmpty(t, answer.Result.Response.Value)
}

// A list is paginated by keys.
func TestPages(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Providers: 5})
	var owners []string
	page := &queryv1beta1.PageRequest{Limit: 2}
	for {
		answer := ask(t, s, "/akash.provider.v1beta4.Query/Providers", &providerv1beta4.QueryProvidersRequest{Pagination: page})
		require.Zero(t, answer.Result.Response.Code, answer.Result.Response.Log)
		var got providerv1beta4.QueryProvidersResponse
		require.NoError(t, proto.Unmarshal(answer.Result.Response.Value, &got))
		for _, p := range got.GetProviders() {
			owners = append(owners, p.GetOwner())
		}
		page = &queryv1beta1.PageRequest{Limit: 2, Key: got.GetPagination().GetNextKey()}
		if len(page.GetKey()) == 0 {
			break
		}
	}
	var want []string
	for _, p := range s.Ready().Providers {
		want = append(want, p.Provider)
	}
	assert.ElementsMatch(t, want, owners)
}

// The served certificate is on the chain as PEM, and is revoked there once it is revoked.
func TestCertificateRecord(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	var state fake.State
	control(t, s, http.MethodGet, "/state", "", &state)
	find := func(filter string) []*certv1.CertificateResponse {
		answer := ask(t, s, "/akash.cert.v1.Query/Certificates", &certv1.QueryCertificatesRequest{
			Filter: &certv1.CertificateFilter{Owner: s.Ready().Provider, Serial: state.Serial, State: filter},
		})
		require.Zero(t, answer.Result.Response.Code, answer.Result.Response.Log)
		var got certv1.QueryCertificatesResponse
		require.NoError(t, proto.Unmarshal(answer.Result.Response.Value, &got))
		return got.GetCertificates()
	}
	found := find("valid")
	require.Len(t, found, 1)
	assert.Equal(t, state.CertSHA256, fingerprint(t, found[0].GetCertificate().GetCert()))
	assert.Equal(t, s.Ready().CertSHA256, state.CertSHA256)

	control(t, s, http.MethodPost, "/certificate?kind=revoked", "", nil)
	assert.Empty(t, find("valid"))
	require.Len(t, find(""), 1)
	assert.Equal(t, certv1.State_revoked, find("")[0].GetCertificate().GetState())
	control(t, s, http.MethodPost, "/certificate?kind=absent", "", nil)
	assert.Empty(t, find(""))
}

// Faults of chain nodes.
func TestChainFaults(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	q := &providerv1beta4.QueryProviderRequest{Owner: s.Ready().Provider}
	require.NoError(t, s.SetFault("chain-500", ""))
	response, text := fetch(t, browser(t), http.MethodPost, s.Ready().ChainRPC, "{}")
	assert.Equal(t, http.StatusBadGateway, response.StatusCode)
	assert.Contains(t, text, "<html>")
	require.NoError(t, s.ClearFault("chain-500", ""))

	require.NoError(t, s.SetFault("chain-down", ""))
	_, err := http.Get(s.Ready().ChainRPC + "/health")
	require.ErrorContains(t, err, "refused")
	require.NoError(t, s.ClearFault("chain-down", ""))

	require.NoError(t, s.SetFault("chain-syncing", ""))
	_, text = fetch(t, browser(t), http.MethodGet, s.Ready().ChainRPC+"/status", "")
	assert.Contains(t, text, `"catching_up":true`)
	assert.Zero(t, ask(t, s, "/akash.provider.v1beta4.Query/Provider", q).Result.Response.Code)
}

// The chain's JSON has the form of the real codec, with PEM in base64.
func TestPEMIsWhatTheChainKeeps(t *testing.T) {
	var fixture struct {
		Certificates []struct {
			Certificate struct{ Cert, Pubkey string }
		}
	}
	readJSON(t, "testdata/chain.certificates.json", &fixture)
	cert, err := base64.StdEncoding.DecodeString(fixture.Certificates[0].Certificate.Cert)
	require.NoError(t, err)
	pubkey, err := base64.StdEncoding.DecodeString(fixture.Certificates[0].Certificate.Pubkey)
	require.NoError(t, err)

	s := start(t, fake.Options{Seed: 7})
	answer := ask(t, s, "/akash.cert.v1.Query/Certificates", &certv1.QueryCertificatesRequest{
		Filter: &certv1.CertificateFilter{Owner: s.Ready().Provider},
	})
	var got certv1.QueryCertificatesResponse
	require.NoError(t, proto.Unmarshal(answer.Result.Response.Value, &got))
	require.Len(t, got.GetCertificates(), 1)
	assert.Equal(t, pemShape(t, cert), pemShape(t, got.GetCertificates()[0].GetCertificate().GetCert()))
	assert.Equal(t, pemShape(t, pubkey), pemShape(t, got.GetCertificates()[0].GetCertificate().GetPubkey()))
}
