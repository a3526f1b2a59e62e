package provider_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/testserver/fake"
)

// names is a resolver.
type names func(host string) ([]netip.Addr, error)

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) { return n(host) }

func TestAnUnresolvableNameFailsAtOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer names
		code   codes.Code
		reason rpcerror.Reason
		says   string
	}{
		{"unknown", func(host string) ([]netip.Addr, error) { return nil, &net.DNSError{IsNotFound: true, Name: host} },
			codes.NotFound, rpcerror.ReasonHostNotFound, "does not resolve"},
		{"no address", func(string) ([]netip.Addr, error) { return nil, nil },
			codes.NotFound, rpcerror.ReasonHostNotFound, "no address"},
		{"slow", func(host string) ([]netip.Addr, error) {
			return nil, &net.DNSError{IsTimeout: true, Name: host, Server: "10.0.0.53:53"}
		}, codes.Unavailable, rpcerror.ReasonHostNotFound, "in time"},
		{"broken", func(string) ([]netip.Addr, error) { return nil, errors.New("server misbehaving on 10.0.0.53:53") },
			codes.Unavailable, rpcerror.ReasonHostNotFound, "try again"},
		{"inside", func(string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.1")}, nil
		}, codes.PermissionDenied, rpcerror.ReasonDestinationRefused, "nothing usable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := newPool(t, "https://provider.example.com:8443", func(o *provider.Options) {
				o.Destinations = guard.Destinations{}
				o.Resolver = c.answer
			})
			for _, check := range []bool{true, false} {
				_, err := pool.Reach(t.Context(), provider.Request{Address: someone, CheckVersion: check})
				var f *rpcerror.Error
				require.ErrorAs(t, err, &f)
				assert.Equal(t, c.code, f.Code)
				assert.Equal(t, c.reason, f.Reason)
				assert.Contains(t, f.Error(), c.says)
				assert.Contains(t, f.Error(), "provider.example.com")
				assert.NotContains(t, f.Error(), "10.0.0.53")
			}
		})
	}
}

func TestPrivateHostsAreRefusedWithoutALookup(t *testing.T) {
	for _, host := range []string{"https://localhost:8443", "https://127.0.0.1:8443", "https://nas.local:8443", "https://[::1]"} {
		configure := func(o *provider.Options) {
			o.Destinations = guard.Destinations{}
			o.Resolver = names(func(string) ([]netip.Addr, error) {
				t.Error("looked up")
				return nil, errors.New("")
			})
		}
		_, err := newPool(t, host, configure).Reach(t.Context(), provider.Request{Address: someone})
		var f *rpcerror.Error
		require.ErrorAs(t, err, &f)
		assert.Equal(t, rpcerror.ReasonDestinationRefused, f.Reason, host)

		_, err = newPool(t, "https://provider.example.com", configure).Reach(t.Context(), provider.Request{Address: someone, HostURI: host})
		require.ErrorAs(t, err, &f)
		assert.Equal(t, rpcerror.ReasonDestinationRefused, f.Reason, host)
	}
}

// A search list, as containers have, must not turn a public name into one of the
// bridge's network. Where that is allowed, names may be its own.
func TestPublicNamesAreLookedUpWithoutASearchList(t *testing.T) {
	for allowed, want := range map[bool]string{false: "cache.redis.svc.", true: "cache.redis.svc"} {
		_, err := newPool(t, "https://cache.redis.svc:8443", func(o *provider.Options) {
			o.Destinations = guard.Destinations{AllowPrivate: allowed}
			o.Resolver = names(func(host string) ([]netip.Addr, error) {
				assert.Equal(t, want, host)
				return nil, &net.DNSError{IsNotFound: true, Name: host}
			})
		}).Reach(t.Context(), provider.Request{Address: someone})
		var f *rpcerror.Error
		require.ErrorAs(t, err, &f)
		assert.Contains(t, f.Message, "cache.redis.svc does not resolve")
	}
}

// An address that does not answer delays a call only shortly if there are others.
func TestAnUnreachableAddressIsSkipped(t *testing.T) {
	id := newIdentity(t, someone, nil)
	g, _ := grpcServer(t, anyPort, id.config("h2"), nil, ok)
	pool := newPool(t, uri(g.port), func(o *provider.Options) {
		o.GRPCPorts = []uint16{g.port}
		o.Resolver = names(func(string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")}, nil
		})
	})
	_, err := pool.Reach(t.Context(), pinned(id))
	require.NoError(t, err)
}

func TestCallsShareOneConnection(t *testing.T) {
	id := newIdentity(t, someone, nil)
	g, _ := grpcServer(t, anyPort, id.config("h2"), nil, ok)
	pool := newPool(t, uri(closedPort(t)), func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			e, err := pool.Reach(t.Context(), pinned(id))
			if assert.NoError(t, err) {
				_, err = status(t.Context(), e)
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, g.conns.Load())

	// Another way of verification needs another connection.
	_, err := pool.Reach(t.Context(), provider.Request{Address: someone, TLS: provider.TLSMode{Insecure: true}})
	require.NoError(t, err)
	assert.EqualValues(t, 2, g.conns.Load())

	// When the pool is closed, so are the connections.
	e, err := pool.Reach(t.Context(), pinned(id))
	require.NoError(t, err)
	pool.Close()
	_, err = status(t.Context(), e)
	assert.Error(t, err)
	_, err = pool.Reach(t.Context(), pinned(id))
	assert.Error(t, err)
}

// A client certificate belongs to the owner of its key. Connections that present it
// are used for its requests only.
func TestConnectionsWithAClientCertificateAreNotShared(t *testing.T) {
	id := newIdentity(t, someone, nil)
	var shown sync.Map
	g, _ := listen(t, anyPort, id.config("h2"), func(conn *tls.Conn) {
		name := ""
		if certs := conn.ConnectionState().PeerCertificates; len(certs) > 0 {
			name = certs[0].Subject.CommonName
		}
		shown.Store(name, true)
		serveHTTP2(conn, nil, ok)
	})
	pool := newPool(t, uri(closedPort(t)), func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} })
	alice, bob := newIdentity(t, "alice", nil), newIdentity(t, "bob", nil)
	for _, cert := range []*tls.Certificate{nil, &alice.Certificate, &bob.Certificate, nil, &alice.Certificate} {
		r := pinned(id)
		r.ClientCertificate = cert
		e, err := pool.Reach(t.Context(), r)
		require.NoError(t, err)
		_, err = status(t.Context(), e)
		require.NoError(t, err)
	}
	assert.EqualValues(t, 3, g.conns.Load())
	for _, name := range []string{"", "alice", "bob"} {
		_, ok := shown.Load(name)
		assert.True(t, ok, name)
	}
	// Connections with a client certificate do not send SNI.
	assert.ElementsMatch(t, []string{"localhost", "", ""}, g.serverNames())

	r := pinned(id)
	r.ClientCertificate = &tls.Certificate{Certificate: alice.Certificate.Certificate, PrivateKey: bob.PrivateKey}
	_, err := pool.Reach(t.Context(), r)
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f)
	assert.Equal(t, codes.InvalidArgument, f.Code)
	for _, broken := range []*tls.Certificate{{}, {Certificate: [][]byte{{1}}}, {Certificate: alice.Certificate.Certificate}} {
		r.ClientCertificate = broken
		_, err = pool.Reach(t.Context(), r)
		require.ErrorAs(t, err, &f)
		assert.Equal(t, codes.InvalidArgument, f.Code)
	}
}

func TestAClientCertificateOnTheRealPort(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1, ProviderVersion: "0.14.0"})
	cert, err := os.ReadFile(w.ready.ClientCertFile)
	require.NoError(t, err)
	key, err := os.ReadFile(w.ready.ClientKeyFile)
	require.NoError(t, err)
	pair, err := tls.X509KeyPair(cert, key)
	require.NoError(t, err)
	r := w.request()
	r.ClientCertificate = &pair
	e := w.reach(r)
	assert.Equal(t, provider.GRPC, e.Method)
	_, err = status(t.Context(), e)
	require.NoError(t, err)
}

// A provider verifies a client certificate after the client has finished the
// handshake, so the alert arrives with the first read.
func TestARefusedClientCertificate(t *testing.T) {
	id, alice := newIdentity(t, someone, nil), newIdentity(t, "alice", nil)
	config := id.config("h2")
	config.VerifyPeerCertificate = func(certs [][]byte, _ [][]*x509.Certificate) error {
		if len(certs) > 0 {
			return errors.New("not on the chain")
		}
		return nil
	}
	g, _ := grpcServer(t, anyPort, config, nil, ok)
	rest := restServer(t, id, saysVersion("v0.14.0"))
	pool := newPool(t, rest.uri, func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} })
	r := pinned(id)
	r.CheckVersion = true
	e, err := pool.Reach(t.Context(), r)
	require.NoError(t, err)
	assert.Equal(t, provider.GRPC, e.Method)

	r.ClientCertificate = &alice.Certificate
	_, err = pool.Reach(t.Context(), r)
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f)
	assert.Equal(t, codes.Unauthenticated, f.Code)
	assert.Equal(t, rpcerror.ReasonCertificateNotOnChain, f.Reason)
}

// Streams beyond a server's limit use another connection. When four are full, calls
// wait.
func TestTheServersStreamLimitIsRespected(t *testing.T) {
	id := newIdentity(t, someone, nil)
	var open, most atomic.Int32
	release := make(chan struct{})
	arrived := make(chan struct{}, 10)
	g, _ := grpcServer(t, anyPort, id.config("h2"), &http.HTTP2Config{MaxConcurrentStreams: 1}, func(w http.ResponseWriter, r *http.Request) {
		for n := open.Add(1); ; {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		defer open.Add(-1)
		arrived <- struct{}{}
		<-release
		ok(w, r)
	})
	pool := newPool(t, uri(closedPort(t)), func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} })
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			e, err := pool.Reach(t.Context(), pinned(id))
			if assert.NoError(t, err) {
				_, err = status(t.Context(), e)
				assert.NoError(t, err)
			}
		})
	}
	for range 4 {
		<-arrived
	}
	assert.EqualValues(t, 4, g.conns.Load())
	close(release)
	all.Wait()
	assert.EqualValues(t, 4, most.Load())
	assert.EqualValues(t, 4, g.conns.Load())
}

// After GOAWAY a connection accepts no new calls; the next one uses a new connection.
func TestAfterGoAwayTheNextCallReconnects(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1})
	e := w.reach(w.request())
	_, err := status(t.Context(), e)
	require.NoError(t, err)
	require.NoError(t, w.fake.SetFault("goaway-pings", ""))
	_, err = status(t.Context(), e)
	assert.Error(t, err)
	require.NoError(t, w.fake.ClearFault("goaway-pings", ""))
	require.Eventually(t, func() bool {
		e, err := w.pool.Reach(t.Context(), w.request())
		if err != nil {
			return false
		}
		_, err = status(t.Context(), e)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
}

// A provider that shuts down says which calls it has not processed. They are retried
// on a new connection.
func TestAnUnprocessedCallIsRetried(t *testing.T) {
	id := newIdentity(t, someone, nil)
	var conns atomic.Int32
	var asked atomic.Int32
	g, _ := listen(t, anyPort, id.config("h2"), func(conn *tls.Conn) {
		if conns.Add(1) == 1 {
			goAway(conn)
			return
		}
		serveHTTP2(conn, nil, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			assert.Len(t, body, 5, "the complete body")
			ok(w, r)
		})
	})
	pool := newPool(t, uri(closedPort(t)), func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} })
	e, err := pool.Reach(t.Context(), pinned(id))
	require.NoError(t, err)
	_, err = status(t.Context(), e)
	require.NoError(t, err)
	assert.EqualValues(t, 2, conns.Load())
	assert.EqualValues(t, 1, asked.Load())
}

// goAway is an HTTP/2 server that shuts down on the first request.
func goAway(conn net.Conn) {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	framer.WriteSettings()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		if frame.Header().Type == http2.FrameHeaders {
			framer.WriteGoAway(0, http2.ErrCodeNo, nil)
		}
	}
}

// A provider that was down can be reached again as soon as it is back.
func TestARestartedProviderIsReachedAgain(t *testing.T) {
	w := newWorld(t, fake.Options{Seed: 1})
	e := w.reach(w.request())
	require.NoError(t, w.fake.SetFault("refuse", ""))
	require.Eventually(t, func() bool {
		_, err := w.pool.Reach(t.Context(), w.request())
		return err != nil
	}, 10*time.Second, 10*time.Millisecond)
	_, err := status(t.Context(), e)
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f, "the transport reports why it cannot connect")
	assert.Equal(t, codes.Unavailable, f.Code)
	assert.Equal(t, w.ready.Provider, f.Provider)

	require.NoError(t, w.fake.ClearFault("refuse", ""))
	again := w.reach(w.request())
	assert.Equal(t, provider.GRPC, again.Method)
	_, err = status(t.Context(), again)
	require.NoError(t, err)
	_, err = status(t.Context(), e)
	require.NoError(t, err, "the old endpoint works again, too")
}

// clock is a clock that the test can advance.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// A connection ends when its decision expires and the certificate has been revoked.
func TestARevokedCertificateEndsItsConnections(t *testing.T) {
	clock := &clock{}
	w := newWorldAt(t, fake.Options{Seed: 1}, clock.now)
	e := w.reach(w.request())
	rest := w.request()
	rest.Service = "akash.provider.web.v1.LeaseREST"
	over := w.reach(rest)
	for _, e := range []*provider.Endpoint{e, over} {
		_, err := status(t.Context(), e)
		require.NoError(t, err)
	}

	w.revoke()
	clock.advance(29 * time.Minute)
	for _, e := range []*provider.Endpoint{e, over} {
		_, err := status(t.Context(), e)
		require.NoError(t, err, "the decision is still valid")
	}
	clock.advance(2 * time.Minute)
	for _, e := range []*provider.Endpoint{e, over} {
		_, err := status(t.Context(), e)
		var f *rpcerror.Error
		require.ErrorAs(t, err, &f)
		assert.Equal(t, rpcerror.ReasonRevoked, f.Reason)
	}
	assert.Equal(t, rpcerror.ReasonRevoked, w.refusal(w.request()).Reason)
}

// A stream ends when its provider's certificate is revoked.
func TestAStreamEndsWithTheCertificate(t *testing.T) {
	ca := newIdentity(t, "A CA", nil)
	id := newIdentityUntil(t, "localhost", ca, time.Now().Add(2*time.Second))
	pings := make(chan struct{}, 100)
	g, _ := listen(t, anyPort, id.config("h2"), func(conn *tls.Conn) { serveFrames(conn, pings, new(atomic.Bool)) })
	pool := newPool(t, uri(closedPort(t)), func(o *provider.Options) {
		o.GRPCPorts = []uint16{g.port}
		o.Roots.AddCert(ca.leaf)
	})
	e, err := pool.Reach(t.Context(), provider.Request{Address: someone})
	require.NoError(t, err)
	assert.Equal(t, "ca", e.Verified)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = status(ctx, e)
	assert.Error(t, err)
	assert.NoError(t, ctx.Err(), "the stream did not end")
	_, err = pool.Reach(t.Context(), provider.Request{Address: someone})
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f)
	assert.Equal(t, rpcerror.ReasonExpired, f.Reason)
}

// While the chain is unavailable, known providers can be reached, and the endpoint is
// marked as stale.
func TestAKnownProviderIsReachedWithoutTheChain(t *testing.T) {
	clock := &clock{}
	w := newWorldAt(t, fake.Options{Seed: 1}, clock.now)
	assert.False(t, w.reach(w.request()).Stale)
	require.NoError(t, w.fake.SetFault("chain-down", ""))
	clock.advance(10 * time.Minute)
	e := w.reach(w.request())
	assert.True(t, e.Stale)
	_, err := status(t.Context(), e)
	require.NoError(t, err)
}

// A connection is pinged only while it has streams.
func TestConnectionsAreKeptAliveOnlyWhileInUse(t *testing.T) {
	id := newIdentity(t, someone, nil)
	pings := make(chan struct{}, 100)
	var deaf atomic.Bool
	g, _ := listen(t, anyPort, id.config("h2"), func(conn *tls.Conn) { serveFrames(conn, pings, &deaf) })
	pool := newPool(t, uri(closedPort(t)), func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} })
	pool.ShortenTimeouts(400) // 40 s become 100 ms

	e, err := pool.Reach(t.Context(), pinned(id))
	require.NoError(t, err)
	select {
	case <-pings:
		t.Fatal("pinged without a stream")
	case <-time.After(500 * time.Millisecond):
	}

	failed := make(chan error, 1)
	go func() {
		_, err := status(t.Context(), e)
		failed <- err
	}()
	<-pings
	<-pings
	deaf.Store(true) // the provider hangs; its streams must end
	select {
	case err := <-failed:
		assert.Error(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("a stream on a dead connection did not end")
	}
}

// serveFrames is an HTTP/2 server that never answers a request.
func serveFrames(conn net.Conn, pings chan<- struct{}, deaf *atomic.Bool) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	if framer.WriteSettings() != nil {
		return
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if deaf.Load() {
				continue
			}
			framer.WritePing(true, frame.Data)
			pings <- struct{}{}
		}
	}
}

// Servers that do not speak HTTP/2 after the handshake.
func TestServersThatDoNotSpeakHTTP2(t *testing.T) {
	id := newIdentity(t, someone, nil)
	for name, c := range map[string]struct {
		says  string
		serve func(*tls.Conn)
	}{
		"nothing":       {"closed the connection", func(*tls.Conn) {}},
		"silence":       {"no answer in time", func(conn *tls.Conn) { io.Copy(io.Discard, conn) }},
		"text":          {"does not speak HTTP/2", func(conn *tls.Conn) { io.WriteString(conn, "220 smtp.example.com ESMTP\r\n") }},
		"half a frame":  {"does not speak HTTP/2", func(conn *tls.Conn) { conn.Write([]byte{0, 0, 0, 4}) }},
		"another frame": {"does not speak HTTP/2", func(conn *tls.Conn) { http2.NewFramer(conn, nil).WritePing(false, [8]byte{}) }},
		"an ack":        {"does not speak HTTP/2", func(conn *tls.Conn) { http2.NewFramer(conn, nil).WriteSettingsAck() }},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := listen(t, anyPort, id.config(), c.serve)
			pool := newPool(t, uri(closedPort(t)), func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} })
			pool.ShortenTimeouts(50)
			_, err := pool.Reach(t.Context(), pinned(id))
			var f *rpcerror.Error
			require.ErrorAs(t, err, &f)
			assert.Contains(t, f.Message, fmt.Sprintf("port %d", g.port))
			assert.Contains(t, f.Message, c.says)
		})
	}
	t.Run("no TLS", func(t *testing.T) {
		l, err := net.Listen("tcp", anyPort)
		require.NoError(t, err)
		defer l.Close()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
				conn.Close()
			}
		}()
		port := uint16(l.Addr().(*net.TCPAddr).Port)
		pool := newPool(t, uri(closedPort(t)), func(o *provider.Options) { o.GRPCPorts = []uint16{port} })
		_, err = pool.Reach(t.Context(), pinned(id))
		assert.ErrorContains(t, err, "does not speak TLS")
	})
}

// The REST transport supports WebSockets, and connects to its own provider only.
func TestTheRESTTransportSupportsWebSockets(t *testing.T) {
	id := newIdentity(t, someone, nil)
	rest := restServer(t, id, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/version" {
			saysVersion("v0.4.8")(w, r)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.Write(r.Context(), websocket.MessageText, []byte("a line"))
		conn.CloseNow()
	})
	pool := newPool(t, rest.uri, nil)
	r := pinned(id)
	r.CheckVersion = true
	e, err := pool.Reach(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, provider.REST, e.Method)
	assert.Equal(t, "pin", e.Verified)

	conn, _, err := websocket.Dial(t.Context(), e.HostURI+"/logs", &websocket.DialOptions{HTTPClient: &http.Client{Transport: e.Transport}})
	require.NoError(t, err)
	defer conn.CloseNow()
	_, line, err := conn.Read(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "a line", string(line))

	for _, other := range []string{"http://localhost:1/", "https://elsewhere.example/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, other, nil)
		require.NoError(t, err)
		_, err = e.Transport.RoundTrip(req)
		assert.Error(t, err)
	}
}
