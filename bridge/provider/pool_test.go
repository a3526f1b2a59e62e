package provider

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/rpcerror"
)

// Callers may ask for any number of providers. Unused ones are removed, and their
// number is bounded.
func TestRoutesAndPeersAreBounded(t *testing.T) {
	now := time.Now()
	pool, err := New(Options{Now: func() time.Time { return now }})
	require.NoError(t, err)
	defer pool.Close()
	ask := func(i int) error {
		_, err := pool.peer(routeKey{host: guard.HostURI{Host: fmt.Sprintf("p%d.example.com", i), Port: 8443}}, nil)
		return err
	}
	for i := range maxPeers / 2 { // each is a route and a peer
		require.NoError(t, ask(i))
	}
	var f *rpcerror.Error
	require.ErrorAs(t, ask(maxPeers), &f)
	assert.Equal(t, codes.ResourceExhausted, f.Code)
	require.NoError(t, ask(0), "known providers are still served")

	now = now.Add(peerLifetime / 2)
	require.NoError(t, ask(1))
	now = now.Add(peerLifetime/2 + time.Minute)
	require.NoError(t, ask(maxPeers))
	assert.Len(t, pool.routes, 2, "the recently used route and the new one")
	assert.Equal(t, 4, pool.peers)
}
