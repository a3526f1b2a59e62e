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

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"
)

// Headers that are the same in every request (gRPC over HTTP/2, "Requests").
var (
	te = []string{"trailers"}
	// userAgent replaces the page's own, which means nothing to providers.
	userAgent = []string{grpcwire.UserAgent}
)

const contentTypeGRPC = "application/grpc"

// maxMetadata bounds the headers, and the trailers, taken from a provider, in
// bytes.
const maxMetadata = 64 << 10

// answer implements Upstream.
func (g *GRPC) answer(x *exchange) error {
	trailers, err := g.run(x.ctx, x)
	if err != nil {
		return err
	}
	x.finish(trailers)
	return nil
}

// run sends the request, forwards the answer's messages as they come and returns
// its trailers.
func (g *GRPC) run(ctx context.Context, x *exchange) (http.Header, error) {
	response, err := g.open(ctx, x)
	if err != nil {
		return nil, x.failure(ctx, err)
	}
	defer response.Body.Close() // resets the provider's stream where it has not ended
	if err := examine(response); err != nil {
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
	if x.call.Streaming {
		// The page learns that the stream stands, and of whom it comes, before
		// there is a message.
		x.reply.flush()
	}
	if err := x.forward(ctx, response.Body); err != nil {
		return nil, err
	}
	return g.trailers(x, response.Trailer, false)
}

// open sends the request, which is then forgotten, and returns the answer once its
// headers are there.
func (g *GRPC) open(ctx context.Context, x *exchange) (*http.Response, error) {
	response, err := g.Transport.RoundTrip(g.request(ctx, x))
	x.request, g.Header = nil, nil
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
		// The length lets a transport end the stream with the last byte.
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return r.WithContext(ctx)
}

// trailers returns what of h goes to the page at the end of the call. A reply
// without messages may carry them as its headers (only).
func (g *GRPC) trailers(x *exchange, h http.Header, only bool) (http.Header, error) {
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
		switch { // names are canonical
		case key == headerStatus, strings.HasPrefix(key, "Akash-"), key == "Content-Type":
		case key == headerMessage, !only, g.Downstream(key):
			out[key] = values
		}
	}
	return out, nil
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
