package grpcweb_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/grpcweb"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/internal/grpcwebtest"
)

type detacher interface {
	Detach(onDisconnect, serve func()) bool
}

// detaching returns a Server whose answer is written by serve after the handler has
// returned. disconnected is closed when the client disconnects.
func detaching(t *testing.T, disconnected chan struct{}, serve func(w http.ResponseWriter, r *http.Request)) rpcFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Akash-Method", "grpc")
		returned := r.Context().Done()
		detached := w.(detacher).Detach(func() { close(disconnected) }, func() {
			<-returned
			serve(w, r)
		})
		// The test may have ended when the handler returns, so t is used only on
		// failure.
		if !detached {
			t.Error("not detached")
		}
	}
}

func TestADetachedAnswerOutlivesItsHandler(t *testing.T) {
	const messages = 100
	disconnected := make(chan struct{})
	var calls sync.WaitGroup
	server := start(t, detaching(t, disconnected, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		for i := range messages { // small and large ones
			_, err := w.Write(grpcwebtest.Frame(0, bytes.Repeat([]byte{byte(i)}, i*i*10)))
			assert.NoError(t, err)
			if i%3 == 0 {
				w.(http.Flusher).Flush()
			}
		}
		w.Header()[http.TrailerPrefix+"Grpc-Status"] = []string{"0"}
	}), func(o *grpcweb.Options) { o.Calls = &calls })
	c := &grpcwebtest.Client{URL: server.URL, HTTP: server.Client()}
	s, err := c.OpenRaw(t.Context(), path, http.Header{"Origin": {"https://app.example"}}, grpcwebtest.Frame(0, nil))
	require.NoError(t, err)
	defer s.Close()
	got, err := s.Rest()
	require.NoError(t, err)
	require.Len(t, got, messages)
	for i, m := range got {
		assert.Equal(t, bytes.Repeat([]byte{byte(i)}, i*i*10), append([]byte{}, m...))
	}
	assert.Equal(t, "0", s.Get("grpc-status"))
	assert.Equal(t, "grpc", s.Header.Get("Akash-Method"))
	assert.Equal(t, "application/grpc-web+proto", s.Header.Get("Content-Type"))
	assert.Equal(t, "nosniff", s.Header.Get("X-Content-Type-Options"))
	assert.Equal(t, "https://app.example", s.Header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "https://app.example", s.Header.Get("Timing-Allow-Origin"))
	assert.NotEmpty(t, s.Header.Get("Date"))
	<-disconnected // the client closes the connection, as the headers ask
	calls.Wait()
}

func TestADetachedAnswerMayConsistOfTrailersOnly(t *testing.T) {
	disconnected := make(chan struct{})
	server := start(t, detaching(t, disconnected, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Grpc-Status"] = []string{"5"}
	}))
	r := request(t, server, http.MethodPost, path, map[string]string{"Content-Type": "application/grpc-web+proto"}, "")
	assert.Equal(t, "5", r.Header.Get("Grpc-Status"))
	assert.EqualValues(t, 0, r.ContentLength)
	assert.True(t, r.Close)
}

// post sends a request over its own connection.
func post(t *testing.T, server *httptest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 0\r\n\r\n", path)
	return conn
}

func TestADetachedAnswerEndsWhenItsClientDisconnects(t *testing.T) {
	for what, disconnect := range map[string]func(net.Conn){
		"closed": func(c net.Conn) { c.Close() },
		"sends without end": func(c net.Conn) {
			for {
				if _, err := c.Write(make([]byte, 1024)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			disconnected, ended := make(chan struct{}), make(chan struct{})
			server := start(t, detaching(t, disconnected, func(http.ResponseWriter, *http.Request) {
				<-disconnected
				close(ended)
			}))
			conn := post(t, server)
			go disconnect(conn)
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				assert.Fail(t, "the answer did not end")
			}
		})
	}
}

func TestAPanicAbortsADetachedAnswer(t *testing.T) {
	var logged bytes.Buffer
	origins, err := guard.NewOrigins(nil)
	require.NoError(t, err)
	disconnected := make(chan struct{})
	var calls sync.WaitGroup
	server := httptest.NewUnstartedServer(grpcweb.Handler(detaching(t, disconnected, func(w http.ResponseWriter, _ *http.Request) {
		w.Write(grpcwebtest.Frame(0, []byte("hello")))
		w.(http.Flusher).Flush()
		panic("on purpose")
	}), grpcweb.Options{Origins: origins, Calls: &calls}))
	server.Config.ErrorLog = log.New(&logged, "", 0)
	server.Start()
	defer server.Close()
	conn := post(t, server)
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF, "clients must not take it for complete")
	assert.Equal(t, grpcwebtest.Frame(0, []byte("hello")), body)
	<-disconnected
	calls.Wait()
	assert.Contains(t, logged.String(), "on purpose")
}

func TestHTTP2AndTLSAreNotDetached(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		assert.False(t, w.(detacher).Detach(func() {}, func() {}), r.Proto)
		w.Header()["Grpc-Status"] = []string{"0"}
	}
	origins, err := guard.NewOrigins(nil)
	require.NoError(t, err)
	for _, http2 := range []bool{true, false} {
		server := httptest.NewUnstartedServer(grpcweb.Handler(rpcFunc(handler), grpcweb.Options{Origins: origins}))
		server.TLS, server.EnableHTTP2 = &tls.Config{}, http2
		server.StartTLS()
		r := request(t, server, http.MethodPost, path, map[string]string{"Content-Type": "application/grpc-web+proto"}, "")
		assert.Equal(t, "0", r.Header.Get("Grpc-Status"))
		r.Body.Close()
		server.Client().CloseIdleConnections()
		server.Close()
	}
}

// wrappedConn is a connection that a listener has wrapped.
type wrappedConn struct {
	net.Conn
	writes *atomic.Int32
}

func (c wrappedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func (c wrappedConn) Unwrap() net.Conn { return c.Conn }

type wrappingListener struct {
	net.Listener
	writes atomic.Int32
}

func (l *wrappingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return wrappedConn{c, &l.writes}, err
}

// The pieces of a message go to the socket itself, which takes them all at once.
func TestADetachedAnswerUnwrapsItsConnection(t *testing.T) {
	disconnected := make(chan struct{})
	server := httptest.NewUnstartedServer(handler(t, detaching(t, disconnected, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_, err := w.Write(grpcwebtest.Frame(0, []byte("hello")))
		assert.NoError(t, err)
		w.Header()[http.TrailerPrefix+"Grpc-Status"] = []string{"0"}
	})))
	listener := &wrappingListener{Listener: server.Listener}
	server.Listener = listener
	server.Start()
	defer server.Close()
	c := &grpcwebtest.Client{URL: server.URL, HTTP: server.Client()}
	s, err := c.OpenRaw(t.Context(), path, http.Header{}, grpcwebtest.Frame(0, nil))
	require.NoError(t, err)
	defer s.Close()
	got, err := s.Rest()
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Equal(t, "hello", string(got[0]))
	<-disconnected
	assert.Zero(t, listener.writes.Load())
}
