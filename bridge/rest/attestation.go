package rest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

const (
	// nonceSize is the size of a nonce and of a report's report data, in bytes.
	nonceSize = 64
	// maxQuote limits a response with evidence. A CPU's report is some kilobytes, each
	// GPU's some tens of kilobytes.
	maxQuote = 4 << 20
)

// attestationQuote answers LeaseREST/AttestationQuote
// (proto/akash-provider-api.md, section 2.12).
func attestationQuote(ctx context.Context, x *exchange) error {
	var request webv1.AttestationQuoteRequest
	if err := x.request(&request); err != nil {
		return err
	}
	if err := x.checkLease(request.GetLeaseId()); err != nil {
		return err
	}
	if nonce, err := base64.StdEncoding.DecodeString(request.GetNonce()); err != nil || len(nonce) != nonceSize {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonRequestRefused, "the nonce must be %d bytes in base64", nonceSize)
	}
	body, err := json.Marshal(map[string]any{"nonce": request.GetNonce(), "bind_tls": request.GetBindTls()})
	if err != nil {
		return err
	}
	text, err := x.do(ctx, http.MethodPost, leaseRoute(request.GetLeaseId(), "attestation/quote", scopeAttestation), body, maxQuote)
	if err != nil {
		return x.quoteRefusal(err)
	}
	var quote struct {
		Report     string `json:"report"`
		CertChain  string `json:"cert_chain"`
		Platform   string `json:"tee_platform"`
		AuxBlob    string `json:"auxblob"`
		GPUReports []struct {
			DeviceIndex uint32 `json:"device_index"`
			Report      string `json:"report"`
		} `json:"gpu_reports"`
		TLSBound bool `json:"tls_bound"`
	}
	if err := json.Unmarshal(text, &quote); err != nil || quote.Report == "" {
		return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "it answered with something that is not an attestation quote")
	}
	answer := &webv1.AttestationQuoteResponse{
		Report: quote.Report, CertChain: quote.CertChain, TeePlatform: quote.Platform, Auxblob: quote.AuxBlob, TlsBound: quote.TLSBound,
	}
	for _, gpu := range quote.GPUReports {
		answer.GpuReports = append(answer.GpuReports, &webv1.AttestationGPUReport{DeviceIndex: gpu.DeviceIndex, Report: gpu.Report})
	}
	return x.reply(answer)
}

// quoteRefusal returns the error of a request for a quote, which says what the provider or
// the lease lacks.
func (x *exchange) quoteRefusal(err error) error {
	var e *rpcerror.Error
	switch {
	case !errors.As(err, &e):
	case e.Code == codes.Unimplemented && e.Reason == rpcerror.ReasonNotImplemented:
		return rpcerror.New(codes.Unimplemented, rpcerror.ReasonNotImplemented, "it%s cannot attest leases: provider v0.15.0 and later can", x.gateway.named())
	case strings.Contains(e.Message, textNoSidecar):
		return notConfidential()
	}
	return err
}

// textNoSidecar is the provider's message if it found no confidential pod of the lease.
const textNoSidecar = "attestation sidecar in namespace"

func notConfidential() *rpcerror.Error {
	return rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonNoRunningPods, "no running pod of the lease can attest itself: only those of services that ask for a trusted execution environment can")
}
