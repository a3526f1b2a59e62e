package flood_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"akash-provider-web/bridge/internal/flood"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a server with the flood's listener.
type server struct {
	*httptest.Server
	secure bool
	closed atomic.Int64 // connections that were closed for what they cost

	sockets sync.WaitGroup // handlers of WebSockets, for which Close does not wait
}

// serve starts a server. All connections count as those of one address.
func serve(t *testing.T, secure bool, handler http.HandlerFunc) *server {
	t.Helper()
	return serveNetwork(t, secure, handler, func(net.Addr) netip.Addr { return netip.MustParseAddr("203.0.113.7") })
}

func serveNetwork(t *testing.T, secure bool, handler http.HandlerFunc, network func(net.Addr) netip.Addr) *server {
	t.Helper()
	s := &server{secure: secure}
	s.Server = httptest.NewUnstartedServer(flood.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.sockets.Add(1)
		defer s.sockets.Done()
		handler(w, r)
	})))
	o := flood.Options{Network: network, Closed: func() { s.closed.Add(1) }}
	if secure {
		// httptest has a certificate for itself.
		other := httptest.NewTLSServer(http.NotFoundHandler())
		o.TLS = &tls.Config{Certificates: other.TLS.Certificates}
		other.Close()
	}
	s.Listener = flood.Listener(s.Listener, o)
	s.Config.ConnContext = flood.Context
	s.Config.ReadHeaderTimeout = 10 * time.Second
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	if secure {
		s.URL = strings.Replace(s.URL, "http:", "https:", 1)
	}
	t.Cleanup(func() {
		s.Close()
		s.sockets.Wait()
	})
	return s
}

// echoLength answers with the length of a request's body.
func echoLength(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	fmt.Fprint(w, n)
}

func (s *server) dial(t *testing.T, protocol string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	if s.secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}) // the test's own server
	}
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

// h2 is a client's end of an HTTP/2 connection.
type h2 struct {
	net.Conn
	*http2.Framer
}

func (s *server) dialHTTP2(t *testing.T) *h2 {
	t.Helper()
	conn := s.dial(t, "h2")
	_, err := io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	c := &h2{conn, http2.NewFramer(conn, conn)}
	require.NoError(t, c.WriteSettings())
	return c
}

// goneAway reads until GOAWAY, and returns its code.
func (c *h2) goneAway(t *testing.T) http2.ErrCode {
	t.Helper()
	for {
		f, err := c.ReadFrame()
		require.NoError(t, err)
		if f, ok := f.(*http2.GoAwayFrame); ok {
			return f.ErrCode
		}
	}
}

func headers(t *testing.T) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "x"}} {
		require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	return block.Bytes()
}

// A client that floods the server with any frame is told to calm down, and nothing more of
// it is read.
func TestFloodOfFrames(t *testing.T) {
	var id uint32
	for name, write := range map[string]func(*http2.Framer) error{
		"pings":      func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) },
		"pongs":      func(f *http2.Framer) error { return f.WritePing(true, [8]byte{}) },
		"settings":   func(f *http2.Framer) error { return f.WriteSettings() },
		"windows":    func(f *http2.Framer) error { return f.WriteWindowUpdate(0, 1) },
		"priorities": func(f *http2.Framer) error { return f.WritePriority(1, http2.PriorityParam{StreamDep: 3}) },
		"unknown":    func(f *http2.Framer) error { return f.WriteRawFrame(0x42, 0, 0, nil) },
		"streams that are reset at once": func(f *http2.Framer) error {
			id += 2
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id - 1, EndHeaders: true, EndStream: true, BlockFragment: headers(t)}); err != nil {
				return err
			}
			return f.WriteRSTStream(id-1, http2.ErrCodeCancel)
		},
	} {
		// The client writes them all before it reads, so that what it reads does not
		// depend on what it can still write.
		var many bytes.Buffer
		framer := http2.NewFramer(&many, nil)
		for many.Len() < 200<<10 {
			require.NoError(t, write(framer))
		}
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %t", name, secure), func(t *testing.T) {
				t.Parallel()
				s := serve(t, secure, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
				c := s.dialHTTP2(t)
				written := make(chan struct{})
				go func() {
					defer close(written)
					c.Write(many.Bytes()) // which may fail in the middle
				}()
				assert.Equal(t, http2.ErrCodeEnhanceYourCalm, c.goneAway(t))
				c.Close()
				<-written
				assert.EqualValues(t, 1, s.closed.Load())
			})
		}
	}
}

// Whoever connects again has no more than before.
func TestNewConnectionsHaveNoNewBudget(t *testing.T) {
	s := serveNetwork(t, false, echoLength, func(a net.Addr) netip.Addr {
		return netip.MustParseAddrPort(a.String()).Addr()
	})
	dial := func(from string) *h2 {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Skip("this system has only one loopback address: ", err)
		}
		t.Cleanup(func() { conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = io.WriteString(conn, http2.ClientPreface)
		require.NoError(t, err)
		c := &h2{conn, http2.NewFramer(conn, conn)}
		require.NoError(t, c.WriteSettings())
		return c
	}
	// ask reports whether a request is answered in time.
	ask := func(c *h2, within time.Duration) bool {
		require.NoError(t, c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: headers(t)}))
		require.NoError(t, c.SetReadDeadline(time.Now().Add(within)))
		for {
			f, err := c.ReadFrame()
			if err != nil {
				return false
			}
			if _, ok := f.(*http2.HeadersFrame); ok {
				return true
			}
		}
	}
	early := dial("127.0.0.2")
	require.True(t, ask(early, 20*time.Second))
	var pings bytes.Buffer
	framer := http2.NewFramer(&pings, nil)
	for range 1000 {
		require.NoError(t, framer.WritePing(false, [8]byte{}))
	}
	var flooding sync.WaitGroup
	defer flooding.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 4 {
		flooding.Go(func() {
			for ctx.Err() == nil {
				c := dial("127.0.0.2")
				stop := context.AfterFunc(ctx, func() { c.Close() })
				go io.Copy(io.Discard, c)
				for {
					if _, err := c.Write(pings.Bytes()); err != nil {
						break
					}
				}
				c.Close()
				stop()
			}
		})
	}
	assert.Eventually(t, func() bool { return !ask(dial("127.0.0.2"), 200*time.Millisecond) }, 20*time.Second, time.Millisecond, "of the same address")
	assert.True(t, ask(dial("127.0.0.3"), 20*time.Second), "of another")
	require.NoError(t, early.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, EndHeaders: true, EndStream: true, BlockFragment: headers(t)}))
	require.NoError(t, early.SetReadDeadline(time.Now().Add(20*time.Second)))
	for {
		f, err := early.ReadFrame()
		require.NoError(t, err, "a client at the same address that has done no harm")
		if f.Header().StreamID == 3 {
			break
		}
	}
}

// Whatever belongs to requests is no flood: many requests, large headers and bodies, streams
// of small pieces, pings to measure the path of an answer, and streams that end after a
// while.
func TestBusyClientsStayConnected(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprintf("HTTP/%d, TLS %t", version, secure), func(t *testing.T) {
				t.Parallel()
				s := serve(t, secure, func(w http.ResponseWriter, r *http.Request) {
					flood.Useful(r.Context())
					assert.Equal(t, secure, r.TLS != nil)
					echoLength(w, r)
				})
				protocols := new(http.Protocols)
				protocols.SetHTTP1(version == 1)
				protocols.SetHTTP2(version == 2 && secure)
				protocols.SetUnencryptedHTTP2(version == 2 && !secure)
				var dialed atomic.Int64
				transport := &http.Transport{
					Protocols: protocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the test's own server
					DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
						dialed.Add(1)
						return new(net.Dialer).DialContext(ctx, network, address)
					},
				}
				client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
				defer transport.CloseIdleConnections()
				post := func(body io.Reader, want string) {
					t.Helper()
					r, err := http.NewRequest(http.MethodPost, s.URL, body)
					require.NoError(t, err)
					r.Header.Set("X-Long", strings.Repeat("~", 1000))
					response, err := client.Do(r)
					require.NoError(t, err)
					text, err := io.ReadAll(response.Body)
					require.NoError(t, err)
					response.Body.Close()
					assert.Equal(t, version, response.ProtoMajor)
					assert.Equal(t, want, string(text))
				}
				requests := 2000
				if version == 1 {
					requests = 200 // which has no frames that could be a flood
				}
				for range requests {
					post(strings.NewReader("x"), "1")
				}
				post(bytes.NewReader(make([]byte, 10<<20)), fmt.Sprint(10<<20))
				small, w := io.Pipe()
				go func() {
					for range 2000 {
						w.Write([]byte("key"))
					}
					w.Close()
				}()
				post(small, "6000")
				if version == 2 {
					assert.EqualValues(t, 1, dialed.Load())
				}
				assert.Zero(t, s.closed.Load())
			})
		}
	}
}

// A client that measures the path while it gets an answer, as gRPC's do, pings for each
// message that it receives.
func TestPingsForMessages(t *testing.T) {
	const messages = 10_000
	next := make(chan struct{})
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		for range next {
			w.Write(make([]byte, 100))
			http.NewResponseController(w).Flush()
		}
	})
	c := s.dialHTTP2(t)
	require.NoError(t, c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: headers(t)}))
	for range messages {
		next <- struct{}{}
		for {
			f, err := c.ReadFrame()
			require.NoError(t, err)
			if _, ok := f.(*http2.DataFrame); ok {
				break
			}
		}
		require.NoError(t, c.WritePing(false, [8]byte{}))
		require.NoError(t, c.WriteWindowUpdate(0, 100))
		require.NoError(t, c.WriteWindowUpdate(1, 100))
	}
	close(next)
	assert.Zero(t, s.closed.Load())
}

// socket is a server that accepts WebSockets and reads their messages.
func socket(t *testing.T) *server {
	return serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		flood.Useful(r.Context())
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(8 << 20)
		for {
			if _, text, err := conn.Read(context.WithoutCancel(r.Context())); err != nil {
				return
			} else if conn.Write(context.WithoutCancel(r.Context()), websocket.MessageText, fmt.Append(nil, len(text))) != nil {
				return
			}
		}
	})
}

const upgrade = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

// masked is a WebSocket's frame, whose mask is 0.
func masked(first byte, payload string) []byte {
	return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

func TestFloodOverAWebSocket(t *testing.T) {
	for name, many := range map[string][]byte{
		"pings":     bytes.Repeat(masked(0x89, strings.Repeat("x", 125)), 10_000),
		"pongs":     bytes.Repeat(masked(0x8a, ""), 20_000),
		"fragments": append(masked(0x01, "x"), bytes.Repeat(masked(0x00, ""), 20_000)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := socket(t)
			conn := s.dial(t, "")
			_, err := io.WriteString(conn, upgrade)
			require.NoError(t, err)
			var head []byte
			for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
				one := make([]byte, 1)
				_, err := io.ReadFull(conn, one)
				require.NoError(t, err)
				head = append(head, one...)
			}
			written := make(chan struct{})
			go func() {
				defer close(written)
				conn.Write(many)
			}()
			for {
				frame := make([]byte, 2)
				_, err := io.ReadFull(conn, frame)
				require.NoError(t, err)
				payload := make([]byte, frame[1])
				_, err = io.ReadFull(conn, payload)
				require.NoError(t, err)
				if frame[0] == 0x88 {
					assert.EqualValues(t, websocket.StatusPolicyViolation, binary.BigEndian.Uint16(payload))
					break
				}
			}
			conn.Close()
			<-written
			assert.EqualValues(t, 1, s.closed.Load())
		})
	}
}

// Tiny messages are read only so fast, since they may have a use.
func TestTinyMessagesOverAWebSocketAreSlowedDown(t *testing.T) {
	var read atomic.Int64
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			if _, _, err := conn.Read(context.WithoutCancel(r.Context())); err != nil {
				return
			}
			read.Add(1)
		}
	})
	conn := s.dial(t, "")
	began := time.Now()
	_, err := io.WriteString(conn, upgrade)
	require.NoError(t, err)
	head := make([]byte, 12)
	_, err = io.ReadFull(conn, head)
	require.NoError(t, err)
	written := make(chan struct{})
	go func() {
		defer close(written)
		conn.Write(bytes.Repeat(masked(0x82, "x"), 200_000))
	}()
	// What may be read at once, and in the time since; with what one read has more.
	atOnce, perSecond, more := 50_000/3, 5_000/3, (64<<10)/7
	require.Eventually(t, func() bool { return int(read.Load()) >= atOnce }, 20*time.Second, time.Millisecond)
	limit := atOnce + more + perSecond*int(time.Since(began)/time.Second+1)
	assert.LessOrEqual(t, int(read.Load()), limit)
	assert.Zero(t, s.closed.Load())
	conn.Close()
	<-written
}

// A WebSocket that carries files is not slowed down.
func TestLargeMessagesOverAWebSocket(t *testing.T) {
	s := socket(t)
	conn, _, err := websocket.Dial(t.Context(), s.URL, nil)
	require.NoError(t, err)
	defer conn.CloseNow()
	for range 3 {
		require.NoError(t, conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 4<<20)))
		_, text, err := conn.Read(t.Context())
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint(4<<20), string(text))
	}
	assert.Zero(t, s.closed.Load())
}

// A client that sends frames before the answer to its upgrade could hide them behind it.
func TestUpgradeWithMore(t *testing.T) {
	s := socket(t)
	conn := s.dial(t, "")
	_, err := conn.Write(append([]byte(upgrade), masked(0x81, "x")...))
	require.NoError(t, err)
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Contains(t, string(text), "400 Bad Request")
}

// A program that speaks HTTP where TLS is served is told so, as by net/http.
func TestHTTPInsteadOfTLS(t *testing.T) {
	s := serve(t, true, echoLength)
	response, err := http.Get(strings.Replace(s.URL, "https:", "http:", 1))
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
	assert.Contains(t, string(text), "HTTPS server")
}
