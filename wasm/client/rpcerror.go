package client

import (
	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// reasonField names, in trailers or headers, what went wrong more closely than a
// code can.
const reasonField = "akash-error"

// reasonStalled is the reason of a stream on which not even heartbeats came.
const reasonStalled = "streamStalled"

// Reasons of a call that no bridge answered.
const (
	reasonBridgeUnreachable = "bridgeUnreachable"
	reasonNotABridge        = "notABridge"
)

// reasonPodStarting is the reason of a log that cannot be opened before its pod has
// started.
const reasonPodStarting = "podStarting"

// An RPCError is a failed call as a page sees it.
type RPCError struct {
	Code     grpcweb.Code
	Reason   string // the bridge's akash-error, or ""
	Message  string
	Provider string
	Attempts int

	network  bool   // the bridge was not reached, or was lost
	pushback string // the server's wish, as it came: when to try again
}

// write writes the failure as the object that becomes a ProviderError.
func (f *RPCError) write(j *message.JSON) {
	j.Begin()
	j.Field("code", f.Code.String())
	j.Field("message", f.Message)
	j.Field("reason", f.Reason)
	j.Field("provider", f.Provider)
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

// rpcError returns the failure of a call that ended with the status. Its message
// names the provider, whoever wrote it.
func (c *Call) rpcError(status *grpcweb.Status) *RPCError {
	f := &RPCError{Code: status.Code, Message: status.Message, Provider: c.Provider}
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

// outcomeUnknown is the reason of a call that may have taken effect. It is that of
// package bridge/rpcerror.
const outcomeUnknown = "outcomeUnknown"

// doubt makes clear that a call with an effect may have had it, where its answer is
// lost: nobody should take it for a call that failed.
func (c *Call) doubt(f *RPCError) {
	// What is no bridge is found out before it is sent anything but a preflight.
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
