package provider_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/provider"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

// A provider's gRPC port accepted connections and said nothing: the first call took
// 8.1 seconds, though its REST gateway answered at once.
func TestFieldASilentGRPCPortCostsTheFirstCallLittle(t *testing.T) {
	for _, check := range []bool{true, false} {
		w := newWorld(t, fake.Options{Seed: 1, Faults: []string{"grpc-hang-accept"}})
		r := w.request()
		r.CheckVersion = check
		began := time.Now()
		e := w.reach(r)
		assert.Less(t, time.Since(began), 3*time.Second, "the handshake's own time limit is 8 s")
		assert.Equal(t, provider.REST, e.Method)
		_, err := status(t.Context(), e)
		require.NoError(t, err)

		began = time.Now()
		assert.Equal(t, provider.REST, w.reach(r).Method)
		assert.Less(t, time.Since(began), time.Second, "what is known is not found out again")
	}
}

// The port was slow, not silent: the first call used REST, and
// later ones used gRPC.
func TestFieldASlowGRPCPortIsUsedOnceItAnswers(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, Faults: []string{"grpc-slow-connect=2s"}})
	assert.Equal(t, provider.REST, w.reach(w.request()).Method)
	require.Eventually(t, func() bool { return w.reach(w.request()).Method == provider.GRPC }, 20*time.Second, 20*time.Millisecond)

	// A call that only gRPC can answer waits for the port.
	w = newWorld(t, fake.Options{Seed: 1, Faults: []string{"grpc-slow-connect=2s"}})
	r := w.request()
	r.Service, r.GRPCOnly = leasev1.LeaseRPC_ServiceDesc.ServiceName, true
	assert.Equal(t, provider.GRPC, w.reach(r).Method)
}

// The connection to the silent port is closed once the search has ended.
func TestFieldTheSilentConnectionIsClosed(t *testing.T) {
	id := newIdentity(t, someone, nil)
	silent := silentServer(t)
	rest := restServer(t, id, saysVersion("v0.14.0"))
	g, _ := grpcServer(t, anyPort, id.config("h2"), nil, ok)
	pool := newPool(t, rest.uri, func(o *provider.Options) { o.GRPCPorts = []uint16{silent.port, g.port} })
	r := pinned(id)
	r.CheckVersion = true
	e, err := pool.Reach(t.Context(), r)
	require.NoError(t, err)
	assert.Equal(t, provider.GRPC, e.Method, "the next port was tried")
	select {
	case <-silent.closed:
	case <-time.After(20 * time.Second):
		t.Fatal("the connection that lost is still open")
	}
	// The port that answered is remembered: the silent one is not tried again.
	_, err = pool.Reach(t.Context(), r)
	require.NoError(t, err)
	assert.EqualValues(t, 1, silent.accepted.Load())
}

// The REST gateway was silent and the gRPC port was not: a call took the 8 seconds
// that the question for the version may take.
func TestFieldASilentRESTGatewayCostsTheFirstCallLittle(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, Faults: []string{"rest-hang-accept"}})
	began := time.Now()
	e := w.reach(w.request())
	assert.Less(t, time.Since(began), 3*time.Second)
	assert.Equal(t, provider.GRPC, e.Method)
	assert.Empty(t, e.Version)
	assert.False(t, e.AuthorizationSafe(), "nobody has said that it is")
	_, err := status(t.Context(), e)
	require.NoError(t, err)
}

// Each call to such a provider took another second.
func TestFieldASilentRESTGatewayIsRemembered(t *testing.T) {
	var later atomic.Int64 // nanoseconds by which the clock is ahead
	now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	w := newWorldAt(t, fake.Options{Seed: 1, Faults: []string{"rest-hang-accept"}}, now)
	w.pool.ShortenTimeouts(2) // the first call waits for half a second
	timed := func() time.Duration {
		began := time.Now()
		e := w.reach(w.request())
		assert.Equal(t, provider.GRPC, e.Method)
		return time.Since(began)
	}
	assert.GreaterOrEqual(t, timed(), 500*time.Millisecond)
	for range 3 {
		assert.Less(t, timed(), 400*time.Millisecond)
	}

	// It is asked again after a while, and calls do not wait for that either.
	require.NoError(t, w.fake.ClearFault("rest-hang-accept", ""))
	require.Eventually(t, func() bool {
		later.Add(int64(31 * time.Second))
		assert.Less(t, timed(), 400*time.Millisecond)
		return w.reach(w.request()).Version == "v"+fake.DefaultVersion
	}, 20*time.Second, 50*time.Millisecond)
}

// If both ports were silent, it took 18 seconds until the call failed.
func TestFieldAProviderThatIsSilentOnBothPortsFailsInTime(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, Faults: []string{"rest-hang-accept", "grpc-hang-accept"}})
	w.pool.ShortenTimeouts(4) // 8 s become 2 s
	for _, service := range []string{providerv1.ProviderRPC_ServiceDesc.ServiceName, leasev1.LeaseRPC_ServiceDesc.ServiceName} {
		r := w.request()
		r.Service = service
		began := time.Now()
		refused := w.refusal(r)
		assert.Less(t, time.Since(began), 3500*time.Millisecond)
		assert.Equal(t, codes.Unavailable, refused.Code)
		assert.Contains(t, refused.Message, "it cannot be reached: no answer in time from port")
	}
}

// A slow answer about the version is waited for if it decides what may be sent.
func TestFieldTheVersionIsWaitedForWhereItDecides(t *testing.T) {
	id := newIdentity(t, someone, nil)
	g, _ := grpcServer(t, anyPort, id.config("h2"), nil, ok)
	release := make(chan struct{})
	rest := restServer(t, id, func(w http.ResponseWriter, r *http.Request) {
		<-release
		saysVersion("v0.16.0")(w, r)
	})
	pool := newPool(t, rest.uri, func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} })
	r := pinned(id)
	r.CheckVersion, r.GRPCOnly = true, true
	time.AfterFunc(1500*time.Millisecond, func() { close(release) })
	e, err := pool.Reach(t.Context(), r)
	require.NoError(t, err)
	assert.True(t, e.AuthorizationSafe())
}
