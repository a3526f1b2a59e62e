package relay

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// nearDeadline is how close to the deadline a provider's cancellation counts as the
// deadline's. The provider measures the same deadline, and its reset may arrive before
// its trailers or before the bridge's own timer fires.
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
	ctx      context.Context // canceled when the call ends
	cancel   func()          // cancels ctx, for a stream whose client has disconnected
	unlink   func()          // stops the end of the request's context from canceling ctx
	releases []func()

	request  []byte    // the framed request messages; nil once they are sent
	requests *Requests // the request messages of a duplex call
	route    *Route
	result   Result
}

// link cancels a stream when its request's context ends.
func (x *exchange) link(r *http.Request) {
	stop := context.AfterFunc(r.Context(), x.cancel)
	x.unlink = func() { stop() }
}

// serve answers the call through its upstream.
//
// Thousands of idle streams wait below this frame. Work that is done once before that
// has functions of its own, so that their stack frames are gone by then.
func (x *exchange) serve() {
	if x.call.Duplex {
		x.reply.keepAlive(cmp.Or(x.call.Heartbeat, duplexHeartbeat), x.cancel)
	} else if x.call.Heartbeat > 0 && x.call.Streaming {
		x.reply.keepAlive(x.call.Heartbeat, x.cancel)
	}
	if err := x.route.Upstream.answer(x); err != nil {
		x.fail(err)
	}
}

// sent drops the request's data.
func (x *exchange) sent() {
	x.request = nil
	if x.call.Memory != nil {
		x.call.Memory.Sent()
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

// end releases the call's resources and reports its result.
func (x *exchange) end() {
	x.result.Duration, x.result.Sent = time.Since(x.start), x.reply.end()
	if x.requests != nil {
		x.result.Received = x.requests.received.Load()
	}
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

// forward copies messages from the provider to the client until the provider's answer
// ends. It reads on only once the client has accepted what was read before, so a slow
// client slows the provider down.
func (x *exchange) forward(ctx context.Context, body io.Reader) error {
	messages := newMessageReader(body, x.limit)
	for {
		batch, err := messages.next()
		if len(batch) > 0 {
			if x.reply.write(batch) != nil {
				return writeError(ctx)
			}
			if x.call.Streaming && err == nil {
				// The transport buffers messages during this write. Under load,
				// more of them go out together.
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
		case errMalformed, errTruncated:
			return protocolError("the provider's answer is malformed: %w", err)
		default:
			return x.failure(ctx, err)
		}
	}
}

// failure returns the error to report for an exchange that failed with err.
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

// writeError returns the error of a call whose client accepts no more data.
func writeError(ctx context.Context) error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	return errCanceled
}

func protocolError(format string, args ...any) *rpcerror.Error {
	return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, format, args...)
}
