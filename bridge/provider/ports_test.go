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
		{own: 443, want: []uint16{8444, 443, 8443}}, // 444 is not a provider's
		{own: 6378, want: []uint16{8444, 6378, 8443}},
		{own: 9000, want: []uint16{8444, 9000, 8443, 9001}},
		{own: 8444, want: []uint16{8444, 8443, 8445}},
		{own: 65535, want: []uint16{8444, 65535, 8443}},
		{own: 8443, remembered: 8443, want: []uint16{8443, 8444}},
		{own: 8443, configured: []uint16{2001, 2002, 2001}, want: []uint16{2001, 2002}},
		{own: 8443, configured: []uint16{2001, 2002}, remembered: 2002, want: []uint16{2002, 2001}},
	} {
		pool, err := New(Options{GRPCPorts: c.configured})
		require.NoError(t, err)
		rt := newRoute(pool, routeKey{host: guard.HostURI{Host: "provider.example.com", Port: c.own}})
		rt.lastPort = c.remembered
		assert.Equal(t, c.want, rt.candidates())
		pool.Close()
	}
}

func TestAPortOfAnotherServiceCannotBeConfigured(t *testing.T) {
	_, err := New(Options{GRPCPorts: []uint16{8444, 5432}})
	assert.ErrorContains(t, err, "the port 5432 is that of PostgreSQL")
	pool, err := New(Options{GRPCPorts: []uint16{5432}, Destinations: guard.Destinations{AllowPrivate: true}})
	require.NoError(t, err)
	pool.Close()
}
