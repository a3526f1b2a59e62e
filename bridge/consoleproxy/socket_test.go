package consoleproxy_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/consoleproxy"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/testserver/fake"
)

// socketGateway is a Reacher of one provider, whose REST gateway serves handler.
func socketGateway(t *testing.T, handler func(ctx context.Context, conn *websocket.Conn, r *http.Request)) (reach provider.Reacher, url string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(8 << 20)
		handler(r.Context(), conn, r)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Listener = smallListener{srv.Listener}
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	transport := srv.Client().Transport.(*http.Transport)
	transport.DialContext = dialSmall
	addr := srv.Listener.Addr().String()
	to := gateway(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.URL.Host = addr
		return transport.RoundTrip(r)
	})
	t.Cleanup(transport.CloseIdleConnections)
	return to, "https://provider.example.com:8443"
}

// Console's log view opens a WebSocket with a message without data, reads each line as
// JSON in a text, and is told when the log ends. It keeps the connection with pings.
func TestConsolesLogView(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, LogLines: 2000}, consoleproxy.Options{})
	s := w.dial(t, "/provider-proxy/ws")
	s.send(object{"type": "ping"})
	assert.Equal(t, object{"type": "pong"}, s.next())
	s.send(w.to(w.lease("logs")+"?follow=false&tail=10000000", object{"type": "websocket", "auth": w.jwt()}))
	lines := 0
	for {
		message := s.next()
		require.Equal(t, "websocket", message["type"], message)
		if message["closed"] == true {
			assert.Equal(t, object{"type": "websocket", "message": "", "closed": true, "code": 1006.0, "reason": ""}, message)
			break
		}
		var line struct{ Name, Message string }
		require.NoError(t, json.Unmarshal([]byte(message["message"].(string)), &line))
		assert.NotEmpty(t, line.Name)
		lines++
	}
	assert.Equal(t, 2000, lines)
	response, text := w.send(t, http.MethodGet, "/status", nil)
	assert.Equal(t, http.StatusOK, response.StatusCode)
	var status struct {
		OpenClientWebSocketCount, TotalRequestCount int
		LogDownload, Shell, Version                 string
	}
	require.NoError(t, json.Unmarshal([]byte(text), &status))
	assert.Equal(t, 1, status.OpenClientWebSocketCount)
	assert.Equal(t, 1, status.TotalRequestCount)
	assert.Regexp(t, `^1 \(\d+\.\d KiB\)$`, status.LogDownload)
	assert.Equal(t, "0 (0 B)", status.Shell)
	assert.NotEmpty(t, status.Version)

	// The same WebSocket then shows events.
	s.send(w.to(w.lease("kubeevents")+"?follow=false", object{"type": "websocket", "auth": w.jwt()}))
	assert.Contains(t, s.next()["message"], `"reason"`)
}

// frame returns the bytes of a shell's frame, as a client gets it from a Buffer in JSON.
func frame(t *testing.T, message object) []byte {
	t.Helper()
	buffer, ok := message["message"].(object)
	require.True(t, ok, message)
	require.Equal(t, "Buffer", buffer["type"])
	var data []byte
	for _, value := range buffer["data"].([]any) {
		data = append(data, byte(value.(float64)))
	}
	return data
}

// Console's terminal opens a shell with a message without data and sends keys in base64,
// each after the code of standard input. It takes the first byte of each frame for its
// kind, and finds the exit code in the last one.
func TestConsolesTerminal(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, Shell: true}, consoleproxy.Options{})
	s := w.dial(t, "/")
	shell := w.to(w.lease("shell")+"?stdin=1&tty=1&podIndex=0&cmd0=sh&service=web", object{"type": "websocket", "auth": w.jwt(), "isBase64": true})
	s.send(shell)
	shell["data"] = base64.StdEncoding.EncodeToString(append([]byte{104}, "echo $((20+3)); exit 7\n"...))
	s.send(shell)
	var out []byte
	for {
		data := frame(t, s.next())
		if data[0] == 102 {
			var result struct {
				ExitCode int `json:"exit_code"`
			}
			require.NoError(t, json.Unmarshal(data[1:], &result))
			assert.Equal(t, 7, result.ExitCode)
			break
		}
		require.EqualValues(t, 100, data[0])
		out = append(out, data[1:]...)
	}
	assert.Contains(t, string(out), "23\r\n")
	assert.Equal(t, true, s.next()["closed"])
}

// Older clients send a shell's bytes as numbers between commas, some with spaces.
func TestAnOlderClientsShell(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, Shell: true}, consoleproxy.Options{})
	s := w.dial(t, "/ws")
	shell := w.to(w.lease("shell")+"?stdin=1&tty=0&podIndex=0&cmd0=head&cmd1=-c4&service=web", object{"type": "websocket", "auth": w.jwt()})
	shell["data"] = "104, 97,98,255, 10"
	s.send(shell)
	assert.Equal(t, []byte{100, 'a', 'b', 255, '\n'}, frame(t, s.next()))
	assert.Contains(t, string(frame(t, s.next())), `"exit_code":0`)
}

// A message that makes no sense is answered, and the WebSocket goes on.
func TestWrongMessages(t *testing.T) {
	reach, url := socketGateway(t, func(ctx context.Context, conn *websocket.Conn, _ *http.Request) {
		conn.Write(ctx, websocket.MessageText, []byte("connected"))
		conn.Read(ctx)
	})
	p := serve(t, consoleproxy.Options{Reacher: reach})
	s := p.dial(t, "/ws")
	good := func(more object) object {
		m := object{"type": "websocket", "url": url + "/test", "providerAddress": someone}
		for name, value := range more {
			m[name] = value
		}
		return m
	}
	for _, text := range []string{"", "ping", "[]", `{"type"`} {
		require.NoError(t, s.conn.Write(s.ctx, websocket.MessageText, []byte(text)))
		assert.Equal(t, object{"type": "websocket", "message": "Message is not a JSON string", "error": "Invalid message format"}, s.next())
	}
	require.NoError(t, s.conn.Write(s.ctx, websocket.MessageBinary, []byte(`{"type":"ping"}`)))
	assert.Equal(t, "Message is not a JSON string", s.next()["message"])
	for path, more := range map[string]object{
		"type": {"type": "hello"}, "data": {"data": "104,256"}, "data ": {"data": "?", "isBase64": true},
		"providerAddress": {"providerAddress": "x"}, "auth": {"auth": object{"type": "jwt", "token": "x"}},
	} {
		s.send(good(more))
		answer := s.next()
		assert.Equal(t, "Message doesn't match expected schema", answer["message"])
		errors := answer["errors"].([]any)
		assert.Equal(t, strings.TrimSpace(path), errors[0].(object)["path"].([]any)[0])
	}
	s.send(good(nil))
	assert.Equal(t, object{"type": "websocket", "message": "connected"}, s.next())
}

// What came before the WebSocket was open, and the way it ends, are as with the provider
// itself.
func TestMessagesBeforeTheProviderIsConnected(t *testing.T) {
	reach, url := socketGateway(t, func(ctx context.Context, conn *websocket.Conn, r *http.Request) {
		assert.Empty(t, r.Header.Get("Origin"), "a gateway refuses any but its own")
		for range 3 {
			kind, data, err := conn.Read(ctx)
			if err != nil {
				return
			}
			assert.Equal(t, websocket.MessageBinary, kind)
			conn.Write(ctx, websocket.MessageText, append([]byte("got "), data...))
			conn.Write(ctx, websocket.MessageText, nil) // which clients are not sent
		}
		conn.Close(4001, "no such lease")
	})
	p := serve(t, consoleproxy.Options{Reacher: reach})
	s := p.dial(t, "/")
	for _, data := range []string{"104", "105", "106"} {
		s.send(object{"type": "websocket", "url": url + "/test", "providerAddress": someone, "data": data})
	}
	for _, want := range []string{"got h", "got i", "got j"} {
		assert.Equal(t, want, s.next()["message"])
	}
	assert.Equal(t, object{"type": "websocket", "message": "", "closed": true, "code": 4001.0, "reason": "no such lease"}, s.next())
}

// Data that came before the provider's WebSocket was open is sent once its greeting has
// been passed on, which its answer then cannot arrive together with.
func TestEarlyDataFollowsTheGreeting(t *testing.T) {
	reach, url := socketGateway(t, func(ctx context.Context, conn *websocket.Conn, _ *http.Request) {
		arrived := make(chan string, 1)
		go func() {
			_, data, _ := conn.Read(ctx)
			arrived <- string(data)
		}()
		conn.Write(ctx, websocket.MessageText, []byte("connected"))
		conn.Write(ctx, websocket.MessageText, []byte("replied: "+<-arrived))
	})
	p := serve(t, consoleproxy.Options{Reacher: reach})
	for range 10 {
		s := p.dial(t, "/ws")
		s.send(object{"type": "websocket", "url": url + "/test", "providerAddress": someone, "data": "104"})
		assert.Equal(t, "connected", s.next()["message"])
		assert.Equal(t, "replied: h", s.next()["message"])
	}
}

// A provider that never greets gets the data a moment later.
func TestDataDoesNotWaitForAGreetingThatNeverComes(t *testing.T) {
	reach, url := socketGateway(t, func(ctx context.Context, conn *websocket.Conn, _ *http.Request) {
		if _, data, err := conn.Read(ctx); err == nil {
			conn.Write(ctx, websocket.MessageText, data)
		}
	})
	p := serve(t, consoleproxy.Options{Reacher: reach})
	s := p.dial(t, "/ws")
	s.send(object{"type": "websocket", "url": url + "/test", "providerAddress": someone, "data": "104"})
	assert.Equal(t, "h", s.next()["message"])
}

// A provider that refuses the WebSocket says so in the words that clients know.
func TestARefusedWebSocket(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1}, consoleproxy.Options{})
	s := w.dial(t, "/ws")
	s.send(w.to(w.lease("logs"), object{"type": "websocket"})) // without a credential
	message := s.next()
	assert.Equal(t, "Received error from provider websocket", message["message"])
	assert.Equal(t, "Received error from provider websocket", message["error"])
	assert.Contains(t, message["reason"], "401")
	assert.Equal(t, true, s.next()["closed"])
}

// A provider's WebSocket ends with its client's, or when the client opens another.
func TestAProvidersWebSocketEndsWithItsClients(t *testing.T) {
	ended := make(chan string, 2)
	reach, url := socketGateway(t, func(ctx context.Context, conn *websocket.Conn, r *http.Request) {
		conn.Write(ctx, websocket.MessageText, []byte(r.URL.Path))
		conn.Read(ctx)
		ended <- r.URL.Path
	})
	p := serve(t, consoleproxy.Options{Reacher: reach})
	s := p.dial(t, "/ws")
	s.send(object{"type": "websocket", "url": url + "/one", "providerAddress": someone})
	assert.Equal(t, "/one", s.next()["message"])
	s.send(object{"type": "websocket", "url": url + "/two", "providerAddress": someone})
	assert.Equal(t, "/one", <-ended)
	assert.Equal(t, "/two", s.next()["message"], "nothing more of the first")
	require.NoError(t, s.conn.Close(websocket.StatusNormalClosure, ""))
	assert.Equal(t, "/two", <-ended)
}

// A bridge that stops says so.
func TestWebSocketsEndWithTheBridge(t *testing.T) {
	reach, url := socketGateway(t, func(ctx context.Context, conn *websocket.Conn, _ *http.Request) {
		conn.Write(ctx, websocket.MessageText, []byte("connected"))
		conn.Read(ctx)
	})
	stopping, stop := context.WithCancel(t.Context())
	p := serve(t, consoleproxy.Options{Reacher: reach, Stopping: stopping})
	s := p.dial(t, "/ws")
	s.send(object{"type": "websocket", "url": url + "/", "providerAddress": someone})
	s.next()
	stop()
	_, _, err := s.conn.Read(s.ctx)
	assert.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
	p.calls.Wait()
}

// A client that reads slowly slows the provider down: the bridge holds little, and loses
// nothing.
func TestASlowClientSlowsTheProvider(t *testing.T) {
	const messages, size = 64, 64 << 10
	var sent atomic.Int32
	reach, url := socketGateway(t, func(ctx context.Context, conn *websocket.Conn, _ *http.Request) {
		text := []byte(strings.Repeat("x", size))
		for range messages {
			if conn.Write(ctx, websocket.MessageText, text) != nil {
				return
			}
			sent.Add(1)
		}
		conn.Close(websocket.StatusNormalClosure, "")
	})
	p := serve(t, consoleproxy.Options{Reacher: reach})
	s := p.dial(t, "/ws")
	s.send(object{"type": "websocket", "url": url + "/logs", "providerAddress": someone})
	for last := int32(-1); last != sent.Load() || last < 1; { // until the provider has to wait
		last = sent.Load()
		time.Sleep(300 * time.Millisecond)
	}
	assert.Less(t, sent.Load(), int32(messages/2), "all of it lies somewhere between the provider and the client")
	for range messages {
		assert.Len(t, s.next()["message"], size)
	}
	assert.Equal(t, 1000.0, s.next()["code"])
}

// A provider that does not read makes the client wait, with a bounded amount in between.
func TestASlowProviderSlowsTheClient(t *testing.T) {
	const messages, size = 64, 64 << 10
	read := make(chan struct{})
	reach, url := socketGateway(t, func(ctx context.Context, conn *websocket.Conn, _ *http.Request) {
		<-read
		for range messages {
			_, data, err := conn.Read(ctx)
			if err != nil || len(data) != size {
				conn.Close(websocket.StatusInternalError, "a message is missing")
				return
			}
		}
		conn.Close(websocket.StatusNormalClosure, "all")
	})
	p := serve(t, consoleproxy.Options{Reacher: reach})
	s := p.dial(t, "/ws")
	text, err := json.Marshal(object{
		"type": "websocket", "url": url + "/shell", "providerAddress": someone,
		"data": base64.StdEncoding.EncodeToString(make([]byte, size)), "isBase64": true,
	})
	require.NoError(t, err)
	var sent atomic.Int32
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		for range messages {
			if !assert.NoError(t, s.conn.Write(s.ctx, websocket.MessageText, text)) {
				return
			}
			sent.Add(1)
		}
	})
	for last := int32(-1); last != sent.Load() || last < 1; { // until the client has to wait
		last = sent.Load()
		time.Sleep(300 * time.Millisecond)
	}
	assert.Less(t, sent.Load(), int32(messages*3/4))
	close(read)
	assert.Equal(t, "all", s.next()["reason"])
}
