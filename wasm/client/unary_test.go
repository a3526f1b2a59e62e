package client

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

func statusAnswer(t *testing.T) answer {
	return answer{
		header: map[string]string{
			"akash-method": "grpc", "akash-endpoint": "provider.example:8444", "akash-provider-version": "v0.14.0",
			"akash-verified": "chain", "akash-trust": "quorum=2/3", "akash-stale": "true",
		},
		body: [][]byte{
			framed(t, &providerv1.Status{Cluster: &providerv1.ClusterStatus{Leases: &providerv1.Leases{Active: 4}}}),
			trailers("grpc-status: 0\r\n"),
		},
	}
}

func TestProviderStatus(t *testing.T) {
	client, bridge := newClient(statusAnswer(t))
	result := parse(t, client.Do(&Scope{}, "getProviderStatus", newCall()))
	assert.Equal(t, object{
		"status": "success",
		"response": object{
			"errors": []any{}, "publicHostnames": []any{},
			"cluster": object{"leases": object{"active": 4.0}},
		},
		"attempts": 1.0, "method": "grpc", "endpoint": "provider.example:8444", "providerVersion": "v0.14.0",
		"verified": "chain", "trust": "quorum=2/3", "stale": true,
	}, result)

	request := bridge.requests[0]
	assert.Equal(t, "https://bridge.example/akash.provider.v1.ProviderRPC/GetStatus", request.URL)
	assert.Equal(t, grpcweb.Fields{
		{Name: "content-type", Value: "application/grpc-web+proto"},
		{Name: "x-grpc-web", Value: "1"},
		{Name: "akash-provider", Value: provider},
		{Name: "grpc-timeout", Value: "1000m"},
	}, request.Header)
	assert.Equal(t, []byte{0, 0, 0, 0, 0}, request.Body)
	assert.Zero(t, bridge.open)
}

// The call's options become the headers of the bridge's contract. Credentials are only sent
// with methods about a lease.
func TestRequestHeaders(t *testing.T) {
	tail := uint32(0)
	call := newCall()
	call.Timeout, call.Insecure, call.SkipVersion, call.Tail = 0, true, true, &tail
	call.Credentials = Credentials{
		CertPEM: "-----BEGIN CERTIFICATE-----\n", KeyPEM: "key",
	}
	common := grpcweb.Fields{
		{Name: "content-type", Value: "application/grpc-web+proto"},
		{Name: "x-grpc-web", Value: "1"},
		{Name: "akash-provider", Value: provider},
		{Name: "akash-tls", Value: "insecure"},
		{Name: "akash-check-version", Value: "false"},
		{Name: "akash-tail", Value: "0"},
	}
	for _, m := range []*method{getProviderStatus, streamProviderStatus} {
		call.method = m
		request, status := call.request("header.payload.signature")
		require.Nil(t, status)
		assert.Equal(t, common, request.Header, m.path)
	}
	for _, m := range []*method{streamLogs, streamServiceStatus, restartServices, sendManifest, getManifest, hostnameMigrate, endpointMigrate, attestationQuote, streamLeaseEvents} {
		call.method = m
		request, status := call.request("header.payload.signature")
		require.Nil(t, status)
		assert.Equal(t, append(common[:6:6],
			grpcweb.Field{Name: "authorization", Value: "Bearer header.payload.signature"},
			grpcweb.Field{Name: "akash-client-cert-bin", Value: "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg"},
			grpcweb.Field{Name: "akash-client-key-bin", Value: "a2V5"},
		), request.Header, m.path)
	}
}

func TestRestart(t *testing.T) {
	client, bridge := newClient(answer{body: [][]byte{
		framed(t, &leasev1.ServiceRestartResponse{Status: []*leasev1.ServiceRestartStatus{
			{Service: "web", Replica: "0", State: leasev1.ServiceRestartStatus_active},
		}}),
		trailers("grpc-status: 0\r\n"),
	}})
	call := newCall()
	call.Lease = message.LeaseRequest{
		Lease:   message.LeaseID{Owner: "akash1owner", DSeq: 1234, GSeq: 1, OSeq: 1, Provider: provider},
		Filter:  message.ServiceFilter{Name: "web", Replicas: []uint32{0}},
		Timeout: 5500,
	}
	result := parse(t, client.Do(&Scope{}, "restartServices", call))
	assert.Equal(t, object{"status": []any{object{"service": "web", "replica": "0", "state": "active"}}}, result["response"])

	var request leasev1.ServiceRestartRequest
	require.NoError(t, proto.Unmarshal(bridge.requests[0].Body[grpcweb.HeaderSize:], &request))
	assert.True(t, proto.Equal(&leasev1.ServiceRestartRequest{
		LeaseId: &marketv1.LeaseID{Owner: "akash1owner", Dseq: 1234, Gseq: 1, Oseq: 1, Provider: provider},
		Filter:  &leasev1.ServiceFilter{Name: "web", Replicas: []uint32{0}},
		Timeout: &durationpb.Duration{Seconds: 5, Nanos: 500_000_000},
	}, &request))
}

// requireError makes a call without retries and returns its error.
func requireError(t *testing.T, a answer) object {
	t.Helper()
	client, bridge := newClient(a)
	call := newCall()
	call.Retries = 0
	result := parse(t, client.Do(&Scope{}, "getProviderStatus", call))
	require.Equal(t, "error", result["status"])
	require.Equal(t, 1.0, result["attempts"])
	require.Zero(t, bridge.open, "a response was left open")
	failure := result["error"].(object)
	require.Equal(t, provider, failure["provider"])
	require.Contains(t, failure["message"], provider)
	return failure
}

// Each failure has a code, and a message that says what to do.
func TestErrors(t *testing.T) {
	ok := trailers("grpc-status: 0\r\n")
	for name, c := range map[string]struct {
		answer answer
		code   string
		text   string
	}{
		"the bridge does not answer": {answer{err: "Failed to fetch"}, "UNAVAILABLE",
			"cannot reach the bridge at https://bridge.example: is it running, and is bridgeUrl right? (Failed to fetch)"},
		"the bridge refuses": {refusal("5", "no%20provider%20akash1provider%20on%20chain", "unknownProvider"), "NOT_FOUND",
			"no provider akash1provider on chain"},
		"the provider's error does not name it": {refusal("13", "oops", ""), "INTERNAL", "provider akash1provider: oops"},
		"an error without a message":            {refusal("7", "", ""), "PERMISSION_DENIED", "no explanation"},
		"HTML from a proxy": {answer{status: 502, header: map[string]string{"content-type": "text/html"}}, "UNAVAILABLE",
			"cannot reach the bridge at https://bridge.example: a proxy before it answered HTTP 502"},
		"a web server": {answer{header: map[string]string{"content-type": "text/html"}}, "UNKNOWN",
			"what answers at https://bridge.example is not an akash-provider-bridge (HTTP 200, and not gRPC-Web): set bridgeUrl to the URL of a bridge"},
		"the wrong page":              {answer{status: 404}, "UNIMPLEMENTED", "HTTP 404"},
		"trailers with an error":      {answer{body: [][]byte{trailers("grpc-status: 14\r\ngrpc-message: gone\r\n")}}, "UNAVAILABLE", "gone"},
		"a refusal of unknown length": {answer{header: map[string]string{"grpc-status": "5"}}, "NOT_FOUND", ""},
		"a body beside a refusal": {answer{header: map[string]string{"grpc-status": "8"},
			body: [][]byte{trailers("grpc-status: 9\r\n")}}, "FAILED_PRECONDITION", ""},
		"the body breaks off":          {answer{body: [][]byte{{0, 0, 0}}, broken: "network error"}, "UNAVAILABLE", "broke off (network error)"},
		"the body is cut short":        {answer{body: [][]byte{{0, 0, 0, 0, 9, 1}}}, "UNAVAILABLE", "in the middle of a message"},
		"no trailers":                  {answer{body: [][]byte{framed(t, &providerv1.Status{})}}, "UNAVAILABLE", "before its end"},
		"no message":                   {answer{body: [][]byte{ok}}, "UNIMPLEMENTED", "no answer"},
		"two messages":                 {answer{body: [][]byte{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, ok}}, "UNIMPLEMENTED", "more than one answer"},
		"an invalid message":           {answer{body: [][]byte{{0, 0, 0, 0, 2, 0x12, 9}, ok}}, "INTERNAL", "cannot be read"},
		"garbage":                      {answer{body: [][]byte{[]byte("garbage, no frames")}}, "INTERNAL", "not gRPC-Web"},
		"a message that would fill it": {answer{body: [][]byte{{0, 0x7f, 0xff, 0xff, 0xff}}, unending: true}, "RESOURCE_EXHAUSTED", "longer than the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			failure := requireError(t, c.answer)
			assert.Equal(t, c.code, failure["code"])
			assert.Contains(t, failure["message"], c.text)
		})
	}
}

// A call that was not answered by a bridge has a reason that says so.
func TestReasonsWithoutBridge(t *testing.T) {
	page := map[string]string{"content-type": "text/html"}
	for reason, answers := range map[string][]answer{
		"bridgeUnreachable": {{err: "Failed to fetch"}, {status: 502, header: page}, {status: 503, header: page}, {status: 504}},
		"notABridge": {{status: 404, header: page}, {status: 405}, {header: page}, {status: 500, header: page},
			{header: map[string]string{"content-type": "application/json"}}, refusal("14", "a server", "notABridge")},
		"unknownProvider": {refusal("5", "no", "unknownProvider")},
	} {
		for _, a := range answers {
			assert.Equal(t, reason, requireError(t, a)["reason"], a)
		}
	}
}

// An attempt times out whether headers, the body or its end are missing.
func TestTimeout(t *testing.T) {
	for name, a := range map[string]answer{
		"no headers": {hang: true},
		"no body":    {unending: true},
		"no end":     {body: [][]byte{framed(t, &providerv1.Status{})}, unending: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				failure := requireError(t, a)
				assert.Equal(t, "DEADLINE_EXCEEDED", failure["code"])
				assert.Contains(t, failure["message"], "no answer within 1000 ms")
				assert.Equal(t, time.Second, time.Since(began))
			})
		})
	}
}

// Ending the scope ends the call at once, whatever it is waiting for.
func TestCancel(t *testing.T) {
	for name, a := range map[string]answer{
		"for headers":          {hang: true},
		"for the body":         {unending: true},
		"for the next attempt": {err: "Failed to fetch"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, bridge := newClient(a)
				scope, began := &Scope{}, time.Now()
				time.AfterFunc(100*time.Millisecond, func() {
					scope.End(grpcweb.Error(grpcweb.Canceled, "enough"))
				})
				result := parse(t, client.Do(scope, "getProviderStatus", newCall()))
				assert.Equal(t, "CANCELLED", result["error"].(object)["code"])
				assert.Contains(t, result["error"].(object)["message"], "enough")
				assert.Equal(t, 100*time.Millisecond, time.Since(began))
				assert.Len(t, bridge.requests, 1)
				assert.Zero(t, bridge.open)
			})
		})
	}
}

func TestTokenFails(t *testing.T) {
	client, bridge := newClient(answer{})
	call := newCall()
	call.Credentials.Token = func(*Scope, string) (string, error) { return "", assert.AnError }
	failure := parse(t, client.Do(&Scope{}, "restartServices", call))["error"].(object)
	assert.Equal(t, "UNAUTHENTICATED", failure["code"])
	assert.Empty(t, bridge.requests)
}

// A value that no header can hold is refused, and not shown in the error.
func TestSecretsWithLineFeeds(t *testing.T) {
	client, bridge := newClient(answer{})
	call := newCall()
	call.Credentials.Token = func(*Scope, string) (string, error) { return "secret\n", nil }
	failure := parse(t, client.Do(&Scope{}, "restartServices", call))["error"].(object)
	assert.Equal(t, "UNAUTHENTICATED", failure["code"])
	assert.Equal(t, "tokenInvalid", failure["reason"])
	assert.NotContains(t, failure["message"], "secret")
	assert.Empty(t, bridge.requests)

	call = newCall()
	call.Provider = "akash1\r\nsecret: header"
	failure = parse(t, client.Do(&Scope{}, "getProviderStatus", call))["error"].(object)
	assert.Equal(t, "INVALID_ARGUMENT", failure["code"])
	assert.Contains(t, failure["message"], "akash-provider")
	assert.Empty(t, bridge.requests)
}

func TestBase64(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "f": "Zg", "fo": "Zm8", "foo": "Zm9v", "foob": "Zm9vYg", "\xff\xfe\xfd": "//79",
	} {
		assert.Equal(t, want, message.Base64(text))
	}
	assert.Len(t, message.Base64(strings.Repeat("x", 1000)), 1334)
}
