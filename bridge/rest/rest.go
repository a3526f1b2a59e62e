// Package rest presents a provider's REST and WebSocket gateway as gRPC services:
// ProviderRPC, LeaseRPC (AEP-37) and LeaseREST. It does not know browsers.
//
// No released provider serves logs, status or manifests of a lease over AEP-37's gRPC, and
// none before v0.5.0 serves gRPC at all. This package makes them available to pages.
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

	"akash-provider-web/bridge/internal/strikes"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trace"
	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// A Call is one gRPC call that is answered from a provider's REST gateway.
type Call struct {
	// Endpoint is the verified connection to the provider; its Method is REST.
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
	// Authorization is the value of the caller's authorization header, or "". It is sent
	// only to routes that require an owner.
	Authorization string
	// ClientCertificate is the certificate that Endpoint.Transport presents, or nil. Only
	// its owner and dates are used here.
	ClientCertificate *tls.Certificate
	// Tail is how many lines of history ServiceLogs starts with, per pod.
	// Negative asks for all.
	Tail int
	// Opened, if set, is called once when a stream that may be silent for long has been
	// opened, before its first message.
	Opened func()
}

// Options are the settings of an Adapter. A zero value selects the default.
type Options struct {
	// Logger gets messages for the operator. By default nothing is logged.
	Logger *slog.Logger
	// StatusInterval is the interval at which a provider's status is polled while it is
	// streamed, 15 s by default.
	StatusInterval time.Duration
	// LeaseInterval is the interval at which a lease's status is polled while the lease is
	// followed, 5 s by default.
	LeaseInterval time.Duration
	// Patience is the time limit of a request, and how long a WebSocket may be silent (a
	// provider pings every 10 s), 45 s by default.
	Patience time.Duration
	// Skipped, if set, is called for each frame of a WebSocket that is skipped because it
	// is not of the expected kind. It may be called from several goroutines.
	Skipped func(kind Frame)
}

// A Frame is a kind of frame that a provider sends on a WebSocket.
type Frame string

// The kinds of frames.
const (
	FrameEvent   Frame = "event"
	FrameLogLine Frame = "logLine"
	FrameShell   Frame = "shell"
)

// Frames lists all kinds.
var Frames = []Frame{FrameEvent, FrameLogLine, FrameShell}

// An Adapter answers gRPC calls from the REST gateways of providers. It is safe for
// concurrent use, and keeps nothing that no call uses.
type Adapter struct {
	log            *slog.Logger
	statusInterval time.Duration
	leaseInterval  time.Duration
	patience       time.Duration
	quietInterval  time.Duration
	statusPatience time.Duration // that an open log has for its lease's status
	skipped        func(Frame)

	// failing has what could not be answered because of the provider's answers.
	failing strikes.Book[question]

	statuses shared[*providerv1.Status]
	large    keptStatuses
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

// exchange is a call in progress, as the methods' implementations use it.
type exchange struct {
	*Adapter
	*gateway
	call *Call
	from *trace.Request
	// send passes one encoded message to the caller and returns when it has been accepted.
	// The slice may then be reused.
	send func(message []byte) error

	skipping sync.Once // logs the first skipped frame
}

// methods are the methods that the adapter implements.
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

// Serve answers call and passes each encoded response message to send. It calls send from
// this goroutine only. send may block while the caller does not read, and owns the message
// until it returns. Reading from the provider stops meanwhile.
//
// Serve returns nil for a successful call, an error of send unchanged, and otherwise a
// *rpcerror.Error that names the provider. Credentials are not kept after it returns.
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
	attempt, err := a.begin(call, gw)
	if err != nil {
		return err
	}
	var refused error
	err = answer(ctx, &exchange{Adapter: a, gateway: gw, call: call, from: trace.Of(ctx), send: func(message []byte) error {
		refused = send(message)
		return refused
	}})
	switch {
	case err == nil:
		attempt.succeeded()
		return nil
	case refused != nil && errors.Is(err, refused):
		attempt.unknown()
		return refused
	case ctx.Err() != nil:
		attempt.unknown()
		return rpcerror.About(call.Provider, codes.Internal, ended(ctx))
	}
	failure := rpcerror.About(call.Provider, codes.Internal, err)
	attempt.failed(failure)
	return failure
}

// ended returns the error of a call whose context has ended.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return rpcerror.New(codes.DeadlineExceeded, "", "the call's deadline passed before the provider was done: %w", ctx.Err())
	}
	return rpcerror.New(codes.Canceled, "", "the call was cancelled: %w", ctx.Err())
}

// opened reports that the stream is open.
func (x *exchange) opened() {
	if x.call.Opened != nil {
		x.call.Opened()
	}
}

// skip skips a frame that cannot be decoded: one bad frame does not end a stream. Each is
// counted, and a call's first one is logged without its content, which is the tenant's.
func (x *exchange) skip(kind Frame, frame []byte) {
	x.skipped(kind)
	x.skipping.Do(func() {
		x.log.Warn("skipped a frame that cannot be read; more of this call are not logged",
			"requestId", x.from.ID, "kind", string(kind), "bytes", len(frame), "provider", x.call.Provider, "method", x.call.Method)
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
