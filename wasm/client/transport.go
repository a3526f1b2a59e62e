package client

import "akash-provider-web/wasm/grpcweb"

// A Transport carries requests to a bridge.
type Transport interface {
	// Open sends a request and returns once the response's headers have come.
	// When the scope ends, before or after that, the request is abandoned.
	// An error's text is what the platform has to say of it.
	Open(scope *Scope, request *Request) (Response, error)
}

// A Request is one gRPC-Web request.
type Request struct {
	URL    string
	Header grpcweb.Fields
	Body   []byte
	// Transport is how the request goes, in the platform's words; "" for its usual way.
	Transport string
	// Streams says that the answer may take any time, and have any length.
	Streams bool
	// Endless says that it goes on until somebody ends it.
	Endless bool
	// Whole asks for the answer as a whole, in one piece.
	Whole bool
}

// A Response is an answer whose body is still to come.
type Response interface {
	// Status is the HTTP status.
	Status() int
	// Header returns the value of a header, by its lower-case name, or "".
	Header(name string) string
	// Read returns the next piece of the body; at its end, a nil piece.
	Read(scope *Scope) ([]byte, error)
	// Close abandons what is left of the response. It may be called twice.
	Close()
}
