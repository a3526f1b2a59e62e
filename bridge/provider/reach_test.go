package provider_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/testserver/fake"
)

func TestProvidersOfEveryVersionAreReached(t *testing.T) {
	for _, c := range []struct {
		version      string
		checkVersion bool
		want         provider.Method
	}{
		{"0.4.8", true, provider.REST},
		{"0.4.8", false, provider.REST}, // no gRPC port answers
		{"0.5.0-rc0", true, provider.GRPC},
		{"0.6.4", true, provider.GRPC},
		{"0.8.4", true, provider.GRPC}, // negotiates no ALPN
		{"0.8.4", false, provider.GRPC},
		{"0.14.0", true, provider.GRPC},
		{"0.14.0", false, provider.GRPC},
		{"0.16.0-rc3", true, provider.GRPC},
		{"0.16.2", true, provider.GRPC},
		{"0.16.0", true, provider.GRPC},
	} {
		t.Run(fmt.Sprintf("%s/check=%t", c.version, c.checkVersion), func(t *testing.T) {
			w := newWorld(t, fake.Options{Seed: 1, ProviderVersion: c.version})
			r := w.request()
			r.CheckVersion = c.checkVersion
			e := w.reach(r)
			assert.Equal(t, c.want, e.Method)
			assert.Equal(t, "chain", e.Verified)
			assert.Equal(t, "one-node", e.Trust)
			assert.Equal(t, w.ready.HostURI, e.HostURI)
			assert.False(t, e.Stale)
			if c.want == provider.GRPC {
				assert.Equal(t, w.byName(w.ready.GRPC), e.Addr)
			} else {
				assert.Equal(t, w.byName(w.ready.REST), e.Addr)
			}
			if c.checkVersion || c.want == provider.REST {
				assert.Equal(t, "v"+c.version, e.Version)
			} else {
				assert.Empty(t, e.Version)
			}
			s, err := status(t.Context(), e)
			require.NoError(t, err)
			if c.want == provider.GRPC {
				assert.NotEmpty(t, s.GetCluster().GetInventory().GetCluster().GetNodes())
			}
		})
	}
}

// Lease calls use gRPC only with a provider whose descriptor is that of AEP-37's
// LeaseRPC. Methods without a gRPC counterpart use REST.
func TestTheProtocolOfLeaseCalls(t *testing.T) {
	lease, manifest := leasev1.LeaseRPC_ServiceDesc.ServiceName, webv1.LeaseREST_ServiceDesc.ServiceName
	for _, c := range []struct {
		dialect fake.Dialect
		version string
		service string
		want    provider.Method
	}{
		{fake.DialectAEP37, "0.16.0", lease, provider.GRPC},
		{fake.DialectSDK, "0.16.0", lease, provider.REST},
		{fake.DialectNone, "0.14.0", lease, provider.REST},
		{fake.DialectNone, "0.4.8", lease, provider.REST},
		{fake.DialectAEP37, "0.16.0", manifest, provider.REST},
	} {
		t.Run(fmt.Sprintf("%s %s to %s", c.dialect, c.service, c.version), func(t *testing.T) {
			w := newWorld(t, fake.Options{Seed: 1, ProviderVersion: c.version, LeaseRPC: c.dialect})
			for _, check := range []bool{true, false} {
				r := w.request()
				r.Service, r.CheckVersion = c.service, check
				e := w.reach(r)
				assert.Equal(t, c.want, e.Method)
				if c.want == provider.REST {
					assert.Equal(t, "v"+c.version, e.Version)
				}
			}
		})
	}
}

// An invalid version leads to REST, as in Akash's Python SDK.
func TestAnUnreadableVersionLeadsToREST(t *testing.T) {
	id := newIdentity(t, someone, nil)
	g, _ := grpcServer(t, anyPort, id.config("h2"), nil, ok)
	for _, answer := range []string{"", "{", `{"akash":{}}`, `{"akash":{"version":"HEAD"}}`, `[]`} {
		rest := restServer(t, id, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
		r := pinned(id)
		r.CheckVersion = true
		e, err := newPool(t, rest.uri, func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} }).Reach(t.Context(), r)
		require.NoError(t, err)
		assert.Equal(t, provider.REST, e.Method, answer)
		assert.Empty(t, e.Version)
	}
	unwell := restServer(t, id, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "kube: unreachable", http.StatusServiceUnavailable)
	})
	r := pinned(id)
	r.CheckVersion = true
	e, err := newPool(t, unwell.uri, func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} }).Reach(t.Context(), r)
	require.NoError(t, err)
	assert.Equal(t, provider.REST, e.Method)
}

// An unreachable REST gateway says nothing about the gRPC port.
func TestWithoutARESTGatewayGRPCIsTried(t *testing.T) {
	id := newIdentity(t, someone, nil)
	g, _ := grpcServer(t, anyPort, id.config("h2"), nil, ok)
	r := pinned(id)
	r.CheckVersion = true
	e, err := newPool(t, uri(closedPort(t)), func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} }).Reach(t.Context(), r)
	require.NoError(t, err)
	assert.Equal(t, provider.GRPC, e.Method)
	assert.Empty(t, e.Version)
	assert.False(t, e.AuthorizationSafe(), "the version is unknown")
}

func TestTheRESTPortIsNotTakenForGRPC(t *testing.T) {
	// It presents the same certificate and answers, but does not speak HTTP/2.
	w := newWorld(t, fake.Options{Seed: 1})
	pool := w.newPool(func(o *provider.Options) {
		o.GRPCPorts = []uint16{port(t, w.ready.REST), port(t, w.ready.GRPC)}
	})
	e, err := pool.Reach(t.Context(), w.request())
	require.NoError(t, err)
	assert.Equal(t, w.byName(w.ready.GRPC), e.Addr)
}

// The port that answered is tried first the next time, until it fails.
func TestTheGRPCPortIsCached(t *testing.T) {
	id := newIdentity(t, someone, nil)
	rest := restServer(t, id, saysVersion("v0.14.0"))
	first := closedPort(t)
	second, stop := grpcServer(t, anyPort, id.config("h2"), nil, ok)
	pool := newPool(t, rest.uri, func(o *provider.Options) { o.GRPCPorts = []uint16{first, second.port} })

	e, err := pool.Reach(t.Context(), pinned(id))
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("localhost:%d", second.port), e.Addr)

	// The provider moves to the first port, and its connections end.
	stop()
	moved, _ := grpcServer(t, fmt.Sprintf("127.0.0.1:%d", first), id.config("h2"), nil, ok)
	require.Eventually(t, func() bool {
		e, err = pool.Reach(t.Context(), pinned(id))
		return err == nil && e.Addr == fmt.Sprintf("localhost:%d", moved.port)
	}, 10*time.Second, 10*time.Millisecond)
	_, err = status(t.Context(), e)
	require.NoError(t, err)
}

func TestAPublicCACertificateForTheProvidersHost(t *testing.T) {
	ca := newIdentity(t, "A CA", nil)
	id := newIdentity(t, "localhost", ca)
	rest := restServer(t, id, saysVersion("v0.14.0"))
	g, _ := grpcServer(t, anyPort, id.config("h2"), nil, ok)
	pool := newPool(t, rest.uri, func(o *provider.Options) {
		o.GRPCPorts = []uint16{g.port}
		o.Roots.AddCert(ca.leaf)
	})
	e, err := pool.Reach(t.Context(), provider.Request{Address: someone, CheckVersion: true})
	require.NoError(t, err)
	assert.Equal(t, provider.GRPC, e.Method)
	assert.Equal(t, "ca", e.Verified)
	assert.Equal(t, "operator", e.Trust, "who said that this is the provider's host")

	// The caller may name the provider's own host, but not another host with a
	// certificate from a CA.
	e, err = pool.Reach(t.Context(), provider.Request{Address: someone, HostURI: rest.uri})
	require.NoError(t, err)
	assert.Equal(t, "ca", e.Verified)
	assert.Equal(t, "operator", e.Trust)
	elsewhere := newPool(t, "https://provider.example.com:8443", func(o *provider.Options) {
		o.GRPCPorts = []uint16{g.port}
		o.Roots.AddCert(ca.leaf)
	})
	_, err = elsewhere.Reach(t.Context(), provider.Request{Address: someone, HostURI: rest.uri})
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f)
	assert.Equal(t, rpcerror.ReasonNotSelfSigned, f.Reason)
}

func TestPinnedAndInsecure(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, Faults: []string{"cert-absent"}})
	assert.Equal(t, rpcerror.ReasonUnknownCertificate, w.refusal(w.request()).Reason)

	r := w.request()
	r.TLS.Insecure = true
	assert.Equal(t, "none", w.reach(r).Verified)
	assert.Equal(t, "none", w.reach(r).Trust)

	// Information from an unverified server is not used.
	assert.Equal(t, rpcerror.ReasonUnknownCertificate, w.refusal(w.request()).Reason)

	r = w.request()
	r.TLS.PinSHA256 = w.pin()
	assert.Equal(t, "pin", w.reach(r).Verified)
	assert.Equal(t, "pin", w.reach(r).Trust)
	r.TLS.PinSHA256 = make([]byte, 32)
	assert.Equal(t, rpcerror.ReasonFingerprintMismatch, w.refusal(r).Reason)
}

func TestNothingIsSentToAServerWithAWrongCertificate(t *testing.T) {
	for name, want := range map[string]rpcerror.Reason{
		"cert-expired":         rpcerror.ReasonExpired,
		"cert-not-yet-valid":   rpcerror.ReasonNotYetValid,
		"cert-foreign":         rpcerror.ReasonWrongOwner,
		"cert-revoked":         rpcerror.ReasonRevoked,
		"cert-absent":          rpcerror.ReasonUnknownCertificate,
		"cert-other-key":       rpcerror.ReasonFingerprintMismatch,
		"cert-not-self-signed": rpcerror.ReasonNotSelfSigned,
	} {
		for _, check := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/check=%t", name, check), func(t *testing.T) {
				w := newWorld(t, fake.Options{Seed: 1, Faults: []string{name}})
				r := w.request()
				r.CheckVersion = check
				f := w.refusal(r)
				assert.Equal(t, codes.FailedPrecondition, f.Code)
				assert.Equal(t, want, f.Reason)
				assert.Contains(t, f.Error(), w.ready.Provider)
				assert.Empty(t, w.requests())
			})
		}
	}
}

func TestACertificateReplacedWhileRunningIsAccepted(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, Faults: []string{"cert-swap"}})
	for range 3 {
		// Each uses its own pool, and thus its own connection.
		pool := w.newPool(nil)
		e, err := pool.Reach(t.Context(), w.request())
		require.NoError(t, err)
		assert.Equal(t, "chain", e.Verified)
	}
}

func TestErrorsOfUnreachableProviders(t *testing.T) {
	for fault_, want := range map[string]struct {
		code codes.Code
		says string
	}{
		"refuse":      {codes.Unavailable, "refuses connections"},
		"hang-accept": {codes.Unavailable, "no answer in time"},
		"tls12":       {codes.Internal, "TLS 1.3"},
	} {
		t.Run(fault_, func(t *testing.T) {
			w := newWorld(t, fake.Options{Seed: 1, Faults: []string{fault_}})
			w.pool.ShortenTimeouts(20)
			for _, check := range []bool{true, false} {
				r := w.request()
				r.CheckVersion = check
				f := w.refusal(r)
				assert.Equal(t, want.code, f.Code)
				assert.Contains(t, f.Message, want.says)
				assert.Contains(t, f.Message, fmt.Sprintf("port %d", port(t, w.ready.GRPC)))
				assert.Contains(t, f.Message, fmt.Sprintf("port %d", port(t, w.ready.REST)))
			}
		})
	}
}

// A gRPC port that sends garbage is treated as closed: REST is used.
func TestGarbageOnTheGRPCPortLeadsToREST(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, Faults: []string{"garbage-frames"}})
	e := w.reach(w.request())
	assert.Equal(t, provider.REST, e.Method)
	_, err := status(t.Context(), e)
	require.NoError(t, err)
}

// A provider that hangs in its answers was reached; the call's deadline counts.
func TestAHangingVersionIsNotWaitedForLongerThanTheCaller(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, Faults: []string{"hang-accept"}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := w.pool.Reach(ctx, w.request())
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f)
	assert.Equal(t, codes.DeadlineExceeded, f.Code)
	assert.Contains(t, f.Error(), w.ready.Provider)

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = w.pool.Reach(ctx, w.request())
	require.ErrorAs(t, err, &f)
	assert.Equal(t, codes.Canceled, f.Code)
}

func TestTheChainsTroublesAreTold(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1})
	r := w.request()
	r.Address = w.ready.Lease.Owner
	assert.Equal(t, rpcerror.ReasonUnknownProvider, w.refusal(r).Reason)

	for _, name := range []string{"chain-down", "chain-500", "chain-garbage"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fake.Options{Seed: 1, Faults: []string{name}})
			f := w.refusal(w.request())
			assert.Equal(t, codes.Unavailable, f.Code)
			assert.Equal(t, rpcerror.ReasonChainUnavailable, f.Reason)
			assert.Contains(t, f.Error(), w.ready.ChainRPC)

			// With the host by another's word, the certificate still needs the chain.
			r := w.request()
			r.HostURI = w.ready.HostURI
			assert.Equal(t, rpcerror.ReasonChainUnavailable, w.refusal(r).Reason)
		})
	}
}

func TestWithoutAChainAProviderIsReachedByItsOverride(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1})
	pool := w.newPool(func(o *provider.Options) {
		o.Chain = nil
		o.Overrides = map[string]string{w.ready.Provider: w.ready.HostURI}
	})
	r := w.request()
	r.TLS.PinSHA256 = w.pin()
	e, err := pool.Reach(t.Context(), r)
	require.NoError(t, err)
	assert.Equal(t, provider.GRPC, e.Method)

	var f *rpcerror.Error
	_, err = pool.Reach(t.Context(), w.request())
	require.ErrorAs(t, err, &f)
	assert.Equal(t, rpcerror.ReasonChainUnavailable, f.Reason)
	_, err = pool.Reach(t.Context(), provider.Request{Address: someone})
	require.ErrorAs(t, err, &f)
	assert.Equal(t, rpcerror.ReasonUnknownProvider, f.Reason)
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for address, host := range map[string]string{"akash1nobody": "https://provider.example.com", someone: "http://provider.example.com"} {
		_, err := provider.New(provider.Options{Overrides: map[string]string{address: host}})
		assert.Error(t, err)
	}
}

func TestRequestsThatMakeNoSense(t *testing.T) {
	pool := newPool(t, "https://provider.example.com:8443", nil)
	for _, c := range []struct {
		r      provider.Request
		reason rpcerror.Reason
	}{
		{provider.Request{}, rpcerror.ReasonMalformedAddress},
		{provider.Request{Address: someone[:43] + "x"}, rpcerror.ReasonMalformedAddress},
		{provider.Request{Address: someone, HostURI: "http://provider.example.com"}, rpcerror.ReasonMalformedMetadata},
		{provider.Request{Address: someone, HostURI: "https://provider.example.com/x"}, rpcerror.ReasonMalformedMetadata},
	} {
		_, err := pool.Reach(t.Context(), c.r)
		var f *rpcerror.Error
		require.ErrorAs(t, err, &f)
		assert.Equal(t, codes.InvalidArgument, f.Code)
		assert.Equal(t, c.reason, f.Reason)
	}
}

func TestAddresses(t *testing.T) {
	for _, good := range []string{someone, "akash1rk090a6mq9gvm0h6ljf8kz8mrxglwwxsk4srxh", "akash1w3jhxap3rltrmq"} {
		assert.NoError(t, provider.CheckAddress(good))
	}
	for _, bad := range []string{
		"", "akash", "akash1", "cosmos1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv", "AKASH1MAXGCW0JEJA5H30V75WJ8ADS76KS0N0988DYNV",
		someone + "q", someone[1:], someone[:43], someone[:43] + "w", " " + someone, "akash1" + someone, "akash1\x00",
	} {
		assert.Error(t, provider.CheckAddress(bad), bad)
	}
}

// Whoever mistypes a character of an address is told that it is a character.
func TestMistypedAddress(t *testing.T) {
	for i := len("akash1"); i < len(someone); i++ {
		other := byte('q')
		if someone[i] == other {
			other = 'p'
		}
		mistyped := someone[:i] + string(other) + someone[i+1:]
		assert.ErrorContains(t, provider.CheckAddress(mistyped), "its checksum is wrong", mistyped)
	}
	assert.NotContains(t, provider.CheckAddress(someone[:43]).Error(), "checksum")
	assert.NotContains(t, provider.CheckAddress(someone[:43]+"B").Error(), "checksum")
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]struct{ grpc, authorization bool }{
		"v0.4.8":                   {false, false},
		"0.4.8":                    {false, false},
		"v0.5.0-rc0":               {true, false},
		"v0.5.0":                   {true, false},
		"v0.14.1":                  {true, false},
		"v0.15.0-rc0":              {true, false},
		"v0.16.0-0":                {true, false},
		"v0.16.0-beta1":            {true, false},
		"v0.16.0-0.20260601-abc":   {true, false},
		"v0.16.0-a0":               {true, true},
		"0.16.0-rc3":               {true, true},
		"v0.16.0":                  {true, true},
		"v0.16.0+dirty":            {true, true},
		"v0.17.0-rc0":              {true, true},
		"v1.0.0":                   {true, true},
		"":                         {false, false},
		"HEAD":                     {false, false},
		"v0.16.0-rc3 or something": {false, false},
	} {
		assert.Equal(t, want.grpc, provider.SpeaksGRPC(version), version)
		assert.Equal(t, want.authorization, provider.AuthorizationSafe(version), version)
	}
}
