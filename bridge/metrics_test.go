package main

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/internal/grpcwebtest"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

// assertMetrics asserts that the bridge's metrics have all lines.
func (p *process) assertMetrics(t *testing.T, lines ...string) {
	t.Helper()
	_, metrics := p.get(t, "/metrics")
	for _, line := range lines {
		if !strings.Contains(metrics, line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			assert.Fail(t, "not in the metrics: "+line, "%s", regexp.MustCompile("(?m)^"+name+".*").FindAllString(metrics, -1))
		}
	}
}

// An operator sees which protocols are used, why calls fail, and what the connections to
// providers do.
func TestMetricsOfCalls(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--allow-origin", appOrigin)
	w.assertMetrics(t,
		`akash_bridge_failed_calls_total{reason="originRefused"} 0`,
		`akash_bridge_open_streams{transport="fetch-h2"} 0`,
		`akash_bridge_provider_handshakes_total{outcome="ok"} 0`,
		`akash_bridge_chain_records_total{source="cache"} 0`)

	for range 2 {
		_, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
		require.NoError(t, err)
	}
	text := grpcwebtest.Client{URL: w.URL, HTTP: w.HTTP, Text: true}
	_, _, err := text.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	_, err = providerv1.NewProviderRPCClient(w.dial(t)).GetStatus(w.naming(t), &emptypb.Empty{})
	require.NoError(t, err)
	w.post(t, pathGetStatus, w.to("Content-Type", "application/json"), "{}")
	w.openSocket(t, w.to())
	w.consoleSend(t, "/", "", w.providerStatus())
	w.assertMetrics(t,
		`akash_bridge_protocol_calls_total{code="OK",method="`+pathGetStatus+`",protocol="grpc-web"} 2`,
		`akash_bridge_protocol_calls_total{code="OK",method="`+pathGetStatus+`",protocol="grpc-web-text"} 1`,
		`akash_bridge_protocol_calls_total{code="OK",method="`+pathGetStatus+`",protocol="grpc"} 1`,
		`akash_bridge_protocol_calls_total{code="OK",method="`+pathGetStatus+`",protocol="connect"} 1`,
		`akash_bridge_protocol_calls_total{code="OK",method="`+pathGetStatus+`",protocol="websocket"} 1`,
		`akash_bridge_calls_total{code="OK",method="`+pathGetStatus+`"} 6`,
		`akash_bridge_chain_records_total{source="node"} 1`)
	_, metrics := w.get(t, "/metrics")
	assert.Regexp(t, `akash_bridge_provider_handshakes_total\{outcome="ok"\} [1-9]`, metrics)
	assert.Regexp(t, `akash_bridge_provider_connections [1-9]`, metrics)
	assert.Regexp(t, `akash_bridge_chain_records_total\{source="cache"\} [1-9]`, metrics)
	assert.Regexp(t, `akash_bridge_certificate_decisions_total\{source="cache"\} [1-9]`, metrics)
	// Two, if two ports are connected to before the first is decided on.
	assert.Regexp(t, `akash_bridge_certificate_decisions_total\{source="chain"\} [12]\b`, metrics)
}

func TestMetricsOfFailures(t *testing.T) {
	w := startWorld(t, fake.Options{Faults: []string{string(fake.FaultCertRevoked)}}, "--allow-origin", appOrigin)
	for _, header := range []http.Header{
		w.to(),                       // a revoked certificate
		w.to("grpc-timeout", "soon"), // a bad header
		w.to("origin", "https://other.example"),
	} {
		_, _, _ = w.Call(t.Context(), pathGetStatus, header, &emptypb.Empty{})
	}
	response, _ := w.consoleSend(t, "/", "https://other.example", w.providerStatus())
	assert.Equal(t, http.StatusForbidden, response.StatusCode)
	w.assertMetrics(t,
		`akash_bridge_failed_calls_total{reason="revoked"} 1`,
		`akash_bridge_failed_calls_total{reason="malformedMetadata"} 1`,
		`akash_bridge_failed_calls_total{reason="originRefused"} 2`)
	_, metrics := w.get(t, "/metrics")
	assert.Regexp(t, `akash_bridge_provider_handshakes_total\{outcome="revoked"\} [1-9]`, metrics)

	strict := start(t, "--provider", someProvider+"=https://127.0.0.1:8443")
	_, _, err := strict.Call(t.Context(), pathGetStatus, http.Header{"Akash-Provider": {someProvider}}, &emptypb.Empty{})
	require.NoError(t, err)
	strict.assertMetrics(t, `akash_bridge_failed_calls_total{reason="destinationRefused"} 1`)
}

// Open streams are counted by their transport, and no longer once they have ended.
func TestMetricsOfStreams(t *testing.T) {
	w := startWorld(t, fake.Options{})
	var open []io.Closer
	s, err := w.Open(t.Context(), pathStreamStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	_, err = s.Next()
	require.NoError(t, err)
	open = append(open, s)
	http2 := &http.Transport{Protocols: new(http.Protocols)}
	http2.Protocols.SetUnencryptedHTTP2(true)
	defer http2.CloseIdleConnections()
	over2 := grpcwebtest.Client{URL: w.URL, HTTP: &http.Client{Transport: http2}}
	s, err = over2.Open(t.Context(), pathStreamStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	_, err = s.Next()
	require.NoError(t, err)
	open = append(open, s)
	conn, _, err := websocket.Dial(t.Context(), w.URL+"/ws", &websocket.DialOptions{HTTPClient: w.HTTP})
	require.NoError(t, err)
	w.assertMetrics(t,
		`akash_bridge_open_streams{transport="fetch-h1"} 1`,
		`akash_bridge_open_streams{transport="fetch-h2"} 1`,
		`akash_bridge_open_streams{transport="console"} 1`)
	for _, c := range open {
		c.Close()
	}
	require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
	stillOpen := regexp.MustCompile(`akash_bridge_open_streams\{.*\} 1`)
	require.Eventually(t, func() bool {
		_, metrics := w.get(t, "/metrics")
		return !stillOpen.MatchString(metrics)
	}, 10*time.Second, time.Millisecond)
	w.end(t)
}

// Profiles are served to the operator, and only if they are asked for.
func TestProfiles(t *testing.T) {
	provider := []string{"--provider", someProvider + "=https://provider.example:8443", "--metrics-listen", "127.0.0.1:0"}
	status := func(url string) int {
		response, err := http.Get(url)
		require.NoError(t, err)
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		return response.StatusCode
	}
	const heap = "/../debug/pprof/heap"
	without := start(t, provider...)
	assert.Equal(t, http.StatusNotFound, status(without.ready.MetricsURL+heap))
	with := start(t, append(provider, "--pprof")...)
	assert.Equal(t, http.StatusOK, status(with.ready.MetricsURL+heap))
	assert.Equal(t, http.StatusOK, status(with.ready.MetricsURL+"/../debug/pprof/"))
	assert.NotEqual(t, http.StatusOK, status(with.URL+"/debug/pprof/heap"), "not to callers")
}
