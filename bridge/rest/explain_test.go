package rest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// A log that the provider cannot read has the same reason over gRPC as over REST.
func TestExplainUnavailable(t *testing.T) {
	const starting = `container "web" in pod "web-7f8b9c6d5-x2x9p" is waiting to start: ContainerCreating`
	for _, tt := range []struct {
		method, text string
		reason       rpcerror.Reason // "" if the provider's own words are kept
		says         string
	}{
		{leasev1.LeaseRPC_ServiceLogs_FullMethodName, starting, rpcerror.ReasonPodStarting, "follow the log to wait for it, or try again: " + starting},
		{leasev1.LeaseRPC_ServiceLogs_FullMethodName, "kube-builder: no response", rpcerror.ReasonClusterUnavailable, "Kubernetes cluster does not answer"},
		{leasev1.LeaseRPC_ServiceLogs_FullMethodName, "closing", "", ""},
		{"/akash.provider.v1.ProviderRPC/GetStatus", starting, "", ""},
	} {
		e := Explain(&Call{Endpoint: &provider.Endpoint{}, Provider: testProvider, Method: tt.method}, codes.Unavailable, tt.text)
		if tt.reason == "" {
			assert.Nil(t, e, tt.text)
			continue
		}
		require.NotNil(t, e, tt.text)
		assert.Equal(t, codes.Unavailable, e.Code)
		assert.Equal(t, tt.reason, e.Reason)
		assert.Contains(t, e.Error(), tt.says)
	}
}
