package chainsdk

import (
	"encoding/binary"
	"io"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
)

// request is the body of a call: one message, which is converted when it is read.
type request struct {
	io.ReadCloser
	answer *answer
	frame  []byte // what is left of it
	read   bool
}

// Read implements io.Reader.
func (r *request) Read(p []byte) (int, error) {
	if !r.read {
		r.read = true
		if err := r.convert(); err != nil {
			return 0, err
		}
	}
	if len(r.frame) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.frame)
	r.frame = r.frame[n:]
	return n, nil
}

func (r *request) convert() error {
	b, err := io.ReadAll(io.LimitReader(r.ReadCloser, int64(r.answer.max)+grpcwire.PrefixSize+1))
	switch {
	case err != nil:
		return err
	case len(b) > r.answer.max+grpcwire.PrefixSize:
		return rpcerror.New(codes.ResourceExhausted, "", "the request is larger than the bridge's limit of %d bytes", r.answer.max)
	case len(b) < grpcwire.PrefixSize:
		return rpcerror.New(codes.InvalidArgument, "", "the request has no message")
	case b[0] != 0:
		return rpcerror.New(codes.Unimplemented, "", "the bridge takes no compressed requests of the SDK's LeaseRPC")
	case int64(binary.BigEndian.Uint32(b[1:])) != int64(len(b)-grpcwire.PrefixSize):
		return rpcerror.New(codes.InvalidArgument, "", "the request is not one message")
	}
	message, only, err := r.answer.method.request(b[grpcwire.PrefixSize:])
	if err != nil {
		return rpcerror.New(codes.InvalidArgument, "", "the request is malformed: %w", err)
	}
	r.answer.only = only
	if r.frame, err = frame(message); err != nil {
		return rpcerror.New(codes.InvalidArgument, "", "the request is malformed: %w", err)
	}
	return nil
}

// frame returns a message with its prefix.
func frame(message proto.Message) ([]byte, error) {
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, grpcwire.PrefixSize), message)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-grpcwire.PrefixSize))
	return b, nil
}

// answer is a relay.Response that converts messages.
type answer struct {
	relay.Response
	method method
	max    int      // bytes of a message
	only   []string // the services that the client asked for; nil for all

	partial []byte // the beginning of a message that is converted once it is complete
	// whole is the answer to a unary call, merged from a stream.
	whole proto.Message
	size  int // of it, in bytes
	err   error
}

// WriteHeader implements relay.Response. The answer to a unary call is sent at the end.
func (a *answer) WriteHeader() {
	if a.method.streaming {
		a.Response.WriteHeader()
	}
}

// Flush implements relay.Response.
func (a *answer) Flush() {
	if a.method.streaming {
		a.Response.Flush()
	}
}

// Write implements relay.Response.
func (a *answer) Write(pieces [][]byte) (n int, err error) {
	for _, p := range pieces {
		a.partial = append(a.partial, p...)
		if err := a.convert(); err != nil {
			return n, err
		}
		n += len(p)
	}
	return n, nil
}

// convert takes the messages that are complete.
func (a *answer) convert() error {
	for len(a.partial) >= grpcwire.PrefixSize {
		end := uint64(grpcwire.PrefixSize) + uint64(binary.BigEndian.Uint32(a.partial[1:]))
		if uint64(len(a.partial)) < end {
			return nil
		}
		if err := a.take(a.partial[:end]); err != nil {
			return err
		}
		a.partial = append(a.partial[:0], a.partial[end:]...)
	}
	return nil
}

// take converts one message.
func (a *answer) take(framed []byte) error {
	switch {
	case framed[0] != 0:
		return a.fail(rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "the provider sent a compressed message, which it was not asked for"))
	case len(framed) == grpcwire.PrefixSize && a.method.streaming:
		_, err := a.Response.Write([][]byte{framed}) // a heartbeat
		return err
	}
	message, err := a.method.response(framed[grpcwire.PrefixSize:], a.only)
	if err != nil {
		return a.fail(rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "the provider's answer is malformed: %w", err))
	}
	if message == nil {
		return nil
	}
	if a.method.streaming {
		converted, err := frame(message)
		if err == nil {
			_, err = a.Response.Write([][]byte{converted})
		}
		return err
	}
	if a.size += len(framed); a.size > a.max {
		return a.fail(rpcerror.New(codes.ResourceExhausted, "",
			"the answer is larger than the bridge's limit of %d bytes: ask for fewer lines (akash-tail), or use the streaming method", a.max))
	}
	if a.whole == nil {
		a.whole = message
	} else {
		proto.Merge(a.whole, message)
	}
	return nil
}

func (a *answer) fail(err error) error {
	a.err = err
	return err
}

// Finish implements relay.Response.
func (a *answer) Finish(trailers http.Header) {
	if a.err != nil {
		relay.Refuse(a.Response, a.err)
		return
	}
	if !a.method.streaming && trailers.Get("Grpc-Status") == "0" {
		whole := a.whole
		if whole == nil {
			whole = a.method.output.ProtoReflect().New().Interface()
		}
		b, err := frame(whole)
		if err != nil {
			relay.Refuse(a.Response, rpcerror.New(codes.Internal, "", "the answer cannot be sent: %w", err))
			return
		}
		a.Response.WriteHeader()
		_, _ = a.Response.Write([][]byte{b}) // an error means that the client has disconnected
	}
	a.Response.Finish(trailers)
}
