package client

import "akash-provider-web/wasm/grpcweb"

// A Transport carries requests to a bridge.
type Transport interface {
	// Open sends a request and returns when the response's headers have arrived. When the
	// scope ends, before or after that, the request is aborted. An error's text is the
	// platform's explanation.
	Open(scope *Scope, request *Request) (Response, error)
}

// A Request is one gRPC-Web request.
type Request struct {
	URL    string
	Header grpcweb.Fields
	Body   []byte
	// Transport names the platform's transport to use; "" for its default.
	Transport string
	// Streams says that the response may take any time and have any length.
	Streams bool
	// LongLived says that the response does not end by itself.
	LongLived bool
	// Whole asks for the response's body in one piece.
	Whole bool
}

// A Response is a response whose headers have arrived.
type Response interface {
	// Status is the HTTP status.
	Status() int
	// Header returns the value of a header, by its lower-case name, or "".
	Header(name string) string
	// Read returns the next piece of the body; at its end, a nil piece.
	Read(scope *Scope) ([]byte, error)
	// Close aborts the response. It may be called more than once.
	Close()
}
