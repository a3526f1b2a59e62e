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

	"akash-provider-web/bridge/fault"
)

// Handler relays calls. It expects requests and writes answers as
// grpcweb.WrapHandler translates them: gRPC over HTTP/2 as net/http presents it.
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

// Route is the way of a call.
type Route struct {
	// ReplyHeader is sent to the page with the headers of the answer, or with its
	// error.
	ReplyHeader http.Header

	// Transport reaches the provider over HTTP/2.
	Transport http.RoundTripper
	// Authority is the provider's host:port, for the :authority header.
	Authority string
	// Header is the metadata that goes to the provider. The relay adds its own.
	Header http.Header
	// Downstream says which of the provider's response headers go to the page; it is
	// asked by their canonical names.
	Downstream func(key string) bool

	// Explain, where set, is told the provider's status where it is an error, and
	// may put one that says more in its place; nil keeps the provider's.
	Explain func(code codes.Code, message string) *fault.Error

	// Serve, where set, answers the call, whose request is one message, instead of a
	// provider at Transport. It returns an error of Answer.Send as it is.
	Serve func(ctx context.Context, request []byte, a *Answer) error
}

// Result is the outcome of a call.
type Result struct {
	Code     codes.Code
	Reason   fault.Reason
	Err      *fault.Error // nil where Code is OK, or where the provider gave the status
	Duration time.Duration
	Received int64 // bytes of messages from the page
	Sent     int64 // bytes of messages to the page
}

// ServeHTTP relays one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	reply := newReply(w, r.Header.Get("Content-Type"))
	call, err := h.Accept(r)
	if err != nil {
		reply.finish(trailersOf(faultOf(err, "")))
		return
	}
	result := Result{Code: codes.Internal} // what a panic leaves
	defer func() {
		result.Duration, result.Sent = time.Since(start), reply.end()
		if call.Done != nil {
			call.Done(result)
		}
	}()
	result, err = h.serve(r, call, reply)
	if err != nil {
		told := faultOf(err, call.Provider)
		reply.finish(trailersOf(told))
		result.Code, result.Reason, result.Err = told.Code, told.Reason, told
	}
}

// serve moves an accepted call. An error is still to be told to the page.
//
// Quiet streams wait below this frame and ServeHTTP's by the thousand, so what is
// done once, before, has frames of its own.
func (h *Handler) serve(r *http.Request, call *Call, reply *reply) (result Result, err error) {
	var x exchange
	ctx, release, err := h.bound(r, call, &x)
	if err != nil {
		return result, err
	}
	defer release()
	request, err := h.begin(ctx, r.Body, call, reply, &x)
	result.Received = int64(len(request))
	if err != nil {
		return result, err
	}
	if x.route.Serve != nil {
		return result, h.answer(ctx, call, x.route, request, reply)
	}
	trailers, err := x.run(ctx, r.URL.Path, r.Header.Get("Content-Type"), request)
	if err != nil {
		return result, err
	}
	reply.finish(trailers)
	result.Code = statusOf(trailers)
	return result, nil
}

// bound returns the context that ends a call: with its deadline, or, if it is a
// stream, with the bridge.
func (h *Handler) bound(r *http.Request, call *Call, x *exchange) (context.Context, func(), error) {
	timeout, bounded, err := parseTimeout(r.Header)
	if err != nil {
		return nil, nil, err
	}
	ctx, release := r.Context(), func() {}
	if bounded {
		x.deadline = time.Now().Add(timeout)
		ctx, release = context.WithDeadline(ctx, x.deadline)
	}
	if call.Streaming && h.Stopping != nil {
		ctx, release = h.untilStopping(ctx, release)
	}
	return ctx, release, nil
}

// untilStopping returns a context that ends with ctx, or with the bridge.
func (h *Handler) untilStopping(ctx context.Context, release func()) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(h.Stopping, func() { cancel(stopCause(h.Stopping)) })
	return ctx, func() {
		stop()
		cancel(nil)
		release()
	}
}

// begin reads the request and finds its way, which it notes in x.
func (h *Handler) begin(ctx context.Context, body io.Reader, call *Call, reply *reply, x *exchange) (request []byte, err error) {
	request, err = h.read(ctx, body)
	if err != nil {
		return nil, err
	}
	route, err := call.Route(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = contextError(ctx)
		}
		return request, err
	}
	reply.addHeader(route.ReplyHeader, nil)
	if call.Heartbeat > 0 && call.Streaming {
		reply.keepAlive(call.Heartbeat)
	}
	x.call, x.route, x.reply, x.limit = call, route, reply, h.limit()
	return request, nil
}

// answer lets route.Serve answer a call.
func (h *Handler) answer(ctx context.Context, call *Call, route *Route, request []byte, reply *reply) error {
	if err := h.ask(ctx, call, route, request, reply); err != nil {
		return err
	}
	reply.finish(http.Header{headerStatus: {"0"}})
	return nil
}

func (h *Handler) ask(ctx context.Context, call *Call, route *Route, request []byte, reply *reply) error {
	message, err := oneMessage(request)
	if err != nil {
		return err
	}
	a := newAnswer(reply, h.limit(), call.Streaming)
	defer a.close()
	err = route.Serve(ctx, message, a)
	if err != nil && ctx.Err() != nil {
		return contextError(ctx)
	}
	return err
}

func (h *Handler) limit() int {
	if h.MaxMessage > 0 {
		return h.MaxMessage
	}
	return DefaultMaxMessage
}

func (h *Handler) read(ctx context.Context, body io.Reader) ([]byte, error) {
	request, err := readRequest(body, h.limit())
	var known *fault.Error
	switch {
	case err == nil || errors.As(err, &known):
		return request, err
	case ctx.Err() != nil:
		return nil, contextError(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &fault.Error{Code: codes.DeadlineExceeded, Message: "the request's body did not arrive in time", Err: err}
	}
	return nil, &fault.Error{Code: codes.InvalidArgument, Message: "the request's body could not be read", Err: err}
}

// stopCause is what to tell the callers of streams that end because the bridge does.
func stopCause(stopping context.Context) error {
	var known *fault.Error
	if cause := context.Cause(stopping); errors.As(cause, &known) {
		return known
	}
	return fault.New(codes.Unavailable, fault.ReasonBridgeStopping, "the bridge is shutting down; call again")
}

// statusOf reads the grpc-status of trailers that have one.
func statusOf(trailers http.Header) codes.Code {
	n, err := strconv.ParseUint(trailers[headerStatus][0], 10, 32)
	if err != nil {
		return codes.Unknown
	}
	return codes.Code(n)
}
