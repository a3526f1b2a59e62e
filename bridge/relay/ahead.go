package relay

import (
	"context"
	"net/http"
)

// Ahead answers a unary call that may be sent twice through a provider about which not
// everything is known yet. The request goes to First while Settle finds out the rest. The
// answer counts if the call's route turns out to be gRPC. Otherwise, or if First failed,
// the call is sent again over that route.
type Ahead struct {
	First  *GRPC
	Settle func(context.Context) (*Route, error)
}

// answer implements Upstream.
func (a *Ahead) answer(x *exchange) error {
	type result struct {
		response *http.Response
		err      error
	}
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	first := make(chan result, 1)
	request := a.First.request(ctx, x)
	go func() {
		response, err := a.First.Transport.RoundTrip(request)
		first <- result{response, err}
	}()

	route, err := a.Settle(x.ctx)
	var next *GRPC
	if err == nil {
		x.reply.addHeader(route.ReplyHeader, nil)
		next, _ = route.Upstream.(*GRPC)
	}
	if next == nil {
		cancel()
	}
	got := <-first
	if next != nil && got.err == nil && checkResponse(got.response) == nil {
		x.sent()
		return next.finish(ctx, x, got.response)
	}
	if got.err == nil {
		got.response.Body.Close()
	}
	if err != nil {
		return x.failure(x.ctx, err)
	}
	return route.Upstream.answer(x)
}
