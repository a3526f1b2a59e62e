package fake_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/testserver/fake"
)

// restGet asks the chain's REST API and decodes the answer.
func restGet(t *testing.T, s *fake.Server, path string, answer any) int {
	t.Helper()
	response, text := fetch(t, browser(t), http.MethodGet, s.Ready().ChainRPC+path, "")
	require.NoError(t, json.Unmarshal([]byte(text), answer), text)
	return response.StatusCode
}

// keys returns the names in JSON, those of objects in objects and lists too.
func keys(value any) any {
	switch v := value.(type) {
	case map[string]any:
		names := map[string]any{}
		for name, inner := range v {
			names[name] = keys(inner)
		}
		return names
	case []any:
		if len(v) > 0 {
			return []any{keys(v[0])}
		}
	}
	return nil
}

// The REST API's JSON has the names of a real node's.
func TestChainRESTHasTheShapeOfARealNodes(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	for fixture, path := range map[string]string{
		"testdata/chain.provider.json":     "/akash/provider/v1beta4/providers/" + s.Ready().Provider,
		"testdata/chain.certificates.json": "/akash/cert/v1/certificates/list?filter.state=valid&filter.owner=" + s.Ready().Provider,
	} {
		var real, ours any
		readJSON(t, fixture, &real)
		require.Equal(t, http.StatusOK, restGet(t, s, path, &ours))
		assert.Equal(t, keys(real), keys(ours), path)
	}
}

// What a REST node refuses, it refuses with a status, a gRPC code and a message.
func TestChainRESTRefusals(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	for _, c := range []struct {
		path         string
		status, code int
	}{
		{"/akash/provider/v1beta4/providers/" + s.Ready().Lease.Owner, http.StatusNotFound, 5},
		{"/akash/provider/v1beta4/providers/akash1nonsense", http.StatusBadRequest, 3},
		{"/akash/provider/v1beta3/providers/" + s.Ready().Provider, http.StatusNotImplemented, 12},
		{"/akash/cert/v1/certificates/list?pagination.limit=many", http.StatusBadRequest, 3},
		{"/cosmos/bank/v1beta1/supply", http.StatusNotImplemented, 12},
	} {
		var refusal struct {
			Code    int
			Message string
		}
		assert.Equal(t, c.status, restGet(t, s, c.path, &refusal), c.path)
		assert.Equal(t, c.code, refusal.Code, c.path)
		assert.NotEmpty(t, refusal.Message)
	}
}

// An account that has signed has a public key.
func TestChainRESTAccount(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	var answer struct {
		Account struct {
			Address string
			PubKey  struct{ Key []byte } `json:"pub_key"`
		}
	}
	require.Equal(t, http.StatusOK, restGet(t, s, "/cosmos/auth/v1beta1/accounts/"+s.Ready().Lease.Owner, &answer))
	assert.Equal(t, s.Ready().Lease.Owner, answer.Account.Address)
	assert.Len(t, answer.Account.PubKey.Key, 33)
}
