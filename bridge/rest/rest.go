// Package rest presents a provider's REST and WebSocket gateway as the gRPC
// services ProviderRPC, LeaseRPC (AEP-37) and LeaseREST. It knows nothing of
// browsers.
//
// No released provider serves logs, status or manifests of a lease over gRPC,
// and none before v0.5.0 serves gRPC at all: this is how a page reaches them.
package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// Call is one gRPC call, to be answered from a provider's REST gateway.
type Call struct {
	// Endpoint is the provider, reached and verified; its Method is REST.
	Endpoint *provider.Endpoint
	// Provider is its bech32 address.
	Provider string
	// Method is the full gRPC method, such as
	// /akash.provider.lease.v1.LeaseRPC/ServiceLogs.
	Method string
	// Message is the encoded request message.
	Message []byte
	// Next returns the next request message of a method whose requests are a stream,
	// for which Message is not set; io.EOF after the last.
	Next func(context.Context) ([]byte, error)
	// Authorization is the value of the caller's authorization header, "" for
	// none. It goes to routes that ask for an owner and to no other.
	Authorization string
	// ClientCertificate is the certificate that Endpoint.Transport presents, nil
	// for none. It is looked at for its owner and dates, never sent from here.
	ClientCertificate *tls.Certificate
	// Tail is how many lines of history ServiceLogs starts with, per pod.
	// Negative asks for all.
	Tail int
	// Opened, if set, is called once when a stream stands that may be quiet for
	// long, before its first message.
	Opened func()
}

// Options are the settings of an Adapter. The zero value of each field asks for
// its default.
type Options struct {
	// Logger gets what an operator wants to know and no caller can be told;
	// by default nothing is logged.
	Logger *slog.Logger
	// StatusInterval is the time between two looks at a provider's status while
	// somebody streams it, 15 s by default.
	StatusInterval time.Duration
	// LeaseInterval is the time between two looks at a lease's status while
	// somebody follows the lease, 5 s by default.
	LeaseInterval time.Duration
	// Patience is how long a provider may take for the answer to a request, and
	// how long a WebSocket may be silent (a provider pings every 10 s), 45 s by
	// default.
	Patience time.Duration
	// Skipped, if set, is called for each frame of a WebSocket that is not what was
	// asked for, and is passed over. It may be called from several goroutines.
	Skipped func(kind Frame)
}

// Frame is a kind of frame that a provider sends on a WebSocket.
type Frame string

// The kinds of frames.
const (
	FrameEvent   Frame = "event"
	FrameLogLine Frame = "logLine"
	FrameShell   Frame = "shell"
)

// Frames are all kinds.
var Frames = []Frame{FrameEvent, FrameLogLine, FrameShell}

// Adapter answers gRPC calls from the REST gateways of providers. It is safe for
// concurrent use, and keeps nothing that no call is using.
type Adapter struct {
	log            *slog.Logger
	statusInterval time.Duration
	leaseInterval  time.Duration
	patience       time.Duration
	quietInterval  time.Duration
	statusPatience time.Duration // that an open log has for its lease's status
	skipped        func(Frame)

	statuses shared[*providerv1.Status]
	leases   shared[*leaseStatus]
	probes   shared[probe]
}

// New returns an Adapter.
func New(o Options) *Adapter {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Skipped == nil {
		o.Skipped = func(Frame) {}
	}
	return &Adapter{
		log:            o.Logger,
		statusInterval: positive(o.StatusInterval, 15*time.Second),
		leaseInterval:  positive(o.LeaseInterval, 5*time.Second),
		patience:       positive(o.Patience, 45*time.Second),
		quietInterval:  quietInterval,
		statusPatience: 5 * time.Second,
		skipped:        o.Skipped,
	}
}

func positive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// exchange is a call under way: what each method's implementation works with.
type exchange struct {
	*Adapter
	*gateway
	call *Call
	// send hands one encoded message to the caller and returns when it is
	// accepted; the slice may be reused then.
	send func(message []byte) error

	skipping sync.Once // logs the first frame that is skipped
}

// methods are the calls that the adapter answers.
var methods = map[string]func(context.Context, *exchange) error{
	providerv1.ProviderRPC_GetStatus_FullMethodName:                           getStatus,
	providerv1.ProviderRPC_StreamStatus_FullMethodName:                        streamStatus,
	leasev1.LeaseRPC_ServiceStatus_FullMethodName:                             serviceStatus,
	leasev1.LeaseRPC_ServiceLogs_FullMethodName:                               serviceLogs,
	leasev1.LeaseRPC_ServiceRestart_FullMethodName:                            serviceRestart,
	webv1.LeaseREST_SendManifest_FullMethodName:                               sendManifest,
	webv1.LeaseREST_GetManifest_FullMethodName:                                getManifest,
	webv1.LeaseREST_StreamLeaseEvents_FullMethodName:                          streamLeaseEvents,
	webv1.LeaseREST_HostnameMigrate_FullMethodName:                            hostnameMigrate,
	webv1.LeaseREST_EndpointMigrate_FullMethodName:                            endpointMigrate,
	webv1.LeaseShell_Shell_FullMethodName:                                     shell,
	inventoryv1.InventoryService_GetInventorySnapshot_FullMethodName:          inventorySnapshot,
	inventoryv1.InventoryService_GetCommittedInventorySnapshot_FullMethodName: inventorySnapshot,
	webv1.LeaseREST_AttestationQuote_FullMethodName:                           attestationQuote,
}

// Serves reports whether method, a full gRPC method, is one that Serve answers.
func Serves(method string) bool {
	_, ok := methods[method]
	return ok
}

// Serve answers call, handing each encoded response message to send, which is
// called from this goroutine only, may block while the caller does not read, and
// owns the message until it returns. Reading from the provider stops meanwhile.
//
// Serve returns nil for a call that ended well, the error of send as it is, and
// otherwise a *rpcerror.Error that names the provider. No credential outlives it.
func (a *Adapter) Serve(ctx context.Context, call *Call, send func(message []byte) error) error {
	answer, ok := methods[call.Method]
	if !ok {
		return rpcerror.About(call.Provider, codes.Unimplemented,
			rpcerror.New(codes.Unimplemented, rpcerror.ReasonNotImplemented, "%s is not a method that the bridge can answer over REST", call.Method))
	}
	gw, err := newGateway(call, a.patience)
	if err != nil {
		return rpcerror.About(call.Provider, codes.Internal, err)
	}
	var refused error
	err = answer(ctx, &exchange{Adapter: a, gateway: gw, call: call, send: func(message []byte) error {
		refused = send(message)
		return refused
	}})
	switch {
	case err == nil:
		return nil
	case refused != nil && errors.Is(err, refused):
		return refused
	case ctx.Err() != nil:
		return rpcerror.About(call.Provider, codes.Internal, ended(ctx))
	}
	return rpcerror.About(call.Provider, codes.Internal, err)
}

// ended is the error of a call whose context is over.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return rpcerror.New(codes.DeadlineExceeded, "", "the call's deadline passed before the provider was done: %w", ctx.Err())
	}
	return rpcerror.New(codes.Canceled, "", "the call was cancelled: %w", ctx.Err())
}

// opened tells the caller that the stream stands.
func (x *exchange) opened() {
	if x.call.Opened != nil {
		x.call.Opened()
	}
}

// skip passes over a frame that cannot be read as its kind: one bad frame is no
// reason to end a stream. Each is counted, and a call's first is logged, without its
// content, which is the tenant's.
func (x *exchange) skip(kind Frame, frame []byte) {
	x.skipped(kind)
	x.skipping.Do(func() {
		x.log.Warn("skipped a frame that cannot be read; more of this call are not logged",
			"kind", string(kind), "bytes", len(frame), "provider", x.call.Provider, "method", x.call.Method)
	})
}

// request decodes the call's message into m.
func (x *exchange) request(m proto.Message) error { return x.decode(x.call.Message, m) }

// decode decodes a request message of the call's into m.
func (x *exchange) decode(message []byte, m proto.Message) error {
	if err := proto.Unmarshal(message, m); err != nil {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata, "the request message of %s cannot be decoded", x.call.Method)
	}
	return nil
}

// reply encodes m and sends it.
func (x *exchange) reply(m proto.Message) error {
	message, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	return x.send(message)
}
