package connect

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"
)

// Flags of a message in a stream ("Enveloped-Message"). The first is gRPC's as well.
const (
	flagCompressed = 0x01
	flagEnd        = 0x02
)

// frame returns message with its prefix.
func frame(flag byte, message []byte) []byte {
	b := make([]byte, grpcwire.PrefixSize, grpcwire.PrefixSize+len(message))
	b[0] = flag
	binary.BigEndian.PutUint32(b[1:], uint32(len(message)))
	return append(b, message...)
}

// decode returns a message of the request as uncompressed protobuf.
func (c *call) decode(message []byte, compressed bool) ([]byte, error) {
	if compressed && len(message) > 0 {
		var err error
		if message, err = inflate(message, c.options.MaxRequest); err != nil {
			return nil, err
		}
	}
	if c.input == nil {
		return message, nil
	}
	return c.input(message)
}

// inflate decompresses a message of the request.
func inflate(message []byte, limit int) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(message))
	if err != nil {
		return nil, rpcerror.New(codes.InvalidArgument, "", "the request is not compressed as its headers say: %w", err)
	}
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r, int64(limit)+1))
	switch {
	case n > int64(limit):
		return nil, tooLarge(limit)
	case err != nil:
		return nil, rpcerror.New(codes.InvalidArgument, "", "the request is not compressed as its headers say: %w", err)
	}
	return b.Bytes(), nil
}

// jsonTo returns a function that converts a message from JSON. Fields that it does not
// have are ignored, as by Connect's own servers. An empty body is an empty message.
func jsonTo(t protoreflect.MessageType) func([]byte) ([]byte, error) {
	if t == nil {
		return nil
	}
	return func(b []byte) ([]byte, error) {
		m := t.New().Interface()
		if len(bytes.TrimSpace(b)) == 0 {
			return nil, nil
		}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, m); err != nil {
			return nil, rpcerror.New(codes.InvalidArgument, "", "the request is not JSON of the message %s: %s", t.Descriptor().FullName(), reason(err))
		}
		return proto.Marshal(m)
	}
}

// toJSON returns a function that converts a message to JSON.
func toJSON(t protoreflect.MessageType) func([]byte) ([]byte, error) {
	if t == nil {
		return nil
	}
	return func(b []byte) ([]byte, error) {
		m := t.New().Interface()
		if err := proto.Unmarshal(b, m); err != nil {
			return nil, rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "the provider's answer is malformed: %w", err)
		}
		return protojson.Marshal(m)
	}
}

// reason returns the text of an error of protojson, which begins with "proto:" and a
// space that differs between builds.
func reason(err error) string {
	text := strings.TrimPrefix(err.Error(), "proto:")
	return strings.TrimLeft(text, " \u00a0")
}
