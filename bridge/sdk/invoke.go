package sdk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/internal/h2"
	"akash-provider-web/bridge/rpcerror"
)

// maxMessage bounds a message of a provider, in bytes: what gRPC clients accept.
const maxMessage = 4 << 20

// maxText bounds the provider's own text in an error, in bytes.
const maxText = 1 << 10

// invoke calls a method of the provider's LeaseRPC and hands each message of the answer
// to receive, which owns it until it returns.
//
// A token is sent with a unary method only if the provider survives it.
func (c *Call) invoke(ctx context.Context, name string, message []byte, receive func([]byte) error) error {
	if !strings.HasPrefix(name, "Stream") && !c.unarySafe() {
		return rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonNotAllowed,
			"a token on %s would crash providers before v0.16.0, and this one did not report its version: authenticate with a client certificate instead", name)
	}
	response, err := c.Endpoint.Transport.RoundTrip(c.request(ctx, name, message))
	if err != nil {
		return lost(ctx, err)
	}
	defer response.Body.Close() // resets the stream if it has not ended
	if contentType := response.Header.Get("Content-Type"); !strings.HasPrefix(contentType, "application/grpc") {
		return protocolError("it answered on its gRPC port with HTTP %d and something other than gRPC", response.StatusCode)
	}
	trailer := response.Header // of an answer without messages
	if response.Header.Get("Grpc-Status") == "" {
		if c.Opened != nil {
			c.Opened()
		}
		if err := readMessages(response.Body, receive); err != nil {
			var unread *readError
			if errors.As(err, &unread) {
				return lost(ctx, unread.err)
			}
			return err
		}
		trailer = response.Trailer
	}
	return c.end(ctx, trailer)
}

// request returns the request of a call.
func (c *Call) request(ctx context.Context, name string, message []byte) *http.Request {
	body := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	body = append(body, message...)
	header := c.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/grpc")
	header.Set("Te", "trailers")
	header.Set("User-Agent", grpcwire.UserAgent)
	header.Del("Grpc-Timeout")
	if deadline, ok := ctx.Deadline(); ok {
		header.Set("Grpc-Timeout", strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10)+"m")
	}
	r := &http.Request{
		Method:        http.MethodPost,
		URL:           &url.URL{Scheme: "https", Host: c.Endpoint.Addr, Path: "/" + service + "/" + name},
		Host:          c.Endpoint.Addr,
		Header:        header,
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return r.WithContext(ctx)
}

// end returns the error that an answer's trailers stand for.
func (c *Call) end(ctx context.Context, trailer http.Header) error {
	status, err := strconv.ParseUint(trailer.Get("Grpc-Status"), 10, 32)
	if err != nil {
		return protocolError("it ended its answer without a status")
	}
	code, text := codes.Code(status), trailer.Get("Grpc-Message")
	if decoded, err := url.PathUnescape(text); err == nil {
		text = decoded
	}
	text = strings.ToValidUTF8(text[:min(len(text), maxText)], "")
	switch {
	case code == codes.OK:
		return nil
	case code == codes.Unimplemented:
		return ErrNotImplemented
	case ctx.Err() != nil:
		return ended(ctx)
	}
	if c.Explain != nil {
		if known := c.Explain(code, text); known != nil {
			return known
		}
	}
	return rpcerror.New(code, rpcerror.ReasonRequestRefused, "%s", text)
}

// readError is the error of a read from the provider.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }

// readMessages reads the messages of an answer until it ends.
func readMessages(body io.Reader, receive func([]byte) error) error {
	var message []byte
	for {
		var prefix [grpcwire.PrefixSize]byte
		switch _, err := io.ReadFull(body, prefix[:]); {
		case err == io.EOF:
			return nil
		case err != nil:
			return &readError{err}
		}
		length := binary.BigEndian.Uint32(prefix[1:])
		switch {
		case prefix[0] != 0:
			return protocolError("it sent a compressed message, which was not asked for")
		case length > maxMessage:
			return rpcerror.New(codes.ResourceExhausted, rpcerror.ReasonProviderProtocol, "it sent a message of %d bytes; the limit is %d", length, maxMessage)
		}
		if uint32(cap(message)) < length {
			message = make([]byte, length)
		}
		message = message[:length]
		if _, err := io.ReadFull(body, message); err != nil {
			return &readError{err}
		}
		if err := receive(message); err != nil {
			return err
		}
	}
}

// lost returns the error of a call whose connection broke.
func lost(ctx context.Context, err error) error {
	var known *rpcerror.Error
	switch {
	case ctx.Err() != nil:
		return ended(ctx)
	case errors.As(err, &known):
		return known
	}
	cause := err
	if !h2.Unsent(err) {
		cause = &brokenError{err}
	}
	return &rpcerror.Error{
		Code: codes.Unavailable, Reason: rpcerror.ReasonProviderGone, Err: cause,
		Message: fmt.Sprintf("the connection to its gRPC port broke: %v", err),
	}
}

// brokenError is the cause of the error of a call that may have been processed.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// ended returns the error of a call whose context is over.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return rpcerror.New(codes.DeadlineExceeded, "", "the call's deadline passed before the provider was done: %w", ctx.Err())
	}
	return rpcerror.New(codes.Canceled, "", "the call was cancelled: %w", ctx.Err())
}

func protocolError(format string, args ...any) error {
	return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, format, args...)
}
