package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	"akash-provider-web/testserver/fake"
)

// collector is an OpenTelemetry collector that takes traces with OTLP over HTTP.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	raw      bytes.Buffer // all that it got
	spans    map[string]*tracev1.Span
	services []string
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{spans: map[string]*tracev1.Span{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			var err error
			body, err = gzip.NewReader(r.Body)
			assert.NoError(t, err)
		}
		all, err := io.ReadAll(body)
		assert.NoError(t, err)
		var request collectorv1.ExportTraceServiceRequest
		assert.NoError(t, proto.Unmarshal(all, &request))
		assert.Equal(t, "/prefix/v1/traces", r.URL.Path)
		c.take(all, &request)
		answer, err := proto.Marshal(&collectorv1.ExportTraceServiceResponse{})
		assert.NoError(t, err)
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(answer)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) take(raw []byte, request *collectorv1.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(raw)
	for _, resource := range request.GetResourceSpans() {
		for _, attribute := range resource.GetResource().GetAttributes() {
			if attribute.GetKey() == "service.name" {
				c.services = append(c.services, attribute.GetValue().GetStringValue())
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans[hex.EncodeToString(span.GetTraceId())+" "+span.GetName()] = span
			}
		}
	}
}

// attributes returns a span's attributes that are texts.
func attributes(span *tracev1.Span) map[string]string {
	values := map[string]string{}
	for _, a := range span.GetAttributes() {
		values[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return values
}

// A WebSocket in the protocol of Console's provider proxy has a span, and each of a provider
// over it one below that.
func TestConsolesWebSocketsHaveSpans(t *testing.T) {
	c := startCollector(t)
	w := startWorld(t, fake.Options{}, "--otlp-endpoint", c.URL+"/prefix")
	conn, _, err := websocket.Dial(t.Context(), w.URL+"/ws", &websocket.DialOptions{
		HTTPClient: w.HTTP, HTTPHeader: http.Header{"Traceparent": {someParent}},
	})
	require.NoError(t, err)
	defer conn.CloseNow()
	// The provider's socket has no status, so it is refused.
	open, err := json.Marshal(map[string]any{"type": "websocket", "url": w.fake.HostURI + "/status", "providerAddress": w.fake.Provider})
	require.NoError(t, err)
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, open))
	for text := []byte(nil); !strings.Contains(string(text), `"closed":true`); {
		_, text, err = conn.Read(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
	w.end(t) // which sends what is queued

	socket := c.spans[someTrace+" console socket"]
	require.NotNil(t, socket, "%v", c.spans)
	assert.Equal(t, "00f067aa0ba902b7", hex.EncodeToString(socket.GetParentSpanId()), "the page's span")
	provider := c.spans[someTrace+" call provider"]
	require.NotNil(t, provider, "%v", c.spans)
	assert.Equal(t, socket.GetSpanId(), provider.GetParentSpanId())
	assert.Equal(t, w.fake.Provider, attributes(provider)["akash.provider"])
	assert.Equal(t, tracev1.Status_STATUS_CODE_ERROR, provider.GetStatus().GetCode())
	assert.NotNil(t, c.spans[someTrace+" connect to provider"])
}

// A trace leads from the page through the bridge to the provider.
func TestTracesJoinPageBridgeAndProvider(t *testing.T) {
	c := startCollector(t)
	w := startWorld(t, fake.Options{}, "--otlp-endpoint", c.URL+"/prefix", "--log-format", "json")
	_, _, err := w.Call(t.Context(), pathGetStatus, w.to("traceparent", someParent, "tracestate", "vendor=1"), &emptypb.Empty{})
	require.NoError(t, err)
	own, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	unsampled, _, err := w.Call(t.Context(), pathGetStatus, w.to("traceparent", "00-11111111111111111111111111111111-00f067aa0ba902b7-00"), &emptypb.Empty{})
	require.NoError(t, err)
	refused, _, err := w.Call(t.Context(), pathGetStatus, http.Header{}, &emptypb.Empty{})
	require.NoError(t, err)
	_, _, err = w.Call(t.Context(), pathLogs, w.to("authorization", "Bearer "+w.fake.JWT), &leasev1.ServiceLogsRequest{LeaseId: w.lease()})
	require.NoError(t, err)
	console, _ := w.consoleSend(t, "/", "", w.providerStatus())
	seen := w.seen(t)
	w.end(t) // which sends what is queued

	const name = "akash.provider.v1.ProviderRPC/GetStatus"
	server := c.spans[someTrace+" "+name]
	require.NotNil(t, server, "%v", c.spans)
	assert.Equal(t, "00f067aa0ba902b7", hex.EncodeToString(server.GetParentSpanId()), "the page's span")
	assert.Equal(t, tracev1.Span_SPAN_KIND_SERVER, server.GetKind())
	assert.Equal(t, "vendor=1", server.GetTraceState())
	found := attributes(server)
	assert.Equal(t, "chain", found["akash.verified"])
	assert.Equal(t, "grpc", found["akash.method"])
	assert.Equal(t, "grpc-web", found["akash.protocol"])
	assert.Equal(t, w.fake.Provider, found["akash.provider"])
	assert.Equal(t, "GetStatus", found["rpc.method"])
	for _, child := range []string{"look up provider on the chain", "connect to provider", "call provider"} {
		span := c.spans[someTrace+" "+child]
		if assert.NotNil(t, span, child) {
			assert.Equal(t, server.GetSpanId(), span.GetParentSpanId(), child)
			assert.LessOrEqual(t, server.GetStartTimeUnixNano(), span.GetStartTimeUnixNano(), child)
		}
	}
	assert.Equal(t, "chain", attributes(c.spans[someTrace+" connect to provider"])["akash.verified"])
	call := hex.EncodeToString(c.spans[someTrace+" call provider"].GetSpanId())
	assert.Contains(t, tracesSeen(seen), "00-"+someTrace+"-"+call+"-01", "what the provider does is below its call")
	assert.Contains(t, tracesSeen(seen), "00-11111111111111111111111111111111-00f067aa0ba902b7-00")

	assert.NotNil(t, c.spans[own.Header.Get(requestIDHeader)+" "+name], "a trace that begins at the bridge has the request's id")
	assert.Nil(t, c.spans[unsampled.Header.Get(requestIDHeader)+" "+name], "the caller's sampling is respected")
	assert.Equal(t, "malformedMetadata", attributes(c.spans[refused.Header.Get(requestIDHeader)+" "+name])["akash.reason"])
	assert.NotNil(t, c.spans[console.Header.Get(requestIDHeader)+" console request"])
	assert.Contains(t, c.services, "akash-provider-bridge")
	assert.NotContains(t, c.raw.String(), w.fake.JWT, "tokens stay here")
}

// tracesSeen returns the traces of the calls that a provider has received.
func tracesSeen(requests []fake.Request) (parents []string) {
	for _, r := range requests {
		parents = append(parents, r.Traceparent)
	}
	return parents
}

// A collector that takes nothing delays neither calls nor the end.
func TestACollectorThatHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close() // connections are never accepted
	w := startWorld(t, fake.Options{}, "--otlp-endpoint", "http://"+listener.Addr().String())
	for range 100 {
		_, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
		require.NoError(t, err)
	}
	began := time.Now()
	w.end(t)
	assert.Less(t, time.Since(began), exportEnd+5*time.Second)
	assert.Contains(t, w.stderr.String(), "traces cannot be sent")
}

func TestTracesAreOffByDefault(t *testing.T) {
	for _, c := range []struct {
		args, environ []string
		want          bool
	}{
		{nil, nil, false},
		{nil, []string{"OTEL_EXPORTER_OTLP_ENDPOINT="}, false},
		{nil, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"}, true},
		{nil, []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:4318/v1/traces"}, true},
		{nil, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318", "OTEL_SDK_DISABLED=true"}, false},
		{nil, []string{"OTEL_TRACES_EXPORTER=none", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"}, false},
		{[]string{"--otlp-endpoint", "http://127.0.0.1:4318"}, nil, true},
	} {
		config, err := parseConfig(c.args, c.environ, io.Discard)
		require.NoError(t, err)
		assert.Equal(t, c.want, config.traces, "%s %s", c.args, c.environ)
	}
	_, err := parseConfig([]string{"--otlp-endpoint", "collector:4318"}, nil, io.Discard)
	assert.ErrorContains(t, err, "want a URL such as http://127.0.0.1:4318")
}
