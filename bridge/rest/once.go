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

// once sends a request that changes something, and never sends it again. sent reports
// whether it was on its way: nobody can tell then whether it was heard, so an answer
// that was lost must not look like something to try again.
func (x *exchange) once(ctx context.Context, method string, r route, body []byte, limit int64) (answer []byte, sent bool, err error) {
	var written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }})
	answer, err = x.do(ctx, method, r, body, limit)
	return answer, written.Load(), err
}

// abandoned are the texts of a 500 by which a gateway shows that it gave up waiting for
// its own cluster, which may have done what was asked by now.
var abandoned = []string{"context deadline exceeded", "context canceled"}

// undecided tells why the request that ended with e may have had its effect all the
// same, as part of a sentence; it is "" if the request had none. sent tells whether it
// was on its way.
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
