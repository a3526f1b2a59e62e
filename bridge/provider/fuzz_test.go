package provider

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
)

// Whatever descriptors a provider's reflection answers with, only those with all of a
// dialect's fields are taken for it.
func FuzzDialect(f *testing.F) {
	for _, file := range []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(leasev1.File_akash_provider_lease_v1_service_proto),
		protodesc.ToFileDescriptorProto(sdkv1.File_akash_provider_sdk_v1_lease_proto),
		{Package: proto.String("akash.provider.lease.v1"), MessageType: []*descriptorpb.DescriptorProto{{}}},
	} {
		b, err := proto.Marshal(file)
		require.NoError(f, err)
		f.Add(b)
	}
	// A message that contains itself.
	f.Add(mustMarshal(f, &descriptorpb.FileDescriptorProto{
		Package: proto.String("akash.provider.lease.v1"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("ServiceLogsRequest"), Field: []*descriptorpb.FieldDescriptorProto{
			{Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), TypeName: proto.String(".akash.provider.lease.v1.ServiceLogsRequest")},
		}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("LeaseRPC"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("StreamServiceLogs"), InputType: proto.String(".akash.provider.lease.v1.ServiceLogsRequest"), OutputType: proto.String(".akash.provider.lease.v1.ServiceLogsRequest")},
		}}},
	}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var file descriptorpb.FileDescriptorProto
		if proto.Unmarshal(b, &file) != nil {
			return
		}
		files := []*descriptorpb.FileDescriptorProto{&file}
		aep37, sdk := speaksAEP37(files), sdkMethods(files)
		for method := range sdk {
			require.Contains(t, methodNames(&file), method)
		}
		if aep37 {
			for name := range leaseMethods {
				require.Contains(t, methodNames(&file), name)
			}
		}
	})
}

func mustMarshal(f *testing.F, m proto.Message) []byte {
	f.Helper()
	b, err := proto.Marshal(m)
	require.NoError(f, err)
	return b
}

func methodNames(file *descriptorpb.FileDescriptorProto) (names []string) {
	for _, service := range file.GetService() {
		for _, method := range service.GetMethod() {
			names = append(names, method.GetName())
		}
	}
	return names
}

// alphabet is BIP 173's.
const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

// Only what has an address's form and checksum is one, and its errors are short.
func FuzzCheckAddress(f *testing.F) {
	f.Add("akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv")
	f.Add("akash1" + strings.Repeat("q", 300))
	f.Add("akash1\x00")
	f.Add("AKASH1")
	f.Fuzz(func(t *testing.T, text string) {
		err := CheckAddress(text)
		if err != nil {
			require.Less(t, len(err.Error()), 1000)
			return
		}
		require.True(t, strings.HasPrefix(text, "akash1"))
		require.Empty(t, strings.Trim(text[len("akash1"):], alphabet))
		require.LessOrEqual(t, len(text), 6+255*8/5+7)
		// BIP 173 detects every change of one character.
		for i := len("akash1"); i < min(len(text), 12); i++ {
			other := []byte(text)
			other[i] = alphabet[(strings.IndexByte(alphabet, text[i])+1)%32]
			require.Error(t, CheckAddress(string(other)))
		}
	})
}
