package consoleproxy_test

import (
	"bytes"
	"context"
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
	"go.uber.org/goleak"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/consoleproxy"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/testserver/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// object is a message in JSON.
type object = map[string]any

// proxy is a Handler that is served.
type proxy struct {
	url    string
	client *http.Client
	calls  sync.WaitGroup // as the bridge's server counts them
}

// smallBuffer is the size of the kernel's buffers of each connection. The default ones
// grow to megabytes, behind which a queue of the proxy's could hide.
const smallBuffer = 32 << 10

// small makes the buffers of a connection small.
func small(conn net.Conn, err error) (net.Conn, error) {
	if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
		_ = tcp.SetReadBuffer(smallBuffer)
		_ = tcp.SetWriteBuffer(smallBuffer)
	}
	return conn, err
}

// smallListener accepts connections with small buffers.
type smallListener struct{ net.Listener }

func (l smallListener) Accept() (net.Conn, error) { return small(l.Listener.Accept()) }

// dialSmall opens connections with small buffers.
func dialSmall(ctx context.Context, network, address string) (net.Conn, error) {
	return small(new(net.Dialer).DialContext(ctx, network, address))
}

func serve(t *testing.T, o consoleproxy.Options) *proxy {
	t.Helper()
	var err error
	if o.Origins == nil {
		o.Origins, err = guard.NewOrigins([]string{"https://console.example"})
		require.NoError(t, err)
	}
	o.Metadata, err = guard.NewMetadata(nil)
	require.NoError(t, err)
	h := consoleproxy.New(o)
	p := &proxy{client: &http.Client{Transport: &http.Transport{DialContext: dialSmall}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.Serves(r) {
			http.NotFound(w, r)
			return
		}
		p.calls.Add(1)
		defer p.calls.Done()
		h.ServeHTTP(w, r)
	}))
	srv.Listener = smallListener{srv.Listener}
	srv.Start()
	p.url = srv.URL
	t.Cleanup(func() {
		p.client.CloseIdleConnections()
		srv.Close()
		p.calls.Wait()
	})
	return p
}

// world is a proxy in front of a fake provider and chain.
type world struct {
	*proxy
	fake  *fake.Server
	ready fake.Ready
}

func newWorld(t *testing.T, f fake.Options, o consoleproxy.Options) *world {
	t.Helper()
	server, err := fake.Start(context.Background(), f)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	nodes, err := chain.New(chain.Options{RESTNodes: []string{server.Ready().ChainRPC}})
	require.NoError(t, err)
	t.Cleanup(nodes.Close)
	pool, err := provider.New(provider.Options{Chain: nodes, Destinations: guard.Destinations{AllowPrivate: true}})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	o.Reacher = pool
	return &world{proxy: serve(t, o), fake: server, ready: server.Ready()}
}

// to returns a message for a path of the fake provider, extended by more.
func (w *world) to(path string, more object) object {
	m := object{"url": w.ready.HostURI + path, "providerAddress": w.ready.Provider}
	for name, value := range more {
		m[name] = value
	}
	return m
}

// lease is a path of the fake's lease.
func (w *world) lease(name string) string {
	l := w.ready.Lease
	return "/lease/" + strings.Join([]string{number(l.DSeq), number(uint64(l.GSeq)), number(uint64(l.OSeq)), name}, "/")
}

func number(n uint64) string {
	text, _ := json.Marshal(n)
	return string(text)
}

func (w *world) jwt() object { return object{"type": "jwt", "token": w.ready.JWT} }

// seen returns the requests that the fake provider has received.
func (w *world) seen(t *testing.T) []fake.Request {
	t.Helper()
	response, err := w.client.Get(w.ready.Control + "/requests")
	require.NoError(t, err)
	defer response.Body.Close()
	var requests []fake.Request
	require.NoError(t, json.NewDecoder(response.Body).Decode(&requests))
	return requests
}

// post sends a request to the proxy.
func (p *proxy) post(t *testing.T, message object, headers ...string) (*http.Response, string) {
	t.Helper()
	body, err := json.Marshal(message)
	require.NoError(t, err)
	return p.send(t, http.MethodPost, "/", bytes.NewReader(body), append([]string{"Content-Type", "application/json"}, headers...)...)
}

func (p *proxy) send(t *testing.T, method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, body)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	response, err := p.client.Do(req)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(text)
}

// issuesOf returns the problems that an answer lists, by path.
func issuesOf(t *testing.T, text string) map[string]object {
	t.Helper()
	var answer struct {
		Error struct {
			Issues []struct {
				Path   []string
				Params object
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &answer), text)
	found := map[string]object{}
	for _, one := range answer.Error.Issues {
		found[strings.Join(one.Path, ".")] = one.Params
	}
	return found
}

// socket is a client's WebSocket.
type socket struct {
	t    *testing.T
	ctx  context.Context
	conn *websocket.Conn
}

func (p *proxy) dial(t *testing.T, path string) *socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, p.url+path, &websocket.DialOptions{HTTPClient: p.client})
	require.NoError(t, err)
	t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(8 << 20)
	return &socket{t, ctx, conn}
}

func (s *socket) send(message object) {
	s.t.Helper()
	text, err := json.Marshal(message)
	require.NoError(s.t, err)
	require.NoError(s.t, s.conn.Write(s.ctx, websocket.MessageText, text))
}

func (s *socket) next() object {
	s.t.Helper()
	_, text, err := s.conn.Read(s.ctx)
	require.NoError(s.t, err)
	var message object
	require.NoError(s.t, json.Unmarshal(text, &message), string(text))
	return message
}
