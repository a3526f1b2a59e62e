package flood_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"akash-provider-web/bridge/internal/flood"
)

// serve starts a server that answers with the length of a request's body.
func serve(t *testing.T, secure bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(flood.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	})))
	server.Listener = flood.Listener(server.Listener)
	server.Config.ConnContext = flood.Context
	server.Config.HTTP2 = &http.HTTP2Config{MaxReadFrameSize: 16 << 10}
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetHTTP2(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	if secure {
		server.TLS = &tls.Config{NextProtos: []string{"h2"}}
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

func dial(t *testing.T, server *httptest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	if server.TLS != nil {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) // the test's own server
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestAFloodIsSlowedDown(t *testing.T) {
	for name, write := range map[string]func(*http2.Framer) error{
		"pings":    func(f *http2.Framer) error { return f.WritePing(true, [8]byte{}) },
		"settings": func(f *http2.Framer) error { return f.WriteSettingsAck() },
		"windows":  func(f *http2.Framer) error { return f.WriteWindowUpdate(0, 1) },
		"unknown":  func(f *http2.Framer) error { return f.WriteRawFrame(0x42, 0, 0, nil) },
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %t", name, secure), func(t *testing.T) {
				t.Parallel()
				conn := dial(t, serve(t, secure))
				_, err := io.WriteString(conn, http2.ClientPreface)
				require.NoError(t, err)
				go io.Copy(io.Discard, conn)
				var many bytes.Buffer
				framer := http2.NewFramer(&many, nil)
				require.NoError(t, framer.WriteSettings())
				for many.Len() < 16<<10 {
					require.NoError(t, write(framer))
				}
				// The connection takes no more than its allowance, and what buffers hold.
				sent, end := 0, time.Now().Add(500*time.Millisecond)
				require.NoError(t, conn.SetWriteDeadline(end))
				for time.Now().Before(end) {
					n, err := conn.Write(many.Bytes())
					sent += n
					if err != nil {
						assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
						break
					}
				}
				assert.Less(t, sent, 12<<20)
				assert.WithinDuration(t, end, time.Now(), time.Second, "the flood was taken")
			})
		}
	}
}

// Streams that are reset at once are slowed down, too. A client that gives up all of its
// streams is not.
func TestRapidReset(t *testing.T) {
	var served atomic.Int64
	server := httptest.NewUnstartedServer(flood.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		select {
		case <-r.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	})))
	server.Listener = flood.Listener(server.Listener)
	server.Config.ConnContext = flood.Context
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	for _, test := range []struct{ streams, least, most int64 }{{100, 1, 100}, {100_000, 100, 60_000}} {
		conn := dial(t, server)
		served.Store(0)
		var many, block bytes.Buffer
		framer, encoder := http2.NewFramer(&many, nil), hpack.NewEncoder(&block)
		many.WriteString(http2.ClientPreface)
		require.NoError(t, framer.WriteSettings())
		for i := range uint32(test.streams) {
			block.Reset()
			for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "x"}} {
				require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
			}
			require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, EndHeaders: true, EndStream: true, BlockFragment: block.Bytes()}))
			require.NoError(t, framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel))
		}
		go io.Copy(io.Discard, conn)
		require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
		_, err := conn.Write(many.Bytes())
		if !errors.Is(err, os.ErrDeadlineExceeded) { // buffers may hold the rest
			require.NoError(t, err)
		}
		// What must not be served has no sign to wait for.
		time.Sleep(500 * time.Millisecond)
		assert.GreaterOrEqual(t, served.Load(), test.least)
		assert.LessOrEqual(t, served.Load(), test.most)
		conn.Close()
	}
}

// Whatever belongs to requests is no flood: many requests, large bodies, and streams of
// small pieces.
func TestBusyClientsStayConnected(t *testing.T) {
	began := time.Now()
	for _, secure := range []bool{false, true} {
		server := serve(t, secure)
		protocols := new(http.Protocols)
		protocols.SetHTTP2(secure)
		protocols.SetUnencryptedHTTP2(!secure)
		transport := &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the test's own server
		client := &http.Client{Transport: transport}
		t.Cleanup(transport.CloseIdleConnections)
		post := func(body io.Reader) {
			response, err := client.Post(server.URL, "text/plain", body)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, response.Body)
			require.NoError(t, err)
			response.Body.Close()
			assert.Equal(t, 2, response.ProtoMajor)
		}
		for range 300 {
			r, err := http.NewRequest(http.MethodPost, server.URL, nil)
			require.NoError(t, err)
			r.Header.Set("X-Long", strings.Repeat("~", 4000))
			response, err := client.Do(r)
			require.NoError(t, err)
			response.Body.Close()
		}
		post(bytes.NewReader(make([]byte, 10<<20)))
		small, w := io.Pipe()
		go func() {
			for range 500 {
				w.Write([]byte("key"))
			}
			w.Close()
		}()
		post(small)
	}
	assert.Less(t, time.Since(began), 10*time.Second, "they are slowed down") // which takes minutes
}

// A WebSocket's bytes are its handler's.
func TestWebSocketsAreExempt(t *testing.T) {
	server := httptest.NewUnstartedServer(flood.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if assert.NoError(t, err) {
			defer conn.Close()
			n, _ := io.CopyN(io.Discard, buffered, 8<<20)
			fmt.Fprint(conn, n)
		}
	})))
	server.Listener = flood.Listener(server.Listener)
	server.Config.ConnContext = flood.Context
	server.Start()
	t.Cleanup(server.Close)
	conn := dial(t, server)
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	require.NoError(t, err)
	_, err = conn.Write(make([]byte, 8<<20))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprint(8<<20), string(text))
}
