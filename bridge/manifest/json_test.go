package manifest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
)

// groups and text are the same manifest, in messages and in JSON.
var groups = []*sdkv1.ManifestGroup{{
	Name: "akash",
	Services: []*sdkv1.ManifestService{{
		Name: "db", Image: "mariadb", Count: 1, Env: []string{"A=<b>"},
		Resources: &sdkv1.ManifestResources{
			Id: 1, Cpu: &sdkv1.ManifestUnits{Units: &sdkv1.ManifestValue{Val: []byte("1000")}},
			Memory: &sdkv1.ManifestQuantity{Quantity: &sdkv1.ManifestValue{Val: []byte("1073741824")}},
			Gpu:    &sdkv1.ManifestUnits{Units: &sdkv1.ManifestValue{Val: []byte("0")}},
			Storage: []*sdkv1.ManifestVolume{{
				Name: "data", Quantity: &sdkv1.ManifestValue{Val: []byte("5")},
				Attributes: []*sdkv1.ManifestAttribute{{Key: "class", Value: "beta3"}},
			}},
		},
		Expose: []*sdkv1.ManifestExpose{{
			Port: 3306, Proto: "TCP", Service: "web",
			HttpOptions: &sdkv1.ManifestHTTPOptions{MaxBodySize: 1048576, ReadTimeout: 60000, SendTimeout: 60000, NextTries: 3, NextCases: []string{"error"}},
		}},
		Params: &sdkv1.ManifestParams{Tee: &sdkv1.ManifestTEEParams{Type: "snp", Attestation: true}},
	}, {
		Name: "web", Image: "nginx", Count: 2, Command: []string{"run"}, Args: []string{"-v"},
		Resources:   &sdkv1.ManifestResources{Id: 2, Endpoints: []*sdkv1.ManifestEndpoint{{}, {Kind: 2, SequenceNumber: 1}}},
		Params:      &sdkv1.ManifestParams{Storage: []*sdkv1.ManifestStorageParams{{Name: "data", Mount: "/data"}}},
		Credentials: &sdkv1.ManifestCredentials{Host: "h", Username: "u", Password: "p"},
	}},
}}

const text = `[{"name": "akash", "services": [{
		"name": "db", "image": "mariadb", "count": 1, "command": null, "args": null, "env": ["A=<b>"], "credentials": null,
		"resources": {
			"id": 1, "cpu": {"units": {"val": "1000"}}, "memory": {"size": {"val": "1073741824"}}, "gpu": {"units": {"val": "0"}},
			"storage": [{"name": "data", "size": {"val": "5"}, "attributes": [{"key": "class", "value": "beta3"}]}], "endpoints": []
		},
		"expose": [{
			"port": 3306, "externalPort": 0, "proto": "TCP", "service": "web", "global": false, "hosts": null, "ip": "", "endpointSequenceNumber": 0,
			"httpOptions": {"maxBodySize": 1048576, "readTimeout": 60000, "sendTimeout": 60000, "nextTries": 3, "nextTimeout": 0, "nextCases": ["error"]}
		}],
		"params": {"storage": null, "tee": {"type": "snp", "attestation": true}}
	}, {
		"name": "web", "image": "nginx", "count": 2, "command": ["run"], "args": ["-v"], "env": null, "expose": [],
		"resources": {"id": 2, "endpoints": [{"sequence_number": 0}, {"kind": 2, "sequence_number": 1}]},
		"params": {"storage": [{"name": "data", "mount": "/data", "readOnly": false}]},
		"credentials": {"host": "h", "email": "", "username": "u", "password": "p"}
	}]}]`

// The JSON is what the SDK's manifestToSortedJSON makes of the same manifest. A list
// that is null there and [] here, or the other way round, changes the version, and the
// provider refuses the manifest.
func TestTheManifestHasTheSDKsForm(t *testing.T) {
	converted, err := JSON(groups)
	require.NoError(t, err)
	assert.JSONEq(t, text, string(converted))
}

func TestParse(t *testing.T) {
	parsed, err := Parse([]byte(text))
	require.NoError(t, err)
	require.Len(t, parsed, len(groups))
	for i, g := range groups {
		assert.True(t, proto.Equal(g, parsed[i]), "%v", parsed[i])
	}
}

// Nothing is left out in silence, and no value of the manifest is in an error.
func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"an unknown field":      {`[{"name": "a", "services": [{"name": "web", "secretField": 1}]}]`, `has the field "secretField", which the SDK's messages do not have`},
		"an unknown parameter":  {`[{"services": [{"params": {"gpu": {}}}]}]`, `has the field "gpu"`},
		"a wrong type":          {`[{"services": [{"image": ["s3cret"]}]}]`, "has a JSON array as services.image"},
		"a negative number":     {`[{"services": [{"count": -77}]}]`, "has a JSON number as services.count"},
		"no array":              {`{}`, "is not a JSON array of groups"},
		"no JSON":               {`[{`, "is not JSON"},
		"two":                   {`[][]`, "is followed by more text"},
		"a fraction":            {`[{"services": [{"name": "web", "resources": {"cpu": {"units": {"val": "0.5"}}}}]}]`, `has a quantity of service "web"`},
		"a quantity with units": {`[{"services": [{"name": "web", "resources": {"memory": {"size": {"val": "5Gi"}}}}]}]`, `has a quantity of service "web"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "s3cret")
			assert.NotContains(t, err.Error(), "77")
		})
	}
}

// Every field of the messages is in the JSON's types, so that none is lost.
func TestEveryFieldIsConverted(t *testing.T) {
	full := &sdkv1.ManifestGroup{}
	fill(full.ProtoReflect())
	converted, err := JSON([]*sdkv1.ManifestGroup{full})
	require.NoError(t, err)
	parsed, err := Parse(converted)
	require.NoError(t, err)
	require.Len(t, parsed, 1)
	assert.True(t, proto.Equal(full, parsed[0]), "%v\n%v", full, parsed[0])
}

// fill sets every field of a message.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		one := func(v protoreflect.Value) protoreflect.Value {
			switch field.Kind() {
			case protoreflect.StringKind:
				return protoreflect.ValueOfString("text")
			case protoreflect.BytesKind:
				return protoreflect.ValueOfBytes([]byte("42"))
			case protoreflect.BoolKind:
				return protoreflect.ValueOfBool(true)
			case protoreflect.EnumKind:
				return protoreflect.ValueOfEnum(1)
			case protoreflect.MessageKind:
				fill(v.Message())
				return v
			}
			return protoreflect.ValueOfUint32(7)
		}
		if field.IsList() {
			list := m.Mutable(field).List()
			list.Append(one(list.NewElement()))
			continue
		}
		m.Set(field, one(m.NewField(field)))
	}
}
