package relay

import (
	"context"
	"net/http"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// Route says who answers a call.
type Route struct {
	// ReplyHeader is sent to the client with the answer's headers, or with its error.
	ReplyHeader http.Header
	// Upstream answers the call.
	Upstream Upstream
}

// An Upstream answers calls: a *GRPC, an *Ahead, a Func or a Duplex.
type Upstream interface {
	answer(*exchange) error
}

// GRPC is a provider that speaks gRPC. Its messages are forwarded unchanged.
type GRPC struct {
	// Transport connects to the provider over HTTP/2. It may retry a request only if
	// the provider certainly has not processed it.
	Transport http.RoundTripper
	// Authority is the provider's host:port, for the :authority header.
	Authority string
	// Header is the metadata for the provider. The relay adds the headers of gRPC
	// itself.
	Header http.Header
	// Downstream reports whether a response header of the provider, given by its
	// canonical name, may be sent to the client.
	Downstream func(key string) bool
	// Explain, if set, may replace the provider's error status by a more helpful
	// error. nil keeps the provider's.
	Explain func(code codes.Code, message string) *rpcerror.Error
}

// Func answers a call whose request is one message. It must return an error of
// Answer.Send unchanged.
type Func func(ctx context.Context, request []byte, a *Answer) error
