package rest

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/rpcerror"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

var testNonce = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("n", nonceSize)))

func quoteFrom(t *testing.T, h http.HandlerFunc, request *webv1.AttestationQuoteRequest) (*webv1.AttestationQuoteResponse, error) {
	call := callOf(t, gatewayOf(t, h), webv1.LeaseREST_AttestationQuote_FullMethodName, request)
	call.Authorization = bearer(token(nil))
	var got received[webv1.AttestationQuoteResponse, *webv1.AttestationQuoteResponse]
	if err := testAdapter().Serve(testContext(t), call, got.take); err != nil {
		return nil, err
	}
	require.Len(t, got.messages, 1)
	return got.messages[0], nil
}

// The nonce goes to the lease's route, and the evidence comes back as it is.
func TestAttestationQuote(t *testing.T) {
	quote, err := quoteFrom(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "POST /lease/1234/1/1/attestation/quote", r.Method+" "+r.URL.Path)
		assert.True(t, strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "))
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.JSONEq(t, `{"nonce":"`+testNonce+`","bind_tls":true}`, string(body))
		io.WriteString(w, `{"report":"cmVwb3J0","cert_chain":"Y2VydHM=","tee_platform":"snp-gpu","auxblob":"YXV4",
			"gpu_reports":[{"device_index":0,"report":"MA=="},{"device_index":1,"report":"MQ=="}],"tls_bound":true}`)
	}, &webv1.AttestationQuoteRequest{LeaseId: testLease(), Nonce: testNonce, BindTls: true})
	require.NoError(t, err)
	want := &webv1.AttestationQuoteResponse{
		Report: "cmVwb3J0", CertChain: "Y2VydHM=", TeePlatform: "snp-gpu", Auxblob: "YXV4", TlsBound: true,
		GpuReports: []*webv1.AttestationGPUReport{{Report: "MA=="}, {DeviceIndex: 1, Report: "MQ=="}},
	}
	assert.True(t, proto.Equal(want, quote), "%v", quote)
}

// A provider without attestation, a lease that is not confidential and a refused request
// have different errors.
func TestRefusedAttestationQuote(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		code   codes.Code
		reason rpcerror.Reason
		says   string
	}{
		{"before v0.15.0", says(404, "404 page not found\n"), codes.Unimplemented, rpcerror.ReasonNotImplemented, "it (v0.14.1) cannot attest leases: provider v0.15.0 and later can"},
		{"not confidential", says(404, "attestation quote failed: no running pod with attestation sidecar in namespace abc\n"), codes.FailedPrecondition, rpcerror.ReasonNoRunningPods, "trusted execution environment"},
		{"no such lease", says(404, "attestation quote failed: kube: no deployment\n"), codes.NotFound, rpcerror.ReasonUnknownLease, "no deployment"},
		{"no scope", says(401, `{"message":"unauthorized access"}`), codes.PermissionDenied, rpcerror.ReasonScopeMissing, `"attestation"`},
		{"nonsense", says(200, "{}"), codes.Internal, rpcerror.ReasonProviderProtocol, "not an attestation quote"},
		{"too long", says(200, strings.Repeat(" ", maxQuote+1)), codes.Internal, rpcerror.ReasonProviderProtocol, "longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := quoteFrom(t, tt.answer, &webv1.AttestationQuoteRequest{LeaseId: testLease(), Nonce: testNonce})
			assert.Equal(t, tt.code, requireFault(t, err).Code)
			assert.Equal(t, tt.reason, requireFault(t, err).Reason)
			assert.Contains(t, err.Error(), tt.says)
		})
	}
	for _, nonce := range []string{"", "!", base64.StdEncoding.EncodeToString(make([]byte, 63))} {
		_, err := quoteFrom(t, func(http.ResponseWriter, *http.Request) { t.Error("sent") }, &webv1.AttestationQuoteRequest{LeaseId: testLease(), Nonce: nonce})
		assert.Equal(t, codes.InvalidArgument, requireFault(t, err).Code)
	}
}
