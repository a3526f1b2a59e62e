// Package relay forwards gRPC messages between a client and a provider without
// decoding them. It enforces a call's deadline and size limits, applies backpressure,
// and ends every call with trailers. It knows nothing about certificates or the chain;
// the Handler's user decides where a call goes.
package relay

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/flood"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trace"
)

// Handler is a Server that relays calls.
type Handler struct {
	// Accept decides about a call by its path and headers, before its body is read. A
	// call that it returns an error for ends with that error.
	Accept func(*http.Request, Protocol) (*Call, error)
	// MaxMessage is the size limit of a relayed message in either direction, in
	// bytes; 0 means DefaultMaxMessage.
	MaxMessage int
	// Stopping, when canceled, ends every stream with its cause, or with UNAVAILABLE,
	// so that clients resume elsewhere. Unary and duplex calls, which cannot be resumed,
	// may finish. nil never cancels.
	Stopping context.Context
	// Cutoff, when canceled, ends duplex calls, too. Unary calls end with their
	// requests' contexts. nil never cancels.
	Cutoff context.Context
}

// Call is an accepted call.
type Call struct {
	// Provider is the address that the call's errors name.
	Provider string
	// Streaming says that the answer may have any number of messages.
	Streaming bool
	// Duplex says that the request, too, may have any number of messages, and goes on
	// while the call is answered. Such a call is Streaming, and its Upstream a Duplex.
	Duplex bool
	// Heartbeat is how long a stream may be idle before an empty message is sent; 0
	// sends none.
	Heartbeat time.Duration
	// Route connects the call to its provider. Its context ends with the call.
	Route func(context.Context) (*Route, error)
	// Memory, if set, accounts for the memory of large requests.
	Memory Memory
	// Done, if set, receives the call's result.
	Done func(Result)
}

// Memory accounts for the memory of a request until it is sent on.
type Memory interface {
	// Wait accounts for n more bytes. The call ends with the error that it returns.
	Wait(n int) error
	// Sent says that the request's memory is free.
	Sent()
}

// Result is the result of a call.
type Result struct {
	Code     codes.Code
	Reason   rpcerror.Reason
	Err      *rpcerror.Error // nil if Code is OK, or if the status is the provider's
	Duration time.Duration
	Received int64 // bytes of messages from the client
	Sent     int64 // bytes of messages to the client
}

// ServeRPC relays one call.
func (h *Handler) ServeRPC(w Response, r *http.Request) {
	start := time.Now()
	call, err := h.Accept(r, w.Protocol())
	if err != nil {
		Refuse(w, err)
		return
	}
	x := &exchange{call: call, reply: newReply(w), limit: h.limit(), start: start,
		path: r.URL.Path, contentType: r.Header.Get("Content-Type")}
	x.result.Code = codes.Internal // for a handler that panics
	detached := false
	defer func() {
		if !detached {
			x.end()
		}
	}()
	if err := h.begin(x, r); err != nil {
		x.fail(err)
		return
	}
	if call.Streaming {
		x.unlink() // the request's context ends when ServeRPC returns
		detached = w.Detach(x.cancel, func() {
			defer x.end()
			x.serve()
		})
		if detached {
			return
		}
		x.link(r)
	}
	x.serve()
}

// costByte is about what each byte of a request costs that no provider gets: 5 ms for a
// megabyte, which is read, copied and collected (package flood).
const costByte = 5 * time.Nanosecond

// begin sets the call's context, reads its request and finds its route.
func (h *Handler) begin(x *exchange, r *http.Request) error {
	if err := h.setContext(x, r); err != nil {
		return err
	}
	var err error
	if x.call.Duplex {
		err = h.startDuplex(x, r)
	} else {
		x.request, err = h.read(x, r)
		x.result.Received = int64(len(x.request))
	}
	if err != nil {
		return err
	}
	if x.route, err = x.call.Route(x.ctx); err != nil {
		flood.Charge(r.Context(), time.Duration(len(x.request))*costByte)
		if x.ctx.Err() != nil {
			return contextError(x.ctx)
		}
		return err
	}
	x.reply.addHeader(x.route.ReplyHeader, nil)
	x.route.ReplyHeader = nil
	return nil
}

// setContext sets the context that ends a call: when its client disconnects, at its
// deadline, and, for a stream, when the bridge stops.
func (h *Handler) setContext(x *exchange, r *http.Request) error {
	timeout, bounded, err := parseTimeout(r.Header)
	if err != nil {
		return err
	}
	x.ctx = r.Context()
	if x.call.Streaming {
		h.setStreamContext(x, r)
	}
	if bounded {
		x.deadline = x.start.Add(timeout)
		ctx, cancel := context.WithDeadline(x.ctx, x.deadline)
		x.ctx = ctx
		x.releases = append(x.releases, cancel)
	}
	return nil
}

// setStreamContext sets the context of a stream, which may outlive its request's.
func (h *Handler) setStreamContext(x *exchange, r *http.Request) {
	// Not the request's context without its end, which would keep the request's memory.
	ctx, cancel := context.WithCancelCause(trace.With(context.Background(), trace.Of(r.Context())))
	x.ctx = ctx
	x.cancel = func() { cancel(nil) }
	x.link(r)
	x.releases = append(x.releases, x.cancel)
	end := h.Stopping
	if x.call.Duplex {
		end = h.Cutoff
	}
	if end != nil {
		stop := context.AfterFunc(end, func() { cancel(stopCause(end)) })
		x.releases = append(x.releases, func() { stop() })
	}
}

func (h *Handler) limit() int {
	if h.MaxMessage > 0 {
		return h.MaxMessage
	}
	return DefaultMaxMessage
}

func (h *Handler) read(x *exchange, r *http.Request) ([]byte, error) {
	ctx := x.ctx
	request, err := readRequest(r.Body, h.limit(), x.call.Memory, func(bytes int) {
		flood.Charge(r.Context(), time.Duration(bytes)*costByte)
	})
	var known *rpcerror.Error
	switch {
	case err == nil || errors.As(err, &known):
		return request, err
	case ctx.Err() != nil:
		return nil, contextError(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &rpcerror.Error{Code: codes.DeadlineExceeded, Message: "the request's body did not arrive in time", Err: err}
	}
	return nil, &rpcerror.Error{Code: codes.InvalidArgument, Message: "the request's body could not be read", Err: err}
}

// stopCause is the error of streams that end because the bridge stops.
func stopCause(stopping context.Context) error {
	var known *rpcerror.Error
	if cause := context.Cause(stopping); errors.As(cause, &known) {
		return known
	}
	return Stopped()
}

// Stopped returns the error of calls that end because the bridge stops.
func Stopped() *rpcerror.Error {
	return rpcerror.New(codes.Unavailable, rpcerror.ReasonBridgeStopping, "the bridge is shutting down; call again")
}

// statusOf returns the grpc-status of trailers, which must have one.
func statusOf(trailers http.Header) codes.Code {
	n, err := strconv.ParseUint(trailers[headerStatus][0], 10, 32)
	if err != nil {
		return codes.Unknown
	}
	return codes.Code(n)
}
