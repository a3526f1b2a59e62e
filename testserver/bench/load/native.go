package main

import (
	"context"
	"crypto/tls"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// dialNative connects to a provider with native gRPC, which browsers cannot use: the
// floor for every bridge.
func dialNative(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true})),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{})))
}

// openNative opens the stream with the given name.
func openNative(ctx context.Context, conn *grpc.ClientConn, name string) (grpc.ClientStream, error) {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, methodLogs)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(encoded(logsRequest(name))); err != nil {
		return nil, err
	}
	return stream, stream.CloseSend()
}
