package fanout

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"
)

// readMessage reads one message, including its prefix. It returns io.EOF at an end
// between two messages. Compressed messages are an error, since the request did not
// accept compression.
func readMessage(r io.Reader, limit int) ([]byte, error) {
	var prefix [grpcwire.PrefixSize]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, truncated(err)
	}
	length := binary.BigEndian.Uint32(prefix[1:])
	switch {
	case prefix[0] != 0:
		return nil, rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol,
			"the provider's answer is malformed: a message's first byte is %#02x", prefix[0])
	case uint64(length) > uint64(limit):
		return nil, rpcerror.New(codes.ResourceExhausted, rpcerror.ReasonProviderProtocol,
			"the provider sent a message larger than the bridge's limit of %d bytes", limit)
	}
	// The buffer grows as bytes arrive, not by the claimed length.
	var message bytes.Buffer
	message.Grow(min(grpcwire.PrefixSize+int(length), 8<<10))
	message.Write(prefix[:])
	if _, err := io.CopyN(&message, r, int64(length)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, truncated(err)
	}
	return message.Bytes(), nil
}

// truncated returns the error for a stream that ends within a message.
func truncated(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderGone, "the provider's stream broke off: %w", err)
	}
	return err
}
