package client

import (
	"strconv"

	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// Do makes a unary call and returns its result as the JSON that a page receives:
// {"status":"success",…} or {"status":"error",…}.
func (c *Client) Do(scope *Scope, methodName string, call *Call) []byte {
	call.method = methodOf(methodName)
	answer, f := c.try(scope, call)
	j := message.JSON{Text: make([]byte, 0, len(answer)+512)} // enough for most
	j.Begin()
	if f != nil {
		j.Field("status", "error")
		j.Member("error")
		f.write(&j)
	} else {
		j.Field("status", "success")
		j.Member("response")
		j.Raw(answer)
	}
	j.Member("attempts")
	j.Number(int64(call.trace.attempts))
	call.trace.write(&j)
	j.End()
	return j.Text
}

// try makes the call, and repeats it until it succeeds, must not be repeated, or the scope
// ends.
func (c *Client) try(scope *Scope, call *Call) ([]byte, *RPCError) {
	for n := 1; ; n++ {
		call.trace.attempts = n
		answer, f := c.answer(scope, call)
		if f == nil {
			return answer, nil
		}
		f.Attempts = n
		call.markOutcomeUnknown(f)
		if scope.Cause() != nil {
			return nil, f
		}
		if call.retryWithNewToken(f) {
			continue
		}
		ms, again := c.retry(call, f, n)
		if !again {
			return nil, f
		}
		if !sleep(scope, c.Clock, ms, new(func())) {
			f = call.rpcError(scope.Cause())
			f.Attempts = n
			return nil, f
		}
	}
}

// write writes the known fields as members of an object.
func (t *trace) write(j *message.JSON) {
	j.Field("method", t.method)
	j.Field("endpoint", t.endpoint)
	j.Field("providerVersion", t.version)
	j.Field("verified", t.verified)
	j.Field("trust", t.trust)
	if t.stale {
		j.Member("stale")
		j.Raw([]byte("true"))
	}
}

// answer makes one attempt and returns the response message as JSON.
func (c *Client) answer(parent *Scope, call *Call) ([]byte, *RPCError) {
	scope, _, release := parent.attempt(c.Clock, call.Timeout, call.takeSpent())
	defer release()
	response, f := c.open(scope, call)
	if f != nil {
		return nil, f
	}
	defer response.Close()

	var body grpcweb.Decoder
	var answer []byte
	for messages := 0; ; {
		for {
			wire, ok := body.Next()
			if !ok {
				break
			}
			if messages++; messages > 1 {
				return nil, call.rpcError(grpcweb.Error(grpcweb.Unimplemented, "the call has more than one answer"))
			}
			var err error
			room := make([]byte, 0, 4*min(len(wire), 16<<10)+256) // enough for most
			if answer, err = message.AppendJSON(room, call.method.answer, wire); err != nil {
				return nil, call.rpcError(grpcweb.Error(grpcweb.Internal, "its answer cannot be read: "+err.Error()))
			}
		}
		if body.Err() != nil {
			return nil, call.rpcError(body.Err())
		}
		piece, err := response.Read(scope)
		if cause := scope.Cause(); cause != nil {
			return nil, call.rpcError(cause)
		}
		if err != nil {
			return nil, c.lost(call, err)
		}
		if piece == nil {
			if f := call.end(&body, response); f != nil {
				return nil, f
			}
			if messages == 0 {
				return nil, call.rpcError(grpcweb.Error(grpcweb.Unimplemented, "the call has no answer"))
			}
			return answer, nil
		}
		body.Write(piece)
	}
}

// end returns the error of a response whose body is complete, or nil for success.
func (c *Call) end(body *grpcweb.Decoder, response Response) *RPCError {
	headers := statusHeaders(response)
	status := body.End(headers)
	if status == nil {
		return nil
	}
	f := c.rpcError(status)
	if !body.Ended() && headers == nil && body.Err() == nil {
		// The bridge is down, or a proxy in front of it cut the response.
		f.network, f.Code = true, grpcweb.Unavailable
	}
	return f
}

// expired is the cause of an attempt that timed out.
func expired(ms int) *grpcweb.Status {
	return grpcweb.Error(grpcweb.DeadlineExceeded, "no answer within "+strconv.Itoa(ms)+" ms")
}

// lost returns the error for a response that broke off.
func (c *Client) lost(call *Call, err error) *RPCError {
	f := call.rpcError(grpcweb.Error(grpcweb.Unavailable,
		"the connection to the bridge at "+call.Bridge+" broke off ("+err.Error()+")"))
	f.network = true
	return f
}
