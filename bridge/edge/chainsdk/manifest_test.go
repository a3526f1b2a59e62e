package chainsdk

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// The JSON is what the SDK's manifestToSortedJSON makes of the same manifest. A list
// that is null there and [] here, or the other way round, changes the version, and the
// provider refuses the manifest.
func TestTheManifestHasTheSDKsForm(t *testing.T) {
	request := &sdkv1.SendManifestRequest{Manifest: []*sdkv1.ManifestGroup{{
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
	}}}
	b, err := proto.Marshal(request)
	require.NoError(t, err)
	converted, _, err := sendManifest.request(b)
	require.NoError(t, err)
	assert.JSONEq(t, `[{"name": "akash", "services": [{
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
	}]}]`, string(converted.(*webv1.SendManifestRequest).GetManifest()))
}
