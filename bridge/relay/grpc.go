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

	"akash-provider-web/bridge/internal/deep"
	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"
)

// Headers that every request has (gRPC over HTTP/2, "Requests").
var (
	te = []string{"trailers"}
	// userAgent replaces the client's own user agent.
	userAgent = []string{grpcwire.UserAgent}
)

const contentTypeGRPC = "application/grpc"

// maxMetadata bounds the headers, and separately the trailers, of a provider's answer,
// in bytes.
const maxMetadata = 64 << 10

// answer implements Upstream.
func (g *GRPC) answer(x *exchange) error {
	response, err := g.begin(x)
	if err != nil {
		return x.failure(x.ctx, err)
	}
	return g.finish(x.ctx, x, response)
}

// begin sends the request and returns the answer once its headers have arrived.
func (g *GRPC) begin(x *exchange) (response *http.Response, err error) {
	if !x.call.Streaming {
		return g.open(x.ctx, x)
	}
	deep.Run(func() { response, err = g.open(x.ctx, x) })
	return response, err
}

// finish forwards an answer, and ends the call with its trailers.
func (g *GRPC) finish(ctx context.Context, x *exchange, response *http.Response) error {
	trailers, err := g.forward(ctx, x, response)
	if err != nil {
		return err
	}
	x.finish(trailers)
	return nil
}

// forward forwards the answer's messages as they arrive, and returns its trailers.
func (g *GRPC) forward(ctx context.Context, x *exchange, response *http.Response) (http.Header, error) {
	defer response.Body.Close() // resets the provider's stream if it has not ended
	if err := checkResponse(response); err != nil {
		return nil, err
	}
	if response.Header[headerStatus] != nil {
		return g.trailers(x, response.Header, true)
	}
	if size(response.Header) > maxMetadata {
		return nil, protocolError("the provider's headers are larger than %d bytes", maxMetadata)
	}
	x.reply.addHeader(response.Header, g.Downstream)
	x.reply.commit()
	response.Header, response.Request = nil, nil // memory that a long stream does not need
	if x.call.Streaming {
		// The client learns that the stream is open, and from which provider, before
		// there is a message.
		x.reply.flush()
	}
	if err := x.forward(ctx, response.Body); err != nil {
		return nil, err
	}
	return g.trailers(x, response.Trailer, false)
}

// open sends the request and returns the answer once its headers have arrived. It
// drops the request's data, which a long stream would otherwise keep in memory.
func (g *GRPC) open(ctx context.Context, x *exchange) (*http.Response, error) {
	response, err := g.Transport.RoundTrip(g.request(ctx, x))
	g.Header = nil
	x.sent()
	return response, err
}

// request returns the request to the provider.
func (g *GRPC) request(ctx context.Context, x *exchange) *http.Request {
	body, header := x.request, g.Header
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
		URL:    &url.URL{Scheme: "https", Host: g.Authority, Path: x.path},
		Host:   g.Authority,
		Header: header,
		// With the length known, a transport can end the stream together with the
		// last byte.
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return r.WithContext(ctx)
}

// trailers returns the trailers to send to the client, taken from h. only says that h
// are the headers of an answer without messages ("Trailers-Only"), in which case
// headers the client may not see are left out.
func (g *GRPC) trailers(x *exchange, h http.Header, only bool) (http.Header, error) {
	status := h[headerStatus]
	if len(status) == 0 {
		return nil, protocolError("the provider ended its answer without a status")
	}
	code, err := strconv.ParseUint(status[0], 10, 32)
	if err != nil {
		return nil, protocolError("the provider ended its answer with a malformed status")
	}
	if c := codes.Code(code); (c == codes.Canceled || c == codes.DeadlineExceeded) && x.expired() {
		// The provider has the same deadline. Its status may be a moment earlier, and says less.
		return nil, errDeadline
	}
	if codes.Code(code) != codes.OK && g.Explain != nil {
		if known := g.Explain(codes.Code(code), decodeMessage(h.Get(headerMessage))); known != nil {
			return nil, known
		}
	}
	if size(h) > maxMetadata {
		return nil, protocolError("the provider's trailers are larger than %d bytes", maxMetadata)
	}
	out := http.Header{headerStatus: status[:1]}
	for key, values := range h {
		switch { // keys are canonical
		case key == headerStatus, strings.HasPrefix(key, "Akash-"), key == "Content-Type":
		case key == headerMessage, !only, g.Downstream(key):
			out[key] = values
		}
	}
	return out, nil
}

// checkResponse returns an error if the answer is not gRPC.
func checkResponse(r *http.Response) error {
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

// size returns the total length of h's names and values, in bytes.
func size(h http.Header) int {
	n := 0
	for key, values := range h {
		for _, value := range values {
			n += len(key) + len(value)
		}
	}
	return n
}
