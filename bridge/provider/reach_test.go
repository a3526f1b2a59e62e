package provider_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/testserver/fake"
)

func TestAProviderOfToday(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1}, nil)
	e := w.reach(w.request())
	assert.Equal(t, provider.GRPC, e.Method)
	assert.Equal(t, w.byName(w.ready.GRPC), e.Addr)
	assert.Equal(t, "v"+fake.DefaultVersion, e.Version)
	assert.Equal(t, "chain", e.Verified)
	assert.False(t, e.Stale)
	s, err := status(t.Context(), e)
	require.NoError(t, err)
	assert.NotEmpty(t, s.GetCluster().GetInventory().GetCluster().GetNodes())
}
