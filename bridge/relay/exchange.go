package relay

import (
	"context"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// nearDeadline is how shortly before the deadline a provider that gives up is
// taken to have done so because of it: its clock started with the bridge's, and
// its reset may overtake its trailers.
const nearDeadline = 20 * time.Millisecond

// exchange is one accepted call.
type exchange struct {
	call        *Call
	reply       *reply
	limit       int
	path        string
	contentType string
	start       time.Time
	deadline    time.Time // zero where there is none

	// ctx ends the call.
	ctx      context.Context
	leave    func() // ends the ctx of a stream: its page has left
	unlink   func() // keeps the request's end from doing so
	releases []func()

	request []byte // its messages, until they are sent
	route   *Route
	result  Result
}

// link ends a stream with its request.
func (x *exchange) link(r *http.Request) {
	stop := context.AfterFunc(r.Context(), x.leave)
	x.unlink = func() { stop() }
}

// serve answers the call, in whatever way it goes.
//
// Quiet streams wait below this frame by the thousand, so what is done once, before,
// has frames of its own.
func (x *exchange) serve() {
	if x.call.Heartbeat > 0 && x.call.Streaming {
		x.reply.keepAlive(x.call.Heartbeat)
	}
	if err := x.route.Upstream.answer(x); err != nil {
		x.fail(err)
	}
}

// fail ends the answer with an error.
func (x *exchange) fail(err error) {
	failure := errorOf(err, x.call.Provider)
	x.finish(trailersOf(failure))
	x.result.Code, x.result.Reason, x.result.Err = failure.Code, failure.Reason, failure
}

// finish ends the answer with trailers.
func (x *exchange) finish(trailers http.Header) {
	x.reply.finish(trailers)
	x.result.Code = statusOf(trailers)
}

// end lets go of what the call held, and tells its outcome.
func (x *exchange) end() {
	x.result.Duration, x.result.Sent = time.Since(x.start), x.reply.end()
	if x.unlink != nil {
		x.unlink()
	}
	for _, release := range x.releases {
		release()
	}
	if x.call.Done != nil {
		x.call.Done(x.result)
	}
}

// forward moves messages until the provider's answer ends. It reads only what the
// page has accepted the like of before, so a page that reads slowly slows the
// provider down.
func (x *exchange) forward(ctx context.Context, body io.Reader) error {
	messages := newMessageReader(body, x.limit)
	for {
		batch, err := messages.next()
		if len(batch) > 0 {
			if x.reply.write(batch) != nil {
				return gone(ctx)
			}
			if x.call.Streaming && err == nil {
				// While this writes, the transport collects what comes next: the
				// faster messages are, the more go out together.
				x.reply.flush()
			}
		}
		switch err {
		case nil:
		case io.EOF:
			return nil
		case errTooLarge:
			return rpcerror.New(codes.ResourceExhausted, rpcerror.ReasonProviderProtocol,
				"the provider sent a message larger than the bridge's limit of %d bytes", x.limit)
		case errGarbage, errCut:
			return protocolError("the provider's answer is malformed: %w", err)
		default:
			return x.failure(ctx, err)
		}
	}
}

// failure says why an exchange that failed with err did.
func (x *exchange) failure(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return contextError(ctx)
	case x.expired():
		return errDeadline
	}
	return upstreamError(err)
}

// expired reports whether the deadline has passed, or is about to.
func (x *exchange) expired() bool {
	return !x.deadline.IsZero() && time.Until(x.deadline) < nearDeadline
}

// gone is the outcome of a call whose page accepts no more.
func gone(ctx context.Context) error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	return errCanceled
}

func protocolError(format string, args ...any) *rpcerror.Error {
	return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, format, args...)
}
