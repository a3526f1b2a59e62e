// Package sdk speaks the SDK's LeaseRPC with a provider. It presents the service,
// which has AEP-37's name and other messages, as the services that pages call. It
// knows nothing of browsers.
package sdk

import (
	"context"
	"errors"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// service is the name that the SDK's LeaseRPC has at providers.
var service = leasev1.LeaseRPC_ServiceDesc.ServiceName

// Call is one call of a page, to be answered by a provider's LeaseRPC.
type Call struct {
	// Endpoint is the provider, connected and verified, with SDK set.
	Endpoint *provider.Endpoint
	// Provider is its bech32 address.
	Provider string
	// Method is the full gRPC method that the page calls.
	Method string
	// Message is the encoded request message.
	Message []byte
	// Header is the metadata of the request, the credential included. Serve adds to it.
	Header http.Header
	// Explain, if set, returns why the provider ended the call with a status, or nil if
	// the status says all there is.
	Explain func(code codes.Code, message string) *rpcerror.Error
	// Opened, if set, is called once when a stream stands that may be quiet for long.
	Opened func()
}

// method is how a method of the page's services is answered.
type method struct {
	name  string // the SDK's method
	serve func(ctx context.Context, call *Call, send func(message []byte) error) error
}

// methods are the methods that the SDK's LeaseRPC answers. Logs are not among them: its
// ServiceLogs does not tell one replica's lines from another's, so they could be neither
// put together nor recognised when they come again; over REST they can. Nor are
// manifests: the provider compares the hash of their JSON with the chain's, and REST
// carries that JSON unchanged.
var methods = map[string]method{
	webv1.LeaseREST_AttestationQuote_FullMethodName: {"AttestationQuote", attestationQuote},
	// With follow it is answered by StreamServiceStatus.
	leasev1.LeaseRPC_ServiceStatus_FullMethodName: {"ServiceStatus", serviceStatus},
}

// Method returns the method of the SDK's LeaseRPC that answers a full gRPC method, or
// "" if none does.
func Method(full string) string { return methods[full].name }

// ErrNotImplemented is the error of a call whose method the provider lists and does not
// implement. Nothing has been sent to the page then.
var ErrNotImplemented = errors.New("sdk: the provider does not implement the method")

// Serve answers call, handing each encoded response message to send, which may block
// while the page does not read; reading from the provider stops meanwhile.
//
// Serve returns nil for a call that ended well, ErrNotImplemented, the error of send as
// it is, and otherwise a *rpcerror.Error that names the provider.
func Serve(ctx context.Context, call *Call, send func(message []byte) error) error {
	var refused error
	sent := false
	err := methods[call.Method].serve(ctx, call, func(message []byte) error {
		sent = true
		refused = send(message)
		return refused
	})
	if err == ErrNotImplemented && sent {
		err = rpcerror.New(codes.Unimplemented, rpcerror.ReasonNotImplemented, "it ended its answer as one to a method that it does not implement")
	}
	if err == nil || err == ErrNotImplemented || refused != nil && errors.Is(err, refused) {
		return err
	}
	return rpcerror.About(call.Provider, codes.Internal, err)
}

// attestationQuote answers LeaseREST/AttestationQuote, whose messages have the form of
// the SDK's.
func attestationQuote(ctx context.Context, call *Call, send func(message []byte) error) error {
	return call.invoke(ctx, "AttestationQuote", call.Message, send)
}

// serviceStatus answers AEP-37's ServiceStatus, whose response has the form of the
// SDK's.
func serviceStatus(ctx context.Context, call *Call, send func(message []byte) error) error {
	var request leasev1.ServiceStatusRequest
	if err := proto.Unmarshal(call.Message, &request); err != nil {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata, "the request message of %s cannot be decoded", call.Method)
	}
	theirs := &sdkv1.ServiceStatusRequest{LeaseId: request.GetLeaseId()}
	if name := request.GetFilter().GetName(); name != "" {
		theirs.Services = []string{name}
	}
	message, err := proto.Marshal(theirs)
	if err != nil {
		return err
	}
	if request.GetFollow() {
		return call.invoke(ctx, "StreamServiceStatus", message, send)
	}
	return call.invoke(ctx, "ServiceStatus", message, send)
}
