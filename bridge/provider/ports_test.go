package provider

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/guard"
)

// The chain names the REST gateway only (proto/akash-provider-api.md, section 1.1).
func TestPortsThatMaySpeakGRPC(t *testing.T) {
	for _, c := range []struct {
		own        uint16
		configured []uint16
		remembered uint16
		want       []uint16
	}{
		{own: 8443, want: []uint16{8444, 8443}},
		{own: 443, want: []uint16{8444, 443, 8443, 444}},
		{own: 8444, want: []uint16{8444, 8443, 8445}},
		{own: 65535, want: []uint16{8444, 65535, 8443}},
		{own: 8443, remembered: 8443, want: []uint16{8443, 8444}},
		{own: 8443, configured: []uint16{1, 2, 1}, want: []uint16{1, 2}},
		{own: 8443, configured: []uint16{1, 2}, remembered: 2, want: []uint16{2, 1}},
	} {
		pool, err := New(Options{GRPCPorts: c.configured})
		require.NoError(t, err)
		rt := newRoute(pool, routeKey{host: guard.HostURI{Host: "provider.example.com", Port: c.own}})
		rt.lastPort = c.remembered
		assert.Equal(t, c.want, rt.candidates())
		pool.Close()
	}
}
