package rest

import (
	"crypto/tls"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	"akash-provider-web/testserver/fake"
)

// serviceStatusOf calls ServiceStatus and returns what arrives, until enough, if
// not 0, messages have.
func (g *leaseGateway) serviceStatusOf(service string, follow bool, enough int, between func(n int)) ([]*leasev1.ServiceStatusResponse, error) {
	call := callOf(g.t, g.Endpoint, leasev1.LeaseRPC_ServiceStatus_FullMethodName, &leasev1.ServiceStatusRequest{
		LeaseId: testLease(), Filter: &leasev1.ServiceFilter{Name: service}, Follow: follow,
	})
	var got received[leasev1.ServiceStatusResponse, *leasev1.ServiceStatusResponse]
	got.after = func(*leasev1.ServiceStatusResponse) error {
		if between != nil {
			between(len(got.messages))
		}
		if len(got.messages) == enough {
			return errors.New("seen enough")
		}
		return nil
	}
	err := testAdapter().Serve(testContext(g.t), call, got.take)
	return got.messages, err
}

// The status of a real lease, with its keys of mixed case.
func TestServiceStatus(t *testing.T) {
	g := newLeaseGateway(t, nil)
	g.answerStatus(says(http.StatusOK, string(fixture(t, "rest.lease-status.json"))))
	all, err := g.serviceStatusOf("", false, 0, nil)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Len(t, all[0].GetServices(), 3)
	assert.Equal(t, "api", all[0].GetServices()[0].GetName())
	assert.Equal(t, "web", all[0].GetServices()[2].GetName())

	db, err := g.serviceStatusOf("db", false, 0, nil)
	require.NoError(t, err)
	var want leasev1.ServiceStatusResponse
	require.NoError(t, protojson.Unmarshal([]byte(`{"services": [{
		"name": "db",
		"status": {"available": 1, "total": 1, "uris": ["db.provider.localhost"], "observedGeneration": "1",
			"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1},
		"ports": [{"host": "provider.localhost", "port": 5432, "externalPort": 31234, "proto": "TCP", "name": "db"}]
	}]}`), &want))
	assert.True(t, proto.Equal(&want, db[0]), "got %s", protojson.Format(db[0]))

	g.answerStatus(says(http.StatusOK, `{"services":{"web":{"name":"web","available":1,"total":1,"uris":null}},"forwarded_ports":null,
		"ips":{"web":[{"Port":80,"ExternalPort":8080,"Protocol":"TCP","IP":"1.2.3.4"}]}}`))
	web, err := g.serviceStatusOf("web", false, 0, nil)
	require.NoError(t, err)
	ip := web[0].GetServices()[0].GetIps()[0]
	assert.Equal(t, []any{uint32(80), uint32(8080), "TCP", "1.2.3.4"}, []any{ip.GetPort(), ip.GetExternalPort(), ip.GetProtocol(), ip.GetIp()})
}

// A gateway's status of one service listed the URIs of all of them.
func TestFieldServiceStatusHasItsOwnURIs(t *testing.T) {
	server := startFake(t, fake.Options{Services: []fake.Service{{Name: "api", Replicas: 1}, {Name: "web", Replicas: 1}}})
	ready := server.Ready()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	call := callOf(t, &provider.Endpoint{HostURI: ready.HostURI, Transport: transport}, leasev1.LeaseRPC_ServiceStatus_FullMethodName, &leasev1.ServiceStatusRequest{
		LeaseId: &marketv1.LeaseID{Owner: ready.Lease.Owner, Dseq: ready.Lease.DSeq, Gseq: ready.Lease.GSeq, Oseq: ready.Lease.OSeq},
		Filter:  &leasev1.ServiceFilter{Name: "web"},
	})
	call.Authorization = "Bearer " + ready.JWT
	var got received[leasev1.ServiceStatusResponse, *leasev1.ServiceStatusResponse]
	require.NoError(t, testAdapter().Serve(testContext(t), call, got.take))
	require.Len(t, got.messages, 1)
	require.Len(t, got.messages[0].GetServices(), 1)
	assert.Equal(t, []string{"web.provider.localhost"}, got.messages[0].GetServices()[0].GetStatus().GetUris())
}

// A status that is followed is sent when it changes. It continues after failed polls, and
// ends with the lease.
func TestServiceStatusFollow(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(1)})
	got, err := g.serviceStatusOf("web", true, 0, func(n int) {
		switch n {
		case 1:
			two := func(w http.ResponseWriter, r *http.Request) { g.setStatus(services{"web": pods(2)}); g.status(w, r) }
			bad := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
			g.answerStatus(answers(g.status, g.status, bad, two).ServeHTTP)
		case 2:
			g.answerStatus(says(http.StatusNotFound, ""))
		}
	})
	require.NoError(t, err)
	require.Len(t, got, 2)
	assert.EqualValues(t, 1, got[0].GetServices()[0].GetStatus().GetAvailable())
	assert.EqualValues(t, 2, got[1].GetServices()[0].GetStatus().GetAvailable())
}

// The errors of a status that the provider does not return.
func TestServiceStatusFailures(t *testing.T) {
	for _, tt := range []struct {
		name    string
		service string
		status  http.HandlerFunc
		code    codes.Code
		reason  rpcerror.Reason
		says    string
	}{
		{"unknown lease", "", says(http.StatusNotFound, ""), codes.NotFound, rpcerror.ReasonUnknownLease, "holds no such lease"},
		{"unknown service", "nope", nil, codes.NotFound, rpcerror.ReasonUnknownService, `no service "nope"; it has web`},
		{"not a name", "a,b", nil, codes.InvalidArgument, rpcerror.ReasonUnknownService, `"a,b" is not the name of a service`},
		{"kube unreachable", "", says(http.StatusServiceUnavailable, "kube: unreachable\n"), codes.Unavailable, rpcerror.ReasonClusterUnavailable, "kube: unreachable"},
		{"partial failure", "", says(http.StatusOK, `{"errors":["no ip operator"],"services":null}`), codes.Unavailable, rpcerror.ReasonClusterUnavailable, "no ip operator"},
		{"not JSON", "", says(http.StatusOK, "<html>"), codes.Internal, rpcerror.ReasonProviderProtocol, "not a JSON object"},
		{"a redirect", "", http.RedirectHandler("https://example.org/", http.StatusFound).ServeHTTP, codes.Internal, rpcerror.ReasonProviderProtocol, "HTTP 302"},
		{"no route", "", http.NotFound, codes.Unimplemented, rpcerror.ReasonNotImplemented, "(v0.14.1) has no such route"},
		{"failure", "", says(http.StatusInternalServerError, "boom"), codes.Internal, rpcerror.ReasonProviderFailed, "boom"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newLeaseGateway(t, services{"web": pods(1)})
			if tt.status != nil {
				g.answerStatus(tt.status)
			}
			_, err := g.serviceStatusOf(tt.service, false, 0, nil)
			assert.Equal(t, tt.code, requireFault(t, err).Code)
			assert.Equal(t, tt.reason, requireFault(t, err).Reason)
			assert.Contains(t, err.Error(), tt.says)
		})
	}
}

// A lease of another provider or of another owner is not requested, because routes contain
// neither.
func TestLeaseOfSomebodyElse(t *testing.T) {
	e := gatewayOf(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }))
	for _, tt := range []struct {
		name   string
		change func(*Call, *leasev1.ServiceStatusRequest)
		reason rpcerror.Reason
	}{
		{"another provider", func(_ *Call, r *leasev1.ServiceStatusRequest) { r.LeaseId.Provider = testOwner }, rpcerror.ReasonUnknownLease},
		{"another owner", func(c *Call, _ *leasev1.ServiceStatusRequest) {
			c.Authorization = bearer(map[string]any{"iss": testProvider})
		}, rpcerror.ReasonWrongTenant},
		{"a mistyped owner", func(c *Call, r *leasev1.ServiceStatusRequest) {
			c.Authorization = bearer(map[string]any{"iss": testOwner})
			r.LeaseId.Owner = testOwner[:len(testOwner)-1] + "x"
		}, rpcerror.ReasonMalformedAddress},
		{"no dseq", func(_ *Call, r *leasev1.ServiceStatusRequest) { r.LeaseId.Dseq = 0 }, rpcerror.ReasonUnknownLease},
		{"no gseq", func(_ *Call, r *leasev1.ServiceStatusRequest) { r.LeaseId.Gseq = 0 }, rpcerror.ReasonUnknownLease},
		{"no lease", func(_ *Call, r *leasev1.ServiceStatusRequest) { r.LeaseId = nil }, rpcerror.ReasonUnknownLease},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request := &leasev1.ServiceStatusRequest{LeaseId: testLease()}
			call := &Call{Endpoint: e, Provider: testProvider, Method: leasev1.LeaseRPC_ServiceStatus_FullMethodName}
			tt.change(call, request)
			var err error
			call.Message, err = proto.Marshal(request)
			require.NoError(t, err)
			err = testAdapter().Serve(testContext(t), call, func([]byte) error { return nil })
			assert.Equal(t, codes.InvalidArgument, requireFault(t, err).Code)
			assert.Equal(t, tt.reason, requireFault(t, err).Reason)
		})
	}
}

// Services cannot be restarted over REST. The error says what can restart them.
func TestServiceRestart(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(1)})
	err := testAdapter().Serve(testContext(t), callOf(t, g.Endpoint, leasev1.LeaseRPC_ServiceRestart_FullMethodName,
		&leasev1.ServiceRestartRequest{LeaseId: testLease()}), func([]byte) error { return nil })
	assert.Equal(t, codes.Unimplemented, requireFault(t, err).Code)
	assert.Contains(t, err.Error(), "(v0.14.1) cannot restart services")
	assert.Contains(t, err.Error(), "AEP-37")
}

func TestMalformedCalls(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(1)})
	call := callOf(t, g.Endpoint, leasev1.LeaseRPC_ServiceLogs_FullMethodName, &leasev1.ServiceLogsRequest{LeaseId: testLease()})
	call.Message = []byte{0xff}
	err := testAdapter().Serve(testContext(t), call, nil)
	assert.Equal(t, codes.InvalidArgument, requireFault(t, err).Code)

	call.Method = "/akash.provider.lease.v1.LeaseRPC/Shell"
	assert.False(t, Serves(call.Method))
	err = testAdapter().Serve(testContext(t), call, nil)
	assert.Equal(t, codes.Unimplemented, requireFault(t, err).Code)

	call.Method = leasev1.LeaseRPC_ServiceLogs_FullMethodName
	for _, uri := range []string{"", "http://provider.example:8443", "://", "provider.example"} {
		g.Endpoint.HostURI = uri
		err = testAdapter().Serve(testContext(t), call, nil)
		assert.Equal(t, rpcerror.ReasonProviderProtocol, requireFault(t, err).Reason, uri)
	}
}
