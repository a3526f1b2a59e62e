package sdk

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/manifest"
	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// manifestPatience is the time limit for a manifest: a provider waits up to 120 s for the
// chain and the cluster.
const manifestPatience = 150 * time.Second

// sendManifest answers LeaseREST/SendManifest. It sends the manifest once.
func sendManifest(ctx context.Context, call *Call, send func(message []byte) error) error {
	var request webv1.SendManifestRequest
	if err := call.decode(&request); err != nil {
		return err
	}
	id := request.GetLeaseId()
	if call.Deployment != nil {
		if err := call.Deployment(id); err != nil {
			return err
		}
	}
	groups, err := manifest.Parse(request.GetManifest())
	if err != nil {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonManifestRefused, "the manifest cannot be sent over gRPC, and the provider's REST gateway does not answer: it %w", err)
	}
	message, err := proto.Marshal(&sdkv1.SendManifestRequest{
		// Callers may leave out what REST does not need.
		LeaseId: &marketv1.LeaseID{
			Owner: id.GetOwner(), Dseq: id.GetDseq(), Gseq: max(id.GetGseq(), 1), Oseq: max(id.GetOseq(), 1), Provider: call.Provider, Bseq: id.GetBseq(),
		},
		Manifest: groups,
	})
	if err != nil {
		return err
	}
	patient, cancel := context.WithTimeoutCause(ctx, manifestPatience, errPatience)
	defer cancel()
	err = call.invoke(patient, "SendManifest", message, send)
	var e *rpcerror.Error
	var broken *brokenError
	switch {
	case err == nil, err == ErrNotImplemented, !errors.As(err, &e), ctx.Err() != nil:
		return err
	case errors.As(err, &broken), context.Cause(patient) == errPatience:
		return outcomeUnknown("no answer came", err)
	case e.Code == codes.DeadlineExceeded, e.Code == codes.Canceled, strings.Contains(e.Message, "context deadline exceeded"), strings.Contains(e.Message, "context canceled"):
		return outcomeUnknown("the provider gave the request up", err)
	}
	return err
}

var errPatience = errors.New("sdk: the provider took too long")

func outcomeUnknown(how string, err error) error {
	return rpcerror.New(codes.Unknown, rpcerror.ReasonOutcomeUnknown, "the manifest was sent and %s, so it may be in effect; ask for the lease's status before sending it again (%w)", how, err)
}
