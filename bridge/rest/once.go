package rest

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"

	"akash-provider-web/bridge/rpcerror"
)

// once sends a request with side effects, and never repeats it. sent reports whether the
// request was sent: then a lost response must not look like an error that can be retried.
func (x *exchange) once(ctx context.Context, method string, r route, body []byte, limit int64) (answer []byte, sent bool, err error) {
	var written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }})
	answer, err = x.do(ctx, method, r, body, limit)
	return answer, written.Load(), err
}

// abandoned are the messages of a 500 after which a gateway may have done what was
// requested: it gave up waiting for its cluster.
var abandoned = []string{"context deadline exceeded", "context canceled"}

// undecided says, as part of a sentence, why the request that ended with e may have taken
// effect; "" if it did not. sent reports whether it was sent.
func undecided(e *rpcerror.Error, sent bool) string {
	switch status := statusOf(e); {
	case status == http.StatusRequestTimeout, status == http.StatusBadGateway, status == http.StatusGatewayTimeout,
		e.Reason == rpcerror.ReasonProviderFailed && containsAny(e.Message, abandoned):
		return "the provider gave the request up"
	case sent && (e.Reason == rpcerror.ReasonProviderGone || e.Reason == rpcerror.ReasonProviderUnreachable):
		return "no answer came"
	}
	return ""
}

func containsAny(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}
