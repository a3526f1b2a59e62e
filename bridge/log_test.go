package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

// A call's log line names the protocol that its client used, also if the call was refused.
func TestLogLinesNameTheProtocol(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--log-format", "json")
	client := providerv1.NewProviderRPCClient(w.dial(t))
	want := map[string]int{"grpc-web": 1, "grpc-web-text": 1, "websocket": 1, "grpc": 1, "connect": 1}
	for _, header := range []http.Header{w.to(), {"Akash-Provider": {"akash1nobody"}}} {
		_, _, err := w.Call(t.Context(), pathGetStatus, header, &emptypb.Empty{})
		require.NoError(t, err)
		require.NoError(t, overWebSocket(t.Context(), &w.Client, pathGetStatus, header, nil))
		_, err = client.GetStatus(metadata.AppendToOutgoingContext(t.Context(), "akash-provider", header.Get("Akash-Provider")), &emptypb.Empty{})
		assert.Equal(t, header.Get("Akash-Provider") == w.fake.Provider, err == nil)
		header.Set("Content-Type", "application/json")
		w.post(t, pathGetStatus, header, "{}")
		header.Set("Content-Type", "application/grpc-web-text")
		w.post(t, pathGetStatus, header, "AAAAAAA=")
	}
	log := map[string]map[string]int{"call": {}, "call refused": {}}
	w.end(t)
	for text := range strings.Lines(w.stderr.String()) {
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &line), text)
		message, _ := line["msg"].(string)
		if counted, ok := log[message]; ok {
			protocol, _ := line["protocol"].(string)
			counted[protocol]++
		}
	}
	assert.Equal(t, want, log["call"])
	assert.Equal(t, want, log["call refused"])
}

// An origin that is not allowed is logged with what allows it, and a page that tries on and
// on does not fill the log.
func TestARefusedOriginIsLogged(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--log-format", "json")
	for range 5 {
		response, _ := w.post(t, pathGetStatus, http.Header{"Content-Type": {"application/grpc-web+proto"}, "Origin": {"https://stranger.example"}}, "")
		assert.Equal(t, http.StatusForbidden, response.StatusCode)
	}
	w.end(t)
	log := w.stderr.String()
	assert.Equal(t, 1, strings.Count(log, `"msg":"origin refused"`), log)
	assert.Contains(t, log, "https://stranger.example")
	assert.Contains(t, log, "--allow-origin")
}
