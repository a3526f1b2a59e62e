package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/internal/grpcwebtest"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

const (
	requestIDHeader = "Akash-Request-Id"
	appOrigin       = "https://app.example"
	someTrace       = "4bf92f3577b34da6a3ce929d0e0e4736"
	someParent      = "00-" + someTrace + "-00f067aa0ba902b7-01"
)

// logged returns the lines of the bridge's log, which is in JSON, that have an attribute
// with a value.
func (p *process) logged(key, value string) (lines []map[string]any) {
	for line := range strings.Lines(p.stderr.String()) {
		var attrs map[string]any
		if json.Unmarshal([]byte(line), &attrs) == nil && attrs[key] == value {
			lines = append(lines, attrs)
		}
	}
	return lines
}

// oneLine waits for the only line of the log about a request.
func (p *process) oneLine(t *testing.T, id string) map[string]any {
	t.Helper()
	require.Eventually(t, func() bool { return len(p.logged("requestId", id)) > 0 }, 10*time.Second, time.Millisecond, "%s", p.stderr)
	lines := p.logged("requestId", id)
	require.Len(t, lines, 1)
	return lines[0]
}

// assertReadable asserts that an answer has an id that a page may read.
func assertReadable(t *testing.T, h http.Header) (id string) {
	t.Helper()
	require.Regexp(t, "^[0-9a-f]{32}$", h.Get(requestIDHeader))
	assert.Contains(t, strings.ToLower(h.Get("Access-Control-Expose-Headers")), "akash-request-id")
	assert.Len(t, h[requestIDHeader], 1)
	return h.Get(requestIDHeader)
}

// Somebody has the id of a call that failed, in whatever protocol, and finds its line in the
// log.
func TestACallIsFoundInTheLogByItsID(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--log-format", "json", "--allow-origin", appOrigin)
	check := func(t *testing.T, id, protocol string) {
		line := w.oneLine(t, id)
		assert.Equal(t, "call", line["msg"])
		assert.Equal(t, protocol, line["protocol"])
		assert.Equal(t, appOrigin, line["origin"])
		assert.Equal(t, "127.0.0.1", line["client"])
		assert.Equal(t, pathGetStatus, line["method"])
		assert.Positive(t, line["durationMs"])
	}
	for protocol, text := range map[string]bool{"grpc-web": false, "grpc-web-text": true} {
		t.Run(protocol, func(t *testing.T) {
			client := grpcwebtest.Client{URL: w.URL, HTTP: w.HTTP, Text: text}
			s, _, err := client.Call(t.Context(), pathGetStatus, w.to("Origin", appOrigin), &emptypb.Empty{})
			require.NoError(t, err)
			check(t, assertReadable(t, s.Header), protocol)
		})
	}
	t.Run("grpc", func(t *testing.T) {
		var header metadata.MD
		_, err := providerv1.NewProviderRPCClient(w.dial(t)).GetStatus(w.naming(t, "origin", appOrigin), &emptypb.Empty{}, grpc.Header(&header))
		require.NoError(t, err)
		require.Len(t, header.Get(requestIDHeader), 1)
		check(t, header.Get(requestIDHeader)[0], "grpc")
	})
	t.Run("connect", func(t *testing.T) {
		response, _ := w.post(t, pathGetStatus, w.to("Origin", appOrigin, "Content-Type", "application/json"), "{}")
		check(t, assertReadable(t, response.Header), "connect")
	})
	t.Run("websocket", func(t *testing.T) {
		answer := w.openSocket(t, w.to("traceparent", someParent))
		assert.Contains(t, strings.ToLower(answer), "akash-request-id: "+someTrace, "the page's own")
		check(t, someTrace, "websocket")
	})
	t.Run("console", func(t *testing.T) {
		response, _ := w.consoleSend(t, "/provider-proxy", appOrigin, w.providerStatus())
		line := w.oneLine(t, assertReadable(t, response.Header))
		assert.Equal(t, "console", line["protocol"])
		assert.Equal(t, appOrigin, line["origin"])
		assert.Equal(t, "127.0.0.1", line["client"])
	})
}

// openSocket makes a status call over a WebSocket, as a page of appOrigin. It returns the
// whole answer, in which headers are lines.
func (w *world) openSocket(t *testing.T, header http.Header) string {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), w.URL+pathGetStatus, &websocket.DialOptions{
		HTTPClient: w.HTTP, Subprotocols: []string{"grpc-websockets"}, HTTPHeader: http.Header{"Origin": {appOrigin}},
	})
	require.NoError(t, err)
	defer conn.CloseNow()
	header.Set("Content-Type", "application/grpc-web+proto")
	var lines strings.Builder
	require.NoError(t, header.Write(&lines))
	for _, message := range []string{lines.String(), "\x00\x00\x00\x00\x00\x00", "\x01"} {
		require.NoError(t, conn.Write(t.Context(), websocket.MessageBinary, []byte(message)))
	}
	for answer := ""; ; {
		_, piece, err := conn.Read(t.Context())
		if err != nil { // the bridge has answered
			return answer
		}
		answer += string(piece)
	}
}

// What is refused before it is a call can be found, too.
func TestARefusedCallIsFoundInTheLogByItsID(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--log-format", "json", "--allow-origin", appOrigin, "--max-streams", "1")
	for name, header := range map[string]http.Header{
		"without a provider": {"Origin": {appOrigin}},
		"with a bad timeout": w.to("Origin", appOrigin, "grpc-timeout", "soon"),
		"with a trace":       {"Origin": {appOrigin}, "Traceparent": {someParent}},
		"with a bad trace":   {"Origin": {appOrigin}, "Traceparent": {"00-" + someTrace + "-00f067aa0ba902b7"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, err := w.Call(t.Context(), pathGetStatus, header, &emptypb.Empty{})
			require.NoError(t, err)
			id := assertReadable(t, s.Header)
			assert.Equal(t, "malformedMetadata", w.oneLine(t, id)["reason"])
			assert.Equal(t, name == "with a trace", id == someTrace)
		})
	}
	conn, _, err := websocket.Dial(t.Context(), w.URL+"/ws", &websocket.DialOptions{HTTPClient: w.HTTP})
	require.NoError(t, err)
	defer conn.CloseNow()
	for _, path := range []string{"/provider-proxy", "/" + w.fake.Provider + pathGetStatus} {
		response, _ := w.consoleSend(t, path, appOrigin, w.providerStatus())
		id := assertReadable(t, response.Header)
		assert.Equal(t, "127.0.0.1", w.oneLine(t, id)["client"], "%s: too many are open", path)
	}
}
