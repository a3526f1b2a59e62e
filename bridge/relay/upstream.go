package relay

import (
	"context"
	"net/http"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// Route is the way of a call.
type Route struct {
	// ReplyHeader is sent to the page with the headers of the answer, or with its
	// error.
	ReplyHeader http.Header
	// Upstream answers the call.
	Upstream Upstream
}

// An Upstream answers calls: a *GRPC or a Func.
type Upstream interface {
	answer(*exchange) error
}

// GRPC is a provider that speaks gRPC: its messages pass as they are.
type GRPC struct {
	// Transport reaches the provider over HTTP/2. It may send a request again, but
	// only one that the provider for certain has not processed.
	Transport http.RoundTripper
	// Authority is the provider's host:port, for the :authority header.
	Authority string
	// Header is the metadata that goes to the provider. The relay adds its own.
	Header http.Header
	// Downstream says which of the provider's response headers go to the page; it is
	// asked by their canonical names.
	Downstream func(key string) bool
	// Explain, where set, may replace an error status of the provider by one that
	// says more; nil keeps the provider's.
	Explain func(code codes.Code, message string) *rpcerror.Error
}

// Func answers a call whose request is one message. It returns an error of Answer.Send
// as it is.
type Func func(ctx context.Context, request []byte, a *Answer) error
