package provider_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/testserver/fake"
)

// A dashboard queries every provider, of which a fifth fail in different ways. The
// others answer, and no call takes longer than the timeouts for one provider.
func TestManyProvidersAreQueriedConcurrently(t *testing.T) {
	const providers = 60
	w := newWorld(t, fake.Options{Seed: 1, Providers: providers, ProviderVersion: "0.14.0"})
	pool := w.newPool(func(o *provider.Options) { o.GRPCPorts = nil }) // each has its own ports
	pool.ShortenTimeouts(3)
	pool.AwaitPorts(20 * time.Second) // all of them share this machine with the bridge
	ailments := []string{"refuse", "hang-accept", "tls12"}
	for i, p := range w.ready.Providers {
		if i%5 == 0 {
			require.NoError(t, w.fake.SetFault(ailments[i/5%len(ailments)], p.Provider))
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for i, p := range w.ready.Providers {
		all.Go(func() {
			e, err := pool.Reach(ctx, provider.Request{Address: p.Provider, CheckVersion: true})
			if i%5 == 0 {
				var f *rpcerror.Error
				if assert.ErrorAs(t, err, &f) {
					assert.Equal(t, p.Provider, f.Provider)
				}
				return
			}
			if assert.NoError(t, err) {
				assert.Equal(t, provider.GRPC, e.Method)
				_, err = status(ctx, e)
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	assert.NoError(t, ctx.Err())
}
