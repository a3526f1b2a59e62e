package guard

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func allows(t *testing.T, allowed []string, host string, origins ...string) bool {
	t.Helper()
	o, err := NewOrigins(allowed)
	require.NoError(t, err)
	r := httptest.NewRequest("POST", "http://"+host+"/", nil)
	for _, origin := range origins {
		r.Header.Add("Origin", origin)
	}
	return o.Allows(r)
}

func TestOwnOriginAndLocalhostAreAllowedByDefault(t *testing.T) {
	const host = "bridge.example:8080"
	for _, origin := range []string{
		"http://bridge.example:8080",
		"https://bridge.example:8080", // TLS may end before the bridge
		"https://BRIDGE.example:8080",
		"http://localhost", "http://localhost:5173", "https://localhost:5173",
		"http://127.0.0.1:3000", "http://[::1]:3000", "http://app.localhost:1",
	} {
		assert.True(t, allows(t, nil, host, origin), origin)
	}
	assert.True(t, allows(t, nil, host), "what sends no Origin is no page")
	for _, origin := range []string{
		"https://evil.example", "https://bridge.example", "http://bridge.example:8081",
		"http://localhost.evil.example", "http://evillocalhost", "http://127.0.0.1.evil.example",
		"http://127.0.0.1@evil.example", "http://10.0.0.1", "http://0.0.0.0", "null", "", "file://", "*",
		"http://evil.example/?http://localhost", "chrome-extension://abc",
	} {
		assert.False(t, allows(t, nil, host, origin), origin)
	}
	assert.False(t, allows(t, nil, host, "http://localhost", "http://localhost"), "browsers send only one Origin header")
}

func TestAListOfOriginsReplacesLocalhost(t *testing.T) {
	allowed := []string{"https://app.example", "http://Other.example:80", "https://third.example:8443/"}
	for origin, want := range map[string]bool{
		"https://app.example":        true,
		"http://other.example":       true,
		"https://third.example:8443": true,
		"http://bridge.example":      true,
		"http://app.example":         false,
		"https://app.example:8443":   false,
		"https://sub.app.example":    false,
		"http://localhost:5173":      false,
		"null":                       false,
	} {
		assert.Equal(t, want, allows(t, allowed, "bridge.example", origin), origin)
	}
	assert.True(t, allows(t, []string{"*"}, "bridge.example", "https://any.example"))
	assert.True(t, allows(t, []string{"null"}, "bridge.example", "null"))
}

func TestMalformedOriginsAreRefused(t *testing.T) {
	for _, text := range []string{"", "app.example", "https://", "https://app.example/path", "https://app.example?x", "ftp://app.example", "https://user@app.example", "https://a b"} {
		_, err := NewOrigins([]string{text})
		assert.Error(t, err, text)
	}
}

func TestAWildcardAllowsOneLabel(t *testing.T) {
	allowed := []string{"https://*.app.example", "https://*.Dev.example:8443", "http://*.localhost:5173", "https://*.vercel.app"}
	for origin, want := range map[string]bool{
		"https://a.app.example":                      true,
		"https://A.APP.example":                      true,
		"https://xn--bcher-kva.app.example":          true,
		"https://my-preview_1.app.example":           true,
		"https://x.dev.example:8443":                 true,
		"http://a.localhost:5173":                    true,
		"https://my-app-git-main.vercel.app":         true,
		"https://app.example":                        false,
		"https://.app.example":                       false,
		"https://a.b.app.example":                    false,
		"https://aapp.example":                       false,
		"http://a.app.example":                       false,
		"https://a.app.example:8443":                 false,
		"https://a.app.example:443":                  false, // browsers leave it out
		"https://x.dev.example":                      false,
		"https://a.app.example.evil.example":         false,
		"https://evil.example/.app.example":          false,
		"https://evil.example?.app.example":          false,
		"https://evil.example#.app.example":          false,
		"https://user@.app.example":                  false,
		"https://evil.example:1.app.example":         false,
		"https://*.app.example":                      false,
		"https://vercel.app":                         false,
		"null":                                       false,
		"https://evil.example https://a.app.example": false,
	} {
		assert.Equal(t, want, allows(t, allowed, "bridge.example", origin), origin)
	}
	assert.True(t, allows(t, []string{"https://*.app.example:443"}, "bridge.example", "https://a.app.example"))
}

func TestDangerousWildcardsAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"https://*":                  "leftmost label",
		"https://*.app":              "below app",
		"https://*.com":              "below com",
		"https://*.co.uk":            "below co.uk",
		"https://*.CO.UK:8443":       "below co.uk",
		"https://*.example":          "below example",
		"https://*.foo.ck":           "below foo.ck",
		"https://*.127.0.0.1":        "no subdomains",
		"https://a-*.app.example":    "leftmost label",
		"https://*-a.vercel.app":     "leftmost label",
		"https://*.*.app.example":    "leftmost label",
		"https://a.*.example":        "leftmost label",
		"*.app.example":              "leftmost label",
		"https://*.app.example/path": "scheme://*.domain",
		"ftp://*.app.example":        "scheme://*.domain",
		"https://*.":                 "scheme://*.domain",
		"https://app.example:*":      "leftmost label",
		"https://bücher.example":     "ASCII",
	} {
		_, err := NewOrigins([]string{text})
		assert.ErrorContains(t, err, want, text)
	}
}

func TestOriginsCanBeReplaced(t *testing.T) {
	o, err := NewOrigins([]string{"https://a.example"})
	require.NoError(t, err)
	r := httptest.NewRequest("POST", "http://bridge.example/", nil)
	r.Header.Set("Origin", "https://b.example")
	assert.False(t, o.Allows(r))
	require.NoError(t, o.Set([]string{"https://b.example"}))
	assert.True(t, o.Allows(r))
	require.Error(t, o.Set([]string{"https://c.example", "nonsense"}))
	assert.True(t, o.Allows(r), "a list with a mistake replaces nothing")
}
