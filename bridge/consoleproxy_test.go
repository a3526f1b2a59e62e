package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/testserver/fake"
)

// consolePost sends a request in the protocol of Console's provider proxy.
func (w *world) consolePost(t *testing.T, path, origin string, message map[string]any) (int, string) {
	t.Helper()
	response, text := w.consoleSend(t, path, origin, message)
	return response.StatusCode, text
}

// consoleSend is consolePost, and returns the answer's headers as well.
func (p *process) consoleSend(t *testing.T, path, origin string, message map[string]any) (*http.Response, string) {
	t.Helper()
	body, err := json.Marshal(message)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+path, strings.NewReader(string(body)))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	response, err := p.HTTP.Do(req)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(text)
}

func (w *world) providerStatus() map[string]any {
	return map[string]any{"method": "GET", "url": w.fake.HostURI + "/status", "providerAddress": w.fake.Provider}
}

// A client of Console's provider proxy changes one URL.
func TestConsolesClientsUseTheBridge(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--allow-origin", "https://console.example")
	for _, path := range []string{"/", "/provider-proxy", "/provider-proxy/"} {
		for _, origin := range []string{"", "https://console.example"} {
			status, text := w.consolePost(t, path, origin, w.providerStatus())
			assert.Equal(t, http.StatusOK, status, text)
			assert.Contains(t, text, `"cluster"`)
		}
		status, _ := w.consolePost(t, path, "https://evil.example", w.providerStatus())
		assert.Equal(t, http.StatusForbidden, status)
	}
	for _, path := range []string{"/", "/ws", "/provider-proxy", "/provider-proxy/ws"} {
		conn, _, err := websocket.Dial(t.Context(), w.URL+path, &websocket.DialOptions{HTTPClient: w.HTTP})
		require.NoError(t, err, path)
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"ping"}`)))
		_, text, err := conn.Read(t.Context())
		require.NoError(t, err)
		assert.JSONEq(t, `{"type":"pong"}`, string(text))
		require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
	}
	status, text := w.get(t, "/status")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, "openClientWebSocketCount")
	_, text = w.get(t, "/")
	assert.Contains(t, text, "<html", "the dashboard stays where it is")
	_, text = w.get(t, "/metrics")
	assert.Contains(t, text, `akash_bridge_console_proxy_total{kind="request",status="200"} 6`)
	assert.Contains(t, text, `akash_bridge_console_proxy_total{kind="socket",status="101"} 4`)
	assert.NotContains(t, w.stderr.String(), "/status", "the log has no paths")
}

// An operator can leave the protocol out.
func TestTheConsoleProxyCanBeTurnedOff(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--console-proxy=false")
	for _, path := range []string{"/", "/provider-proxy"} {
		status, _ := w.consolePost(t, path, "", w.providerStatus())
		assert.Equal(t, http.StatusNotFound, status)
	}
	_, _, err := websocket.Dial(t.Context(), w.URL+"/ws", &websocket.DialOptions{HTTPClient: w.HTTP})
	assert.Error(t, err)
}

// The bridge's limit of open calls holds for all protocols together, and its WebSockets
// end when it stops.
func TestConsolesWebSocketsCountAsCalls(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--max-streams", "1")
	conn, _, err := websocket.Dial(t.Context(), w.URL+"/ws", &websocket.DialOptions{HTTPClient: w.HTTP})
	require.NoError(t, err)
	defer conn.CloseNow()
	status, text := w.consolePost(t, "/", "", w.providerStatus())
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, text, "--max-streams")
	w.stop()
	_, _, err = conn.Read(t.Context())
	assert.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
	w.end(t)
}
