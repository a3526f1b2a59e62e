package fake_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/testserver/fake"
)

// ask makes a REST request as the tenant.
func asTenant(t *testing.T, s *fake.Server, method, path, body string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "https://"+s.Ready().REST+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+s.Ready().JWT)
	response, err := browser(t).Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(text)
}

// A lease's status has the form of a real one. A service's is part of it, but for the
// URIs, which are those of all services.
func TestLeaseStatus(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Services: []fake.Service{
		{Name: "api", Replicas: 1}, {Name: "db", Replicas: 1, Stateful: true}, {Name: "web", Replicas: 1},
	}})
	var want, got map[string]any
	readJSON(t, "testdata/rest.lease-status.json", &want)
	_, text := asTenant(t, s, http.MethodGet, leasePath(s)+"/status", "")
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	assert.Equal(t, want, got)

	var service map[string]any
	_, text = asTenant(t, s, http.MethodGet, leasePath(s)+"/service/db/status", "")
	require.NoError(t, json.Unmarshal([]byte(text), &service))
	var uris []any
	for _, name := range []string{"api", "db", "web"} {
		uris = append(uris, want["services"].(map[string]any)[name].(map[string]any)["uris"].([]any)...)
	}
	assert.ElementsMatch(t, uris, service["uris"])
	db := want["services"].(map[string]any)["db"].(map[string]any)
	db["uris"] = service["uris"]
	assert.Equal(t, db, service)
}

// Missing things are reported in the gateway's inconsistent ways.
func TestLeaseNotFound(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	for path, c := range map[string]struct {
		code int
		body string
	}{
		"/lease/1/1/1/status":                {404, ""},
		"/lease/1/1/1/manifest":              {404, "lease not found\n"},
		"/lease/1/1/1/service/web/status":    {404, "kube: no deployments for lease\n"},
		leasePath(s) + "/service/nix/status": {404, "kube: no service for that lease\n"},
		"/lease/x/1/1/status":                {400, "strconv.ParseUint: parsing \"x\": invalid syntax\n"},
	} {
		response, body := asTenant(t, s, http.MethodGet, path, "")
		assert.Equal(t, c.code, response.StatusCode, path)
		assert.Equal(t, c.body, body, path)
	}
	require.NoError(t, s.SetFault("kube-down", ""))
	response, body := asTenant(t, s, http.MethodGet, leasePath(s)+"/status", "")
	assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	assert.Contains(t, body, "kube api unreachable")
}

// A manifest can be read, sent again, and changed after the chain expects it. A
// manifest that does not match is refused with the provider's message.
func TestManifest(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	deployment := strings.TrimSuffix(strings.Replace(leasePath(s), "/lease/", "/deployment/", 1), "/1/1") + "/manifest"
	_, manifest := asTenant(t, s, http.MethodGet, leasePath(s)+"/manifest", "")
	send := func(body string) (int, string) {
		response, text := asTenant(t, s, http.MethodPut, deployment, body)
		return response.StatusCode, text
	}
	code, text := send(manifest)
	assert.Equal(t, 200, code)
	assert.Empty(t, text)

	changed := strings.Replace(manifest, "docker.io/library/web:1", "docker.io/library/web:2", 1)
	code, text = send(changed)
	assert.Equal(t, 422, code)
	assert.Equal(t, "manifest version validation failed\n", text)
	control(t, s, http.MethodPost, "/manifest", changed, nil)
	code, _ = send(changed)
	assert.Equal(t, 200, code)
	_, now := asTenant(t, s, http.MethodGet, leasePath(s)+"/manifest", "")
	assert.Equal(t, changed, now)

	greedy := strings.Replace(manifest, `{"val":"500"}`, `{"val":"64000"}`, 1)
	control(t, s, http.MethodPost, "/manifest", greedy, nil)
	code, text = send(greedy)
	assert.Equal(t, 422, code)
	assert.Equal(t, "manifest cross-validation error: group \"dcloud\": service \"web\": CPU resources mismatch for ID 1\n", text)

	for body, want := range map[string]string{
		"{":                              "unexpected EOF",
		"[]":                             "invalid manifest: manifest is empty",
		`[{"name":"g"}]`:                 `invalid manifest: group "g" contains no services`,
		`[{"name":"g","services":[{}]}]`: "service name is empty",
	} {
		code, text = send(body)
		assert.Equal(t, 422, code, body)
		assert.Contains(t, text, want)
	}
	response, text := asTenant(t, s, http.MethodPut, "/deployment/1/manifest", manifest)
	assert.Equal(t, 404, response.StatusCode)
	assert.Equal(t, "no lease for deployment\n", text)
}

// Before v0.11.2 every refusal of a manifest was a server error.
func TestOldManifest(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, ProviderVersion: "0.10.0"})
	response, text := asTenant(t, s, http.MethodPut, "/deployment/1/manifest", "[]")
	assert.Equal(t, 500, response.StatusCode)
	assert.Equal(t, "no lease for deployment\n", text)
}
