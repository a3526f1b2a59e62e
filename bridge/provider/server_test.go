package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
)

// someone is a valid address without a record on any chain.
const someone = "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"

// identity is a certificate, its key and its fingerprint.
type identity struct {
	tls.Certificate
	leaf *x509.Certificate
	pin  []byte
}

// newIdentity makes a certificate for localhost, signed by parent or, if that is
// nil, by itself.
func newIdentity(t *testing.T, name string, parent *identity) *identity {
	t.Helper()
	return newIdentityUntil(t, name, parent, time.Now().Add(time.Hour))
}

func newIdentityUntil(t *testing.T, name string, parent *identity, end time.Time) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     end,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer, signerKey := c, any(key)
	if parent != nil {
		signer, signerKey = parent.leaf, parent.PrivateKey
	} else {
		c.IsCA, c.BasicConstraintsValid = true, true
	}
	der, err := x509.CreateCertificate(rand.Reader, c, signer, key.Public(), signerKey)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	sum := sha256.Sum256(der)
	return &identity{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, leaf, sum[:]}
}

// server is a TLS server of the test's own making; it counts what it sees.
type server struct {
	port  uint16
	uri   string
	conns atomic.Int32 // that finished the handshake

	mu    sync.Mutex
	names []string // server names asked for
}

// config is what a provider serves; protocols are those that it negotiates.
func (id *identity) config(protocols ...string) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{id.Certificate},
		MinVersion:   tls.VersionTLS13,
		NextProtos:   protocols,
		ClientAuth:   tls.RequestClientCert,
	}
}

// uri is a host URI on this machine.
func uri(port uint16) string { return fmt.Sprintf("https://localhost:%d", port) }

func (s *server) serverNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.names...)
}

// listen serves every connection, after the handshake, with serve, until stop.
func listen(t *testing.T, at string, config *tls.Config, serve func(*tls.Conn)) (s *server, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", at)
	require.NoError(t, err)
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	s = &server{port: port, uri: uri(port)}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.names = append(s.names, hello.ServerName)
		return nil, nil
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := make(map[net.Conn]bool)
	all.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[raw] = true
			mu.Unlock()
			all.Go(func() {
				defer raw.Close()
				conn := tls.Server(raw, config)
				if conn.Handshake() == nil {
					s.conns.Add(1)
					serve(conn)
				}
			})
		}
	})
	stop = sync.OnceFunc(func() {
		l.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	t.Cleanup(stop)
	return s, stop
}

// silence is a server that accepts connections and never says a word.
type silence struct {
	port     uint16
	accepted atomic.Int32
	closed   chan struct{} // receives once for each connection that the other side ended
}

func silentServer(t *testing.T) *silence {
	t.Helper()
	l, err := net.Listen("tcp", anyPort)
	require.NoError(t, err)
	s := &silence{port: uint16(l.Addr().(*net.TCPAddr).Port), closed: make(chan struct{}, 100)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			all.Go(func() {
				defer conn.Close()
				io.Copy(io.Discard, conn)
				s.closed <- struct{}{}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return s
}

// anyPort lets the system choose.
const anyPort = "127.0.0.1:0"

// quiet is a server's log.
var quiet = log.New(io.Discard, "", 0)

// restServer serves HTTP/1.1 as a REST gateway does: without ALPN.
func restServer(t *testing.T, id *identity, handler http.HandlerFunc) *server {
	t.Helper()
	s, _ := listen(t, anyPort, id.config(), func(conn *tls.Conn) {
		serveHTTP(conn, &http.Server{Handler: handler, ErrorLog: quiet})
	})
	return s
}

// grpcServer serves HTTP/2, whatever ALPN says. limits may be nil.
func grpcServer(t *testing.T, at string, config *tls.Config, limits *http.HTTP2Config, handler http.HandlerFunc) (s *server, stop func()) {
	t.Helper()
	return listen(t, at, config, func(conn *tls.Conn) { serveHTTP2(conn, limits, handler) })
}

func serveHTTP2(conn net.Conn, limits *http.HTTP2Config, handler http.HandlerFunc) {
	srv := &http.Server{Handler: handler, ErrorLog: quiet, HTTP2: limits, Protocols: new(http.Protocols)}
	srv.Protocols.SetUnencryptedHTTP2(true)
	serveHTTP(conn, srv)
}

// serveHTTP serves one connection to its end.
func serveHTTP(conn net.Conn, srv *http.Server) {
	done := make(chan struct{})
	srv.Serve(&oneConn{conn: &closing{Conn: conn, done: sync.OnceFunc(func() { close(done) })}, done: done})
	<-done
}

// closing tells when a connection is closed.
type closing struct {
	net.Conn
	done func()
}

func (c *closing) Close() error {
	defer c.done()
	return c.Conn.Close()
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn net.Conn
	once sync.Once
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	var conn net.Conn
	l.once.Do(func() { conn = l.conn })
	if conn != nil {
		return conn, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// saysVersion answers GET /version.
func saysVersion(version string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/version" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, `{"akash":{"version":%q}}`, version)
	}
}

// ok answers every call with an empty success.
func ok(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	w.Write(make([]byte, 5))
	w.Header().Set("Grpc-Status", "0")
}

// newPool is a pool that knows someone at a host.
func newPool(t *testing.T, hostURI string, configure func(*provider.Options)) *provider.Pool {
	t.Helper()
	options := provider.Options{
		Overrides:    map[string]string{someone: hostURI},
		Destinations: guard.Destinations{AllowPrivate: true},
		Roots:        x509.NewCertPool(),
	}
	if configure != nil {
		configure(&options)
	}
	pool, err := provider.New(options)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// pinned asks for someone with the given certificate.
func pinned(id *identity) provider.Request {
	return provider.Request{Address: someone, TLS: provider.TLSMode{PinSHA256: id.pin}}
}

// closedPort is a port that refuses connections.
func closedPort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", anyPort)
	require.NoError(t, err)
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}
