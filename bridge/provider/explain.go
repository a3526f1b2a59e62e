package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/h2"
	"akash-provider-web/bridge/rpcerror"
)

// explain converts a network error into an rpcerror.Error that says what failed, on
// which port. An *rpcerror.Error is returned unchanged.
func explain(ctx context.Context, err error, port uint16, during string) error {
	var f *rpcerror.Error
	if errors.As(err, &f) {
		return f
	}
	newError := func(code codes.Code, reason rpcerror.Reason, format string, args ...any) error {
		return &rpcerror.Error{Code: code, Reason: reason, Message: fmt.Sprintf(format, args...), Err: err}
	}
	unreachable := func(format string, args ...any) error {
		return newError(codes.Unavailable, rpcerror.ReasonProviderUnreachable, format, args...)
	}
	protocol := func(format string, args ...any) error {
		return newError(codes.Internal, rpcerror.ReasonProviderProtocol, format, args...)
	}
	var record tls.RecordHeaderError
	var timeout net.Error
	text := err.Error()
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(ctx.Err(), context.Canceled):
		return newError(codes.Canceled, rpcerror.ReasonProviderUnreachable, "the call ended during %s on port %d", during, port)
	case errors.Is(err, syscall.ECONNREFUSED):
		return unreachable("port %d refuses connections", port)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return unreachable("no network path leads to port %d", port)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return unreachable("no answer in time from port %d during %s", port, during)
	case errors.As(err, &record):
		return protocol("port %d does not speak TLS", port)
	case strings.Contains(text, "protocol version not supported"), strings.Contains(text, "unsupported protocol version"):
		return protocol("port %d does not speak TLS 1.3, as every provider must", port)
	case errors.Is(err, h2.ErrNotHTTP2):
		return protocol("port %d does not speak HTTP/2, so it is no gRPC port", port)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return unreachable("port %d closed the connection during %s", port, during)
	case strings.Contains(text, "tls: "):
		return protocol("%s failed on port %d (%s)", during, port, clip(text, 200))
	}
	return unreachable("%s failed on port %d (%s)", during, port, clip(text, 200))
}

// refusedClient reports whether a server closed the connection because of the client's
// certificate. In TLS 1.3 that alert arrives after the handshake, with the first read
// (proto/akash-provider-api.md, section 1.3).
func refusedClient(err error) bool {
	text := err.Error()
	return strings.Contains(text, "remote error: tls: ") && strings.Contains(text, "certificate")
}

// cannotReach returns the error for a provider that could be reached neither over gRPC
// nor over REST.
func cannotReach(failures ...error) error {
	err := joined(failures...)
	var f *rpcerror.Error
	if errors.As(err, &f) && (f.Reason == rpcerror.ReasonProviderUnreachable || f.Reason == rpcerror.ReasonProviderProtocol) {
		return &rpcerror.Error{Code: f.Code, Reason: f.Reason, Message: "it cannot be reached: " + f.Message, Err: f.Err}
	}
	return err
}

// joined combines the errors of several ports. An error that has priority, such as a
// refused certificate, must not be hidden by a closed port.
func joined(failures ...error) error {
	var all []*rpcerror.Error
	for _, err := range failures {
		var f *rpcerror.Error
		if errors.As(err, &f) {
			all = append(all, f)
		}
	}
	for _, reason := range priorities {
		for _, f := range all {
			if reason(f) {
				return f
			}
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("unreachable: %w", errors.Join(failures...))
	}
	code, why := codes.Unavailable, rpcerror.ReasonProviderUnreachable
	var texts []string
	for _, f := range all {
		if !slices.Contains(texts, f.Message) {
			texts = append(texts, f.Message)
		}
		// A port that does not speak HTTP/2 is just not the gRPC port. A violation
		// of TLS, however, is an error of the provider, for which retries do not
		// help.
		if f.Reason == rpcerror.ReasonProviderProtocol && !errors.Is(f, h2.ErrNotHTTP2) {
			code, why = codes.Internal, rpcerror.ReasonProviderProtocol
		}
	}
	return &rpcerror.Error{Code: code, Reason: why, Message: strings.Join(texts, "; "), Err: errors.Join(failures...)}
}

// priorities lists the errors that take precedence over those of other ports, in
// order.
var priorities = []func(*rpcerror.Error) bool{
	func(f *rpcerror.Error) bool { return f.Code == codes.FailedPrecondition },
	func(f *rpcerror.Error) bool { return f.Code == codes.Unauthenticated },
	func(f *rpcerror.Error) bool { return f.Code == codes.PermissionDenied },
	func(f *rpcerror.Error) bool { return f.Reason == rpcerror.ReasonHostNotFound },
	func(f *rpcerror.Error) bool { return f.Reason.OfChain() },
	func(f *rpcerror.Error) bool { return f.Code == codes.Canceled || f.Code == codes.DeadlineExceeded },
}
