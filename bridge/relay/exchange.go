package relay

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// Headers that are the same in every request (gRPC over HTTP/2, "Requests").
var (
	te = []string{"trailers"}
	// userAgent names the bridge to providers; a page's own says nothing to them.
	userAgent = []string{"akash-provider-bridge"}
)

const contentTypeGRPC = "application/grpc"

// maxMetadata bounds the headers, and the trailers, taken from a provider, in
// bytes.
const maxMetadata = 64 << 10

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
	var err error
	if x.route.Serve != nil {
		err = x.answer()
	} else {
		err = x.relay()
	}
	if err != nil {
		x.fail(err)
	}
}

// fail ends the answer with an error.
func (x *exchange) fail(err error) {
	told := faultOf(err, x.call.Provider)
	x.finish(trailersOf(told))
	x.result.Code, x.result.Reason, x.result.Err = told.Code, told.Reason, told
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

// answer lets route.Serve answer the call.
func (x *exchange) answer() error {
	if err := x.ask(); err != nil {
		return err
	}
	x.finish(http.Header{headerStatus: {"0"}})
	return nil
}

func (x *exchange) ask() error {
	message, err := oneMessage(x.request)
	if err != nil {
		return err
	}
	a := newAnswer(x.reply, x.limit, x.call.Streaming)
	defer a.close()
	err = x.route.Serve(x.ctx, message, a)
	if err != nil && x.ctx.Err() != nil {
		return contextError(x.ctx)
	}
	return err
}

// relay has the provider answer the call.
func (x *exchange) relay() error {
	trailers, err := x.run(x.ctx)
	if err != nil {
		return err
	}
	x.finish(trailers)
	return nil
}

// run sends the request, forwards the answer's messages as they come and returns
// its trailers.
func (x *exchange) run(ctx context.Context) (http.Header, error) {
	response, err := x.open(ctx)
	if err != nil {
		return nil, x.failure(ctx, err)
	}
	defer response.Body.Close() // resets the provider's stream where it has not ended
	if err := examine(response); err != nil {
		return nil, err
	}
	if response.Header[headerStatus] != nil {
		return x.trailers(ctx, response.Header, true)
	}
	if size(response.Header) > maxMetadata {
		return nil, protocolError("the provider's headers are larger than %d bytes", maxMetadata)
	}
	x.reply.addHeader(response.Header, x.route.Downstream)
	x.reply.commit()
	if x.call.Streaming {
		// The page learns that the stream stands, and of whom it comes, before
		// there is a message.
		x.reply.flush()
	}
	if err := x.forward(ctx, response.Body); err != nil {
		return nil, err
	}
	return x.trailers(ctx, response.Trailer, false)
}

// open sends the request, which is then forgotten, and returns the answer once its
// headers are there.
func (x *exchange) open(ctx context.Context) (*http.Response, error) {
	response, err := x.route.Transport.RoundTrip(x.upstream(ctx))
	x.request, x.route.Header = nil, nil
	return response, err
}

// upstream returns the request to the provider.
func (x *exchange) upstream(ctx context.Context) *http.Request {
	body, header := x.request, x.route.Header
	if header == nil {
		header = http.Header{}
	}
	header["Content-Type"] = []string{x.contentType}
	header["Te"] = te
	header["User-Agent"] = userAgent
	if !x.deadline.IsZero() {
		header[headerTimeout] = []string{formatTimeout(time.Until(x.deadline))}
	}
	r := &http.Request{
		Method: http.MethodPost,
		URL:    &url.URL{Scheme: "https", Host: x.route.Authority, Path: x.path},
		Host:   x.route.Authority,
		Header: header,
		// The length lets a transport end the stream with the last byte.
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return r.WithContext(ctx)
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

// trailers returns what of h goes to the page at the end of the call. A reply
// without messages may carry them as its headers (only).
func (x *exchange) trailers(ctx context.Context, h http.Header, only bool) (http.Header, error) {
	status := h[headerStatus]
	if len(status) == 0 {
		return nil, protocolError("the provider ended its answer without a status")
	}
	code, err := strconv.ParseUint(status[0], 10, 32)
	if err != nil {
		return nil, protocolError("the provider ended its answer with a malformed status")
	}
	if codes.Code(code) == codes.Canceled && x.expired() {
		return nil, errDeadline
	}
	if codes.Code(code) != codes.OK && x.route.Explain != nil {
		if known := x.route.Explain(codes.Code(code), decodeMessage(h.Get(headerMessage))); known != nil {
			return nil, known
		}
	}
	if size(h) > maxMetadata {
		return nil, protocolError("the provider's trailers are larger than %d bytes", maxMetadata)
	}
	out := http.Header{headerStatus: status[:1]}
	for key, values := range h {
		switch { // names are canonical
		case key == headerStatus, strings.HasPrefix(key, "Akash-"), key == "Content-Type":
		case key == headerMessage, !only, x.route.Downstream(key):
			out[key] = values
		}
	}
	return out, nil
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

// examine tells whether an answer is gRPC at all.
func examine(r *http.Response) error {
	contentType := r.Header.Get("Content-Type")
	isGRPC := contentType == contentTypeGRPC || strings.HasPrefix(contentType, contentTypeGRPC+"+") ||
		strings.HasPrefix(contentType, contentTypeGRPC+";")
	switch {
	case isGRPC && (r.StatusCode == http.StatusOK || r.Header[headerStatus] != nil):
		return nil
	case r.StatusCode == http.StatusOK:
		return protocolError("the provider answered with something other than gRPC (content type %.60q)", contentType)
	}
	return &rpcerror.Error{Code: codeOfHTTP(r.StatusCode), Reason: rpcerror.ReasonProviderProtocol,
		Message: fmt.Sprintf("the provider answered with HTTP status %d instead of gRPC", r.StatusCode)}
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

// size returns how many bytes of names and values h holds.
func size(h http.Header) int {
	n := 0
	for key, values := range h {
		for _, value := range values {
			n += len(key) + len(value)
		}
	}
	return n
}
