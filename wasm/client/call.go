// Package client calls Akash providers through a bridge: it builds requests, bounds their
// time, retries them, resumes streams, and turns failures into errors. It does not depend
// on a browser; a Transport carries its requests.
package client

import (
	"strconv"

	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// A Client makes calls. Its fields must not change after first use.
type Client struct {
	Transport Transport
	Clock     Clock
	// Random returns a number in [0,1).
	Random func() float64
	// Origin is the page's origin, for error messages; "" if there is none.
	Origin string
	// Warn shows a warning to the page's developer.
	Warn func(text string)

	warned bool // about a token with full access
}

// A Call is one call of a provider's method, with its options.
type Call struct {
	// Bridge is the bridge's URL without a trailing slash.
	Bridge string
	// BridgeKey is the key or token with which the bridge lets the caller in; "" sends none.
	BridgeKey string
	// Traceparent is the trace that the call belongs to; "" for none.
	Traceparent string
	// Provider is the provider's bech32 address; "" for a call that no provider answers.
	Provider string
	// Transport names the platform's transport for requests to the bridge.
	Transport string
	// Timeout limits each attempt, in milliseconds; 0 means no limit.
	Timeout int
	// Retries is the maximum number of attempts after the first.
	Retries int
	// Heartbeat is how often the bridge sends a heartbeat on an idle stream, in
	// milliseconds, so that an idle connection can be told from a dead one; 0 means never.
	Heartbeat int
	// Reconnect resumes a stream over a new connection when its connection breaks.
	Reconnect bool
	// Insecure asks the bridge not to verify the provider's certificate.
	Insecure bool
	// SkipVersion asks the bridge not to ask the provider's version first.
	SkipVersion bool
	// Tail is the number of lines of history to ask for; nil means all.
	Tail *uint32
	// Credentials are sent with the methods that need them.
	Credentials Credentials
	// Spent is how much of the first attempt's time has passed, in milliseconds: JavaScript
	// sends some requests before this program runs.
	Spent int
	// Lease is the request of the methods about a lease.
	Lease message.LeaseRequest

	method       *method
	trace        trace
	lastToken    string // sent with the last attempt
	refusedToken string // refused by the provider
	resumes      bool   // repeated messages have to be told from new ones
	sent         bool   // the last attempt sent a request
	answered     bool   // a bridge answered some attempt
}

// takeSpent returns Spent for the first attempt, and 0 for the others.
func (c *Call) takeSpent() int {
	spent := c.Spent
	c.Spent = 0
	return spent
}

// A trace describes how a call was made, whether it succeeded or failed.
type trace struct {
	attempts int
	method   string // "grpc" or "rest"
	endpoint string
	version  string
	verified string // "chain", "ca", "pin" or "none"
	trust    string // how that is known, such as "quorum=2/3"
	stale    bool
	request  string // the bridge's id of the last attempt
}

func (t *trace) read(r Response) {
	t.method = r.Header("akash-method")
	t.endpoint = r.Header("akash-endpoint")
	t.version = r.Header("akash-provider-version")
	t.verified = r.Header("akash-verified")
	t.trust = r.Header("akash-trust")
	t.stale = r.Header("akash-stale") == "true"
	t.request = r.Header("akash-request-id")
}

// open sends the call's request and returns a gRPC-Web response. If the scope ended the
// attempt, its cause is the error.
func (c *Client) open(scope *Scope, call *Call) (Response, *RPCError) {
	call.sent, call.trace.request = false, ""
	token, status := c.token(scope, call)
	if status != nil {
		return nil, call.rpcError(status)
	}
	request, status := call.request(token)
	if status != nil {
		return nil, call.rpcError(status)
	}
	call.sent = true
	response, err := c.Transport.Open(scope, request)
	if cause := scope.Cause(); cause != nil {
		if err == nil {
			response.Close()
		}
		return nil, call.rpcError(cause)
	}
	if err != nil {
		return nil, c.unreachable(call, err)
	}
	call.trace.read(response)
	if status := Refused(response); status != nil {
		response.Close()
		f := c.refusal(call, status)
		call.answered = call.answered || f.Reason != reasonBridgeUnreachable && f.Reason != reasonNotABridge
		return nil, f
	}
	call.answered = true
	return response, nil
}

// Refused returns the error of a response whose body need not be read, or nil. An error
// without a body has its status in the headers. If there is a body, or its length is
// unknown, the status in the body counts.
func Refused(r Response) *grpcweb.Status {
	speaksGRPC := r.Status() == 200 && isGRPCWeb(r.Header("content-type"))
	if !speaksGRPC || r.Header("content-length") == "0" {
		if status, ok := grpcweb.StatusOf(statusHeaders(r)); ok && status != nil {
			return status
		}
	}
	if speaksGRPC {
		return nil
	}
	code, reason := grpcweb.CodeOfHTTP(r.Status()), reasonNotABridge
	if code == grpcweb.Unavailable {
		reason = reasonBridgeUnreachable // a proxy's answer for a server that is down or busy
	}
	return refuse(code, reason, "HTTP "+strconv.Itoa(r.Status()))
}

// refusal returns the error for a response that Refused reports. If the bridge did not
// write the response, the message says what may have written it.
func (c *Client) refusal(call *Call, status *grpcweb.Status) *RPCError {
	reason, _ := status.Fields.Get(reasonField)
	switch {
	case reason == reasonBridgeUnreachable:
		status.Message = "cannot reach the bridge at " + call.Bridge + ": a proxy before it answered " + status.Message
	case reason == reasonNotABridge && status.Code != grpcweb.Unavailable:
		status.Message = "what answers at " + call.Bridge + " is not an akash-provider-bridge (" + status.Message +
			", and not gRPC-Web): set bridgeUrl to the URL of a bridge"
		if c.Origin != "" && hasPrefix(call.Bridge, c.Origin) {
			status.Message += "; without bridgeUrl the page's own origin is called"
		}
	}
	f := call.rpcError(status)
	// The JavaScript side also reports notABridge for a proxy whose bridge may be down.
	f.network = reason == reasonNotABridge && status.Code == grpcweb.Unavailable
	return f
}

// isGRPCWeb reports whether a content type is binary gRPC-Web. The message format, +proto,
// is optional.
func isGRPCWeb(contentType string) bool {
	const base = "application/grpc-web"
	for i := range len(contentType) {
		if contentType[i] == ';' || contentType[i] == ' ' {
			contentType = contentType[:i]
			break
		}
	}
	return contentType == base || contentType == grpcweb.ContentType
}

// statusHeaders returns the headers that hold the status of a response without a body.
func statusHeaders(r Response) grpcweb.Fields {
	if r.Header("grpc-status") == "" {
		return nil
	}
	var fields grpcweb.Fields
	for _, name := range [...]string{"grpc-status", "grpc-message", reasonField, pushbackField} {
		if value := r.Header(name); value != "" {
			fields = append(fields, grpcweb.Field{Name: name, Value: value})
		}
	}
	return fields
}

// unreachable returns the error for a request that got no response. Where the cause is in
// the page, such as an origin that the bridge does not allow,
// npm/src/transport/diagnosis.ts has already reported it.
func (c *Client) unreachable(call *Call, err error) *RPCError {
	f := call.rpcError(refuse(grpcweb.Unavailable, reasonBridgeUnreachable,
		"cannot reach the bridge at "+call.Bridge+": is it running, and is bridgeUrl right? ("+err.Error()+")"))
	f.network = true
	return f
}

func hasPrefix(text, prefix string) bool {
	return len(text) >= len(prefix) && text[:len(prefix)] == prefix
}
