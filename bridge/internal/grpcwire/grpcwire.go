// Package grpcwire has what several packages of the bridge need to know of gRPC over
// HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
package grpcwire

// PrefixSize is the size of what stands before each message: a flag and a length of
// four bytes ("Length-Prefixed-Message").
const PrefixSize = 5

// UserAgent names the bridge to providers.
const UserAgent = "akash-provider-bridge"
