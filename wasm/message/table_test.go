package message

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// answers are the tables and the messages that they describe.
var answers = []struct {
	table   *Table
	message protoreflect.ProtoMessage
}{
	{Status, &providerv1.Status{}},
	{ServiceStatusResponse, &leasev1.ServiceStatusResponse{}},
	{ServiceRestartResponse, &leasev1.ServiceRestartResponse{}},
	{SendManifestResponse, &webv1.SendManifestResponse{}},
	{GetManifestResponse, &webv1.GetManifestResponse{}},
	{MigrateResponse, &webv1.HostnameMigrateResponse{}},
	{MigrateResponse, &webv1.EndpointMigrateResponse{}},
	{AttestationQuoteResponse, &webv1.AttestationQuoteResponse{}},
	{InventorySnapshot, &inventoryv1.GetCommittedInventorySnapshotResponse{}},
	{LeaseEvent, &webv1.LeaseEvent{}},
	{ListLeasesResponse, &webv1.ListLeasesResponse{}},
	{ListProvidersResponse, &webv1.ListProvidersResponse{}},
}

// Tables have exactly the fields of the .proto files.
func TestTablesMatchTheProtos(t *testing.T) {
	for _, answer := range answers {
		requireTable(t, answer.message.ProtoReflect().Descriptor(), answer.table)
	}
}

func requireTable(t *testing.T, message protoreflect.MessageDescriptor, table *Table) {
	t.Helper()
	require.Len(t, *table, message.Fields().Len(), "%s", message.FullName())
	for i, field := range *table {
		fd := message.Fields().Get(i)
		name := string(fd.FullName())
		assert.EqualValues(t, fd.Number(), field.Number, name)
		if i > 0 {
			assert.Greater(t, field.Number, (*table)[i-1].Number, name)
		}
		assert.Equal(t, fd.JSONName(), field.Name, name)
		assert.Equal(t, labelOf(fd), field.Label, name)

		value := fd
		if fd.IsMap() {
			require.Equal(t, protoreflect.StringKind, fd.MapKey().Kind(), name)
			value = fd.MapValue()
		}
		kind, known := kindOf(value)
		require.True(t, known, "%s has a kind that tables do not know", name)
		if field.Kind == Bytes && (value.Kind() == protoreflect.BytesKind || value.Kind() == protoreflect.MessageKind) {
			continue // of a String, they are text; a message may stay encoded
		}
		require.Equal(t, kind, field.Kind, name)
		switch kind {
		case Message:
			require.NotNil(t, field.Table, name)
			requireTable(t, value.Message(), field.Table)
		case Enum:
			require.Len(t, field.Names, value.Enum().Values().Len(), name)
			for n, valueName := range field.Names {
				assert.Equal(t, string(value.Enum().Values().ByNumber(protoreflect.EnumNumber(n)).Name()), valueName)
			}
		}
	}
}

func labelOf(fd protoreflect.FieldDescriptor) Label {
	switch {
	case fd.IsMap():
		return Map
	case fd.IsList():
		return Repeated
	case fd.HasOptionalKeyword():
		return Optional
	}
	return Single
}

func kindOf(fd protoreflect.FieldDescriptor) (kind Kind, known bool) {
	switch fd.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return String, true
	case protoreflect.Uint32Kind, protoreflect.BoolKind:
		return Uint32, true
	case protoreflect.Int32Kind:
		return Int32, true
	case protoreflect.Int64Kind:
		return Int64, true
	case protoreflect.EnumKind:
		return Enum, true
	case protoreflect.MessageKind:
		switch fd.Message().FullName() {
		case "google.protobuf.Timestamp":
			return Timestamp, true
		case "google.protobuf.Duration":
			return Duration, true
		case "k8s.io.apimachinery.pkg.api.resource.Quantity":
			return Quantity, true
		}
		return Message, true
	}
	return 0, false
}
