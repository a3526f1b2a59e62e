package guard

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnlyAllowedHeadersAreForwardedToAProvider(t *testing.T) {
	request := http.Header{}
	for _, name := range []string{
		"Cookie", "Origin", "Referer", "User-Agent", "Sec-Fetch-Mode", "Sec-Websocket-Key", "Forwarded", "X-Forwarded-For",
		"X-Real-Ip", "Host", "Akash-Provider", "Akash-Client-Key-Bin", "Akash-Client-Cert-Bin", "Authorization", "Proxy-Authorization",
		"Connection", "Te", "Transfer-Encoding", "Content-Length", "Content-Type", "Accept-Encoding", "Grpc-Timeout", "Grpc-Status",
		"X-Grpc-Web", "X-User-Agent", "X-Api-Key", "X-Custom", "Custom",
		"Grpc-Encoding", "Grpc-Accept-Encoding", "Traceparent", "X-Request-Id", "Custom-Bin", "Grpc-Trace-Bin",
	} {
		request[name] = []string{"a", "b"}
	}
	m, err := NewMetadata(nil)
	require.NoError(t, err)
	got := m.Upstream(request)
	assert.ElementsMatch(t, []string{"Grpc-Encoding", "Grpc-Accept-Encoding", "Traceparent", "X-Request-Id", "Custom-Bin", "Grpc-Trace-Bin"},
		slices.Collect(maps.Keys(got)))
	assert.Equal(t, []string{"a", "b"}, got["Custom-Bin"], "all values are forwarded")

	m, err = NewMetadata([]string{"X-*", "custom", "sec-*", "akash-*"})
	require.NoError(t, err)
	got = m.Upstream(request)
	for _, name := range []string{"X-Api-Key", "X-Custom", "Custom"} {
		assert.Contains(t, got, name)
	}
	for _, name := range []string{"Cookie", "X-Forwarded-For", "X-Real-Ip", "X-Grpc-Web", "Sec-Fetch-Mode", "Akash-Client-Key-Bin", "Authorization"} {
		assert.NotContains(t, got, name, "no allowlist overrides this")
	}
}

func TestAProviderCannotSetBrowserHeaders(t *testing.T) {
	m, err := NewMetadata(nil)
	require.NoError(t, err)
	for _, name := range []string{"Set-Cookie", "Location", "Refresh", "Access-Control-Allow-Origin", "Clear-Site-Data", "Content-Security-Policy",
		"Strict-Transport-Security", "Alt-Svc", "Service-Worker-Allowed", "Link", "Nel", "Akash-Verified", "Content-Length", "Trailer"} {
		assert.False(t, m.Downstream(name), name)
	}
	for _, name := range []string{"Grpc-Encoding", "X-Custom", "x-custom", "Custom-Bin", "Grpc-Status-Details-Bin"} {
		assert.True(t, m.Downstream(name), name)
	}
}
