package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/internal/grpcwebtest"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/testserver/fake"
)

// unknownReplica is the replica of lines whose provider does not say it.
const unknownReplica = 4294967295

// startWithoutREST starts a provider with the SDK's LeaseRPC, whose REST gateway refuses
// connections.
func startWithoutREST(t *testing.T, o fake.Options) *world {
	t.Helper()
	o.LeaseRPC = cmp.Or(o.LeaseRPC, fake.DialectSDKFull)
	server := startFake(t, o)
	ready := server.Ready()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	_, grpc, _ := net.SplitHostPort(ready.GRPC)
	return &world{fake: ready, process: start(t, "--chain-rpc", ready.ChainRPC, "--allow-private-networks",
		"--provider", fmt.Sprintf("%s=https://localhost:%d", ready.Provider, closed), "--grpc-port", grpc)}
}

// Logs come over the SDK's LeaseRPC where the REST gateway cannot be reached. No line
// claims to be of a replica, since the provider does not say which.
func TestLogsWithoutARESTGateway(t *testing.T) {
	w := startWithoutREST(t, fake.Options{LogLines: 500, Seed: 3})
	written := map[string]int{}
	for replica, text := range w.written(t) {
		service, _, _ := strings.Cut(replica, "/")
		written[service] += len(text)
	}
	sizes := func(logs map[string]string) map[string]int {
		got := map[string]int{}
		for replica, text := range logs {
			service, number, _ := strings.Cut(replica, "/")
			assert.Equal(t, fmt.Sprint(unknownReplica), number)
			got[service] += len(text)
		}
		return got
	}

	logs, s := w.history(t, w.withCertificate(t, "valid"), nil)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	assert.Equal(t, "grpc", s.Header.Get("Akash-Method"))
	assert.Equal(t, written, sizes(logs))

	// A stream is safe with a token although the version is unknown.
	ctx, leave := context.WithTimeout(t.Context(), 20*time.Second)
	defer leave()
	s = w.follow(t, ctx, w.withToken())
	defer s.Close()
	logs = map[string]string{}
	for sizes(logs)["web"] < written["web"] || sizes(logs)["db"] < written["db"] {
		message, err := s.Next()
		require.NoError(t, err, s.Message())
		read(t, logs, message)
	}
	assert.Equal(t, written, sizes(logs))
	w.control(t, http.MethodPost, "/write?service=db&replica=0", "one more\n", nil)
	for !strings.HasSuffix(logs["db/4294967295"], "one more\n") {
		message, err := s.Next()
		require.NoError(t, err, s.Message())
		read(t, logs, message)
	}

	// A unary call is not: the provider might not survive the token.
	_, s = w.history(t, w.withToken(), nil)
	assert.Equal(t, codes.FailedPrecondition, s.Code(), s.Message())
	assert.Equal(t, "notAllowed", s.Get("akash-error"))
	assert.Contains(t, s.Message(), "follow the log")
	assert.False(t, w.crashed(t))

	_, s = w.history(t, w.withCertificate(t, "valid"), &leasev1.ServiceFilter{Name: "web", Replicas: []uint32{1}})
	assert.Equal(t, codes.Unimplemented, s.Code(), s.Message())
	assert.Contains(t, s.Message(), "leave out filter.replicas")
	_, s = w.history(t, w.withCertificate(t, "valid"), &leasev1.ServiceFilter{Name: "none"})
	assert.Equal(t, codes.NotFound, s.Code(), s.Message())
	assert.Equal(t, "unknownService", s.Get("akash-error"))
}

// A log of one pod is resumed; one of several is refused with what to do, over gRPC and over
// REST, since nobody could tell repeated lines from new ones.
func TestLogsWithoutReplicasAreResumedOnlyIfTheyAreOnePods(t *testing.T) {
	services := []fake.Service{{Name: "one", Replicas: 1}, {Name: "many", Replicas: 2}}
	w := startWithoutREST(t, fake.Options{LogLines: 90, Seed: 3, Services: services})
	pods := map[string]string{}
	for _, service := range []string{"one", "many"} {
		_, messages, err := w.Call(t.Context(), pathLogs, w.withCertificate(t, "valid"), &leasev1.ServiceLogsRequest{LeaseId: w.lease(), Filter: &leasev1.ServiceFilter{Name: service}})
		require.NoError(t, err)
		for i, m := range messages {
			var logs leasev1.ServiceLogsResponse
			require.NoError(t, proto.Unmarshal(m, &logs))
			if i == 0 {
				pods[service] = logs.GetServices()[0].GetPod()
			}
		}
	}
	resume := func(w *world, header http.Header, service string, known ...*leasev1.KnownReplica) *grpcwebtest.Stream {
		s, _, err := w.Call(t.Context(), pathLogs, header, &leasev1.ServiceLogsRequest{LeaseId: w.lease(), Filter: &leasev1.ServiceFilter{Name: service}, Known: known})
		require.NoError(t, err)
		return s
	}
	s := resume(w, w.withCertificate(t, "valid"), "one", &leasev1.KnownReplica{Pod: pods["one"], Replica: unknownReplica})
	assert.Equal(t, codes.OK, s.Code(), s.Message())

	s = resume(w, w.withCertificate(t, "valid"), "many", &leasev1.KnownReplica{Pod: pods["many"], Replica: unknownReplica})
	assert.Equal(t, codes.FailedPrecondition, s.Code(), s.Message())
	assert.Equal(t, "logNotResumable", s.Get("akash-error"))

	// A service that got a second pod cannot be resumed either.
	w.control(t, http.MethodPost, "/grow?service=one", "", nil)
	s = resume(w, w.withCertificate(t, "valid"), "one", &leasev1.KnownReplica{Pod: pods["one"], Replica: unknownReplica})
	assert.Equal(t, "logNotResumable", s.Get("akash-error"), s.Message())

	// Lines that came over REST have replicas, and are waited for there.
	s = resume(w, w.withCertificate(t, "valid"), "many", &leasev1.KnownReplica{Pod: "many-x", Replica: 1})
	assert.Equal(t, codes.Unavailable, s.Code(), s.Message())
	assert.Contains(t, s.Message(), "is resumed there")

	over := startWorld(t, fake.Options{LeaseRPC: fake.DialectNone})
	s = resume(over, over.withToken(), "web", &leasev1.KnownReplica{Pod: pods["one"], Replica: unknownReplica})
	assert.Equal(t, codes.FailedPrecondition, s.Code(), s.Message())
	assert.Equal(t, "logNotResumable", s.Get("akash-error"))
}

// A manifest goes over the SDK's LeaseRPC where the REST gateway cannot be reached, with
// all its fields: the provider compares its version with the chain's. What it refuses has
// the same reason as over REST.
func TestAManifestWithoutARESTGateway(t *testing.T) {
	w := startWithoutREST(t, fake.Options{})
	both := &world{fake: w.fake, process: start(t, "--chain-rpc", w.fake.ChainRPC, "--allow-private-networks")}
	_, messages, err := both.Call(t.Context(), pathGetManifest, both.withToken(), &webv1.GetManifestRequest{LeaseId: w.lease()})
	require.NoError(t, err)
	var manifest webv1.GetManifestResponse
	require.NoError(t, proto.Unmarshal(messages[0], &manifest))

	send := func(header http.Header, text []byte) *grpcwebtest.Stream {
		t.Helper()
		lease := w.lease()
		lease.Gseq, lease.Oseq, lease.Provider = 0, 0, "" // as REST takes it
		s, _, err := w.Call(t.Context(), pathSendManifest, header, &webv1.SendManifestRequest{LeaseId: lease, Manifest: text})
		require.NoError(t, err)
		return s
	}
	certificate := w.withCertificate(t, "valid")
	s := send(certificate, manifest.GetManifest())
	require.Equal(t, codes.OK, s.Code(), s.Message())
	assert.Equal(t, "grpc", s.Header.Get("Akash-Method"))

	for _, tt := range []struct{ name, was, is, want string }{
		{"another version", `"count":3`, `"count":2`, "it refuses the manifest: manifest version validation failed"},
		{"an unknown field", `"count":3`, `"count":3,"novelty":true`, `has the field "novelty"`},
		{"no groups", string(manifest.GetManifest()), "[]", "manifest is empty"},
	} {
		changed := bytes.Replace(manifest.GetManifest(), []byte(tt.was), []byte(tt.is), 1)
		require.NotEqual(t, manifest.GetManifest(), changed)
		s = send(certificate, changed)
		assert.Equal(t, codes.InvalidArgument, s.Code(), tt.name)
		assert.Equal(t, "manifestRefused", s.Get("akash-error"), tt.name)
		assert.Contains(t, s.Message(), tt.want)
	}

	s = send(w.withToken(), manifest.GetManifest())
	assert.Equal(t, codes.FailedPrecondition, s.Code(), s.Message())
	assert.Contains(t, s.Message(), "authenticate with a client certificate instead")
	stranger := w.lease()
	stranger.Owner = w.fake.Provider
	s, _, err = w.Call(t.Context(), pathSendManifest, certificate, &webv1.SendManifestRequest{LeaseId: stranger, Manifest: manifest.GetManifest()})
	require.NoError(t, err)
	assert.Equal(t, "wrongTenant", s.Get("akash-error"), s.Message())
}

// With a REST gateway, logs and manifests go there, whatever the provider has over gRPC.
func TestLogsAndManifestsGoOverRESTFirst(t *testing.T) {
	w := startWorld(t, fake.Options{LogLines: 10, LeaseRPC: fake.DialectSDKFull, ProviderVersion: "0.16.2"})
	_, s := w.history(t, w.withToken(), nil)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	assert.Equal(t, "rest", s.Header.Get("Akash-Method"))
}

// A provider that lists the methods and does not implement them, and whose REST gateway
// cannot be reached, gets the error about the gateway.
func TestMethodsThatAreOnlyListedWithoutARESTGateway(t *testing.T) {
	w := startWithoutREST(t, fake.Options{LeaseRPC: fake.DialectSDK, ProviderVersion: "0.16.2"})
	for range 2 {
		_, s := w.history(t, w.withCertificate(t, "valid"), nil)
		assert.Equal(t, codes.Unavailable, s.Code(), s.Message())
		assert.Equal(t, "providerUnreachable", s.Get("akash-error"))
	}
}

// The status of services comes over the SDK's LeaseRPC with a token, too: once from the
// stream, which every version survives.
func TestServiceStatusWithoutARESTGateway(t *testing.T) {
	w := startWithoutREST(t, fake.Options{})
	s, messages, err := w.Call(t.Context(), pathServices, w.withToken(), &leasev1.ServiceStatusRequest{LeaseId: w.lease()})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	assert.Len(t, messages, 1)
	assert.Equal(t, "grpc", s.Header.Get("Akash-Method"))
	for _, r := range w.seen(t) {
		assert.NotEqual(t, pathServices, r.Method, "no unary call carries a token")
	}
}
