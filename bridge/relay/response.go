package relay

import "net/http"

// A Response is the answer to one call: headers, framed messages, and trailers at the
// end, as in gRPC. The implementation encodes them for the client's protocol. Its
// methods must not be called concurrently.
type Response interface {
	// Protocol is the client's protocol, for logs and metrics.
	Protocol() Protocol
	// Header returns the headers, which may be changed until WriteHeader is called.
	Header() http.Header
	// WriteHeader ends the headers. They are sent with the first data, or by Flush.
	WriteHeader()
	// Write sends framed messages, given in pieces, after WriteHeader. It returns the
	// number of bytes accepted. They may be buffered until Flush.
	Write(pieces [][]byte) (int, error)
	// Flush sends buffered data. It blocks while the client accepts no more.
	Flush()
	// Finish sets the trailers, whose keys are canonical. If WriteHeader was not
	// called, they are sent as headers ("Trailers-Only"). They are sent after
	// ServeRPC, or the function given to Detach, has returned.
	Finish(trailers http.Header)
	// Detach runs serve, to write the answer, when ServeRPC has returned. This frees what
	// the request has taken: its stack, and over HTTP/1.1 its goroutine and the buffers of
	// its connection. onDisconnect is called when the client disconnects, which the
	// request's context no longer reports. Detach returns false, and does nothing, if the
	// connection does not support it.
	Detach(onDisconnect, serve func()) bool
}

// Protocol is the name of a client's protocol.
type Protocol string

// The protocols.
const (
	ProtocolGRPC        Protocol = "grpc"
	ProtocolGRPCWeb     Protocol = "grpc-web"
	ProtocolGRPCWebText Protocol = "grpc-web-text"
	ProtocolWebSocket   Protocol = "websocket" // gRPC-Web over a WebSocket
	ProtocolConnect     Protocol = "connect"
)

// A Server answers calls. The request's body has framed gRPC messages, which the
// Server reads to the end.
type Server interface {
	ServeRPC(Response, *http.Request)
}

// Refuse answers a call with an error only.
func Refuse(w Response, err error) { w.Finish(trailersOf(errorOf(err, ""))) }
