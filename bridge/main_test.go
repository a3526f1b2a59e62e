package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"flag"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/internal/grpcwebtest"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

// TestMain ignores one goroutine that never ends: the clock of a timer library that
// grpc-web imports.
func TestMain(m *testing.M) {
	// More tests run in parallel than there are processors, unless -parallel is given: most
	// of their time they wait.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

const (
	pathGetStatus    = providerv1.ProviderRPC_GetStatus_FullMethodName
	pathStreamStatus = providerv1.ProviderRPC_StreamStatus_FullMethodName
	pathLogs         = leasev1.LeaseRPC_ServiceLogs_FullMethodName
	pathRestart      = leasev1.LeaseRPC_ServiceRestart_FullMethodName
)

// process is a bridge that runs in the test's process as the command would.
type process struct {
	grpcwebtest.Client
	ready  readyLine
	stderr *buffer
	stop   context.CancelFunc
	cancel context.CancelCauseFunc
	ended  chan error
}

// start runs the bridge with args until the test ends, and waits until it accepts
// connections.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := startProcess(t, args...)
	t.Cleanup(func() {
		p.HTTP.CloseIdleConnections()
		p.stop()
		select {
		case err, first := <-p.ended:
			if first {
				assert.NoError(t, err)
			}
		case <-time.After(20 * time.Second):
			assert.Fail(t, "the bridge did not stop")
		}
	})
	return p
}

// startProcess runs the bridge with args until its end is called.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := func() { cancel(nil) }
	stdout, out := io.Pipe()
	p := &process{stderr: &buffer{}, stop: stop, cancel: cancel, ended: make(chan error, 1)}
	args = append([]string{"--listen", "127.0.0.1:0"}, args...)
	go func() {
		p.ended <- run(ctx, args, nil, out, p.stderr)
		out.CloseWithError(io.ErrUnexpectedEOF)
	}()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	require.NoError(t, err, "the bridge did not start: %s", p.stderr)
	require.NoError(t, json.Unmarshal(line, &p.ready))
	p.URL, p.HTTP = p.ready.URL, &http.Client{Transport: &http.Transport{}}
	return p
}

// end stops the bridge and waits until it has ended.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.stop()
	select {
	case err := <-p.ended:
		close(p.ended)
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		require.Fail(t, "the bridge did not stop")
	}
}

// get requests a path of the bridge.
func (p *process) get(t *testing.T, path string) (int, string) {
	t.Helper()
	response, err := p.HTTP.Get(p.URL + path)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// buffer is a bytes.Buffer for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startFake runs a fake provider and chain.
func startFake(t *testing.T, o fake.Options) *fake.Server {
	t.Helper()
	server, err := fake.Start(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	return server
}

// world is a bridge in front of a fake provider and chain.
type world struct {
	*process
	fake fake.Ready
}

func startWorld(t *testing.T, o fake.Options, args ...string) *world {
	t.Helper()
	server := startFake(t, o)
	ready := server.Ready()
	args = append([]string{"--chain-rpc", ready.ChainRPC, "--allow-private-networks"}, args...)
	return &world{process: start(t, args...), fake: ready}
}

// to returns the headers of a call to the fake provider, extended by more.
func (w *world) to(more ...string) http.Header {
	h := http.Header{"Akash-Provider": {w.fake.Provider}}
	for i := 0; i < len(more); i += 2 {
		h.Add(more[i], more[i+1])
	}
	return h
}

func (w *world) lease() *marketv1.LeaseID {
	l := w.fake.Lease
	return &marketv1.LeaseID{Owner: l.Owner, Dseq: l.DSeq, Gseq: l.GSeq, Oseq: l.OSeq, Provider: l.Provider}
}

// seen returns the requests that the fake has received.
func (w *world) seen(t *testing.T) []fake.Request {
	t.Helper()
	response, err := w.HTTP.Get(w.fake.Control + "/requests")
	require.NoError(t, err)
	defer response.Body.Close()
	var requests []fake.Request
	require.NoError(t, json.NewDecoder(response.Body).Decode(&requests))
	return requests
}

func (w *world) clientCertificate(t *testing.T) (certificate, key []byte) {
	t.Helper()
	certificate, err := os.ReadFile(w.fake.ClientCertFile)
	require.NoError(t, err)
	key, err = os.ReadFile(w.fake.ClientKeyFile)
	require.NoError(t, err)
	return certificate, key
}

func encode(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

func TestStatusOfAProviderOverGRPC(t *testing.T) {
	w := startWorld(t, fake.Options{})
	for range 2 {
		s, messages, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
		require.NoError(t, err)
		require.Equal(t, codes.OK, s.Code(), s.Message())
		require.Len(t, messages, 1)
		var status providerv1.Status
		require.NoError(t, proto.Unmarshal(messages[0], &status))
		assert.NotEmpty(t, status.GetCluster().GetInventory().GetCluster().GetNodes())
		assert.Equal(t, "grpc", s.Header.Get("Akash-Method"))
		assert.Equal(t, "v0.16.0", s.Header.Get("Akash-Provider-Version"))
		assert.Equal(t, "chain", s.Header.Get("Akash-Verified"))
		assert.Equal(t, "one-node", s.Header.Get("Akash-Trust"))
		_, port, _ := strings.Cut(w.fake.GRPC, ":")
		assert.Equal(t, "localhost:"+port, s.Header.Get("Akash-Endpoint"))
	}
}

func TestStatusOfAnOldProviderOverREST(t *testing.T) {
	w := startWorld(t, fake.Options{ProviderVersion: "0.4.8"})
	s, messages, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	require.Len(t, messages, 1)
	assert.Equal(t, "rest", s.Header.Get("Akash-Method"))
	assert.Equal(t, "v0.4.8", s.Header.Get("Akash-Provider-Version"))
}

func TestLogsOfALease(t *testing.T) {
	w := startWorld(t, fake.Options{LogLines: 5000})
	s, messages, err := w.Call(t.Context(), pathLogs, w.to("Authorization", "Bearer "+w.fake.JWT),
		&leasev1.ServiceLogsRequest{LeaseId: w.lease()})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	lines := 0
	for _, raw := range messages {
		var m leasev1.ServiceLogsResponse
		require.NoError(t, proto.Unmarshal(raw, &m))
		for _, service := range m.Services {
			lines += bytes.Count(service.Logs, []byte("\n"))
		}
	}
	assert.Equal(t, 5000, lines)
}

func TestTokensDoNotCrashProvidersOfAnyVersion(t *testing.T) {
	for _, version := range []string{"0.4.8", "0.6.4", "0.8.4", "0.14.0", "0.15.0-rc0", "0.16.0-rc3", "0.16.0", "0.16.2"} {
		for _, dialect := range []fake.Dialect{fake.DialectAEP37, fake.DialectNone, fake.DialectSDK} {
			t.Run(version+" "+string(dialect), func(t *testing.T) {
				w := startWorld(t, fake.Options{ProviderVersion: version, LeaseRPC: dialect, LogLines: 10})
				token := "Bearer " + w.fake.JWT
				for _, check := range []string{"true", "false"} {
					header := w.to("Authorization", token, "Akash-Check-Version", check, "Grpc-Timeout", "10S", "Cookie", "a=b")
					for path, message := range map[string]proto.Message{
						pathGetStatus: &emptypb.Empty{},
						pathLogs:      &leasev1.ServiceLogsRequest{LeaseId: w.lease()},
						pathRestart:   &leasev1.ServiceRestartRequest{LeaseId: w.lease()},
					} {
						_, _, err := w.Call(t.Context(), path, header, message)
						require.NoError(t, err, path)
					}
				}
				survives := slices.Contains([]string{"0.16.0-rc3", "0.16.0", "0.16.2"}, version)
				for _, r := range w.seen(t) {
					if r.Protocol == "grpc" && r.Authorization {
						assert.NotContains(t, r.Method, "ProviderRPC", "public methods get no credentials")
						assert.True(t, survives || r.Method == pathLogs, "%s got a token", r.Method)
					}
					assert.NotContains(t, r.Metadata, "cookie")
				}
				s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
				require.NoError(t, err)
				assert.Equal(t, codes.OK, s.Code(), "the provider lives: %s", s.Message())
			})
		}
	}
}

func TestATokenThatMayNotBeSentIsRefused(t *testing.T) {
	w := startWorld(t, fake.Options{ProviderVersion: "0.14.0"}, "--allow-insecure")
	token := "Bearer " + w.fake.JWT
	s, _, err := w.Call(t.Context(), pathRestart, w.to("Authorization", token), &leasev1.ServiceRestartRequest{LeaseId: w.lease()})
	require.NoError(t, err)
	assert.Equal(t, codes.FailedPrecondition, s.Code())
	assert.Contains(t, s.Message(), "v0.14.0")
	assert.Contains(t, s.Message(), "client certificate")

	s, _, err = w.Call(t.Context(), pathLogs, w.to("Authorization", token, "Akash-Tls", "insecure"), &leasev1.ServiceLogsRequest{LeaseId: w.lease()})
	require.NoError(t, err)
	assert.Equal(t, codes.FailedPrecondition, s.Code())
	assert.Contains(t, s.Message(), "verified")
	for _, r := range w.seen(t) {
		assert.False(t, r.Authorization, r.Method)
	}
}

func TestTheClientCertificateIsSentToTheProvider(t *testing.T) {
	w := startWorld(t, fake.Options{ProviderVersion: "0.14.0", LogLines: 10})
	certificate, key := w.clientCertificate(t)
	header := w.to("Akash-Client-Cert-Bin", encode(certificate), "Akash-Client-Key-Bin", encode(key))
	s, messages, err := w.Call(t.Context(), pathRestart, header, &leasev1.ServiceRestartRequest{LeaseId: w.lease()})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	assert.Len(t, messages, 1)
	assert.True(t, slices.ContainsFunc(w.seen(t), func(r fake.Request) bool { return r.Method == pathRestart && r.ClientCert }))
}

func TestSecretsAreNeverLogged(t *testing.T) {
	w := startWorld(t, fake.Options{ProviderVersion: "0.14.0", LogLines: 10}, "--log-format", "json")
	certificate, key := w.clientCertificate(t)
	secrets := map[string]string{"token": w.fake.JWT, "signature": w.fake.JWT[strings.LastIndex(w.fake.JWT, ".")+1:]}
	for i, line := range strings.Split(strings.TrimSpace(string(key)), "\n")[1:] {
		if !strings.HasPrefix(line, "-----") {
			secrets["key line "+string(rune('0'+i))] = line
		}
	}
	secrets["encoded key"] = encode(key)[100:140]

	var told strings.Builder
	for _, header := range []http.Header{
		w.to("Authorization", "Bearer "+w.fake.JWT),
		w.to("Authorization", "Basic "+w.fake.JWT),
		w.to("Authorization", "Bearer "+w.fake.JWT, "Authorization", "Bearer "+w.fake.JWT),
		w.to("Authorization", "Bearer "+w.fake.JWT, "Akash-Tls", "sha256="+strings.Repeat("00", 32)),
		w.to("Akash-Client-Cert-Bin", encode(certificate), "Akash-Client-Key-Bin", encode(key)),
		w.to("Akash-Client-Cert-Bin", encode(key), "Akash-Client-Key-Bin", encode(key)),
		w.to("Akash-Client-Cert-Bin", encode(certificate), "Akash-Client-Key-Bin", "!"+encode(key)),
		w.to("Akash-Client-Key-Bin", encode(key)),
		w.to("Authorization", "Bearer "+w.fake.JWT, "Akash-Client-Cert-Bin", encode(certificate), "Akash-Client-Key-Bin", encode(key)),
	} {
		for path, message := range map[string]proto.Message{
			pathGetStatus: &emptypb.Empty{},
			pathLogs:      &leasev1.ServiceLogsRequest{LeaseId: w.lease()},
			pathRestart:   &leasev1.ServiceRestartRequest{LeaseId: w.lease()},
			"/" + w.fake.JWT[:20] + ".Service/Method": &emptypb.Empty{},
		} {
			s, _, err := w.Call(t.Context(), path, header, message)
			require.NoError(t, err)
			told.WriteString(s.Message())
			for _, values := range s.Header {
				told.WriteString(strings.Join(values, " "))
			}
		}
	}
	_, metrics := w.get(t, "/metrics")
	w.end(t)
	log := w.stderr.String()
	assert.Contains(t, log, `"provider":"`+w.fake.Provider+`"`, "one log line per call")
	for what, secret := range secrets {
		assert.NotContains(t, log, secret, "%s in the log", what)
		assert.NotContains(t, metrics, secret, "%s in the metrics", what)
		assert.NotContains(t, told.String(), secret, "%s in an answer", what)
	}
}

func TestMalformedHeadersGetAHelpfulError(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--allow-host-override", "--allow-insecure")
	const zero = "00000000000000000000000000000000000000000000000000000000000000"
	for name, values := range map[string][]string{
		"akash-provider":        {"", "akash1", "cosmos1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn6j4npq", w.fake.Provider[:43] + "x", strings.Repeat("a", 5000)},
		"akash-host-uri":        {"provider.example", "ftp://provider.example", "https://", "https://user@provider.example", "https://provider.example/path", "https://provider.example:99999"},
		"akash-tls":             {"none", "Verify", "sha256=", "sha256=00", "sha256=" + zero + "zz"},
		"akash-check-version":   {"yes", "1", "TRUE"},
		"akash-tail":            {"-1", "all", "1.5", "99999999999999999999"},
		"akash-heartbeat":       {"0", "-1", "fast", "NaN", "1e300", "3601"},
		"akash-warm":            {"1", "yes", "true"}, // true is for GetStatus only
		"akash-window":          {"0", "-1", "many", "1e6", "16383", "16777217"},
		"authorization":         {"Bearer", "Bearer ", "Basic abc", "Bearer a b"},
		"akash-client-cert-bin": {"***", encode([]byte("no PEM"))},
		"akash-client-key-bin":  {"***", encode([]byte("no PEM"))},
		"grpc-timeout":          {"10", "soon", "-1S", "1234567890S"},
	} {
		for _, value := range values {
			header := w.to()
			header.Set(name, value)
			s, _, err := w.Call(t.Context(), pathLogs, header, &leasev1.ServiceLogsRequest{})
			require.NoError(t, err)
			assert.Equal(t, codes.InvalidArgument, s.Code(), "%s: %.80q: %s", name, value, s.Message())
			// A wrong address is the user's mistake, so the message does not speak
			// of a header.
			if s.Get("akash-error") == "malformedAddress" {
				assert.Equal(t, "akash-provider", name)
				assert.Contains(t, s.Message(), "is not an Akash address")
			} else {
				assert.Equal(t, "malformedMetadata", s.Get("akash-error"))
				assert.Contains(t, s.Message(), name)
			}
			assert.Less(t, len(s.Message()), 500)
		}
	}
}

func TestRepeatedHeadersAreRefused(t *testing.T) {
	w := startWorld(t, fake.Options{})
	for _, name := range []string{"akash-provider", "akash-tls", "akash-tail", "akash-check-version", "akash-heartbeat"} {
		header := w.to()
		header.Add(name, "1")
		header.Add(name, "1")
		s, _, err := w.Call(t.Context(), pathLogs, header, &leasev1.ServiceLogsRequest{})
		require.NoError(t, err)
		assert.Equal(t, codes.InvalidArgument, s.Code())
		assert.Contains(t, s.Message(), name+" is given more than once")
	}
}

func TestOptionsAreRefusedByDefault(t *testing.T) {
	w := startWorld(t, fake.Options{})
	for name, value := range map[string]string{"Akash-Host-Uri": w.fake.HostURI, "Akash-Tls": "insecure"} {
		s, _, err := w.Call(t.Context(), pathGetStatus, w.to(name, value), &emptypb.Empty{})
		require.NoError(t, err)
		assert.Equal(t, codes.PermissionDenied, s.Code())
		assert.Equal(t, "notAllowed", s.Get("akash-error"))
		assert.Contains(t, s.Message(), "--allow-")
	}
	assert.Empty(t, w.seen(t))
}

func TestOptionsThatTheOperatorAllows(t *testing.T) {
	w := startWorld(t, fake.Options{Faults: []string{string(fake.FaultCertAbsent)}}, "--allow-insecure", "--allow-host-override")
	for _, test := range []struct{ mode, verified string }{
		{"insecure", "none"},
		{"sha256=" + w.fake.CertSHA256, "pin"},
	} {
		s, _, err := w.Call(t.Context(), pathGetStatus, w.to("Akash-Tls", test.mode, "Akash-Host-Uri", w.fake.HostURI), &emptypb.Empty{})
		require.NoError(t, err)
		assert.Equal(t, codes.OK, s.Code(), s.Message())
		assert.Equal(t, test.verified, s.Header.Get("Akash-Verified"))
		assert.Equal(t, test.verified, s.Header.Get("Akash-Trust"))
	}
	s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.FailedPrecondition, s.Code())
	assert.Equal(t, "unknownCertificate", s.Get("akash-error"))
	assert.Contains(t, s.Message(), w.fake.Provider)
}

func TestUnknownMethodsAreUnimplemented(t *testing.T) {
	w := startWorld(t, fake.Options{})
	for _, path := range []string{
		"/akash.provider.v1.ProviderRPC/Nope",
		"/akash.provider.v1.ProviderRPC/BidScreening",
		"/nonsense", "/a/b/c/d", "/", "/healthz",
	} {
		s, _, err := w.Call(t.Context(), path, w.to(), &emptypb.Empty{})
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, s.Status, path)
		assert.Equal(t, codes.Unimplemented, s.Code(), path)
		assert.Contains(t, s.Message(), "does not relay")
	}
	assert.Empty(t, w.seen(t))
}

func TestTheNumberOfOpenCallsIsLimited(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--max-streams", "2")
	var open []*grpcwebtest.Stream
	for range 2 {
		s, err := w.Open(t.Context(), pathStreamStatus, w.to(), &emptypb.Empty{})
		require.NoError(t, err)
		defer s.Close()
		_, err = s.Next()
		require.NoError(t, err)
		open = append(open, s)
	}
	s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.ResourceExhausted, s.Code())
	assert.Equal(t, "bridgeBusy", s.Get("akash-error"))
	assert.Len(t, s.Get("grpc-retry-pushback-ms"), 4, "the delay before a retry, in milliseconds")

	open[0].Close()
	require.Eventually(t, func() bool {
		s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
		return err == nil && s.Code() == codes.OK
	}, 10*time.Second, time.Millisecond, "another call may be opened")
}

func TestAStoppingBridgeEndsStreamsAndExits(t *testing.T) {
	w := startWorld(t, fake.Options{})
	s, err := w.Open(t.Context(), pathStreamStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Next()
	require.NoError(t, err)
	w.stop()
	_, err = s.Rest()
	require.NoError(t, err)
	assert.Equal(t, codes.Unavailable, s.Code())
	assert.Equal(t, "bridgeStopping", s.Get("akash-error"))
	w.end(t)
}

// An operator whose node opens only its REST API needs no RPC.
func TestAProviderIsFoundThroughTheChainsRESTAPI(t *testing.T) {
	server := startFake(t, fake.Options{})
	w := &world{process: start(t, "--chain-rest", server.Ready().ChainRPC, "--allow-private-networks"), fake: server.Ready()}
	status, body := w.get(t, "/readyz")
	assert.Equal(t, http.StatusOK, status, body)
	s, messages, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	assert.Len(t, messages, 1)
	response, err := w.HTTP.Get(w.fake.Control + "/streams")
	require.NoError(t, err)
	defer response.Body.Close()
	streams, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Contains(t, string(streams), "chain /akash/provider/v1beta4/providers/"+w.fake.Provider)
}

func TestHealthReadinessAndMetrics(t *testing.T) {
	server := startFake(t, fake.Options{})
	w := &world{process: start(t, "--chain-rpc", server.Ready().ChainRPC, "--allow-private-networks"), fake: server.Ready()}
	status, body := w.get(t, "/healthz")
	assert.Equal(t, http.StatusOK, status, body)
	status, body = w.get(t, "/readyz")
	assert.Equal(t, http.StatusOK, status, body)

	_, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	_, _, err = w.Call(t.Context(), "/made.up.Service/"+strings.Repeat("x", 50), w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	_, body = w.get(t, "/metrics")
	assert.Contains(t, body, `akash_bridge_calls_total{code="OK",method="`+pathGetStatus+`"} 1`)
	assert.Contains(t, body, `akash_bridge_calls_total{code="Unimplemented",method="unknown"} 1`)
	assert.Contains(t, body, `akash_bridge_open_calls{method="`+pathGetStatus+`"} 0`)
	assert.Contains(t, body, `akash_bridge_reach_duration_seconds_count{outcome="grpc"} 1`)
	assert.Contains(t, body, `akash_bridge_message_bytes_total{direction="sent"}`)
	assert.Contains(t, body, `akash_bridge_skipped_frames_total{kind="event"} 0`)
	assert.NotContains(t, body, w.fake.Provider, "addresses are not used as labels")

	require.NoError(t, server.Close())
	status, body = w.get(t, "/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status, body)
	status, _ = w.get(t, "/healthz")
	assert.Equal(t, http.StatusOK, status, "the bridge itself is healthy")
}

// A browser does not tell a page why its call failed, so the page requests /healthz.
func TestHealthAllowsTheOriginsThatMayCall(t *testing.T) {
	p := start(t, "--provider", someProvider+"=https://provider.example:8443", "--allow-origin", "https://app.example")
	for origin, allowed := range map[string]string{
		"https://app.example":   "https://app.example",
		"https://other.example": "",
		"":                      "",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.ready.URL+"/healthz", nil)
		require.NoError(t, err)
		if origin != "" {
			request.Header.Set("Origin", origin)
		}
		response, err := p.HTTP.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, http.StatusOK, response.StatusCode, origin)
		assert.Equal(t, allowed, response.Header.Get("Access-Control-Allow-Origin"), origin)
		assert.Equal(t, "Origin", response.Header.Get("Vary"))
	}
}

func TestMetricsOnASeparateListener(t *testing.T) {
	p := start(t, "--provider", someProvider+"=https://provider.example:8443", "--metrics-listen", "127.0.0.1:0")
	require.NotEmpty(t, p.ready.MetricsURL)
	response, err := p.HTTP.Get(p.ready.MetricsURL)
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusOK, response.StatusCode)
	status, body := p.get(t, "/metrics")
	assert.False(t, status == http.StatusOK && strings.Contains(body, "akash_bridge_"), "metrics are not served on the main listener")
	status, _ = p.get(t, "/readyz")
	assert.Equal(t, http.StatusOK, status, "without a chain the bridge is always ready")
}

// certificateFiles writes a certificate for 127.0.0.1 and its key.
func certificateFiles(t *testing.T) (certificate, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	folder := t.TempDir()
	certificate, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(certificate, text, 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	pool = x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(text))
	return certificate, key, pool
}

func TestEveryVersionOfHTTPIsServed(t *testing.T) {
	certificate, key, pool := certificateFiles(t)
	only := func(set func(*http.Protocols)) *http.Protocols {
		p := new(http.Protocols)
		set(p)
		return p
	}
	for _, test := range []struct {
		proto     string
		args      []string
		protocols *http.Protocols
	}{
		{"HTTP/1.1", nil, only(func(p *http.Protocols) { p.SetHTTP1(true) })},
		{"HTTP/2.0", nil, only(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })},
		{"HTTP/1.1", []string{"--tls-cert", certificate, "--tls-key", key}, only(func(p *http.Protocols) { p.SetHTTP1(true) })},
		{"HTTP/2.0", []string{"--tls-cert", certificate, "--tls-key", key}, only(func(p *http.Protocols) { p.SetHTTP2(true) })},
	} {
		w := startWorld(t, fake.Options{LogLines: 100}, test.args...)
		assert.Equal(t, len(test.args) > 0, strings.HasPrefix(w.URL, "https://"))
		control := w.HTTP
		w.HTTP = &http.Client{Transport: &http.Transport{Protocols: test.protocols, TLSClientConfig: &tls.Config{RootCAs: pool}}}
		for _, text := range []bool{false, true} {
			w.Text = text
			s, messages, err := w.Call(t.Context(), pathLogs, w.to("Authorization", "Bearer "+w.fake.JWT, "Origin", w.URL), &leasev1.ServiceLogsRequest{LeaseId: w.lease()})
			require.NoError(t, err)
			assert.Equal(t, test.proto, s.Proto)
			assert.Equal(t, codes.OK, s.Code(), s.Message())
			assert.NotEmpty(t, messages)
			assert.Equal(t, w.URL, s.Header.Get("Access-Control-Allow-Origin"))
			assert.Contains(t, s.Header.Get("Access-Control-Expose-Headers"), "Akash-Method")
			assert.Contains(t, s.Header.Get("Access-Control-Expose-Headers"), "Akash-Trust")
		}
		w.HTTP.CloseIdleConnections()
		control.CloseIdleConnections()
	}
}

func TestAnIdleStreamSendsHeartbeatsOnRequest(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.14.0", "0.4.8"} {
		w := startWorld(t, fake.Options{ProviderVersion: version})
		s, err := w.Open(t.Context(), pathStreamStatus, w.to("Akash-Heartbeat", "1"), &emptypb.Empty{})
		require.NoError(t, err)
		first, err := s.Next()
		require.NoError(t, err)
		assert.NotEmpty(t, first)
		second, err := s.Next()
		require.NoError(t, err)
		assert.Empty(t, second)
		s.Close()
	}
}

func TestErrorsReachEveryClientInTime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault   fake.Fault
		codes   []codes.Code
		reasons []string
	}{
		{fake.FaultRefuse, []codes.Code{codes.Unavailable}, []string{"providerUnreachable"}},
		{fake.FaultHangAccept, []codes.Code{codes.DeadlineExceeded, codes.Unavailable}, nil},
		{fake.FaultHangHeaders, []codes.Code{codes.DeadlineExceeded}, nil},
		{fake.FaultGoAway, []codes.Code{codes.Unavailable}, []string{"providerGone"}},
		{fake.FaultOversized, []codes.Code{codes.ResourceExhausted}, []string{"providerProtocol"}},
		{fake.FaultCertExpired, []codes.Code{codes.FailedPrecondition}, []string{"expired"}},
		{fake.FaultChainDown, []codes.Code{codes.Unavailable}, []string{"chainUnavailable"}},
	} {
		t.Run(string(test.fault), func(t *testing.T) {
			w := startWorld(t, fake.Options{Faults: []string{string(test.fault)}})
			start := time.Now()
			s, _, err := w.Call(t.Context(), pathGetStatus, w.to("Grpc-Timeout", "3S"), &emptypb.Empty{})
			require.NoError(t, err)
			assert.Contains(t, test.codes, s.Code(), s.Message())
			if test.reasons != nil {
				assert.Contains(t, test.reasons, s.Get("akash-error"))
			}
			assert.Contains(t, s.Message(), w.fake.Provider)
			assert.Less(t, time.Since(start), 10*time.Second)
		})
	}
}
