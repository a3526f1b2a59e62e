package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// Headers and trailers with a call's status (gRPC over HTTP/2, "Responses"), and the
// bridge's own.
const (
	headerStatus  = "Grpc-Status"
	headerMessage = "Grpc-Message"
	headerReason  = "Akash-Error"
	// headerPushback is the number of milliseconds to wait before a retry
	// (https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback).
	headerPushback = "Grpc-Retry-Pushback-Ms"
)

// codeOfHTTP maps the HTTP status of an answer that is not gRPC, as specified in
// https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md.
func codeOfHTTP(status int) codes.Code {
	switch status {
	case http.StatusBadRequest:
		return codes.Internal
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.Unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	}
	return codes.Unknown
}

// codeOfReset maps the error code of a stream that the provider reset (gRPC over
// HTTP/2, "Errors").
func codeOfReset(code http2.ErrCode) codes.Code {
	switch code {
	case http2.ErrCodeRefusedStream:
		return codes.Unavailable
	case http2.ErrCodeCancel:
		return codes.Canceled
	case http2.ErrCodeEnhanceYourCalm:
		return codes.ResourceExhausted
	case http2.ErrCodeInadequateSecurity:
		return codes.PermissionDenied
	}
	return codes.Internal
}

// upstreamError returns the error to report for a failed exchange with the provider.
func upstreamError(err error) *rpcerror.Error {
	var known *rpcerror.Error
	if errors.As(err, &known) {
		return known
	}
	var reset http2.StreamError
	if errors.As(err, &reset) {
		return &rpcerror.Error{Code: codeOfReset(reset.Code), Reason: rpcerror.ReasonProviderGone, Err: err,
			Message: fmt.Sprintf("the provider ended the call early (HTTP/2 %s)", reset.Code)}
	}
	var broken http2.ConnectionError
	if errors.As(err, &broken) {
		return &rpcerror.Error{Code: codes.Internal, Reason: rpcerror.ReasonProviderProtocol, Err: err,
			Message: fmt.Sprintf("the provider violated the HTTP/2 protocol (%s)", http2.ErrCode(broken))}
	}
	return &rpcerror.Error{Code: codes.Unavailable, Reason: rpcerror.ReasonProviderGone, Err: err,
		Message: "the connection to the provider was lost; try again"}
}

// contextError returns why ctx ended: the rpcerror.Error that was its cause, the
// call's deadline, or the client's cancellation.
func contextError(ctx context.Context) *rpcerror.Error {
	cause := context.Cause(ctx)
	var known *rpcerror.Error
	switch {
	case errors.As(cause, &known):
		return known
	case errors.Is(cause, context.DeadlineExceeded):
		return errDeadline
	}
	return errCanceled
}

var (
	errDeadline = rpcerror.New(codes.DeadlineExceeded, "", "the call's deadline passed before the provider had answered")
	errCanceled = rpcerror.New(codes.Canceled, "", "the caller ended the call")
)

// decodeMessage decodes the text of grpc-message. As the specification requires, text
// that is not valid percent-encoding is returned unchanged.
func decodeMessage(text string) string {
	if decoded, err := url.PathUnescape(text); err == nil {
		return decoded
	}
	return text
}

// encodeMessage percent-encodes the text of grpc-message, except for printable ASCII
// other than "%" (gRPC over HTTP/2, "Percent-Byte-Unencoded").
func encodeMessage(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
