// Package client makes the calls of Akash providers through a bridge: it says
// what to send, how long to wait, when to try again, and what the answer means.
// It knows nothing of browsers; a Transport carries its requests.
package client

import (
	"strconv"

	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// A Client makes calls. Its fields must not change once it is used.
type Client struct {
	Transport Transport
	Clock     Clock
	// Random returns a number in [0,1).
	Random func() float64
	// Origin is that of the page, for explanations; "" where there is none.
	Origin string
	// Warn tells the page's author something, once.
	Warn func(text string)

	warned bool // of a token of full access
}

// A Call is one call of a provider, and how to make it.
type Call struct {
	// Bridge is the bridge's URL without a slash at its end.
	Bridge string
	// Provider is the provider's bech32 address.
	Provider string
	// Transport is how requests go to the bridge, in the platform's words.
	Transport string
	// Timeout bounds each attempt, in milliseconds; 0 does not.
	Timeout int
	// Retries is how many attempts may follow the first.
	Retries int
	// Heartbeat asks the bridge to break a stream's silence this often, in
	// milliseconds, so that a quiet connection can be told from a dead one; 0 does
	// not.
	Heartbeat int
	// Reconnect has a stream go on over another connection when one breaks.
	Reconnect bool
	// Insecure asks the bridge not to verify the provider's certificate.
	Insecure bool
	// SkipVersion asks the bridge not to ask the provider's version first.
	SkipVersion bool
	// Tail asks for so many lines of history; nil for all.
	Tail *uint32
	// Credentials are shown to the provider by the methods that need them.
	Credentials Credentials
	// Lease is what the methods about a lease ask for.
	Lease message.LeaseRequest

	method  *method
	trace   trace
	shown   string // the last token
	refused string // the token that a provider refused
	settles bool   // what comes again has to be told from what is new
	sent    bool   // the last attempt got as far as a request
	// answered says that a bridge answered, at any attempt.
	answered bool
}

// A trace is what is known of how a call went, whatever came of it.
type trace struct {
	attempts int
	method   string // "grpc" or "rest"
	endpoint string
	version  string
	verified string // "chain", "ca", "pin" or "none"
	stale    bool
}

func (t *trace) read(r Response) {
	t.method = r.Header("akash-method")
	t.endpoint = r.Header("akash-endpoint")
	t.version = r.Header("akash-provider-version")
	t.verified = r.Header("akash-verified")
	t.stale = r.Header("akash-stale") == "true"
}

// open sends the call's request and returns a response that is gRPC-Web. The
// scope ends the attempt; if it did, its cause is the failure.
func (c *Client) open(scope *Scope, call *Call) (Response, *RPCError) {
	call.sent = false
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
		f := c.refused(call, status)
		call.answered = call.answered || f.Reason != reasonBridgeUnreachable && f.Reason != reasonNotABridge
		return nil, f
	}
	call.answered = true
	return response, nil
}

// Refused returns why a response is not one to be read on, or nil. An error
// without a body has its status in the headers; where there is a body, or where
// only reading tells, the status that counts is the body's.
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
		reason = reasonBridgeUnreachable // a proxy's word for a server that is away or busy
	}
	return refuse(code, reason, "HTTP "+strconv.Itoa(r.Status()))
}

// refused explains why a response is not one to be read on. Where the bridge did not
// write the response, it says who might have.
func (c *Client) refused(call *Call, status *grpcweb.Status) *RPCError {
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
	// The page's side says notABridge of what may be a proxy whose bridge is away.
	f.network = reason == reasonNotABridge && status.Code == grpcweb.Unavailable
	return f
}

// isGRPCWeb reports whether a content type is binary gRPC-Web with protobuf
// messages, which need not be named.
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

// statusHeaders returns the headers that a response without a body has its
// status in.
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

// unreachable explains why no answer came. Where the page itself is in the way, as a
// bridge that does not allow its origin is, npm/src/transport/diagnosis.ts has said so.
func (c *Client) unreachable(call *Call, err error) *RPCError {
	f := call.rpcError(refuse(grpcweb.Unavailable, reasonBridgeUnreachable,
		"cannot reach the bridge at "+call.Bridge+": is it running, and is bridgeUrl right? ("+err.Error()+")"))
	f.network = true
	return f
}

func hasPrefix(text, prefix string) bool {
	return len(text) >= len(prefix) && text[:len(prefix)] == prefix
}
