package client

import (
	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// reasonField is the trailer or header that holds the reason of an error, which is more
// specific than its code.
const reasonField = "akash-error"

// reasonStalled is the reason of a stream on which even heartbeats stopped.
const reasonStalled = "streamStalled"

// Reasons of a call that was not answered by a bridge.
const (
	reasonBridgeUnreachable = "bridgeUnreachable"
	reasonNotABridge        = "notABridge"
)

// reasonPodStarting is the reason of a log that cannot be opened because its pod is still
// starting.
const reasonPodStarting = "podStarting"

// An RPCError is the error of a failed call, as a page receives it.
type RPCError struct {
	Code     grpcweb.Code
	Reason   string // the bridge's akash-error, or ""
	Message  string
	Provider string
	Attempts int
	Request  string // the bridge's akash-request-id, or ""

	network  bool   // the bridge was not reached, or the connection to it broke
	pushback string // the server's grpc-retry-pushback-ms, unparsed
}

// write writes the error as the object that becomes a ProviderError.
func (f *RPCError) write(j *message.JSON) {
	j.Begin()
	j.Field("code", f.Code.String())
	j.Field("message", f.Message)
	j.Field("reason", f.Reason)
	j.Field("provider", f.Provider)
	j.Field("requestId", f.Request)
	j.Member("attempts")
	j.Number(int64(f.Attempts))
	j.End()
}

// JSON returns {"status":"error","error":{…}}.
func (f *RPCError) JSON() []byte {
	var j message.JSON
	j.Begin()
	j.Field("status", "error")
	j.Member("error")
	f.write(&j)
	j.End()
	return j.Text
}

// rpcError returns the error of a call that ended with the status. Its message always names
// the provider.
func (c *Call) rpcError(status *grpcweb.Status) *RPCError {
	f := &RPCError{Code: status.Code, Message: status.Message, Provider: c.Provider, Request: c.trace.request}
	f.Reason, _ = status.Fields.Get(reasonField)
	f.pushback, _ = status.Fields.Get(pushbackField)
	if f.Message == "" {
		f.Message = "the call ended with " + f.Code.String() + " and no explanation"
	}
	if !contains(f.Message, c.Provider) {
		f.Message = "provider " + c.Provider + ": " + f.Message
	}
	return f
}

// outcomeUnknown is the reason of a failed call that may have taken effect, as in package
// bridge/rpcerror.
const outcomeUnknown = "outcomeUnknown"

// markOutcomeUnknown changes the error of a call with side effects whose response was lost,
// so that nobody takes it for a call that had no effect.
func (c *Call) markOutcomeUnknown(f *RPCError) {
	// A server that is no bridge is detected by the preflight, before the call is sent.
	lost := f.network && f.Reason != reasonNotABridge ||
		f.Code == grpcweb.Unavailable && (f.Reason == "providerGone" || f.Reason == reasonBridgeUnreachable)
	late := f.Code == grpcweb.DeadlineExceeded || f.Code == grpcweb.Canceled
	if !c.method.effect || !c.sent || !lost && !late {
		return
	}
	if lost {
		f.Code = grpcweb.Unknown
	}
	f.Reason = outcomeUnknown
	f.Message += "; it may have taken effect all the same, so look at the lease before you try again"
}

func contains(text, part string) bool {
	for i := 0; i+len(part) <= len(text); i++ {
		if text[i:i+len(part)] == part {
			return true
		}
	}
	return false
}
