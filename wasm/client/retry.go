package client

import "akash-provider-web/wasm/grpcweb"

// pushbackField holds when the server wants the call to be retried, in milliseconds; a
// negative number means not at all
// (https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback).
const pushbackField = "grpc-retry-pushback-ms"

// Limits of the backoff between attempts, in milliseconds.
const (
	firstBackoff = 200
	maxBackoff   = 10_000
	// podBackoff is the maximum while a pod is starting, which takes seconds.
	podBackoff = 2000
	// maxPushback is the longest pushback that is obeyed.
	maxPushback = 60_000
)

// retry decides whether to repeat a call whose nth attempt failed, and after what backoff.
func (c *Client) retry(call *Call, f *RPCError, n int) (ms int, again bool) {
	if n > call.Retries || !call.retryable(f) {
		return 0, false
	}
	if f.pushback != "" {
		return parsePushback(f.pushback)
	}
	if f.Code == grpcweb.ResourceExhausted {
		return 0, false // waiting does not help
	}
	return c.backoff(n, maxBackoff), true
}

// backoff returns the wait after the nth failure in a row: between half and all of a time
// that doubles with each failure, up to a bound ("equal jitter"), so that pages that lost
// the same bridge do not all return at once.
func (c *Client) backoff(n, bound int) (ms int) {
	if n < 7 {
		bound = min(bound, firstBackoff<<(n-1))
	}
	return int((1 + c.Random()) / 2 * float64(bound))
}

// retryable reports whether it is safe to repeat the failed call.
func (c *Call) retryable(f *RPCError) bool {
	if c.method.effect {
		return false // it may have taken effect
	}
	if f.network {
		return true
	}
	switch f.Code {
	case grpcweb.DeadlineExceeded, grpcweb.ResourceExhausted:
		return true
	case grpcweb.Unavailable:
		// A provider older than v0.16.0 can crash on credentials at its gRPC port
		// (proto/akash-provider-api.md, section 1.4). If it just crashed, it must not
		// receive them again as soon as it is back.
		return !c.carriesCredentials() || neverSent(f.Reason) || c.trace.method == "rest"
	}
	return false
}

// neverSent reports whether the bridge failed before it sent anything to the provider. The
// reasons are those of package bridge/rpcerror.
func neverSent(reason string) bool {
	switch reason {
	case "chainUnavailable", "chainDisagreement", "providerUnreachable":
		return true
	}
	return false
}

func parsePushback(text string) (ms int, ok bool) {
	if text == "" || len(text) > 6 {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		ms = ms*10 + int(text[i]-'0')
	}
	return ms, ms <= maxPushback
}
