package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/internal/grpcwebtest"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/testserver/fake"
)

// clientKinds are the client certificates that providers refuse, and the words by
// which a page tells which it was.
var clientKinds = map[string]string{
	"expired":     "expired at",
	"notYetValid": "valid from",
	"revoked":     "was revoked on the chain",
	"absent":      "is not on the chain",
	"otherKey":    "another key",
}

// Provider 0.6.4 asked for a client certificate and refused it after the handshake:
// whatever was wrong with it, the page heard that it had not been asked for one, and
// was advised to use a token, which that provider does not know.
func TestFieldARefusedClientCertificateIsToldFromTheOthers(t *testing.T) {
	for _, version := range []string{"0.6.4", "0.14.0"} {
		w := startWorld(t, fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: version, LogLines: 10})
		for kind, says := range clientKinds {
			t.Run(version+"/"+kind, func(t *testing.T) {
				header := w.withCertificate(t, kind)
				for _, call := range []struct {
					path    string
					request proto.Message
				}{
					{pathLogs, &leasev1.ServiceLogsRequest{LeaseId: w.lease()}},
					{pathServices, &leasev1.ServiceStatusRequest{LeaseId: w.lease()}},
				} {
					s := w.refused(t, call.path, header, call.request)
					assert.Equal(t, codes.Unauthenticated, s.Code(), s.Message())
					assert.Equal(t, "certificateNotOnChain", s.Get("akash-error"), s.Message())
					assert.Contains(t, s.Message(), says)
					assert.NotContains(t, s.Message(), "did not ask")
					assert.NotContains(t, s.Message(), "token")
				}
			})
		}
		t.Run(version+"/valid", func(t *testing.T) {
			logs, s := w.history(t, w.withCertificate(t, "valid"), nil)
			require.Equal(t, codes.OK, s.Code(), s.Message())
			requireLogs(t, w.written(t), logs)
		})
	}
}

// What the clock and the chain tell is told before the provider is asked.
func TestFieldAHopelessClientCertificateIsNotSent(t *testing.T) {
	w := startWorld(t, fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: "0.6.4"})
	for _, kind := range []string{"expired", "notYetValid", "revoked", "otherKey"} {
		s := w.refused(t, pathServices, w.withCertificate(t, kind), &leasev1.ServiceStatusRequest{LeaseId: w.lease()})
		assert.Equal(t, "certificateNotOnChain", s.Get("akash-error"), s.Message())
	}
	for _, r := range w.seen(t) {
		assert.NotContains(t, r.Method, "/lease/")
	}
}

// The chain did not answer, and a provider that knows the certificate would have
// taken the call.
func TestFieldAChainThatIsAwayRefusesNoClientCertificate(t *testing.T) {
	w := startWorld(t, fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: "0.14.0", LogLines: 10})
	_, s := w.history(t, w.withCertificate(t, "valid"), nil) // the provider's own certificate is known now
	require.Equal(t, codes.OK, s.Code(), s.Message())
	good, bad := w.withCertificate(t, "valid"), w.withCertificate(t, "revoked")
	for _, fault := range []string{"chain-down", "chain-slow=1h"} {
		w.control(t, http.MethodPost, "/fault?name="+fault, "", nil)
		_, s = w.history(t, good, nil)
		assert.Equal(t, codes.OK, s.Code(), s.Message())
		s = w.refused(t, pathLogs, bad, &leasev1.ServiceLogsRequest{LeaseId: w.lease()})
		assert.Equal(t, "certificateNotOnChain", s.Get("akash-error"), "the provider refuses it: "+s.Message())
		w.control(t, http.MethodDelete, "/fault?name="+strings.Split(fault, "=")[0], "", nil)
	}
}

// The certificate of an account without this lease was reported as a missing scope
// of a token over gRPC, where there was no token.
func TestFieldACertificateOfAnotherAccountIsTheWrongTenants(t *testing.T) {
	for _, options := range []fake.Options{
		{LeaseRPC: fake.DialectNone, ProviderVersion: "0.6.4"},
		{LeaseRPC: fake.DialectNone, ProviderVersion: "0.14.0"},
		{LeaseRPC: fake.DialectAEP37},
	} {
		w := startWorld(t, options)
		s := w.refused(t, pathServices, w.withCertificate(t, "valid&of=stranger"), &leasev1.ServiceStatusRequest{LeaseId: w.lease()})
		assert.Equal(t, "wrongTenant", s.Get("akash-error"), s.Message())
		assert.NotContains(t, s.Message(), "token")
	}
}

// A manifest of 250 KB with a refused client certificate ended as outcomeUnknown in
// 34 of 60 sends, though the provider had refused the connection before it read one.
func TestFieldALargeManifestWithARefusedCertificateIsNotSent(t *testing.T) {
	t.Parallel()
	for version, sends := range map[string]int{"0.6.4": 5, "0.14.0": 60} {
		w := startWorld(t, fake.Options{ProviderVersion: version})
		manifest := w.largeManifest(t, 250<<10)
		refused := w.withCertificate(t, "absent")
		for i := range sends {
			s := w.refused(t, pathSendManifest, refused, &webv1.SendManifestRequest{LeaseId: w.lease(), Manifest: manifest})
			require.Equal(t, "certificateNotOnChain", s.Get("akash-error"), "send %d to %s: %s", i, version, s.Message())
		}
		if version != "0.6.4" { // which hears the request, and refuses it
			assert.Zero(t, w.puts(t))
		}

		// And one that is accepted is sent once.
		before := w.puts(t)
		s, _, err := w.Call(t.Context(), pathSendManifest, w.withCertificate(t, "valid"), &webv1.SendManifestRequest{LeaseId: w.lease(), Manifest: manifest})
		require.NoError(t, err)
		require.Equal(t, codes.OK, s.Code(), s.Message())
		assert.Equal(t, 1, w.puts(t)-before)
	}
}

// refused makes a call that ends without an answer.
func (w *world) refused(t *testing.T, path string, header http.Header, request proto.Message) *grpcwebtest.Stream {
	t.Helper()
	s, messages, err := w.Call(t.Context(), path, header, request)
	require.NoError(t, err)
	require.Empty(t, messages)
	return s
}

// largeManifest is the lease's manifest with so many bytes of blanks, which its
// version does not count.
func (w *world) largeManifest(t *testing.T, size int) []byte {
	t.Helper()
	s, messages, err := w.Call(t.Context(), pathGetManifest, w.withCertificate(t, "valid"), &webv1.GetManifestRequest{LeaseId: w.lease()})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	var m webv1.GetManifestResponse
	require.NoError(t, proto.Unmarshal(messages[0], &m))
	return append(m.GetManifest(), bytes.Repeat([]byte(" "), size)...)
}

// puts counts the manifests that the provider was sent.
func (w *world) puts(t *testing.T) (n int) {
	t.Helper()
	for _, r := range w.seen(t) {
		if strings.HasPrefix(r.Method, http.MethodPut+" ") {
			n++
		}
	}
	return n
}
