package client

import "akash-provider-web/wasm/grpcweb"

// pushbackField is how a server says when to try again, in milliseconds; a
// negative number asks not to
// (https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback).
const pushbackField = "grpc-retry-pushback-ms"

// Bounds of the wait between attempts, in milliseconds.
const (
	firstBackoff = 200
	maxBackoff   = 10_000
	// podBackoff bounds it while a pod is starting, which takes seconds.
	podBackoff = 2000
	// maxPushback bounds how long a server may make a page wait.
	maxPushback = 60_000
)

// retry decides whether a failed call may be tried again after its nth attempt,
// and when.
func (c *Client) retry(call *Call, f *RPCError, n int) (ms int, again bool) {
	if n > call.Retries || !call.repeatable(f) {
		return 0, false
	}
	if f.pushback != "" {
		return parsePushback(f.pushback)
	}
	if f.Code == grpcweb.ResourceExhausted {
		return 0, false // a limit that waiting does not lift
	}
	return c.backoff(n, maxBackoff), true
}

// backoff returns how long to wait after the nth failure in a row: between half and
// all of a time that doubles with each, up to a bound ("equal jitter"), so that many
// pages that lost one bridge do not come back all at once.
func (c *Client) backoff(n, bound int) (ms int) {
	if n < 7 {
		bound = min(bound, firstBackoff<<(n-1))
	}
	return int((1 + c.Random()) / 2 * float64(bound))
}

// repeatable reports whether the failed call may be made again without harm.
func (c *Call) repeatable(f *RPCError) bool {
	if c.method.effect {
		return false // it may have been done
	}
	if f.network {
		return true
	}
	switch f.Code {
	case grpcweb.DeadlineExceeded, grpcweb.ResourceExhausted:
		return true
	case grpcweb.Unavailable:
		// A provider older than v0.16.0 can die of credentials on its gRPC port
		// (proto/akash-provider-api.md, section 1.4); one that just died must not be
		// sent them again as soon as it is back.
		return !c.carriesCredentials() || neverSent(f.Reason) || c.trace.method == "rest"
	}
	return false
}

// neverSent reports whether the bridge failed before anything of the call went
// to the provider. The reasons are those of package bridge/rpcerror.
func neverSent(reason string) bool {
	switch reason {
	case "chainUnavailable", "providerUnreachable":
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
