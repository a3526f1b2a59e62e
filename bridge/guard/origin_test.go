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
