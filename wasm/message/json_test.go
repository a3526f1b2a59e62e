package message

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"akash-provider-web/proto/k8s/io/apimachinery/pkg/api/resource"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

// A real provider's response becomes the object that a protobuf library would produce.
func TestRealStatus(t *testing.T) {
	wire, err := os.ReadFile("../../proto/testdata/getstatus.pb")
	require.NoError(t, err)
	status := requireSame(t, Status, wire, &providerv1.Status{})

	node := status["cluster"].(object)["inventory"].(object)["cluster"].(object)["nodes"].([]any)[0].(object)
	cpu := node["resources"].(object)["cpu"].(object)["quantity"].(object)["allocatable"]
	assert.Equal(t, object{"text": "63900m", "value": json.Number("63900e-3")}, cpu)
}

// An empty message becomes an object without submessages and with empty lists.
func TestEmptyMessages(t *testing.T) {
	assert.Equal(t, `{"errors":[],"publicHostnames":[]}`, toJSON(t, Status, nil))
	assert.Equal(t, `{"services":[]}`, toJSON(t, ServiceStatusResponse, nil))

	wire := marshal(t, &leasev1.ServiceRestartResponse{Status: []*leasev1.ServiceRestartStatus{{}}})
	assert.Equal(t, `{"status":[{"service":"","replica":"","state":"pending"}]}`,
		toJSON(t, ServiceRestartResponse, wire))
}

func TestEveryKindOfField(t *testing.T) {
	text := "two\nlines, \"quoted\\\", \x00, 漢字 and 😀"
	requireSame(t, ServiceRestartResponse, marshal(t, &leasev1.ServiceRestartResponse{
		Status: []*leasev1.ServiceRestartStatus{
			{Service: "web", Replica: "web-0", State: leasev1.ServiceRestartStatus_active},
			{Service: "web", Replica: "web-1", State: leasev1.ServiceRestartStatus_failure, Message: &text},
			{Service: "db", State: 7, Message: proto.String("")},
		},
	}), &leasev1.ServiceRestartResponse{})

	requireSame(t, ServiceStatusResponse, marshal(t, &leasev1.ServiceStatusResponse{
		Services: []*leasev1.ServiceStatus{{
			Name: "web",
			Status: &leasev1.LeaseServiceStatus{
				Available: -1, Total: 1 << 30, Uris: []string{"a", ""}, ObservedGeneration: -1 << 40,
			},
			Ports: []*leasev1.ForwarderPortStatus{{Host: "h", Port: 1<<32 - 1, Proto: "TCP"}},
			Ips:   []*leasev1.LeaseIPStatus{{Port: 80, Ip: "1.2.3.4"}},
		}},
	}), &leasev1.ServiceStatusResponse{})

	requireSame(t, Status, marshal(t, &providerv1.Status{
		Timestamp:         timestamppb.New(time.Date(2026, 8, 28, 10, 0, 0, 500_000_000, time.UTC)),
		ReclamationWindow: durationpb.New(24 * time.Hour),
		Cluster: &providerv1.ClusterStatus{Inventory: &providerv1.Inventory{
			Reservations: &providerv1.Reservations{Active: &providerv1.ReservationsMetric{
				Resources: &providerv1.ResourcesMetric{Storage: map[string]*resource.Quantity{
					"beta2": {String_: "10Gi"}, "": {}, "__proto__": {String_: "1"}, "x\"y": nil,
				}},
			}},
		}},
	}), &providerv1.Status{})
}

// Fields may be in any order and repeated: the last scalar counts, and submessages are
// merged. Unknown fields, and known ones with another wire type, are skipped.
func TestFieldsInAnyOrder(t *testing.T) {
	part := func(s *providerv1.Status) []byte { return marshal(t, s) }
	var wire []byte
	wire = append(wire, part(&providerv1.Status{PublicHostnames: []string{"one"}, BidEngine: &providerv1.BidEngineStatus{Orders: 1}})...)
	wire = protowire.AppendTag(wire, 100, protowire.Fixed64Type)
	wire = protowire.AppendFixed64(wire, 1)
	wire = protowire.AppendTag(wire, 101, protowire.Fixed32Type)
	wire = protowire.AppendFixed32(wire, 1)
	wire = protowire.AppendTag(wire, 2, protowire.VarintType)
	wire = protowire.AppendVarint(wire, 5)
	wire = append(wire, part(&providerv1.Status{Errors: []string{"b"}, Cluster: &providerv1.ClusterStatus{Leases: &providerv1.Leases{Active: 4}}})...)
	wire = append(wire, part(&providerv1.Status{Cluster: &providerv1.ClusterStatus{Inventory: &providerv1.Inventory{}}})...)
	wire = append(wire, part(&providerv1.Status{PublicHostnames: []string{"two"}, BidEngine: &providerv1.BidEngineStatus{Orders: 2}})...)
	wire = append(wire, part(&providerv1.Status{Cluster: &providerv1.ClusterStatus{Leases: &providerv1.Leases{Active: 9}}})...)

	status := requireSame(t, Status, wire, &providerv1.Status{})
	assert.Equal(t, []any{"one", "two"}, status["publicHostnames"])
	assert.Equal(t, object{"orders": json.Number("2")}, status["bidEngine"])
	assert.Equal(t, object{"leases": object{"active": json.Number("9")}, "inventory": object{}}, status["cluster"])
}

// Malformed data is an error.
func TestMalformedMessages(t *testing.T) {
	for name, wire := range map[string]string{
		"a tag cut short":             "\x80",
		"field number 0":              "\x00\x00",
		"a number cut short":          "\x08\x80",
		"a number of eleven bytes":    "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
		"a number above 64 bits":      "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
		"a length beyond the end":     "\x12\x05ab",
		"a length of 2^64-1":          "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"a fixed64 cut short":         "\x09\x00\x00",
		"a fixed32 cut short":         "\x0d\x00",
		"a wire type that is no type": "\x0e",
		"a broken message within":     "\x12\x02\x0a\x05",
		"a broken quantity":           "\x12\x08\x12\x06\x1a\x04\x0a\x02\x0a\x09",
		"a broken timestamp":          "\x32\x01\x08",
	} {
		_, err := AppendJSON(nil, Status, []byte(wire))
		assert.ErrorIs(t, err, ErrMalformed, name)
	}
}

// The JSON of a message with two million empty parts is bounded.
func TestHugeMessage(t *testing.T) {
	services := bytes.Repeat([]byte("\x0a\x00"), 2<<20)
	_, err := AppendJSON(nil, ServiceStatusResponse, services)
	assert.ErrorIs(t, err, ErrMalformed)

	parts := bytes.Repeat([]byte("\x12\x00"), 2<<20)
	_, err = AppendJSON(nil, Status, parts)
	assert.NoError(t, err)
}

// Data that a protobuf library accepts is decoded to the same values, and other data
// is an error.
func FuzzAppendJSON(f *testing.F) {
	wire, err := os.ReadFile("../../proto/testdata/getstatus.pb")
	require.NoError(f, err)
	f.Add(0, wire)
	f.Add(1, []byte("\x0a\x05\x0a\x03web"))
	f.Add(2, []byte("\x0a\x04\x18\x01\x22\x00"))
	f.Add(4, []byte(""))
	f.Add(4, []byte("\x0a\x04[{}]"))
	f.Add(0, []byte("\x12\x10\x12\x0e\x12\x0c\x12\x0a\x12\x08\x2a\x06\x0a\x01b\x12\x01\x0a"))
	f.Fuzz(func(t *testing.T, which int, wire []byte) {
		answer := answers[uint(which)%uint(len(answers))]
		text, err := AppendJSON(nil, answer.table, wire)
		if err == nil {
			require.True(t, json.Valid(text), "%s", text)
		}
		message := answer.message.ProtoReflect().New()
		if proto.Unmarshal(wire, message.Interface()) != nil || hasGroup(wire) {
			return // for example because of invalid UTF-8, which this package accepts
		}
		if hasBool(message.Descriptor(), nil) {
			// This package reads a bool as a number, and leaves it one that is neither 0 nor 1.
			wire, err = proto.Marshal(message.Interface())
			require.NoError(t, err)
			text, err = AppendJSON(nil, answer.table, wire)
		}
		require.NoError(t, err)
		require.Equal(t, expected(message), parse(t, text))
	})
}

// hasBool reports whether a message, or one within it, has a bool. It is called with the
// messages that it is within.
func hasBool(message protoreflect.MessageDescriptor, within []protoreflect.FullName) bool {
	if slices.Contains(within, message.FullName()) {
		return false
	}
	within = append(within, message.FullName())
	fields := message.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.Kind() == protoreflect.BoolKind || fd.Message() != nil && hasBool(fd.Message(), within) {
			return true
		}
	}
	return false
}

// hasGroup reports whether b may contain a group, which this package does not support.
func hasGroup(wire []byte) bool {
	for len(wire) > 0 {
		_, kind, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return false
		}
		if kind == protowire.StartGroupType {
			return true
		}
		if kind == protowire.BytesType {
			if within, m := protowire.ConsumeBytes(wire[n:]); m >= 0 && hasGroup(within) {
				return true
			}
		}
		_, _, m := protowire.ConsumeField(wire)
		if m < 0 {
			return false
		}
		wire = wire[m:]
	}
	return false
}

type object = map[string]any

// requireSame decodes a message with this package and with the protobuf library, and
// requires the same result.
func requireSame(t *testing.T, table *Table, wire []byte, message proto.Message) object {
	t.Helper()
	require.NoError(t, proto.Unmarshal(wire, message))
	got := parse(t, []byte(toJSON(t, table, wire)))
	require.Equal(t, expected(message.ProtoReflect()), got)
	return got
}

// expected returns the JSON object for a message.
func expected(message protoreflect.Message) object {
	o := object{}
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		v := message.Get(fd)
		switch {
		case fd.IsMap():
			entries := object{}
			v.Map().Range(func(key protoreflect.MapKey, v protoreflect.Value) bool {
				entries[key.String()], _ = expectedValue(fd.MapValue(), v)
				return true
			})
			o[fd.JSONName()] = entries
		case fd.IsList():
			list := []any{}
			for i := range v.List().Len() {
				if item, shown := expectedValue(fd, v.List().Get(i)); shown {
					list = append(list, item)
				}
			}
			o[fd.JSONName()] = list
		case fd.HasPresence() && !message.Has(fd):
		default:
			if value, shown := expectedValue(fd, v); shown {
				o[fd.JSONName()] = value
			}
		}
	}
	return o
}

func expectedValue(fd protoreflect.FieldDescriptor, v protoreflect.Value) (value any, shown bool) {
	switch kind, _ := kindOf(fd); kind {
	case Uint32:
		if fd.Kind() == protoreflect.BoolKind {
			return json.Number(map[bool]string{false: "0", true: "1"}[v.Bool()]), true
		}
		return json.Number(strconv.FormatUint(v.Uint(), 10)), true
	case Int32, Int64:
		return json.Number(strconv.FormatInt(v.Int(), 10)), true
	case Enum:
		if name := fd.Enum().Values().ByNumber(v.Enum()); name != nil {
			return string(name.Name()), true
		}
		return strconv.Itoa(int(v.Enum())), true
	case Message:
		return expected(v.Message()), true
	case Timestamp:
		stamp := v.Message().Interface().(*timestamppb.Timestamp)
		text := stamp.AsTime().Format("2006-01-02T15:04:05.000000000Z")
		return trimZeros(text, "Z"), stamp.IsValid()
	case Duration:
		span := v.Message().Interface().(*durationpb.Duration)
		text := "-"
		if span.Seconds >= 0 && span.Nanos >= 0 {
			text = ""
		}
		text += strconv.FormatInt(max(span.Seconds, -span.Seconds), 10) + "." + leftPad(strconv.Itoa(int(max(span.Nanos, -span.Nanos))))
		text = trimZeros(text+"s", "s")
		return object{"text": text, "seconds": json.Number(strings.TrimSuffix(text, "s"))}, span.IsValid()
	case Quantity:
		text := v.Message().Interface().(*resource.Quantity).GetString_()
		var number any
		if n := quantity(text); n != "null" {
			number = json.Number(n)
		}
		return object{"text": text, "value": number}, true
	}
	if fd.Kind() == protoreflect.BytesKind {
		text, _ := AppendText(nil, v.Bytes())
		return string(text), true
	}
	return v.String(), true
}

// trimZeros shortens nine fractional digits to six, three or none.
func trimZeros(text, end string) string {
	text = strings.TrimSuffix(text, end)
	text = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(text, "000"), "000"), "000")
	return strings.TrimSuffix(text, ".") + end
}

func leftPad(nanos string) string { return strings.Repeat("0", 9-len(nanos)) + nanos }

func marshal(t *testing.T, message proto.Message) []byte {
	t.Helper()
	wire, err := proto.Marshal(message)
	require.NoError(t, err)
	return wire
}

func toJSON(t *testing.T, table *Table, wire []byte) string {
	t.Helper()
	text, err := AppendJSON(nil, table, wire)
	require.NoError(t, err)
	return string(text)
}

func parse(t *testing.T, text []byte) object {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var o object
	require.NoError(t, decoder.Decode(&o), "%s", text)
	return o
}
