package provider

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
)

// AEP-37's LeaseRPC is used only with a provider whose descriptor agrees in every
// field: the SDK's service decodes without an error to wrong values
// (proto/akash-provider-api.md, section 6.4).
func TestLeaseRPCIsRecognisedByItsFields(t *testing.T) {
	message := func(f *descriptorpb.FileDescriptorProto, name string) *descriptorpb.DescriptorProto {
		for _, m := range f.MessageType {
			if m.GetName() == name {
				return m
			}
		}
		t.Fatalf("no message %s", name)
		return nil
	}
	method := func(f *descriptorpb.FileDescriptorProto, name string) *descriptorpb.MethodDescriptorProto {
		for _, m := range f.Service[0].Method {
			if m.GetName() == name {
				return m
			}
		}
		t.Fatalf("no method %s", name)
		return nil
	}
	for _, c := range []struct {
		name   string
		change func(*descriptorpb.FileDescriptorProto)
		want   bool
	}{
		{"as drafted", func(*descriptorpb.FileDescriptorProto) {}, true},
		{"without what is the bridge's own", func(f *descriptorpb.FileDescriptorProto) {
			m := message(f, "ServiceLogs")
			m.Field = m.Field[:3]
			m = message(f, "ServiceLogsRequest")
			m.Field = m.Field[:3]
			f.MessageType = slices.DeleteFunc(f.MessageType, func(m *descriptorpb.DescriptorProto) bool { return m.GetName() == "KnownReplica" })
		}, true},
		{"with more methods and fields", func(f *descriptorpb.FileDescriptorProto) {
			f.Service[0].Method = append(f.Service[0].Method, &descriptorpb.MethodDescriptorProto{Name: proto.String("Shell")})
			m := message(f, "ServiceLogs")
			m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{Number: proto.Int32(99)})
		}, true},
		{"logs in one answer, as in the SDK", func(f *descriptorpb.FileDescriptorProto) {
			method(f, "ServiceLogs").ServerStreaming = nil
		}, false},
		{"a list of services instead of a filter, as in the SDK", func(f *descriptorpb.FileDescriptorProto) {
			for _, field := range message(f, "ServiceLogsRequest").Field {
				if field.GetNumber() == 2 {
					field.Type, field.TypeName = descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), nil
					field.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
				}
			}
		}, false},
		{"logs in another field, as in the SDK", func(f *descriptorpb.FileDescriptorProto) {
			message(f, "ServiceLogs").Field[2].Number = proto.Int32(4)
		}, false},
		{"no restart", func(f *descriptorpb.FileDescriptorProto) {
			f.Service[0].Method = f.Service[0].Method[:len(f.Service[0].Method)-1]
		}, false},
		{"another package", func(f *descriptorpb.FileDescriptorProto) { f.Package = proto.String("other") }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := protodesc.ToFileDescriptorProto(leasev1.File_akash_provider_lease_v1_service_proto)
			c.change(file)
			assert.Equal(t, c.want, speaksAEP37([]*descriptorpb.FileDescriptorProto{file}))
		})
	}
	assert.False(t, speaksAEP37(nil))
}

func TestMalformedReflectionAnswers(t *testing.T) {
	message, rest, ok := cutMessage([]byte{0, 0, 0, 0, 1, 'a', 0})
	assert.True(t, ok)
	assert.Equal(t, []byte("a"), message)
	for _, bad := range [][]byte{nil, rest, {1, 0, 0, 0, 0}, {0, 0, 0, 0, 1}, {0, 255, 255, 255, 255, 0}} {
		_, _, ok := cutMessage(bad)
		assert.False(t, ok)
	}
}

// A method of the SDK's LeaseRPC is called only where the provider's descriptor has its
// fields; other methods of the same service do not matter.
func TestSDKMethodsAreRecognisedByTheirFields(t *testing.T) {
	sdk := func(change func(*descriptorpb.FileDescriptorProto)) map[string]bool {
		file := protodesc.ToFileDescriptorProto(sdkv1.File_akash_provider_sdk_v1_lease_proto)
		shared := protodesc.ToFileDescriptorProto(leasev1.File_akash_provider_lease_v1_service_proto)
		shared.Service = nil
		// At a provider it is AEP-37's name that the package has.
		file.Package = shared.Package
		for _, m := range file.MessageType {
			for _, f := range m.Field {
				if f.TypeName != nil {
					f.TypeName = proto.String(strings.Replace(f.GetTypeName(), ".akash.provider.sdk.v1.", ".akash.provider.lease.v1.", 1))
				}
			}
		}
		for _, m := range file.Service[0].Method {
			m.InputType = proto.String(strings.Replace(m.GetInputType(), ".sdk.v1.", ".lease.v1.", 1))
			m.OutputType = proto.String(strings.Replace(m.GetOutputType(), ".sdk.v1.", ".lease.v1.", 1))
		}
		change(file)
		return sdkMethods([]*descriptorpb.FileDescriptorProto{shared, file})
	}
	field := func(f *descriptorpb.FileDescriptorProto, message string) *descriptorpb.FieldDescriptorProto {
		i := slices.IndexFunc(f.MessageType, func(m *descriptorpb.DescriptorProto) bool { return m.GetName() == message })
		return f.MessageType[i].Field[1]
	}
	all := map[string]bool{"ServiceStatus": true, "StreamServiceStatus": true, "ServiceLogs": true, "StreamServiceLogs": true, "AttestationQuote": true}
	assert.Equal(t, all, sdk(func(*descriptorpb.FileDescriptorProto) {}))
	assert.Equal(t, map[string]bool{"ServiceStatus": true, "StreamServiceStatus": true, "AttestationQuote": true}, sdk(func(f *descriptorpb.FileDescriptorProto) {
		field(f, "ServiceLogs").Number = proto.Int32(3)
	}), "logs in another field of a message within the answer")
	assert.NotContains(t, sdk(func(f *descriptorpb.FileDescriptorProto) {
		field(f, "AttestationQuoteRequest").Type = descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum()
	}), "AttestationQuote")
	assert.Empty(t, sdk(func(f *descriptorpb.FileDescriptorProto) { f.Package = proto.String("other") }))
	assert.Empty(t, sdkMethods(nil))
	aep37 := protodesc.ToFileDescriptorProto(leasev1.File_akash_provider_lease_v1_service_proto)
	assert.Empty(t, sdkMethods([]*descriptorpb.FileDescriptorProto{aep37}), "AEP-37's")
}
