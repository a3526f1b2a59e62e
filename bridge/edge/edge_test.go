package edge

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"akash-provider-web/bridge/relay"
)

// TestMain ignores one goroutine that never ends: the clock of a timer library that
// grpc-web imports.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]target{
		"/some.Service/Method":                   {method: "/some.Service/Method"},
		"/akash1xyz/some.Service/Method":         {provider: "akash1xyz", method: "/some.Service/Method"},
		"/akash1/some.Service/Method":            {provider: "akash1", method: "/some.Service/Method"},
		"/akash1x/chain-sdk/some.Service/Method": {provider: "akash1x", sdk: true, method: "/some.Service/Method"},
		"/akash.provider.v1.ProviderRPC/M":       {method: "/akash.provider.v1.ProviderRPC/M"},
	} {
		got, ok := parse(path)
		assert.True(t, ok, path)
		assert.Equal(t, want, got, path)
		assert.True(t, IsMethodPath(path), path)
	}
	for _, path := range []string{
		"", "/", "/healthz", "/some.Service", "/some.Service/", "//", "/a/b", "/akash1xyz", "/akash1xyz/", "/akash1xyz/healthz",
		"/akash1xyz/some.Service/", "/akash1xyz/other/some.Service/Method", "/akash1x/akash1y/some.Service/Method", "/some.Service/Method/more",
	} {
		assert.False(t, IsMethodPath(path), path)
	}
}

// nothing is a relay.Server that does nothing.
type nothing struct{}

func (nothing) ServeRPC(relay.Response, *http.Request) {}

// Most calls are gRPC-Web without a provider in the path. That others are possible
// makes no garbage for them.
func TestOtherProtocolsCostGRPCWebNoAllocations(t *testing.T) {
	h := Handler(nothing{}, Options{}).(*handler)
	s := &addressed{next: nothing{}}
	r := httptest.NewRequest(http.MethodPost, "/some.Service/Method", nil)
	r.Header.Set("Content-Type", "application/grpc-web+proto")
	r.Header.Set(headerProvider, "akash1xyz")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if t, ok := parse(r.URL.Path); ok && t.provider != "" {
			panic("the path has no provider")
		}
		if h.door(r) != h.web {
			panic("it is gRPC-Web")
		}
		s.ServeRPC(nil, r)
	}))
}
