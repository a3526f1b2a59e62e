package gateway

import (
	"context"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/trace"
)

// spanName returns the name of a call's span, which is that of its method
// (https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/#span-name). Callers may send
// any path, so others have one name.
func spanName(path string) string {
	if _, ok := methods[path]; ok {
		return path[1:]
	}
	return "unknown"
}

// beginUpstream begins the span of what the provider is asked, which is one for all
// attempts, and has it propagated in header.
func (c *call) beginUpstream(ctx context.Context, header http.Header) {
	if c.upstream == nil {
		c.upstream = trace.Begin(ctx, trace.Client, "call provider")
	}
	c.upstream.Propagate(header)
}

// endSpans ends the spans of a call. endpoint is nil if none was connected.
func (c *call) endSpans(endpoint *provider.Endpoint, result relay.Result) {
	if c.span == nil {
		return
	}
	if endpoint != nil {
		for _, s := range []*trace.Span{c.span, c.upstream} {
			s.Set("akash.method", string(endpoint.Method))
			s.Set("akash.endpoint", endpoint.Addr)
			s.Set("akash.verified", endpoint.Verified)
			s.Set("akash.trust", endpoint.Trust)
			s.Set("akash.provider.version", endpoint.Version)
		}
	}
	if c.upstream != nil && failed(result.Code) {
		c.upstream.Fail(result.Code.String())
	}
	c.upstream.End()
	c.span.SetInt("akash.received", result.Received)
	c.span.SetInt("akash.sent", result.Sent)
	service, method, _ := strings.Cut(strings.TrimPrefix(c.method.Path, "/"), "/")
	c.span.Set("rpc.service", service)
	c.span.Set("rpc.method", method)
	endSpan(c.span, c.protocol, c.request.Address, result)
}

// endSpan ends the span of a call.
func endSpan(s *trace.Span, protocol relay.Protocol, address string, result relay.Result) {
	if s == nil {
		return
	}
	s.Set("rpc.system", "grpc")
	s.SetInt("rpc.grpc.status_code", int64(result.Code))
	s.Set("akash.protocol", string(protocol))
	s.Set("akash.provider", address)
	s.Set("akash.reason", string(result.Reason))
	if failed(result.Code) {
		message := result.Code.String()
		if result.Err != nil {
			message = result.Err.Message
		}
		s.Fail(message)
	}
	s.End()
}

// failed reports whether a call's code is a failure of the bridge or the provider, rather
// than of the caller
// (https://opentelemetry.io/docs/specs/semconv/rpc/grpc/#grpc-status).
func failed(code codes.Code) bool {
	switch code {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	}
	return false
}
