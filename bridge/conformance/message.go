package main

import (
	"encoding/binary"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// Enum values of connectrpc/conformance/v1/config.proto.
const (
	httpVersion2 = 2
	protocolGRPC = 2
)

// maxCompat bounds a message from the runner or the suite's server, in bytes. These
// messages contain at most a certificate and a key.
const maxCompat = 1 << 20

// serverRequest is connectrpc.conformance.v1.ServerCompatRequest: the server that the
// runner wants. The suite does not export its generated messages, and seven fields do
// not justify generating them here.
type serverRequest struct {
	protocol     uint64 // field 1
	httpVersion  uint64 // field 2
	useTLS       bool   // field 4
	receiveLimit uint64 // field 6, bytes per message; 0 means no limit
	cert, key    []byte // field 7, TLSCreds: PEM
}

// serverResponse is connectrpc.conformance.v1.ServerCompatResponse: the server's
// address.
type serverResponse struct {
	host string // field 1
	port uint16 // field 2
	cert []byte // field 3, PEM, if TLS is used
}

func (r *serverRequest) marshal() []byte {
	var b []byte
	b = appendVarint(b, 1, r.protocol)
	b = appendVarint(b, 2, r.httpVersion)
	b = appendVarint(b, 4, protowire.EncodeBool(r.useTLS))
	b = appendVarint(b, 6, r.receiveLimit)
	if r.cert != nil {
		b = appendBytes(b, 7, appendBytes(appendBytes(nil, 1, r.cert), 2, r.key))
	}
	return b
}

func (r *serverRequest) unmarshal(b []byte) error {
	return eachField(b, func(num protowire.Number, n uint64, v []byte) error {
		switch num {
		case 1:
			r.protocol = n
		case 2:
			r.httpVersion = n
		case 4:
			r.useTLS = protowire.DecodeBool(n)
		case 6:
			r.receiveLimit = n
		case 7:
			return eachField(v, func(num protowire.Number, _ uint64, v []byte) error {
				switch num {
				case 1:
					r.cert = v
				case 2:
					r.key = v
				}
				return nil
			})
		}
		return nil
	})
}

func (r *serverResponse) marshal() []byte {
	var b []byte
	b = appendBytes(b, 1, []byte(r.host))
	b = appendVarint(b, 2, uint64(r.port))
	if r.cert != nil {
		b = appendBytes(b, 3, r.cert)
	}
	return b
}

func (r *serverResponse) unmarshal(b []byte) error {
	return eachField(b, func(num protowire.Number, n uint64, v []byte) error {
		switch num {
		case 1:
			r.host = string(v)
		case 2:
			r.port = uint16(n)
		case 3:
			r.cert = v
		}
		return nil
	})
}

// eachField calls f for every field of a message, with its varint or its bytes.
func eachField(b []byte, f func(num protowire.Number, n uint64, v []byte) error) error {
	for len(b) > 0 {
		num, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		var n uint64
		var v []byte
		switch typ {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			v, size = protowire.ConsumeBytes(b)
		default:
			size = protowire.ConsumeFieldValue(num, typ, b)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		if err := f(num, n, v); err != nil {
			return err
		}
	}
	return nil
}

func appendVarint(b []byte, num protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

// readMessage reads a message that is preceded by its length, 32 bits, big endian.
func readMessage(r io.Reader) ([]byte, error) {
	var length uint32
	if err := binary.Read(r, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	if length > maxCompat {
		return nil, fmt.Errorf("message of %d bytes, want at most %d", length, maxCompat)
	}
	b := make([]byte, length)
	_, err := io.ReadFull(r, b)
	return b, err
}

// writeMessage writes a message after its length, in one write.
func writeMessage(w io.Writer, message []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...))
	return err
}
