package relay

import "net/http"

// A Response is the answer to one call on its way to the caller: headers, framed
// messages, and trailers at the end, as gRPC has them. How they are written is the
// business of the caller's protocol. Its methods are called by one goroutine at a time.
type Response interface {
	// Header returns the headers, which may be changed until WriteHeader.
	Header() http.Header
	// WriteHeader ends the headers. They go out with what follows them, or with Flush.
	WriteHeader()
	// Write sends pieces of framed messages, in their order, after WriteHeader, and
	// returns how many bytes were taken. They may wait for Flush.
	Write(pieces [][]byte) (int, error)
	// Flush sends what waits. It blocks while the caller accepts no more.
	Flush()
	// Finish sets the trailers, with canonical names, that end the answer. Where
	// WriteHeader was not called they are its headers ("Trailers-Only"). They are
	// sent when ServeRPC has returned, or the function that was given to Detach has.
	Finish(trailers http.Header)
	// Detach has serve write the answer after ServeRPC has returned, without the
	// goroutine and the buffers of the connection that the request came by, and calls
	// gone when the caller leaves: the request's context no longer tells. It returns
	// false, and does nothing, where that cannot be done.
	Detach(gone, serve func()) bool
}

// A Server answers calls: requests whose bodies are framed gRPC messages, which it
// reads to the end.
type Server interface {
	ServeRPC(Response, *http.Request)
}

// Refuse answers a call with an error and nothing else.
func Refuse(w Response, err error) { w.Finish(trailersOf(errorOf(err, ""))) }
