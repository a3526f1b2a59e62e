package client

import (
	"strconv"

	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// Do makes a call that has one answer, and returns the result as the JSON that
// a page gets: {"status":"success",…} or {"status":"error",…}.
func (c *Client) Do(scope *Scope, methodName string, call *Call) []byte {
	call.method = methods[methodName]
	var answer []byte
	f := c.try(scope, call, func() (f *Fault) {
		answer, f = c.answer(scope, call)
		return f
	})
	result := make([]byte, 0, len(answer)+256)
	if f != nil {
		result = append(result, `{"status":"error","error":`...)
		result = f.AppendJSON(result)
	} else {
		result = append(result, `{"status":"success","response":`...)
		result = append(result, answer...)
	}
	result = strconv.AppendInt(append(result, `,"attempts":`...), int64(call.trace.attempts), 10)
	result = call.trace.appendJSON(result)
	return append(result, '}')
}

// appendJSON appends what is known as members of an object.
func (t *trace) appendJSON(b []byte) []byte {
	for _, member := range [...]struct{ name, value string }{
		{"method", t.method}, {"endpoint", t.endpoint}, {"providerVersion", t.version},
	} {
		if member.value != "" {
			b = append(append(append(b, ',', '"'), member.name...), '"', ':')
			b = message.AppendString(b, []byte(member.value))
		}
	}
	return b
}

// answer makes one attempt and returns the answer as JSON.
func (c *Client) answer(parent *Scope, call *Call) ([]byte, *Fault) {
	scope := parent.child()
	defer scope.End(grpcweb.Error(grpcweb.Canceled, "the attempt is over"))
	if call.Timeout > 0 {
		stop := c.Clock.AfterFunc(call.Timeout, func() { scope.End(expired(call.Timeout)) })
		defer stop()
	}
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
				return nil, call.fault(grpcweb.Error(grpcweb.Unimplemented, "the call has more than one answer"))
			}
			var err error
			if answer, err = message.AppendJSON(nil, call.method.answer, wire); err != nil {
				return nil, call.fault(grpcweb.Error(grpcweb.Internal, "its answer cannot be read: "+err.Error()))
			}
		}
		if body.Err() != nil {
			return nil, call.fault(body.Err())
		}
		piece, err := response.Read(scope)
		if cause := scope.Cause(); cause != nil {
			return nil, call.fault(cause)
		}
		if err != nil {
			return nil, c.lost(call, err)
		}
		if piece == nil {
			if f := call.end(&body, response); f != nil {
				return nil, f
			}
			if messages == 0 {
				return nil, call.fault(grpcweb.Error(grpcweb.Unimplemented, "the call has no answer"))
			}
			return answer, nil
		}
		body.Write(piece)
	}
}

// end returns how a response ended whose body is complete, or nil for success.
func (c *Call) end(body *grpcweb.Decoder, response Response) *Fault {
	headers := statusHeaders(response)
	status := body.End(headers)
	if status == nil {
		return nil
	}
	f := c.fault(status)
	f.network = !body.Ended() && headers == nil && body.Err() == nil
	return f
}

// expired is the cause of an attempt that ran out of time.
func expired(ms int) *grpcweb.Status {
	return grpcweb.Error(grpcweb.DeadlineExceeded, "no answer within "+strconv.Itoa(ms)+" ms")
}

// lost explains that a response broke off.
func (c *Client) lost(call *Call, err error) *Fault {
	f := call.fault(grpcweb.Error(grpcweb.Unavailable,
		"the connection to the bridge at "+call.Bridge+" broke off ("+err.Error()+")"))
	f.network = true
	return f
}
