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
	marketv1 "akash-provider-web/proto/akash/market/v1"
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
	// Deployment, if set, returns an error if the credential cannot be for a deployment.
	Deployment func(id *marketv1.LeaseID) error
	// Opened, if set, is called once when a stream stands that may be quiet for long.
	Opened func()
}

// method is how a method of the page's services is answered.
type method struct {
	name string // the SDK's method
	// last says that the method is for providers whose REST gateway cannot be reached,
	// because the gateway can do more.
	last  bool
	serve func(ctx context.Context, call *Call, send func(message []byte) error) error
}

// methods are the methods that the SDK's LeaseRPC answers.
var methods = map[string]method{
	webv1.LeaseREST_AttestationQuote_FullMethodName: {"AttestationQuote", false, attestationQuote},
	// With follow it is answered by StreamServiceStatus.
	leasev1.LeaseRPC_ServiceStatus_FullMethodName: {"ServiceStatus", false, serviceStatus},
	// With follow it is answered by StreamServiceLogs. Over REST lines have a replica,
	// and a broken log can always be resumed.
	leasev1.LeaseRPC_ServiceLogs_FullMethodName: {"ServiceLogs", true, serviceLogs},
	// REST carries the JSON unchanged, whose hash the provider compares with the chain's.
	webv1.LeaseREST_SendManifest_FullMethodName: {"SendManifest", true, sendManifest},
}

// Method returns the method of the SDK's LeaseRPC that answers a full gRPC method, or
// "" if none does. last says that it is for providers whose REST gateway cannot be
// reached.
func Method(full string) (name string, last bool) { return methods[full].name, methods[full].last }

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

// decode decodes the request's message into m.
func (c *Call) decode(m proto.Message) error {
	if err := proto.Unmarshal(c.Message, m); err != nil {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata, "the request message of %s cannot be decoded", c.Method)
	}
	return nil
}

// serviceStatus answers AEP-37's ServiceStatus, whose response has the form of the
// SDK's.
func serviceStatus(ctx context.Context, call *Call, send func(message []byte) error) error {
	var request leasev1.ServiceStatusRequest
	if err := call.decode(&request); err != nil {
		return err
	}
	message, err := proto.Marshal(&sdkv1.ServiceStatusRequest{LeaseId: request.GetLeaseId(), Services: services(request.GetFilter())})
	switch {
	case err != nil:
		return err
	case request.GetFollow():
		return call.invoke(ctx, "StreamServiceStatus", message, send)
	}
	return call.status(ctx, message, send)
}

// status asks for the status of services once. It uses the stream where a unary call might
// not be survived.
func (c *Call) status(ctx context.Context, message []byte, send func(message []byte) error) error {
	if c.unarySafe() {
		return c.invoke(ctx, "ServiceStatus", message, send)
	}
	once := *c
	once.Opened = nil
	received := false
	var failed error
	err := once.invoke(ctx, "StreamServiceStatus", message, func(message []byte) error {
		received, failed = true, send(message)
		return errEnough
	})
	switch {
	case failed != nil:
		return failed
	case received && err == errEnough:
		return nil
	case err == nil:
		return protocolError("it ended the stream of statuses without a status")
	}
	return err
}

// errEnough ends a stream of which no more is wanted.
var errEnough = errors.New("sdk: no more is wanted")

// unarySafe reports whether a unary call certainly does not crash the provider
// (proto/akash-provider-api.md, section 1.4).
func (c *Call) unarySafe() bool {
	return c.Header.Get("Authorization") == "" || c.Endpoint.AuthorizationSafe()
}

// services returns the services that a filter selects, nil for all.
func services(filter *leasev1.ServiceFilter) []string {
	if name := filter.GetName(); name != "" {
		return []string{name}
	}
	return nil
}
