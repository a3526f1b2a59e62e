package chainsdk

import (
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/manifest"
	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// sendManifest sends the manifest as the JSON that providers' REST gateways take.
var sendManifest = method{
	ours:   webv1.LeaseREST_SendManifest_FullMethodName,
	input:  &sdkv1.SendManifestRequest{},
	output: &sdkv1.SendManifestResponse{},
	request: func(b []byte) (proto.Message, []string, error) {
		var theirs sdkv1.SendManifestRequest
		if err := proto.Unmarshal(b, &theirs); err != nil {
			return nil, nil, err
		}
		text, err := manifest.JSON(theirs.GetManifest())
		return &webv1.SendManifestRequest{LeaseId: theirs.GetLeaseId(), Manifest: text}, nil, err
	},
	response: func([]byte, []string) (proto.Message, error) { return &sdkv1.SendManifestResponse{}, nil },
}
