package fake_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"

	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	"akash-provider-web/testserver/fake"
)

const leaseService = "akash.provider.lease.v1.LeaseRPC"

// reflected returns the file of a symbol from the reflection service, or nil.
func reflected(t *testing.T, conn *grpc.ClientConn, symbol string) *descriptorpb.FileDescriptorProto {
	t.Helper()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(deadline(t))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
	}))
	answer, err := stream.Recv()
	require.NoError(t, err)
	require.NoError(t, stream.CloseSend())
	for _, raw := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		var file descriptorpb.FileDescriptorProto
		require.NoError(t, proto.Unmarshal(raw, &file))
		if len(file.GetService()) > 0 {
			return &file
		}
	}
	return nil
}

// Reflection distinguishes the dialects by the fields of ServiceLogs and by whether
// ServiceLogs is a stream.
func TestReflection(t *testing.T) {
	shape := func(dialect fake.Dialect) (field int32, stream bool) {
		file := reflected(t, dial(t, start(t, fake.Options{Seed: 7, LeaseRPC: dialect})), leaseService)
		if file == nil {
			return 0, false
		}
		for _, m := range file.GetMessageType() {
			for _, f := range m.GetField() {
				if m.GetName() == "ServiceLogs" && f.GetName() == "logs" {
					field = f.GetNumber()
				}
			}
		}
		for _, m := range file.GetService()[0].GetMethod() {
			if m.GetName() == "ServiceLogs" {
				stream = m.GetServerStreaming()
			}
		}
		return field, stream
	}
	field, stream := shape(fake.DialectAEP37)
	assert.EqualValues(t, 3, field)
	assert.True(t, stream)
	field, stream = shape(fake.DialectSDK)
	assert.EqualValues(t, 2, field)
	assert.False(t, stream)
	field, _ = shape(fake.DialectNone)
	assert.Zero(t, field)
}

// The SDK's dialect is served in the SDK's encoding.
func TestSDKLogs(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, LogLines: 50, LeaseRPC: fake.DialectSDKFull})
	conn := dial(t, s)
	// lease_id = 1, services = 2: a string where AEP-37 has a message.
	lease, err := proto.Marshal(leaseID(s))
	require.NoError(t, err)
	var text []byte
	text = protowire.AppendTag(text, 1, protowire.BytesType)
	text = protowire.AppendBytes(text, lease)
	text = protowire.AppendTag(text, 2, protowire.BytesType)
	text = protowire.AppendString(text, "db")
	request, answer := &emptypb.Empty{}, &emptypb.Empty{}
	request.ProtoReflect().SetUnknown(text)
	require.NoError(t, conn.Invoke(authorized(t, s), "/"+leaseService+"/ServiceLogs", request, answer))
	var names []string
	for rest := []byte(answer.ProtoReflect().GetUnknown()); len(rest) > 0; {
		_, _, n := protowire.ConsumeTag(rest)
		entry, m := protowire.ConsumeBytes(rest[n:])
		require.Positive(t, m)
		rest = rest[n+m:]
		_, _, n = protowire.ConsumeTag(entry)
		name, m := protowire.ConsumeString(entry[n:])
		names = append(names, name)
		number, kind, _ := protowire.ConsumeTag(entry[n+m:])
		assert.EqualValues(t, 2, number)
		assert.Equal(t, protowire.BytesType, kind)
	}
	assert.Equal(t, []string{"db", "db"}, names)
}

// The release candidates that have LeaseRPC implement one method of it.
func TestSDKCandidate(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, ProviderVersion: "0.16.0-rc3", LeaseRPC: fake.DialectSDK})
	conn := dial(t, s)
	call := func(method string) *status.Status {
		request := &leasev1.ServiceStatusRequest{LeaseId: leaseID(s)}
		return status.Convert(conn.Invoke(authorized(t, s), "/"+leaseService+"/"+method, request, &emptypb.Empty{}))
	}
	assert.Equal(t, codes.Unimplemented, call("ServiceStatus").Code())
	assert.Equal(t, "method ServiceStatus not implemented", call("ServiceStatus").Message())
	assert.Equal(t, codes.NotFound, call("AttestationQuote").Code())
	bare := &leasev1.ServiceStatusRequest{LeaseId: &marketv1.LeaseID{}}
	err := conn.Invoke(deadline(t), "/"+leaseService+"/AttestationQuote", bare, &emptypb.Empty{})
	assert.Equal(t, codes.PermissionDenied, status.Code(err))
}
