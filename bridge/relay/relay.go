// Package relay moves gRPC messages between a page and a provider without
// decoding them. It owns what a call needs on its way: its deadline, its size
// limits, its backpressure, its end in trailers. It knows nothing of certificates
// or of the chain; where a call goes is decided by whoever embeds it.
package relay

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// Handler is a Server that relays calls.
type Handler struct {
	// Accept examines a call by its path and headers, before its body is read. Its
	// error is the call's outcome.
	Accept func(*http.Request) (*Call, error)
	// MaxMessage is the size of the largest message relayed either way, in bytes;
	// 0 means DefaultMaxMessage.
	MaxMessage int
	// Stopping, once done, ends every stream with its cause, or with UNAVAILABLE,
	// so that clients resume elsewhere; nil never stops. Other calls may finish.
	Stopping context.Context
}

// Call is an accepted call.
type Call struct {
	// Provider is named in the call's errors.
	Provider string
	// Streaming says that the answer may be any number of messages.
	Streaming bool
	// Heartbeat is how long a stream may be quiet before an empty message is sent;
	// 0 sends none.
	Heartbeat time.Duration
	// Route finds the way of the call. Its context ends with the call.
	Route func(context.Context) (*Route, error)
	// Done, where set, is told the outcome.
	Done func(Result)
}

// Result is the outcome of a call.
type Result struct {
	Code     codes.Code
	Reason   rpcerror.Reason
	Err      *rpcerror.Error // nil where Code is OK, or where the provider gave the status
	Duration time.Duration
	Received int64 // bytes of messages from the page
	Sent     int64 // bytes of messages to the page
}

// ServeRPC relays one call.
func (h *Handler) ServeRPC(w Response, r *http.Request) {
	start := time.Now()
	call, err := h.Accept(r)
	if err != nil {
		Refuse(w, err)
		return
	}
	x := &exchange{call: call, reply: newReply(w), limit: h.limit(), start: start,
		path: r.URL.Path, contentType: r.Header.Get("Content-Type")}
	x.result.Code = codes.Internal // what a panic leaves
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
		x.unlink() // from the request, which ends when this returns
		detached = w.Detach(x.leave, func() {
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

// begin bounds a call, reads its request and finds its way.
func (h *Handler) begin(x *exchange, r *http.Request) error {
	if err := h.bound(x, r); err != nil {
		return err
	}
	var err error
	if x.request, err = h.read(x.ctx, r.Body); err != nil {
		return err
	}
	x.result.Received = int64(len(x.request))
	if x.route, err = x.call.Route(x.ctx); err != nil {
		if x.ctx.Err() != nil {
			return contextError(x.ctx)
		}
		return err
	}
	x.reply.addHeader(x.route.ReplyHeader, nil)
	return nil
}

// bound sets the context that ends a call: when its page leaves, at its deadline,
// and, if it is a stream, with the bridge.
func (h *Handler) bound(x *exchange, r *http.Request) error {
	timeout, bounded, err := parseTimeout(r.Header)
	if err != nil {
		return err
	}
	x.ctx = r.Context()
	if x.call.Streaming {
		h.boundStream(x, r)
	}
	if bounded {
		x.deadline = x.start.Add(timeout)
		ctx, cancel := context.WithDeadline(x.ctx, x.deadline)
		x.ctx = ctx
		x.releases = append(x.releases, cancel)
	}
	return nil
}

// boundStream sets the context of a stream, which may outlive its request's.
func (h *Handler) boundStream(x *exchange, r *http.Request) {
	ctx, cancel := context.WithCancelCause(context.Background())
	x.ctx = ctx
	x.leave = func() { cancel(nil) }
	x.link(r)
	x.releases = append(x.releases, x.leave)
	if h.Stopping != nil {
		stop := context.AfterFunc(h.Stopping, func() { cancel(stopCause(h.Stopping)) })
		x.releases = append(x.releases, func() { stop() })
	}
}

func (h *Handler) limit() int {
	if h.MaxMessage > 0 {
		return h.MaxMessage
	}
	return DefaultMaxMessage
}

func (h *Handler) read(ctx context.Context, body io.Reader) ([]byte, error) {
	request, err := readRequest(body, h.limit())
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

// stopCause is what to tell the callers of streams that end because the bridge does.
func stopCause(stopping context.Context) error {
	var known *rpcerror.Error
	if cause := context.Cause(stopping); errors.As(cause, &known) {
		return known
	}
	return rpcerror.New(codes.Unavailable, rpcerror.ReasonBridgeStopping, "the bridge is shutting down; call again")
}

// statusOf reads the grpc-status of trailers that have one.
func statusOf(trailers http.Header) codes.Code {
	n, err := strconv.ParseUint(trailers[headerStatus][0], 10, 32)
	if err != nil {
		return codes.Unknown
	}
	return codes.Code(n)
}
