// Package reflection tells clients which services the bridge relays, and describes
// their messages: gRPC server reflection
// (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md). Tools such as
// grpcurl ask for it.
package reflection

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
)

// Service is the name of the service.
const Service = "grpc.reflection.v1.ServerReflection"

// Paths are the paths of its method. Older clients use v1alpha, whose messages have the
// same fields.
var Paths = []string{
	reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName,
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}

// Input and Output are the types of the method's messages.
var (
	Input  = (*reflectionv1.ServerReflectionRequest)(nil).ProtoReflect().Type()
	Output = (*reflectionv1.ServerReflectionResponse)(nil).ProtoReflect().Type()
)

// Server returns what answers calls of the method. It lists services, by their full
// names, and itself.
func Server(services ...string) relay.Duplex {
	listed := list{Service: {}}
	for _, name := range services {
		listed[name] = grpc.ServiceInfo{}
	}
	server := reflection.NewServerV1(reflection.ServerOptions{Services: listed})
	return func(ctx context.Context, r *relay.Requests, a *relay.Answer) error {
		s := &stream{ctx: ctx, requests: r, answer: a}
		if err := server.ServerReflectionInfo(s); err != nil && s.err == nil {
			return rpcerror.New(codes.Internal, "", "server reflection failed: %w", err)
		}
		return s.err
	}
}

// list implements reflection.ServiceInfoProvider.
type list map[string]grpc.ServiceInfo

// GetServiceInfo implements reflection.ServiceInfoProvider.
func (l list) GetServiceInfo() map[string]grpc.ServiceInfo { return l }

// stream is the stream of one call. Of the methods of grpc.ServerStream, the service
// uses those below.
type stream struct {
	grpc.ServerStream
	ctx      context.Context
	requests *relay.Requests
	answer   *relay.Answer
	err      error // the error that ended the call, of the caller's or of the relay
}

// Context implements grpc.ServerStream.
func (s *stream) Context() context.Context { return s.ctx }

// Recv returns the next request.
func (s *stream) Recv() (*reflectionv1.ServerReflectionRequest, error) {
	message, err := s.requests.Next(s.ctx)
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	request := &reflectionv1.ServerReflectionRequest{}
	if err == nil {
		if err = proto.Unmarshal(message, request); err == nil {
			return request, nil
		}
		err = rpcerror.New(codes.InvalidArgument, "", "the request is malformed: %w", err)
	}
	s.err = err
	return nil, err
}

// Send sends a response.
func (s *stream) Send(response *reflectionv1.ServerReflectionResponse) error {
	message, err := proto.Marshal(response)
	if err != nil {
		return err
	}
	s.err = s.answer.Send(message)
	return s.err
}
