package connect

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"
)

// unary is the answer to a unary call: the message is the body, and an error is an
// HTTP status with the error in JSON. The trailers are among the headers.
type unary struct {
	*call
	frames   []byte // the answer's messages
	trailers http.Header
	err      error // the answer cannot be sent
}

// unary returns the answer to the call, and has its request read from body.
func (c *call) unary(body io.ReadCloser) answer {
	c.r.Body = &unaryBody{ReadCloser: body, call: c}
	c.r.ContentLength = -1
	return &unary{call: c}
}

// Header implements relay.Response.
func (u *unary) Header() http.Header { return u.w.Header() }

// WriteHeader implements relay.Response.
func (u *unary) WriteHeader() {}

// Write implements relay.Response.
func (u *unary) Write(pieces [][]byte) (n int, err error) {
	for _, p := range pieces {
		u.frames = append(u.frames, p...)
		n += len(p)
	}
	if len(u.frames) >= grpcwire.PrefixSize && uint64(len(u.frames)-grpcwire.PrefixSize) > uint64(binary.BigEndian.Uint32(u.frames[1:])) {
		u.err = rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "the provider sent more than one message in answer to a unary call")
		return 0, u.err
	}
	return n, nil
}

// Flush implements relay.Response. Everything is sent at the end.
func (u *unary) Flush() {}

// Finish implements relay.Response.
func (u *unary) Finish(trailers http.Header) { u.trailers = trailers }

// Detach implements relay.Response.
func (u *unary) Detach(onDisconnect, serve func()) bool { return false }

// end implements answer.
func (u *unary) end() {
	h := u.w.Header()
	encoding := h[headerGRPCEncoding]
	delete(h, headerGRPCEncoding)
	delete(h, headerGRPCAccept)
	failure := errorOf(u.trailers)
	if u.err != nil {
		failure = errorFrom(u.err)
	}
	for key, values := range metadataOf(u.trailers) {
		h[headerTrailerPrefix+key] = values
	}
	var body []byte
	if failure == nil {
		body, failure = u.message(encoding)
	}
	status := http.StatusOK
	if failure == nil {
		h["Content-Type"] = []string{u.form}
	} else {
		h["Content-Type"] = []string{typeJSON}
		status, body = failure.status(), failure.encode()
		if failure.code == codes.Unimplemented && !u.known {
			status = http.StatusNotFound
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	u.expose()
	u.w.WriteHeader(status)
	_, _ = u.w.Write(body) // an error means that the client has disconnected
}

// message returns the body of a successful answer.
func (u *unary) message(encoding []string) ([]byte, *failure) {
	if len(u.frames) < grpcwire.PrefixSize {
		return nil, errorFrom(rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "the provider answered a unary call without a message"))
	}
	body := u.frames[grpcwire.PrefixSize:]
	compressed := u.frames[0] == flagCompressed
	if u.output == nil {
		if compressed {
			u.w.Header()[headerEncoding] = encoding
		}
		return body, nil
	}
	if compressed {
		return nil, errorFrom(errCompressedAnswer)
	}
	body, err := u.output(body)
	if err != nil {
		return nil, errorFrom(err)
	}
	return body, nil
}

var errCompressedAnswer = rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "the provider sent a compressed message, which it was not asked for")

// unaryBody is a unary request as a framed message. It is read when the call has been
// accepted.
type unaryBody struct {
	io.ReadCloser
	call  *call
	frame []byte // what is left of it
	read  bool
}

// Read implements io.Reader.
func (b *unaryBody) Read(p []byte) (int, error) {
	if !b.read {
		b.read = true
		message, err := readAll(b.ReadCloser, b.call.options.MaxRequest)
		if err == nil {
			message, err = b.call.decode(message, b.call.encoding != "")
		}
		if err != nil {
			return 0, err
		}
		b.frame = frame(0, message)
	}
	if len(b.frame) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.frame)
	b.frame = b.frame[n:]
	return n, nil
}

// readAll reads src to its end. A request that is too large is read on for a while, as
// in package relay, so that the client is done sending when the answer arrives.
func readAll(src io.Reader, limit int) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(src, int64(limit)+1))
	if err != nil {
		var known *rpcerror.Error
		if errors.As(err, &known) {
			return nil, known
		}
		return nil, err
	}
	if len(b) > limit {
		_, _ = io.CopyN(io.Discard, src, 4*int64(limit))
		return nil, tooLarge(limit)
	}
	return b, nil
}

func tooLarge(limit int) error {
	return rpcerror.New(codes.ResourceExhausted, "", "the request is larger than the bridge's limit of %d bytes", limit)
}
