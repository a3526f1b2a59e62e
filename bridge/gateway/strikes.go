package gateway

import (
	"net/http"

	"akash-provider-web/bridge/internal/strikes"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
)

// question is what calls ask that are all the same to a provider: a unary method without
// credentials, with the same idea of who the provider is.
type question struct {
	method   string
	address  string
	hostURI  string
	insecure bool
	pin      string
}

// questionOf returns the question that a call asks, with header for the provider. ok is
// false for one that may be like no other: a caller who knows what makes a provider fail
// must not keep others from asking it.
func questionOf(c *call, header http.Header) (q question, ok bool) {
	r := c.request
	return question{c.method.Path, r.Address, r.HostURI, r.TLS.Insecure, string(r.TLS.PinSHA256)},
		c.method.Public() && !c.method.Streaming && !c.warm && len(header) == 0
}

// begin begins a call's attempt to get an answer, or returns an error if the provider's
// answers could not be used again and again, and it is to be asked later. The attempt is nil
// for a call that is like no other.
func (g *Gateway) begin(c *call, header http.Header) (*strikes.Attempt[question], error) {
	q, ok := questionOf(c, header)
	if !ok {
		return nil, nil
	}
	attempt, refusal := g.failing.Begin(q)
	if refusal != nil {
		return nil, rpcerror.AskLater(c.request.Address, refusal.Failures, refusal.Last, refusal.Wait)
	}
	return attempt, nil
}

// endAttempt says how an attempt ended. An error that is not the answer's fault says
// nothing, nor does one that may be the request's.
func endAttempt(attempt *strikes.Attempt[question], result relay.Result) {
	switch {
	case attempt == nil:
	case result.Err == nil:
		attempt.End(nil)
	case result.Received == 0 && result.Err.Reason.OfAnswer():
		attempt.End(result.Err)
	}
}
