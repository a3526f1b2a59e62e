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

// Fetch is a client.Transport on the browser's fetch.
type Fetch struct{}

// A Response is what fetch answered.
type Response struct {
	value  js.Value
	abort  js.Value // an AbortController
	status int
	reader js.Value // of the body; null where there is none
	closed bool
}

// Open sends a request and returns once the response's headers have come.
func (Fetch) Open(scope *client.Scope, request *client.Request) (client.Response, error) {
	headers := object.New()
	for _, field := range request.Header {
		headers.Set(field.Name, field.Value)
	}
	abort := abortController.New()
	init := object.New()
	init.Set("method", "POST")
	init.Set("headers", headers)
	init.Set("body", arrayOf(request.Body))
	init.Set("signal", abort.Get("signal"))
	init.Set("cache", "no-store")
	// A redirect would carry credentials to whoever is named in it.
	init.Set("redirect", "error")
	// What is not fetch's own is for a function that stands in for it.
	if request.Transport != "" {
		init.Set("transport", request.Transport)
		init.Set("streams", request.Streams)
	}

	answer, err := call(js.Global(), "fetch", request.URL, init)
	if err != nil {
		return nil, err
	}
	value, err := await(scope, answer)
	if err != nil {
		abort.Call("abort")
		return nil, err
	}
	response := &Response{value: value, abort: abort, status: value.Get("status").Int(), reader: js.Null()}
	if body := value.Get("body"); body.Truthy() {
		if response.reader, err = call(body, "getReader"); err != nil {
			abort.Call("abort")
			return nil, err
		}
	}
	return response, nil
}

// Status is the HTTP status.
func (r *Response) Status() int { return r.status }

// Header returns the value of a header, or "" where it is absent or the bridge
// does not expose it to the page.
func (r *Response) Header(name string) string {
	value, err := call(r.value.Get("headers"), "get", name)
	if err != nil || value.Type() != js.TypeString {
		return ""
	}
	return value.String()
}

// Headers returns every header that the bridge exposes to the page. The values of
// a name are joined by commas, as fetch joins them.
func (r *Response) Headers() grpcweb.Fields {
	var fields grpcweb.Fields
	all := js.Global().Get("Array").Call("from", r.value.Get("headers"))
	for i := range all.Length() {
		field := all.Index(i)
		fields = append(fields, grpcweb.Field{Name: field.Index(0).String(), Value: field.Index(1).String()})
	}
	return fields
}

// Read returns the next piece of the body; at its end, a nil piece.
func (r *Response) Read(scope *client.Scope) ([]byte, error) {
	if r.reader.IsNull() {
		return nil, nil
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
		r.closed = true
		return nil, nil
	}
	return bytesOf(result.Get("value")), nil
}

// Reader is the body's ReadableStreamDefaultReader, for JavaScript to read
// instead of Read; null where there is no body.
func (r *Response) Reader() any { return r.reader }

// Close abandons what is left of the response.
func (r *Response) Close() {
	if !r.closed {
		r.closed = true
		r.abort.Call("abort")
	}
}
