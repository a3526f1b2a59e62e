package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/testserver/fake"
)

// sdkLease is the path of a method of the SDK's LeaseRPC.
func sdkLease(method string) string {
	return "/" + leasev1.LeaseRPC_ServiceDesc.ServiceName + "/" + method
}

var oneWay = &grpc.StreamDesc{ServerStreams: true}

// A client of the SDK's LeaseRPC gets its messages under a path with chain-sdk, or by a
// header, whatever the provider speaks.
func TestSDKClientsGetTheirLeaseRPC(t *testing.T) {
	for _, dialect := range []fake.Dialect{fake.DialectAEP37, fake.DialectNone, fake.DialectSDK} {
		t.Run(string(dialect), func(t *testing.T) {
			w := startWorld(t, fake.Options{LeaseRPC: dialect, LogLines: 2000, Seed: 5})
			written := w.written(t)
			ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+w.fake.JWT)
			sdk := w.dial(t, underPath("/"+w.fake.Provider+"/chain-sdk")...)

			for name, services := range map[string][]string{"all": nil, "one": {"web"}, "several": {"web", "nothing"}} {
				t.Run("logs of "+name, func(t *testing.T) {
					var logs sdkv1.ServiceLogsResponse
					require.NoError(t, sdk.Invoke(ctx, sdkLease("ServiceLogs"), &sdkv1.ServiceLogsRequest{LeaseId: w.lease(), Services: services}, &logs))
					got := map[string]int{}
					for _, piece := range logs.GetServices() {
						got[piece.GetName()] += strings.Count(string(piece.GetLogs()), "\n")
					}
					want := map[string]int{}
					for replica, text := range written {
						service, _, _ := strings.Cut(replica, "/")
						if services == nil || service == "web" {
							want[service] += strings.Count(text, "\n")
						}
					}
					assert.Equal(t, want, got)
				})
			}
			t.Run("a status", func(t *testing.T) {
				var all, some leasev1.ServiceStatusResponse
				require.NoError(t, sdk.Invoke(ctx, sdkLease("ServiceStatus"), &sdkv1.ServiceStatusRequest{LeaseId: w.lease()}, &all))
				assert.Len(t, all.GetServices(), len(w.fake.Services))
				require.NoError(t, sdk.Invoke(ctx, sdkLease("ServiceStatus"), &sdkv1.ServiceStatusRequest{LeaseId: w.lease(), Services: []string{"web", "nothing"}}, &some))
				require.Len(t, some.GetServices(), 1)
				assert.Equal(t, "web", some.GetServices()[0].GetName())
				assert.Positive(t, some.GetServices()[0].GetStatus().GetTotal())
			})
			for method, request := range map[string]any{
				"StreamServiceStatus": &sdkv1.ServiceStatusRequest{LeaseId: w.lease()},
				"StreamServiceLogs":   &sdkv1.ServiceLogsRequest{LeaseId: w.lease()},
			} {
				t.Run(method, func(t *testing.T) {
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					stream, err := sdk.NewStream(ctx, oneWay, sdkLease(method))
					require.NoError(t, err)
					require.NoError(t, stream.SendMsg(request))
					require.NoError(t, stream.CloseSend())
					if method == "StreamServiceLogs" {
						var logs sdkv1.ServiceLogsResponse
						require.NoError(t, stream.RecvMsg(&logs))
						assert.NotEmpty(t, logs.GetServices())
						assert.Contains(t, w.fake.Services, logs.GetServices()[0].GetName())
						return
					}
					var status leasev1.ServiceStatusResponse
					require.NoError(t, stream.RecvMsg(&status))
					assert.NotEmpty(t, status.GetServices())
				})
			}
			t.Run("by the header", func(t *testing.T) {
				var logs sdkv1.ServiceLogsResponse
				require.NoError(t, w.dial(t).Invoke(w.naming(t, "authorization", "Bearer "+w.fake.JWT, "akash-lease-rpc", "sdk"),
					sdkLease("ServiceLogs"), &sdkv1.ServiceLogsRequest{LeaseId: w.lease()}, &logs))
				assert.NotEmpty(t, logs.GetServices())
			})
			t.Run("in JSON", func(t *testing.T) {
				response, text := w.post(t, "/"+w.fake.Provider+"/chain-sdk"+sdkLease("ServiceStatus"),
					http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + w.fake.JWT}},
					fmt.Sprintf(`{"leaseId": {"owner": %q, "dseq": %d, "gseq": 1, "oseq": 1, "provider": %q}, "services": ["web"]}`,
						w.fake.Lease.Owner, w.fake.Lease.DSeq, w.fake.Provider))
				assert.Equal(t, http.StatusOK, response.StatusCode, text)
				assert.Contains(t, text, `"web"`)
			})
			t.Run("errors", func(t *testing.T) {
				var logs sdkv1.ServiceLogsResponse
				err := sdk.Invoke(t.Context(), sdkLease("ServiceLogs"), &sdkv1.ServiceLogsRequest{LeaseId: w.lease()}, &logs)
				assert.Equal(t, codes.Unauthenticated, status.Code(err), "%v", err)
				err = sdk.Invoke(ctx, sdkLease("ServiceRestart"), &emptypb.Empty{}, &emptypb.Empty{})
				assert.Equal(t, codes.Unimplemented, status.Code(err), "the SDK has no such method: %v", err)
				err = w.dial(t).Invoke(w.naming(t, "akash-lease-rpc", "other"), sdkLease("ServiceLogs"), &emptypb.Empty{}, &emptypb.Empty{})
				assert.Equal(t, codes.InvalidArgument, status.Code(err))
				assert.ErrorContains(t, err, "want aep37 or sdk")
			})
			t.Run("a provider's status", func(t *testing.T) {
				_, err := providerv1.NewProviderRPCClient(sdk).GetStatus(t.Context(), &emptypb.Empty{})
				assert.NoError(t, err)
			})
		})
	}
}

// A log that does not fit one message is refused, with what to do about it.
func TestAnSDKClientsLogThatIsTooLarge(t *testing.T) {
	w := startWorld(t, fake.Options{LogLines: 3000, LogBytes: 3000})
	sdk := w.dial(t, underPath("/"+w.fake.Provider+"/chain-sdk")...)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+w.fake.JWT)
	var logs sdkv1.ServiceLogsResponse
	err := sdk.Invoke(ctx, sdkLease("ServiceLogs"), &sdkv1.ServiceLogsRequest{LeaseId: w.lease()}, &logs)
	assert.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	assert.ErrorContains(t, err, "use the streaming method")
}

// An SDK client's manifest reaches the provider with the hash that the chain has, which
// every field goes into.
func TestAnSDKClientSendsItsManifest(t *testing.T) {
	w := startWorld(t, fake.Options{ProviderVersion: "0.14.0"})
	s, messages, err := w.Call(t.Context(), pathGetManifest, w.withToken(), &webv1.GetManifestRequest{LeaseId: w.lease()})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	var manifest webv1.GetManifestResponse
	require.NoError(t, proto.Unmarshal(messages[0], &manifest))

	// The SDK's messages name one field otherwise, and have numbers as bytes.
	text := strings.ReplaceAll(string(manifest.GetManifest()), `"size":`, `"quantity":`)
	text = regexp.MustCompile(`"val":\s*"(\d+)"`).ReplaceAllStringFunc(text, func(field string) string {
		digits := strings.Split(field, `"`)[3]
		return `"val":"` + base64.StdEncoding.EncodeToString([]byte(digits)) + `"`
	})
	request := &sdkv1.SendManifestRequest{}
	require.NoError(t, protojson.Unmarshal([]byte(`{"manifest":`+text+`}`), request))
	require.NotEmpty(t, request.GetManifest())
	request.LeaseId = w.lease()

	sdk := w.dial(t, underPath("/"+w.fake.Provider+"/chain-sdk")...)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+w.fake.JWT)
	require.NoError(t, sdk.Invoke(ctx, sdkLease("SendManifest"), request, &sdkv1.SendManifestResponse{}))

	request.Manifest[0].Services[0].Count++
	err = sdk.Invoke(ctx, sdkLease("SendManifest"), request, &sdkv1.SendManifestResponse{})
	assert.Equal(t, codes.InvalidArgument, status.Code(err))
	assert.ErrorContains(t, err, "manifest version validation failed")
}
