package grpcweb_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/grpcweb"
	"akash-provider-web/bridge/internal/deep"
	"akash-provider-web/bridge/internal/grpcwebtest"
)

// lines are what is logged.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// startHTTP2 starts a server with HTTP/2 whose handler runs in a deep.Serve, as that of the
// bridge does.
func startHTTP2(t *testing.T, next rpcFunc) (*httptest.Server, lines) {
	t.Helper()
	inner := handler(t, next)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		deep.Serve(r.Context(), func(ctx context.Context) { inner.ServeHTTP(w, r.WithContext(ctx)) })
	}))
	logged := make(lines, 10)
	server.Config.ErrorLog = log.New(logged, "", 0)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(func() {
		server.Client().CloseIdleConnections()
		server.Close()
	})
	return server, logged
}

// leaving returns a Server whose answer is written by serve after ServeRPC has returned.
// disconnected is closed when the client disconnects.
func leaving(t *testing.T, disconnected chan struct{}, serve func(w http.ResponseWriter)) rpcFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		returned := false
		if !w.(detacher).Detach(func() { close(disconnected) }, func() {
			assert.True(t, returned)
			serve(w)
		}) {
			t.Error("not detached")
		}
		returned = true
	}
}

func TestAnAnswerOverHTTP2OutlivesTheFramesOfItsHandler(t *testing.T) {
	server, _ := startHTTP2(t, leaving(t, make(chan struct{}), func(w http.ResponseWriter) {
		_, err := w.Write(grpcwebtest.Frame(0, []byte("hello")))
		assert.NoError(t, err)
		w.(http.Flusher).Flush()
		w.Header()[http.TrailerPrefix+"Grpc-Status"] = []string{"0"}
	}))
	c := &grpcwebtest.Client{URL: server.URL, HTTP: server.Client()}
	s, err := c.OpenRaw(t.Context(), path, http.Header{}, grpcwebtest.Frame(0, nil))
	require.NoError(t, err)
	defer s.Close()
	got, err := s.Rest()
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Equal(t, "hello", string(got[0]))
	assert.Equal(t, "0", s.Get("grpc-status"))
}

// WrapHandler, which answers them, ends an answer when its handler returns.
func TestTextAnswersOverHTTP2DoNotOutliveTheirHandler(t *testing.T) {
	server, _ := startHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		assert.False(t, w.(detacher).Detach(func() {}, func() {}))
		w.Write(grpcwebtest.Frame(0, []byte("hello")))
		w.Header()[http.TrailerPrefix+"Grpc-Status"] = []string{"0"}
	})
	c := &grpcwebtest.Client{URL: server.URL, HTTP: server.Client(), Text: true}
	s, err := c.OpenRaw(t.Context(), path, http.Header{}, grpcwebtest.Frame(0, nil))
	require.NoError(t, err)
	defer s.Close()
	got, err := s.Rest()
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Equal(t, "0", s.Get("grpc-status"))
}

func TestAnAnswerOverHTTP2EndsWhenItsClientDisconnects(t *testing.T) {
	disconnected, ended := make(chan struct{}), make(chan struct{})
	server, _ := startHTTP2(t, leaving(t, disconnected, func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-disconnected
		close(ended)
	}))
	c := &grpcwebtest.Client{URL: server.URL, HTTP: server.Client()}
	s, err := c.OpenRaw(t.Context(), path, http.Header{}, grpcwebtest.Frame(0, nil))
	require.NoError(t, err)
	s.Close()
	<-ended
}

func TestAPanicAbortsAnAnswerOverHTTP2(t *testing.T) {
	server, logged := startHTTP2(t, leaving(t, make(chan struct{}), func(w http.ResponseWriter) {
		w.Write(grpcwebtest.Frame(0, []byte("hello")))
		w.(http.Flusher).Flush()
		panic("on purpose")
	}))
	c := &grpcwebtest.Client{URL: server.URL, HTTP: server.Client()}
	s, err := c.OpenRaw(t.Context(), path, http.Header{}, grpcwebtest.Frame(0, nil))
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Rest()
	require.Error(t, err, "clients must not take it for complete")
	assert.Contains(t, <-logged, "on purpose")
}

func TestAnOpenWebSocketNeedsNothingOfNetHTTP(t *testing.T) {
	var calls sync.WaitGroup
	requests, end := context.WithCancelCause(t.Context())
	cause := make(chan error, 1)
	inner := handler(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
	}, func(o *grpcweb.Options) { o.Calls, o.Requests = &calls, requests })
	returned := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	c := dial(t, server, "content-type: application/grpc-web+proto\r\n")
	c.send(grpcwebtest.Frame(0, nil))
	c.end()
	_, _, err := c.conn.Read(t.Context()) // the headers: the call is being answered
	require.NoError(t, err)
	<-returned

	stopped := errors.New("stopped")
	end(stopped)
	require.Equal(t, stopped, <-cause)
	calls.Wait()
}

func TestAPanicEndsOnlyItsWebSocket(t *testing.T) {
	var calls sync.WaitGroup
	server := httptest.NewUnstartedServer(handler(t, func(w http.ResponseWriter, r *http.Request) {
		panic("on purpose")
	}, func(o *grpcweb.Options) { o.Calls = &calls }))
	logged := make(lines, 10)
	server.Config.ErrorLog = log.New(logged, "", 0)
	server.Start()
	defer server.Close()
	c := dial(t, server, "content-type: application/grpc-web+proto\r\n")
	_, _, err := c.conn.Read(t.Context())
	require.Error(t, err)
	require.NotEqual(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
	calls.Wait()
	assert.Contains(t, <-logged, "on purpose")
}

func TestARequestThatIsNoWebSocketIsRefusedAsBefore(t *testing.T) {
	server := start(t, func(http.ResponseWriter, *http.Request) { t.Error("it was called") })
	r := request(t, server, http.MethodGet, path, map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Protocol": "grpc-websockets", "Sec-WebSocket-Version": "1",
	}, "")
	assert.Equal(t, http.StatusBadRequest, r.StatusCode)
}
