package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/internal/grpcwebtest"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/testserver/fake"
)

const (
	pathServices     = leasev1.LeaseRPC_ServiceStatus_FullMethodName
	pathSendManifest = webv1.LeaseREST_SendManifest_FullMethodName
	pathGetManifest  = webv1.LeaseREST_GetManifest_FullMethodName
	pathEvents       = webv1.LeaseREST_StreamLeaseEvents_FullMethodName
)

// control sends a request to the fake's control API.
func (w *world) control(t *testing.T, method, route string, body string, into any) {
	t.Helper()
	r, err := http.NewRequest(method, w.fake.Control+route, strings.NewReader(body))
	require.NoError(t, err)
	response, err := w.HTTP.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", text)
	if into != nil {
		require.NoError(t, json.Unmarshal(text, into))
	}
}

// written returns what the fake's replicas have logged, by "service/replica".
func (w *world) written(t *testing.T) map[string]string {
	t.Helper()
	var logs []fake.Log
	w.control(t, http.MethodGet, "/logs", "", &logs)
	all := make(map[string]string)
	for _, l := range logs {
		response, err := w.HTTP.Get(fmt.Sprintf("%s/log?service=%s&replica=%d", w.fake.Control, l.Service, l.Replica))
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		require.NoError(t, err)
		all[fmt.Sprintf("%s/%d", l.Service, l.Replica)] = string(text)
	}
	return all
}

// token returns a token that the fake's control API issues.
func (w *world) token(t *testing.T, query, claims string) string {
	t.Helper()
	var made struct{ Token string }
	w.control(t, http.MethodPost, "/token?"+query, claims, &made)
	return made.Token
}

// withToken returns the headers of a call with a token.
func (w *world) withToken(more ...string) http.Header {
	return w.to(append([]string{"Authorization", "Bearer " + w.fake.JWT}, more...)...)
}

// withCertificate returns the headers of a call with a client certificate of the given
// kind.
func (w *world) withCertificate(t *testing.T, kind string, more ...string) http.Header {
	t.Helper()
	var made struct{ CertPem, KeyPem string }
	w.control(t, http.MethodPost, "/client-certificate?kind="+kind, "", &made)
	return w.to(append([]string{"Akash-Client-Cert-Bin", encode([]byte(made.CertPem)), "Akash-Client-Key-Bin", encode([]byte(made.KeyPem))}, more...)...)
}

// read appends the log lines of a message to logs.
func read(t *testing.T, logs map[string]string, message []byte) {
	t.Helper()
	var m leasev1.ServiceLogsResponse
	require.NoError(t, proto.Unmarshal(message, &m))
	for _, s := range m.GetServices() {
		logs[fmt.Sprintf("%s/%d", s.GetName(), s.GetReplica())] += string(s.GetLogs())
	}
}

// history calls ServiceLogs without follow.
func (w *world) history(t *testing.T, header http.Header, filter *leasev1.ServiceFilter) (map[string]string, *grpcwebtest.Stream) {
	t.Helper()
	s, messages, err := w.Call(t.Context(), pathLogs, header, &leasev1.ServiceLogsRequest{LeaseId: w.lease(), Filter: filter})
	require.NoError(t, err)
	logs := make(map[string]string)
	for _, m := range messages {
		read(t, logs, m)
	}
	return logs, s
}

// last returns the last n lines of a text.
func last(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	lines = lines[:len(lines)-1]
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// requireLogs compares logs by replica without printing them.
func requireLogs(t *testing.T, want, got map[string]string) {
	t.Helper()
	for replica, log := range want {
		require.True(t, log == got[replica], "%s: %d lines of %d", replica, strings.Count(got[replica], "\n"), strings.Count(log, "\n"))
	}
	require.Len(t, got, len(want))
}

// Logs, status and filters are the same over gRPC and REST, and with each kind of
// credential.
func TestLeaseCallsAreTheSameOverEveryDialect(t *testing.T) {
	t.Parallel()
	const lines = 20_000
	for _, dialect := range []struct {
		name    string
		options fake.Options
		method  string
		status  string // how the services' status is had
	}{
		{"AEP-37", fake.Options{LeaseRPC: fake.DialectAEP37}, "grpc", "grpc"},
		{"REST", fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: "0.14.0"}, "rest", "rest"},
		{"SDK, attestation only", fake.Options{LeaseRPC: fake.DialectSDK, ProviderVersion: "0.16.2"}, "rest", "rest"},
		{"SDK, all of it", fake.Options{LeaseRPC: fake.DialectSDKFull, ProviderVersion: "0.16.2"}, "rest", "grpc"},
		{"before gRPC", fake.Options{ProviderVersion: "0.4.8"}, "rest", "rest"},
	} {
		t.Run(dialect.name, func(t *testing.T) {
			dialect.options.LogLines = lines
			w := startWorld(t, dialect.options)
			written := w.written(t)
			credentials := map[string]http.Header{"JWT": w.withToken(), "mTLS": w.withCertificate(t, "valid")}
			if dialect.options.ProviderVersion == "0.4.8" {
				delete(credentials, "JWT") // it does not support tokens
			}
			for name, header := range credentials {
				t.Run(name, func(t *testing.T) {
					logs, s := w.history(t, header, nil)
					require.Equal(t, codes.OK, s.Code(), s.Message())
					assert.Equal(t, dialect.method, s.Header.Get("Akash-Method"))
					requireLogs(t, written, logs)

					logs, s = w.history(t, header, &leasev1.ServiceFilter{Name: "web", Replicas: []uint32{0, 2}})
					require.Equal(t, codes.OK, s.Code(), s.Message())
					requireLogs(t, map[string]string{"web/0": written["web/0"], "web/2": written["web/2"]}, logs)

					if dialect.method == "rest" {
						tailed := header.Clone()
						tailed.Set("Akash-Tail", "7")
						logs, s = w.history(t, tailed, &leasev1.ServiceFilter{Name: "db"})
						require.Equal(t, codes.OK, s.Code(), s.Message())
						requireLogs(t, map[string]string{"db/0": last(written["db/0"], 7), "db/1": last(written["db/1"], 7)}, logs)
					}

					s, messages, err := w.Call(t.Context(), pathServices, header, &leasev1.ServiceStatusRequest{LeaseId: w.lease()})
					require.NoError(t, err)
					require.Equal(t, codes.OK, s.Code(), s.Message())
					require.Len(t, messages, 1)
					assert.Equal(t, dialect.status, s.Header.Get("Akash-Method"))
					var status leasev1.ServiceStatusResponse
					require.NoError(t, proto.Unmarshal(messages[0], &status))
					replicas := map[string]int32{}
					for _, service := range status.GetServices() {
						replicas[service.GetName()] = service.GetStatus().GetAvailable()
					}
					assert.Equal(t, map[string]int32{"web": 3, "db": 2}, replicas)
				})
			}
		})
	}
}

// follow opens ServiceLogs with follow.
func (w *world) follow(t *testing.T, ctx context.Context, header http.Header) *grpcwebtest.Stream {
	t.Helper()
	s, err := w.Open(ctx, pathLogs, header, &leasev1.ServiceLogsRequest{LeaseId: w.lease(), Follow: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A followed log has new lines, and those of replicas that start later. When the
// caller leaves, nothing remains open.
func TestALogIsFollowedOverREST(t *testing.T) {
	t.Parallel()
	w := startWorld(t, fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: "0.14.0", LogLines: 100})
	ctx, leave := context.WithTimeout(t.Context(), time.Minute)
	defer leave()
	s := w.follow(t, ctx, w.withToken("Akash-Tail", "3"))
	logs := make(map[string]string)
	until := func(replica, text string) {
		t.Helper()
		for !strings.HasSuffix(logs[replica], text) {
			m, err := s.Next()
			require.NoError(t, err, s.Message())
			read(t, logs, m)
		}
	}
	for replica, log := range w.written(t) {
		until(replica, last(log, 3))
	}
	w.control(t, http.MethodPost, "/write?service=web&replica=1", "as it happens ✓\n", nil)
	until("web/1", "as it happens ✓\n")

	w.control(t, http.MethodPost, "/grow?service=web", "", nil)
	w.control(t, http.MethodPost, "/write?service=web&replica=3", "I came later\n", nil)
	until("web/3", "I came later\n")
	w.control(t, http.MethodPost, "/write?service=db&replica=0", "and the others go on\n", nil)
	until("db/0", "and the others go on\n")
	for replica, log := range w.written(t) {
		want := last(log, strings.Count(logs[replica], "\n"))
		assert.True(t, want == logs[replica], "%s: want %q, got %q", replica, want, logs[replica])
	}
	assert.Equal(t, 4, strings.Count(logs["web/1"], "\n"), "three lines of history and one new line, without duplicates")

	leave()
	var streams struct{ Open map[string]int }
	require.Eventually(t, func() bool {
		streams.Open = nil
		w.control(t, http.MethodGet, "/streams", "", &streams)
		for _, n := range streams.Open {
			if n > 0 {
				return false
			}
		}
		return true
	}, 5*time.Second, 10*time.Millisecond, "the provider's side is closed: %v", streams.Open)
}

// A provider that crashes ends the log, so that the client can resume.
func TestALostProviderEndsTheLog(t *testing.T) {
	w := startWorld(t, fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: "0.14.0", LogLines: 100})
	s := w.follow(t, t.Context(), w.withToken())
	_, err := s.Next()
	require.NoError(t, err)
	w.control(t, http.MethodPost, "/crash", "", nil)
	for err == nil {
		_, err = s.Next()
	}
	require.Equal(t, io.EOF, err)
	assert.Equal(t, codes.Unavailable, s.Code(), s.Message())

	w.control(t, http.MethodPost, "/revive", "", nil)
	logs, s := w.history(t, w.withToken(), nil)
	assert.Equal(t, codes.OK, s.Code(), s.Message())
	requireLogs(t, w.written(t), logs)
}

// Refusals have the same reason over REST and gRPC.
func TestRefusalsHaveReasons(t *testing.T) {
	t.Run("REST", func(t *testing.T) {
		testRefusals(t, fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: "0.14.0", LogLines: 100}, "wrongTenant", codes.InvalidArgument)
	})
	t.Run("AEP-37", func(t *testing.T) {
		// Over gRPC the provider decides alone: it cannot find the certificate's
		// key.
		testRefusals(t, fake.Options{LeaseRPC: fake.DialectAEP37, LogLines: 100}, "tokenInvalid", codes.Unauthenticated)
	})
}

// testRefusals tests all refusals of one provider. The arguments say how it refuses a
// caller of an unknown account.
func testRefusals(t *testing.T, options fake.Options, strangerReason string, strangerCode codes.Code) {
	w := startWorld(t, options)
	bearer := func(token string) http.Header { return w.to("Authorization", "Bearer "+token) }
	scoped := func(scope string) string {
		return `{"leases":{"access":"granular","permissions":[{"provider":"` + w.fake.Provider + `","access":"scoped","scope":["` + scope + `"]}]}}`
	}
	otherLease := func(l *marketv1.LeaseID) { l.Dseq++ }
	for _, test := range []struct {
		name    string
		header  http.Header
		lease   func(*marketv1.LeaseID)
		service string
		code    codes.Code
		reason  string
	}{
		{"no credential", w.to(), nil, "", codes.Unauthenticated, "credentialMissing"},
		{"expired", bearer(w.fake.ExpiredJWT), nil, "", codes.Unauthenticated, "tokenExpired"},
		{"not yet valid", bearer(w.token(t, "start=5m", "")), nil, "", codes.Unauthenticated, "tokenNotYetValid"},
		{"without a date", bearer(w.token(t, "", `{"nbf":null}`)), nil, "", codes.Unauthenticated, "tokenInvalid"},
		{"forged", bearer(w.token(t, "key=forged", "")), nil, "", codes.Unauthenticated, "tokenInvalid"},
		{"not a token", bearer("abc"), nil, "", codes.Unauthenticated, "tokenInvalid"},
		{"scope missing", bearer(w.token(t, "", scoped("shell"))), nil, "", codes.PermissionDenied, "scopeMissing"},
		{"unknown lease", w.withToken(), otherLease, "", codes.NotFound, "unknownLease"},
		{"unknown service", w.withToken(), nil, "nope", codes.NotFound, "unknownService"},
		{"a stranger's lease", bearer(w.token(t, "key=stranger", "")), nil, "", strangerCode, strangerReason},
		{"certificate expired", w.withCertificate(t, "expired"), nil, "", codes.Unauthenticated, "certificateNotOnChain"},
		{"certificate revoked", w.withCertificate(t, "revoked"), nil, "", codes.Unauthenticated, "certificateNotOnChain"},
		{"certificate absent", w.withCertificate(t, "absent"), nil, "", codes.Unauthenticated, "certificateNotOnChain"},
	} {
		t.Run(test.name, func(t *testing.T) {
			lease := w.lease()
			if test.lease != nil {
				test.lease(lease)
			}
			for _, follow := range []bool{false, true} {
				s, messages, err := w.Call(t.Context(), pathLogs, test.header,
					&leasev1.ServiceLogsRequest{LeaseId: lease, Filter: &leasev1.ServiceFilter{Name: test.service}, Follow: follow})
				require.NoError(t, err)
				assert.Empty(t, messages)
				assert.Equal(t, test.code, s.Code(), s.Message())
				assert.Equal(t, test.reason, s.Get("akash-error"), s.Message())
				assert.Contains(t, s.Message(), w.fake.Provider)
				assert.NotContains(t, s.Message(), w.fake.JWT)
			}
			s, _, err := w.Call(t.Context(), pathServices, test.header,
				&leasev1.ServiceStatusRequest{LeaseId: lease, Filter: &leasev1.ServiceFilter{Name: test.service}})
			require.NoError(t, err)
			assert.Equal(t, test.code, s.Code(), s.Message())
			assert.Equal(t, test.reason, s.Get("akash-error"), s.Message())
		})
	}
}

// A token with the logs scope is enough to read logs.
func TestATokenWithTheLogsScopeReadsLogs(t *testing.T) {
	w := startWorld(t, fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: "0.14.0", LogLines: 500})
	token := w.token(t, "alg=ES256KADR36", `{"leases":{"access":"granular","permissions":[{"provider":"`+w.fake.Provider+`","access":"scoped","scope":["logs"]}]}}`)
	logs, s := w.history(t, w.to("Authorization", "Bearer "+token), nil)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	requireLogs(t, w.written(t), logs)
}

// An unavailable cluster and a lease without running pods have different errors.
func TestALeaseWithoutPodsAndAProviderWithoutACluster(t *testing.T) {
	w := startWorld(t, fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: "0.14.0", LogLines: 100})
	for fault, want := range map[fake.Fault]struct {
		code   codes.Code
		reason string
	}{fake.FaultNoPods: {codes.NotFound, "noRunningPods"}, fake.FaultKubeDown: {codes.Unavailable, "clusterUnavailable"}} {
		name := "/fault?name=" + url.QueryEscape(string(fault))
		w.control(t, http.MethodPost, name, "", nil)
		_, s := w.history(t, w.withToken(), nil)
		assert.Equal(t, want.code, s.Code(), s.Message())
		assert.Equal(t, want.reason, s.Get("akash-error"), s.Message())
		w.control(t, http.MethodDelete, name, "", nil)
	}
}

// Manifests are sent and read back. The provider's reason for refusing one is kept.
func TestManifests(t *testing.T) {
	w := startWorld(t, fake.Options{ProviderVersion: "0.14.0"})
	get := func() []byte {
		s, messages, err := w.Call(t.Context(), pathGetManifest, w.withToken(), &webv1.GetManifestRequest{LeaseId: w.lease()})
		require.NoError(t, err)
		require.Equal(t, codes.OK, s.Code(), s.Message())
		assert.Equal(t, "rest", s.Header.Get("Akash-Method"), "manifests always go over REST")
		var m webv1.GetManifestResponse
		require.NoError(t, proto.Unmarshal(messages[0], &m))
		return m.GetManifest()
	}
	send := func(manifest []byte) *grpcwebtest.Stream {
		s, _, err := w.Call(t.Context(), pathSendManifest, w.withToken(), &webv1.SendManifestRequest{LeaseId: w.lease(), Manifest: manifest})
		require.NoError(t, err)
		return s
	}
	old := get()
	s := send(old)
	require.Equal(t, codes.OK, s.Code(), s.Message())

	changed := bytes.ReplaceAll(old, []byte(":1"), []byte(":2"))
	s = send(changed)
	assert.Equal(t, codes.InvalidArgument, s.Code())
	assert.Equal(t, "manifestRefused", s.Get("akash-error"))
	assert.Contains(t, s.Message(), "it refuses the manifest: manifest version validation failed")
	assert.JSONEq(t, string(old), string(get()))

	s = send([]byte("[]"))
	assert.Equal(t, codes.InvalidArgument, s.Code())
	assert.Contains(t, s.Message(), "manifest is empty")
}

// Events of a lease are listed and followed.
func TestLeaseEvents(t *testing.T) {
	w := startWorld(t, fake.Options{ProviderVersion: "0.14.0"})
	s, messages, err := w.Call(t.Context(), pathEvents, w.withToken(), &webv1.StreamLeaseEventsRequest{LeaseId: w.lease(), Service: "web"})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	require.NotEmpty(t, messages)
	var event webv1.LeaseEvent
	require.NoError(t, proto.Unmarshal(messages[0], &event))
	assert.Equal(t, "Pod", event.GetObject().GetKind())
	assert.True(t, strings.HasPrefix(event.GetObject().GetName(), "web-"))

	ctx, leave := context.WithTimeout(t.Context(), time.Minute)
	defer leave()
	s, err = w.Open(ctx, pathEvents, w.withToken(), &webv1.StreamLeaseEventsRequest{LeaseId: w.lease(), Service: "web", Follow: true})
	require.NoError(t, err)
	defer s.Close()
	w.control(t, http.MethodPost, "/event?service=web&reason=BackOff&note="+url.QueryEscape("Back-off restarting"), "", nil)
	for event.GetReason() != "BackOff" {
		m, err := s.Next()
		require.NoError(t, err, s.Message())
		require.NoError(t, proto.Unmarshal(m, &event))
	}
	assert.Equal(t, "Warning", event.GetType())
	assert.Equal(t, "Back-off restarting", event.GetNote())
}

// A followed status reports changes.
func TestAServiceStatusIsFollowedOverREST(t *testing.T) {
	t.Parallel()
	w := startWorld(t, fake.Options{LeaseRPC: fake.DialectNone, ProviderVersion: "0.14.0"})
	ctx, leave := context.WithTimeout(t.Context(), time.Minute)
	defer leave()
	s, err := w.Open(ctx, pathServices, w.withToken(), &leasev1.ServiceStatusRequest{LeaseId: w.lease(), Filter: &leasev1.ServiceFilter{Name: "web"}, Follow: true})
	require.NoError(t, err)
	defer s.Close()
	for want := int32(3); want <= 4; want++ {
		m, err := s.Next()
		require.NoError(t, err, s.Message())
		var status leasev1.ServiceStatusResponse
		require.NoError(t, proto.Unmarshal(m, &status))
		assert.Equal(t, want, status.GetServices()[0].GetStatus().GetAvailable())
		if want == 3 {
			w.control(t, http.MethodPost, "/grow?service=web", "", nil)
		}
	}
}
