// Package grpcwire defines constants of gRPC over HTTP/2 that several packages use
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
package grpcwire

// PrefixSize is the size of the prefix of each message: a flag and a length of four
// bytes ("Length-Prefixed-Message").
const PrefixSize = 5

// UserAgent is the bridge's User-Agent in requests to providers.
const UserAgent = "akash-provider-bridge"
