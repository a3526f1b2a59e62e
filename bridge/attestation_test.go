package main

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/internal/grpcwebtest"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/testserver/fake"
)

const pathQuote = webv1.LeaseREST_AttestationQuote_FullMethodName

// nonce is one of the right length, in base64.
var nonce = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("n", 64)))

// quote asks for an attestation.
func (w *world) quote(t *testing.T, header http.Header) (*webv1.AttestationQuoteResponse, *grpcwebtest.Stream) {
	t.Helper()
	s, messages, err := w.Call(t.Context(), pathQuote, header, &webv1.AttestationQuoteRequest{LeaseId: w.lease(), Nonce: nonce})
	require.NoError(t, err)
	if s.Code() != codes.OK {
		return nil, s
	}
	var answer webv1.AttestationQuoteResponse
	require.Len(t, messages, 1)
	require.NoError(t, proto.Unmarshal(messages[0], &answer))
	return &answer, s
}

// Attestation goes over gRPC where the provider serves the SDK's LeaseRPC and survives
// a token, and over REST otherwise. The evidence is the same.
func TestAttestationQuoteOverEveryDialect(t *testing.T) {
	for _, tt := range []struct {
		version string
		dialect fake.Dialect
		method  string
	}{
		{"0.15.0-rc0", fake.DialectSDK, "rest"}, // it would not survive the token
		{"0.16.0-rc3", fake.DialectSDK, "grpc"},
		{"0.16.2", fake.DialectSDK, "grpc"},
		{"0.16.2", fake.DialectNone, "rest"},
		{"0.16.2", fake.DialectAEP37, "rest"},
	} {
		t.Run(tt.version+", "+string(tt.dialect), func(t *testing.T) {
			w := startWorld(t, fake.Options{ProviderVersion: tt.version, LeaseRPC: tt.dialect, TEE: fake.TEESNPGPU})
			for name, header := range map[string]http.Header{"a token": w.withToken(), "a certificate": w.withCertificate(t, "valid")} {
				answer, s := w.quote(t, header)
				require.Equal(t, codes.OK, s.Code(), s.Message())
				assert.Equal(t, tt.method, s.Header.Get("Akash-Method"), name)
				assert.Equal(t, "snp-gpu", answer.GetTeePlatform())
				assert.Len(t, answer.GetGpuReports(), 2)
				report, err := base64.StdEncoding.DecodeString(answer.GetReport())
				require.NoError(t, err)
				assert.Equal(t, strings.Repeat("n", 64), string(report[0x50:0x90]))
			}
			assert.False(t, w.crashed(t))
		})
	}
}

// A client of the SDK gets a quote under its own path, over gRPC and over REST, and the
// refusals as they are.
func TestAnSDKClientGetsAQuote(t *testing.T) {
	for dialect, method := range map[fake.Dialect]string{fake.DialectSDK: "grpc", fake.DialectNone: "rest"} {
		w := startWorld(t, fake.Options{ProviderVersion: "0.16.2", LeaseRPC: dialect, TEE: fake.TEESNPGPU})
		sdk := w.dial(t, underPath("/"+w.fake.Provider+"/chain-sdk")...)
		request := &sdkv1.AttestationQuoteRequest{LeaseId: w.lease(), Nonce: nonce}
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+w.fake.JWT)
		var quote sdkv1.AttestationQuoteResponse
		var header metadata.MD
		require.NoError(t, sdk.Invoke(ctx, sdkLease("AttestationQuote"), request, &quote, grpc.Header(&header)))
		assert.Equal(t, []string{method}, header.Get("akash-method"))
		assert.Equal(t, "snp-gpu", quote.GetTeePlatform())
		assert.False(t, quote.GetTlsBound())
		require.Len(t, quote.GetGpuReports(), 2)
		assert.NotEmpty(t, quote.GetGpuReports()[1].GetReport())
		assert.EqualValues(t, 1, quote.GetGpuReports()[1].GetDeviceIndex())
		report, err := base64.StdEncoding.DecodeString(quote.GetReport())
		require.NoError(t, err)
		assert.Equal(t, strings.Repeat("n", 64), string(report[0x50:0x90]))

		err = sdk.Invoke(t.Context(), sdkLease("AttestationQuote"), request, &quote)
		assert.Equal(t, codes.Unauthenticated, status.Code(err), "%v", err)
		request.Nonce = "short"
		err = sdk.Invoke(ctx, sdkLease("AttestationQuote"), request, &quote)
		assert.Equal(t, codes.InvalidArgument, status.Code(err), "%v", err)
	}
}

// What a provider or a lease lacks for an attestation is told alike over gRPC and REST.
func TestAttestationQuoteThatCannotBe(t *testing.T) {
	for _, dialect := range []fake.Dialect{fake.DialectSDK, fake.DialectNone} {
		w := startWorld(t, fake.Options{ProviderVersion: "0.16.0-rc3", LeaseRPC: dialect})
		_, s := w.quote(t, w.withToken())
		assert.Equal(t, codes.FailedPrecondition, s.Code(), "%s: %s", dialect, s.Message())
		assert.Equal(t, "noRunningPods", s.Get("akash-error"))
		scoped := w.token(t, "", `{"leases":{"access":"granular","permissions":[{"provider":"`+w.fake.Provider+`","access":"scoped","scope":["logs"]}]}}`)
		_, s = w.quote(t, w.to("Authorization", "Bearer "+scoped))
		assert.Equal(t, codes.PermissionDenied, s.Code(), "%s: %s", dialect, s.Message())
		assert.Contains(t, s.Message(), `"attestation"`)
	}
	w := startWorld(t, fake.Options{ProviderVersion: "0.14.0", TEE: fake.TEESNP})
	_, s := w.quote(t, w.withToken())
	assert.Equal(t, codes.Unimplemented, s.Code(), s.Message())
	assert.Contains(t, s.Message(), "cannot attest leases")
}

// A method of the SDK's LeaseRPC that a provider lists and does not implement is asked
// for once on a connection. From then on the call goes over REST at once.
func TestAMethodThatIsOnlyListedIsAskedForOnce(t *testing.T) {
	w := startWorld(t, fake.Options{ProviderVersion: "0.16.2", LeaseRPC: fake.DialectSDK})
	for range 3 {
		s, messages, err := w.Call(t.Context(), pathServices, w.withToken(), &leasev1.ServiceStatusRequest{LeaseId: w.lease()})
		require.NoError(t, err)
		require.Equal(t, codes.OK, s.Code(), s.Message())
		assert.Equal(t, "rest", s.Header.Get("Akash-Method"))
		assert.Equal(t, strings.Replace(w.fake.REST, "127.0.0.1", "localhost", 1), s.Header.Get("Akash-Endpoint"))
		assert.Len(t, messages, 1)
	}
	asked := 0
	for _, r := range w.seen(t) {
		if r.Method == pathServices {
			asked++
		}
	}
	assert.Equal(t, 1, asked)
}

// The status of services is followed over the SDK's StreamServiceStatus where there is
// one. What a provider refuses has the same code and reason as over REST.
func TestServiceStatusInTheSDKsDialect(t *testing.T) {
	w := startWorld(t, fake.Options{ProviderVersion: "0.16.2", LeaseRPC: fake.DialectSDKFull})
	ctx, leave := context.WithTimeout(t.Context(), time.Minute)
	defer leave()
	s, err := w.Open(ctx, pathServices, w.withToken(), &leasev1.ServiceStatusRequest{LeaseId: w.lease(), Filter: &leasev1.ServiceFilter{Name: "db"}, Follow: true})
	require.NoError(t, err)
	defer s.Close()
	total := func() int32 {
		t.Helper()
		message, err := s.Next()
		require.NoError(t, err, s.Message())
		var m leasev1.ServiceStatusResponse
		require.NoError(t, proto.Unmarshal(message, &m))
		require.Len(t, m.GetServices(), 1)
		assert.Equal(t, "db", m.GetServices()[0].GetName())
		return m.GetServices()[0].GetStatus().GetTotal()
	}
	assert.EqualValues(t, 2, total())
	assert.Equal(t, "grpc", s.Header.Get("Akash-Method"))
	w.control(t, http.MethodPost, "/grow?service=db", "", nil)
	for total() != 3 {
	}

	refused := func(header http.Header, filter *leasev1.ServiceFilter) (codes.Code, string) {
		s, _, err := w.Call(t.Context(), pathServices, header, &leasev1.ServiceStatusRequest{LeaseId: w.lease(), Filter: filter})
		require.NoError(t, err)
		return s.Code(), s.Get("akash-error")
	}
	code, reason := refused(w.to(), nil)
	assert.Equal(t, codes.Unauthenticated, code)
	assert.Equal(t, "credentialMissing", reason)
	code, reason = refused(w.withToken(), &leasev1.ServiceFilter{Name: "none"})
	assert.Equal(t, codes.NotFound, code)
	assert.Equal(t, "unknownService", reason)
	code, reason = refused(w.to("Authorization", "Bearer "+w.token(t, "key=forged", "")), nil)
	assert.Equal(t, codes.Unauthenticated, code)
	assert.Equal(t, "tokenInvalid", reason)
}
