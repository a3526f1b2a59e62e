// Package connect answers calls in Connect's protocol
// (https://connectrpc.com/docs/protocol), which curl and any HTTP client can speak: a
// unary call is a POST request whose body is the message, in JSON or in protobuf. It
// does not know what the calls mean.
package connect

import (
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"akash-provider-web/bridge/internal/timedbody"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
)

// Content types ("Unary-Content-Type", "Streaming-Content-Type").
const (
	typeJSON        = "application/json"
	typeProto       = "application/proto"
	typeStreamJSON  = "application/connect+json"
	typeStreamProto = "application/connect+proto"
)

// Speaks reports whether a request with this content type is a Connect call.
func Speaks(value string) bool {
	form, _, _ := strings.Cut(value, ";")
	switch strings.TrimSpace(form) {
	case typeJSON, typeProto, typeStreamJSON, typeStreamProto:
		return true
	}
	return false
}

// A Method describes a method's messages.
type Method struct {
	// Input and Output are the types of messages; without them JSON is refused.
	Input, Output protoreflect.MessageType
	// Streaming says that the method is no unary one.
	Streaming bool
}

// Options configure Handler.
type Options struct {
	// Method describes the method that a request calls; ok is false if there is none.
	Method func(r *http.Request) (m Method, ok bool)
	// MaxRequest is the size limit of a request's message, in bytes.
	MaxRequest int
	// Arrival bounds the time that a request's body may take to arrive. For a call
	// whose requests go on while it is answered, that is the first message.
	Arrival time.Duration
}

// Handler returns a handler that answers POST requests of Connect clients with next. It
// does not check origins; the caller must.
func Handler(next relay.Server, o Options) http.Handler { return &handler{next, o} }

type handler struct {
	next    relay.Server
	options Options
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	form, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	form = strings.TrimSpace(form)
	method, known := h.options.Method(r)
	streaming, json := form == typeStreamJSON || form == typeStreamProto, form == typeJSON || form == typeStreamJSON
	writeHeaders(w, r)
	if known && method.Streaming != streaming {
		want := typeJSON + " or " + typeProto
		if method.Streaming {
			want = typeStreamJSON + " or " + typeStreamProto
		}
		w.Header().Set("Accept-Post", strings.ReplaceAll(want, " or ", ", "))
		http.Error(w, "This method's messages have another form: want the content type "+want+".", http.StatusUnsupportedMediaType)
		return
	}

	body := timedbody.NewLive(w, r, h.options.Arrival)
	defer body.Close()
	c := &call{handler: h, w: w, r: r, form: form, known: known, accepted: encodings(r.Header, streaming)}
	err := c.translateHeaders(streaming)
	if err == nil && json {
		if method.Input == nil {
			err = rpcerror.New(codes.Unimplemented, "", "the bridge knows no messages of the method %.200q", r.URL.Path)
		}
		c.input, c.output = jsonTo(method.Input), toJSON(method.Output)
	}
	var a answer
	if streaming {
		a = c.stream(body)
	} else {
		a = c.unary(body)
	}
	if err != nil {
		relay.Refuse(a, err)
	} else {
		h.next.ServeRPC(a, r)
	}
	a.end()
}

// Protocol implements relay.Response.
func (c *call) Protocol() relay.Protocol { return relay.ProtocolConnect }

// answer is a relay.Response.
type answer interface {
	relay.Response
	// end sends what is left, after the handler has returned.
	end()
}

// call is one call.
type call struct {
	*handler
	w        http.ResponseWriter
	r        *http.Request
	form     string // the content type without parameters
	known    bool   // the method exists
	encoding string // of the request, "" for none
	accepted string // encodings that the client accepts, as it names them
	// input and output convert messages, if they are not protobuf.
	input, output func([]byte) ([]byte, error)
}

// Headers, in canonical form. A message's compression has other headers in a stream,
// where each message is compressed by itself.
const (
	headerVersion         = "Connect-Protocol-Version"
	headerTimeout         = "Connect-Timeout-Ms"
	headerEncoding        = "Content-Encoding"
	headerAccept          = "Accept-Encoding"
	headerStreamEncoding  = "Connect-Content-Encoding"
	headerStreamAccept    = "Connect-Accept-Encoding"
	headerGRPCEncoding    = "Grpc-Encoding"
	headerGRPCAccept      = "Grpc-Accept-Encoding"
	headerGRPCTimeout     = "Grpc-Timeout"
	headerTrailerPrefix   = "Trailer-"
	encodingGzip          = "gzip"
	encodingIdentity      = "identity"
	protocolVersion       = "1"
	maxTimeoutDigits      = 10
	maxGRPCTimeoutDigits  = 8
	millisecondsPerSecond = 3 // digits
)

// encodings returns the encodings that the client accepts.
func encodings(h http.Header, streaming bool) string {
	if streaming {
		return h.Get(headerStreamAccept)
	}
	return h.Get(headerAccept)
}

// translateHeaders replaces the request's Connect headers by those of gRPC.
func (c *call) translateHeaders(streaming bool) error {
	h := c.r.Header
	name := headerEncoding
	if streaming {
		name = headerStreamEncoding
	}
	c.encoding = h.Get(name)
	version, timeout := h.Get(headerVersion), h.Get(headerTimeout)
	for _, name := range []string{
		headerVersion, headerTimeout, headerEncoding, headerAccept, headerStreamEncoding, headerStreamAccept,
		headerGRPCEncoding, headerGRPCAccept, headerGRPCTimeout,
	} {
		delete(h, name)
	}
	h["Content-Type"] = []string{"application/grpc+proto"}
	// The answers of providers go to the client as they are, if it takes gzip. JSON is
	// made of messages that are not compressed.
	if c.form != typeJSON && c.form != typeStreamJSON && acceptsGzip(c.accepted) {
		h[headerGRPCAccept] = []string{encodingGzip}
	}
	switch c.encoding {
	case "", encodingIdentity:
		c.encoding = ""
	case encodingGzip:
	default:
		return rpcerror.New(codes.Unimplemented, rpcerror.ReasonMalformedMetadata, "the encoding %.40q is not supported: want gzip or identity", c.encoding)
	}
	if version != "" && version != protocolVersion {
		return malformed(headerVersion, "names a version that the bridge does not know: want 1")
	}
	if timeout == "" {
		return nil
	}
	if len(timeout) > maxTimeoutDigits || strings.Trim(timeout, "0123456789") != "" {
		return malformed(headerTimeout, "is malformed: want a number of milliseconds, at most ten digits")
	}
	unit := "m"
	if len(timeout) > maxGRPCTimeoutDigits {
		timeout, unit = timeout[:len(timeout)-millisecondsPerSecond], "S"
	}
	h[headerGRPCTimeout] = []string{timeout + unit}
	return nil
}

func acceptsGzip(accepted string) bool {
	for name := range strings.SplitSeq(accepted, ",") {
		name, weight, _ := strings.Cut(name, ";")
		weight = strings.ReplaceAll(weight, " ", "")
		if strings.EqualFold(strings.TrimSpace(name), encodingGzip) && weight != "q=0" && weight != "q=0.0" {
			return true
		}
	}
	return false
}

func malformed(key, text string) error {
	return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata, "header %s %s", strings.ToLower(key), text)
}

// writeHeaders sets the headers that every answer has. The edge has checked the
// origin.
func writeHeaders(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["X-Content-Type-Options"] = []string{"nosniff"}
	// As for gRPC-Web: neither browsers nor proxies should hold an answer back.
	h["Cache-Control"] = []string{"no-store, no-transform"}
	h["X-Accel-Buffering"] = []string{"no"}
	h["Vary"] = []string{"Origin"}
	if origin := r.Header["Origin"]; origin != nil {
		h["Access-Control-Allow-Origin"] = origin
		h["Access-Control-Allow-Credentials"] = []string{"true"}
	}
}

// expose lets a page read the answer's headers. CORS requires each name.
func (c *call) expose() {
	if c.r.Header["Origin"] == nil {
		return
	}
	h := c.w.Header()
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	h["Access-Control-Expose-Headers"] = []string{strings.Join(names, ", ")}
}
