//go:build js

package browser

import (
	"errors"
	"syscall/js"

	"akash-provider-web/wasm/client"
	"akash-provider-web/wasm/grpcweb"
)

var (
	errStopped = errors.New("stopped")
	errNotText = errors.New("not a string")
)

// Fetch is a client.Transport that calls the function request of the global object,
// which calls the browser's fetch (npm/src/transport/request.ts). Each value that
// crosses between Go and JavaScript costs about as much as reading a short message. So
// a request is one call and its response another, whose headers are one string.
type Fetch struct{}

// A Response is a response of fetch.
type Response struct {
	status int
	header grpcweb.Fields
	whole  []byte // the whole body, if that was requested; nil once it is read
	err    error  // the error of reading the body after that
	ended  bool   // whether the body was read to its end
	reader js.Value
	abort  js.Value // the object that request returned; its abort method ends the request
}

// A reply is the argument of request's callback.
type reply struct {
	text string // the status, the headers and an error, in lines
	body js.Value
	err  error
}

// The waiters for replies.
var (
	replies pending[chan reply]
	onReply js.Func
)

func init() {
	onReply = js.FuncOf(func(_ js.Value, args []js.Value) any {
		if waiter, ok := replies.take(uint32(args[0].Int())); ok {
			waiter <- reply{text: args[1].String(), body: args[2]}
		}
		return nil
	})
}

// Open sends a request and returns once the response's headers have arrived, or its
// whole body if request.Whole is set.
func (Fetch) Open(scope *client.Scope, request *client.Request) (client.Response, error) {
	size := 0
	for _, field := range request.Header {
		size += len(field.Name) + len(field.Value) + 2
	}
	header := make([]byte, 0, size)
	for _, field := range request.Header {
		header = append(append(append(append(header, field.Name...), ':'), field.Value...), '\n')
	}
	limit := 0
	if request.Whole {
		limit = 2 * (grpcweb.HeaderSize + grpcweb.DefaultMaxMessage) // for the message and the trailers
	}
	waiter := make(chan reply, 2) // one for the reply and one for the scope's end, so that neither blocks
	id := replies.add(waiter)
	abort, err := call(js.Global(), "request", request.URL, string(header), arrayOf(request.Body),
		request.Transport, request.Streams, request.LongLived, limit, id, onReply)
	if err != nil {
		replies.take(id)
		return nil, err
	}
	remove := scope.OnEnd(func() { waiter <- reply{err: errStopped} })
	answer := <-waiter
	remove()
	response := &Response{abort: abort, reader: js.Null()}
	if answer.err != nil {
		replies.take(id)
		response.Close()
		return nil, answer.err
	}
	if response.read(answer.text); response.status == 0 {
		return nil, response.err
	}
	switch {
	case !request.Whole:
		response.reader = answer.body
		response.ended = answer.body.IsNull()
	case answer.body.Truthy():
		response.whole = bytesOf(answer.body)
		response.ended = response.err == nil && len(response.whole) < limit
	}
	return response, nil
}

// read parses a reply's text: the status, or 0 if there is none, a line for each
// header, and after an empty line the error, if there was one.
func (r *Response) read(text string) {
	line, rest := cut(text, '\n')
	for i := range len(line) {
		r.status = r.status*10 + int(line[i]-'0')
	}
	for rest != "" {
		if line, rest = cut(rest, '\n'); line == "" {
			r.err = errors.New(rest)
			return
		}
		name, value := cut(line, ':')
		r.header = append(r.header, grpcweb.Field{Name: name, Value: value})
	}
}

// cut slices text around the first separator.
func cut(text string, separator byte) (before, after string) {
	for i := range len(text) {
		if text[i] == separator {
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

// Status is the HTTP status.
func (r *Response) Status() int { return r.status }

// Header returns the value of a header, or "" if it is absent or the bridge does not
// expose it to the page. Like fetch, it joins the values of a name with commas.
func (r *Response) Header(name string) string {
	value, _ := r.header.Get(name)
	return value
}

// Headers returns all headers that the bridge exposes to the page.
func (r *Response) Headers() grpcweb.Fields { return r.header }

// Read returns the next piece of the body, or nil at its end.
func (r *Response) Read(scope *client.Scope) ([]byte, error) {
	if len(r.whole) > 0 {
		piece := r.whole
		r.whole = nil
		return piece, nil
	}
	if r.reader.IsNull() {
		return nil, r.err
	}
	reading, err := call(r.reader, "read")
	if err != nil {
		return nil, err
	}
	result, err := await(scope, reading)
	if err != nil {
		return nil, err
	}
	if result.Get("done").Bool() {
		r.ended = true
		return nil, nil
	}
	return bytesOf(result.Get("value")), nil
}

// Reader returns the body's ReadableStreamDefaultReader, for JavaScript to use instead
// of Read. It is null if there is no body.
func (r *Response) Reader() any { return r.reader }

// Close aborts the response if it has not ended.
func (r *Response) Close() {
	if !r.ended {
		r.ended = true
		r.abort.Call("abort")
	}
}
