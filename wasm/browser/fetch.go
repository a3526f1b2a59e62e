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

// Fetch is a client.Transport on the function request of the global object, which
// calls the browser's fetch (npm/src/transport/request.ts). Each value that crosses between Go
// and JavaScript costs about as much as reading a short message, so a request is one
// call and its response another, whose headers are one text.
type Fetch struct{}

// A Response is what fetch answered.
type Response struct {
	status int
	header grpcweb.Fields
	whole  []byte // the body, where it was asked for as a whole; nil once it is read
	broke  error  // what reading failed with after that
	ended  bool   // it was read to its end
	reader js.Value
	abort  js.Value // what request returned: its abort ends the request and its body
}

// A reply is what request says that became of a request.
type reply struct {
	text string // the status, the headers and an error, in lines
	body js.Value
	err  error
}

// Who waits for a reply.
var (
	replies  pending[chan reply]
	answered js.Func
)

func init() {
	answered = js.FuncOf(func(_ js.Value, args []js.Value) any {
		if waiter, ok := replies.take(uint32(args[0].Int())); ok {
			waiter <- reply{text: args[1].String(), body: args[2]}
		}
		return nil
	})
}

// Open sends a request and returns once the response's headers have come, or all of
// it where it is asked for as a whole.
func (Fetch) Open(scope *client.Scope, request *client.Request) (client.Response, error) {
	size := 0
	for _, field := range request.Header {
		size += len(field.Name) + len(field.Value) + 2
	}
	header := make([]byte, 0, size)
	for _, field := range request.Header {
		header = append(append(append(append(header, field.Name...), ':'), field.Value...), '\n')
	}
	most := 0
	if request.Whole {
		most = 2 * (grpcweb.HeaderSize + grpcweb.DefaultMaxMessage) // the message and the trailers
	}
	waiter := make(chan reply, 2) // room for both ends, so that neither blocks
	id := replies.add(waiter)
	abort, err := call(js.Global(), "request", request.URL, string(header), arrayOf(request.Body),
		request.Transport, request.Streams, most, id, answered)
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
		return nil, response.broke
	}
	switch {
	case !request.Whole:
		response.reader = answer.body
		response.ended = answer.body.IsNull()
	case answer.body.Truthy():
		response.whole = bytesOf(answer.body)
		response.ended = response.broke == nil && len(response.whole) < most
	}
	return response, nil
}

// read reads a reply's text: the status, 0 for none, a line for each header, and
// after an empty line what went wrong, if anything did.
func (r *Response) read(text string) {
	line, rest := cut(text, '\n')
	for i := range len(line) {
		r.status = r.status*10 + int(line[i]-'0')
	}
	for rest != "" {
		if line, rest = cut(rest, '\n'); line == "" {
			r.broke = errors.New(rest)
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

// Header returns the value of a header, or "" where it is absent or the bridge
// does not expose it to the page. The values of a name are joined by commas, as
// fetch joins them.
func (r *Response) Header(name string) string {
	value, _ := r.header.Get(name)
	return value
}

// Headers returns every header that the bridge exposes to the page.
func (r *Response) Headers() grpcweb.Fields { return r.header }

// Read returns the next piece of the body; at its end, a nil piece.
func (r *Response) Read(scope *client.Scope) ([]byte, error) {
	if len(r.whole) > 0 {
		piece := r.whole
		r.whole = nil
		return piece, nil
	}
	if r.reader.IsNull() {
		return nil, r.broke
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

// Reader is the body's ReadableStreamDefaultReader, for JavaScript to read
// instead of Read; null where there is no body.
func (r *Response) Reader() any { return r.reader }

// Close abandons what is left of the response.
func (r *Response) Close() {
	if !r.ended {
		r.ended = true
		r.abort.Call("abort")
	}
}
