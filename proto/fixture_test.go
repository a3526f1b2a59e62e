// Package proto_test holds the messages against bytes from a real provider.
package proto_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

// A real provider's GetStatus answer is known to the last field, and what we
// encode from it means the same.
func TestRealStatusRoundTrip(t *testing.T) {
	wire, err := os.ReadFile("testdata/getstatus.pb")
	require.NoError(t, err)

	var status providerv1.Status
	require.NoError(t, proto.Unmarshal(wire, &status))
	requireNoUnknown(t, status.ProtoReflect())
	assert.EqualValues(t, 4, status.GetCluster().GetLeases().GetActive())
	assert.Len(t, status.GetCluster().GetInventory().GetCluster().GetNodes(), 2)

	again, err := proto.MarshalOptions{Deterministic: true}.Marshal(&status)
	require.NoError(t, err)
	assert.Len(t, again, len(wire))
	var back providerv1.Status
	require.NoError(t, proto.Unmarshal(again, &back))
	assert.True(t, proto.Equal(&status, &back))
}

// requireNoUnknown fails if m, or any message in it, holds a field that our
// .proto files do not name.
func requireNoUnknown(t *testing.T, m protoreflect.Message) {
	t.Helper()
	require.Empty(t, m.GetUnknown(), "unknown fields in %s", m.Descriptor().FullName())
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			if fd.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					requireNoUnknown(t, v.Message())
					return true
				})
			}
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				requireNoUnknown(t, v.List().Get(i).Message())
			}
		default:
			requireNoUnknown(t, v.Message())
		}
		return true
	})
}
