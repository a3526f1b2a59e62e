package rest

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// A manifest that was refused with 403 "hostname not allowed", or given up with 408,
// ended as INTERNAL, as if the bridge were at fault. What every status becomes on
// every route is listed here.
func TestFieldEveryHTTPStatusHasItsCodeAndReason(t *testing.T) {
	type outcome struct {
		code   codes.Code
		reason rpcerror.Reason
	}
	all := func(o outcome) [3]outcome { return [3]outcome{o, o, o} }
	refused := func(code codes.Code) [3]outcome {
		return [3]outcome{{code, rpcerror.ReasonRequestRefused}, {code, rpcerror.ReasonRequestRefused}, {code, rpcerror.ReasonManifestRefused}}
	}
	unknown := outcome{codes.Unknown, rpcerror.ReasonOutcomeUnknown}
	scope := outcome{codes.PermissionDenied, rpcerror.ReasonScopeMissing}
	noRoute := outcome{codes.Unimplemented, rpcerror.ReasonNotImplemented}
	noLease := outcome{codes.NotFound, rpcerror.ReasonUnknownLease}
	gaveUp := outcome{codes.Unavailable, rpcerror.ReasonProviderFailed}
	away := outcome{codes.Unavailable, rpcerror.ReasonClusterUnavailable}
	// On a public route, on a route of the lease's owner, and for a manifest.
	known := map[int][3]outcome{
		401: {{codes.Unauthenticated, rpcerror.ReasonRequestRefused}, scope, scope},
		403: refused(codes.PermissionDenied),
		404: {noRoute, noLease, noLease},
		405: all(noRoute),
		407: refused(codes.Unauthenticated),
		408: {gaveUp, gaveUp, unknown},
		409: refused(codes.Aborted),
		410: {noRoute, noLease, noLease},
		412: refused(codes.FailedPrecondition),
		423: refused(codes.FailedPrecondition),
		424: refused(codes.FailedPrecondition),
		425: all(gaveUp),
		426: all(noRoute),
		428: refused(codes.FailedPrecondition),
		429: all(outcome{codes.ResourceExhausted, rpcerror.ReasonProviderFailed}),
		451: refused(codes.PermissionDenied),
		501: all(noRoute),
		502: {away, away, unknown},
		503: all(away),
		504: {away, away, unknown},
	}
	routes := []struct {
		method  string
		request proto.Message
		column  int
	}{
		{providerv1.ProviderRPC_GetStatus_FullMethodName, &emptypb.Empty{}, 0},
		{leasev1.LeaseRPC_ServiceStatus_FullMethodName, &leasev1.ServiceStatusRequest{LeaseId: testLease()}, 1},
		{leasev1.LeaseRPC_ServiceLogs_FullMethodName, &leasev1.ServiceLogsRequest{LeaseId: testLease()}, 1},
		{webv1.LeaseREST_StreamLeaseEvents_FullMethodName, &webv1.StreamLeaseEventsRequest{LeaseId: testLease()}, 1},
		{webv1.LeaseREST_GetManifest_FullMethodName, &webv1.GetManifestRequest{LeaseId: testLease()}, 1},
		{webv1.LeaseREST_SendManifest_FullMethodName, &webv1.SendManifestRequest{LeaseId: testLease(), Manifest: []byte(testManifest)}, 2},
	}
	for status := 400; status < 600; status++ {
		want, ok := known[status]
		switch {
		case ok:
		case status < 500:
			want = refused(codes.InvalidArgument)
		default:
			want = all(outcome{codes.Internal, rpcerror.ReasonProviderFailed})
		}
		e := gatewayOf(t, says(status, "the provider's words"))
		for _, r := range routes {
			call := callOf(t, e, r.method, r.request)
			if r.column > 0 {
				call.Authorization = bearer(token(nil))
			}
			err := requireFault(t, testAdapter().Serve(testContext(t), call, func([]byte) error { return nil }))
			assert.Equal(t, want[r.column], outcome{err.Code, err.Reason}, "HTTP %d on %s: %s", status, r.method, err)
			if slices.Contains([]rpcerror.Reason{rpcerror.ReasonManifestRefused, rpcerror.ReasonRequestRefused, rpcerror.ReasonOutcomeUnknown}, err.Reason) {
				assert.Contains(t, err.Error(), "the provider's words")
			}
		}
	}
}

// The provider refused a host name with an unusual status, and its message was lost.
func TestFieldAManifestIsRefusedInTheProvidersWords(t *testing.T) {
	for _, tt := range []struct {
		status int
		words  string
		code   codes.Code
		reason rpcerror.Reason
	}{
		{http.StatusForbidden, "hostname not allowed", codes.PermissionDenied, rpcerror.ReasonManifestRefused},
		{http.StatusForbidden, `hostname not allowed: host "shop.example" in use`, codes.PermissionDenied, rpcerror.ReasonManifestRefused},
		{http.StatusInternalServerError, `hostname not allowed: host "shop.example" in use`, codes.InvalidArgument, rpcerror.ReasonManifestRefused},
		{http.StatusInternalServerError, "context deadline exceeded", codes.Unknown, rpcerror.ReasonOutcomeUnknown},
		{http.StatusRequestTimeout, "", codes.Unknown, rpcerror.ReasonOutcomeUnknown},
	} {
		t.Run(fmt.Sprintf("%d %s", tt.status, tt.words), func(t *testing.T) {
			sent, err := sendTo(t, says(tt.status, tt.words), testManifest)
			e := requireFault(t, err)
			assert.Equal(t, tt.code, e.Code)
			assert.Equal(t, tt.reason, e.Reason)
			assert.Contains(t, e.Error(), tt.words)
			assert.NotContains(t, e.Error(), "try again")
			assert.Equal(t, 1, sent, "it is not sent again")
		})
	}
}
