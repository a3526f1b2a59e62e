package grpcweb_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"akash-provider-web/bridge/grpcweb"
	"akash-provider-web/bridge/grpcweb/improbable"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/internal/grpcwebtest"
	"akash-provider-web/bridge/relay"
)

// TestMain ignores one goroutine that never ends: the clock of a timer library that
// grpc-web imports.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

const path = "/some.Service/Method"

// rpcFunc is a relay.Server in the form of an http.HandlerFunc. It sets trailers after
// the headers, with http.TrailerPrefix.
type rpcFunc func(http.ResponseWriter, *http.Request)

func (s rpcFunc) ServeRPC(w relay.Response, r *http.Request) {
	a := &writer{Response: w, trailers: http.Header{}}
	s(a, r)
	if !a.detached {
		a.finish()
	}
}

// writer is an http.ResponseWriter over a relay.Response.
type writer struct {
	relay.Response
	committed bool
	detached  bool // for the handler's goroutine only
	trailers  http.Header
}

func (w *writer) Header() http.Header {
	if w.committed {
		return w.trailers
	}
	return w.Response.Header()
}

func (w *writer) WriteHeader(int) {
	w.committed = true
	w.Response.WriteHeader()
}

func (w *writer) Write(p []byte) (int, error) {
	if !w.committed {
		w.WriteHeader(http.StatusOK)
	}
	return w.Response.Write([][]byte{p})
}

func (w *writer) Detach(onDisconnect, serve func()) bool {
	w.detached = w.Response.Detach(onDisconnect, func() {
		serve()
		w.finish()
	})
	return w.detached
}

func (w *writer) finish() {
	trailers := http.Header{}
	for key, values := range w.trailers {
		trailers[strings.TrimPrefix(key, http.TrailerPrefix)] = values
	}
	w.Response.Finish(trailers)
}

// start starts a server that answers gRPC-Web calls with next.
func start(t *testing.T, next rpcFunc, options ...func(*grpcweb.Options)) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler(t, next, options...))
	t.Cleanup(func() {
		server.Client().CloseIdleConnections()
		server.Close()
	})
	return server
}

// handler returns the handler of start.
func handler(t *testing.T, next rpcFunc, options ...func(*grpcweb.Options)) http.Handler {
	t.Helper()
	origins, err := guard.NewOrigins([]string{"https://app.example"})
	require.NoError(t, err)
	o := grpcweb.Options{Origins: origins, MaxRequest: 1 << 20}
	for _, option := range options {
		option(&o)
	}
	return grpcweb.Handler(next, o)
}

// echo is a gRPC handler that returns the request's body, and properties of the
// request as trailers.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	w.WriteHeader(http.StatusOK)
	w.Write(body)
	h := w.Header()
	h[http.TrailerPrefix+"Grpc-Status"] = []string{"0"}
	h[http.TrailerPrefix+"X-Content-Type"] = []string{r.Header.Get("Content-Type")}
	h[http.TrailerPrefix+"X-Error"] = []string{fmt.Sprint(err)}
	h[http.TrailerPrefix+"X-Cookie"] = []string{r.Header.Get("Cookie")}
}

func request(t *testing.T, server *httptest.Server, method, path string, header map[string]string, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	response, err := server.Client().Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestPreflights(t *testing.T) {
	server := start(t, echo)
	for _, asked := range []string{"content-type,x-grpc-web", "content-type", "", "akash-provider,authorization,content-type"} {
		header := map[string]string{"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
		if asked != "" {
			header["Access-Control-Request-Headers"] = asked
		}
		r := request(t, server, http.MethodOptions, path, header, "")
		assert.Less(t, r.StatusCode, 300, asked)
		assert.Equal(t, "https://app.example", r.Header.Get("Access-Control-Allow-Origin"), asked)
		assert.Equal(t, "POST", r.Header.Get("Access-Control-Allow-Methods"))
		assert.NotEmpty(t, r.Header.Get("Access-Control-Max-Age"))
		assert.Contains(t, strings.Join(r.Header.Values("Vary"), ","), "Origin")
		for name := range strings.SplitSeq(asked, ",") {
			assert.Contains(t, r.Header.Get("Access-Control-Allow-Headers"), name)
		}
		assert.Empty(t, r.Header.Get("Access-Control-Allow-Private-Network"))
	}
	r := request(t, server, http.MethodOptions, path, map[string]string{
		"Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Private-Network": "true",
	}, "")
	assert.Equal(t, "true", r.Header.Get("Access-Control-Allow-Private-Network"))
	r = request(t, server, http.MethodOptions, path, nil, "")
	assert.Equal(t, "POST, OPTIONS", r.Header.Get("Allow"), "no preflight, a question")
}

func TestAPageOfAnotherOriginIsRefused(t *testing.T) {
	server := start(t, func(http.ResponseWriter, *http.Request) { assert.Fail(t, "relayed") })
	foreign := map[string]string{"Origin": "https://evil.example", "Content-Type": "application/grpc-web", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-grpc-web"}
	for _, method := range []string{http.MethodPost, http.MethodOptions, http.MethodGet} {
		r := request(t, server, method, path, foreign, "")
		assert.Equal(t, http.StatusForbidden, r.StatusCode, method)
		for name := range r.Header {
			assert.NotContains(t, name, "Access-Control", method)
		}
		body, _ := io.ReadAll(r.Body)
		assert.Contains(t, string(body), `"https://evil.example"`)
		assert.Contains(t, string(body), "--allow-origin")
	}
	_, response, err := websocket.Dial(t.Context(), server.URL+path, &websocket.DialOptions{
		Subprotocols: []string{"grpc-websockets"}, HTTPHeader: http.Header{"Origin": {"https://evil.example"}},
	})
	require.Error(t, err)
	assert.Equal(t, http.StatusForbidden, response.StatusCode)
}

func TestOtherRequestsGetAHelpfulError(t *testing.T) {
	server := start(t, func(http.ResponseWriter, *http.Request) { assert.Fail(t, "relayed") })
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodHead} {
		r := request(t, server, method, path, map[string]string{"Content-Type": "application/grpc-web"}, "")
		assert.Equal(t, http.StatusMethodNotAllowed, r.StatusCode, method)
		assert.Equal(t, "POST, OPTIONS", r.Header.Get("Allow"))
	}
	for _, contentType := range []string{"", "application/json", "application/grpc", "application/grpc+proto", "text/plain",
		"application/grpc-website", "application/grpc-web+json", "application/grpc-web-text+thrift", ";", "application/grpc-web; x"} {
		r := request(t, server, http.MethodPost, path, map[string]string{"Content-Type": contentType}, "{}")
		assert.Equal(t, http.StatusUnsupportedMediaType, r.StatusCode, contentType)
		body, _ := io.ReadAll(r.Body)
		assert.Contains(t, string(body), "application/grpc-web+proto")
	}
}

func TestContentTypesMayHaveParametersAndCapitals(t *testing.T) {
	server := start(t, echo)
	body := grpcwebtest.Frame(0, []byte("hello"))
	for contentType, want := range map[string]string{
		"application/grpc-web":                      "application/grpc",
		"application/grpc-web+proto":                "application/grpc+proto",
		"application/grpc-web+proto; charset=utf-8": "application/grpc+proto",
		"Application/gRPC-Web+Proto":                "application/grpc+proto",
		"application/grpc-web-text":                 "application/grpc",
		"application/grpc-web-text+proto;charset=x": "application/grpc+proto",
	} {
		c := &grpcwebtest.Client{URL: server.URL, HTTP: server.Client(), Text: strings.Contains(contentType, "text")}
		s, err := c.OpenRaw(t.Context(), path, http.Header{"Content-Type": {contentType}, "Origin": {"https://app.example"}}, body)
		require.NoError(t, err)
		messages, err := s.Rest()
		require.NoError(t, err, contentType)
		assert.Equal(t, [][]byte{[]byte("hello")}, messages, contentType)
		assert.Equal(t, want, s.Get("x-content-type"))
		assert.Equal(t, "https://app.example", s.Header.Get("Access-Control-Allow-Origin"))
		for _, name := range []string{"grpc-status", "grpc-message"} {
			assert.Contains(t, s.Header.Get("Access-Control-Expose-Headers"), name)
		}
		assert.Equal(t, "nosniff", s.Header.Get("X-Content-Type-Options"))
		assert.Equal(t, "no-store, no-transform", s.Header.Get("Cache-Control"))
		assert.Equal(t, "no", s.Header.Get("X-Accel-Buffering"))
		s.Close()
	}
}

func TestATextBodyMayBePaddedInTheMiddle(t *testing.T) {
	server := start(t, echo)
	frame := grpcwebtest.Frame(0, bytes.Repeat([]byte("0123456789"), 500))
	for cut := 1; cut < 40; cut++ {
		var body strings.Builder
		for rest := frame; len(rest) > 0; {
			n := min(cut, len(rest))
			body.WriteString(base64.StdEncoding.EncodeToString(rest[:n]))
			rest = rest[n:]
		}
		r := request(t, server, http.MethodPost, path, map[string]string{"Content-Type": "application/grpc-web-text"}, body.String())
		answer, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		decoded, err := base64.StdEncoding.DecodeString(string(answer[:len(frame)/3*4]))
		require.NoError(t, err)
		assert.Equal(t, frame[:len(decoded)], decoded, "pieces of %d", cut)
	}
}

func TestATextBodyThatIsNotBase64IsAnError(t *testing.T) {
	failed := make(chan error, 1)
	server := start(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		failed <- err
		w.Header()["Grpc-Status"] = []string{"3"}
	})
	for body, want := range map[string]string{"AAAA!!!!": "illegal base64", "AAA": "unexpected EOF", "AAAA=AAA": "illegal base64", "AAAAAA": "unexpected EOF"} {
		r := request(t, server, http.MethodPost, path, map[string]string{"Content-Type": "application/grpc-web-text"}, body)
		assert.ErrorContains(t, <-failed, want, body)
		assert.Equal(t, "3", r.Header.Get("Grpc-Status"))
	}
}

func TestAConnectionIsReusedForFurtherCalls(t *testing.T) {
	server := start(t, echo)
	for i := range 50 {
		c := &grpcwebtest.Client{URL: server.URL, HTTP: server.Client(), Text: i%2 == 1}
		s, err := c.OpenRaw(t.Context(), path, nil, grpcwebtest.Frame(0, bytes.Repeat([]byte{'x'}, i*100)))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, s.Status)
		_, err = s.Rest()
		require.NoError(t, err)
		s.Close()
	}
}

func TestABodyThatDoesNotArriveTimesOut(t *testing.T) {
	failed := make(chan error, 1)
	server := start(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		failed <- err
	}, func(o *grpcweb.Options) { o.Arrival = 50 * time.Millisecond })
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc-web\r\nContent-Length: 100\r\n\r\nstart", path)
	select {
	case err := <-failed:
		assert.ErrorContains(t, err, "timeout")
	case <-time.After(10 * time.Second):
		assert.Fail(t, "the handler waits for ever")
	}
}

func TestAnAnswerMayTakeLongerThanTheBodysTimeout(t *testing.T) {
	const arrival = 50 * time.Millisecond
	server := start(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(4 * arrival):
		}
		w.Header()[http.TrailerPrefix+"Grpc-Status"] = []string{fmt.Sprint(map[bool]int{true: 0, false: 1}[r.Context().Err() == nil])}
	}, func(o *grpcweb.Options) { o.Arrival = arrival })
	c := &grpcwebtest.Client{URL: server.URL, HTTP: server.Client()}
	s, err := c.OpenRaw(t.Context(), path, nil, grpcwebtest.Frame(0, nil))
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Rest()
	require.NoError(t, err)
	assert.Equal(t, "0", s.Get("grpc-status"), "the limit on the body must not end the answer")
}

// webSocketCall is a call over improbable's grpc-websockets transport: a message with
// the headers, the body's frames with a zero byte before each, and a one byte at the
// end.
type webSocketCall struct {
	t    *testing.T
	conn *websocket.Conn
}

func dial(t *testing.T, server *httptest.Server, headers string) *webSocketCall {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), server.URL+path, &websocket.DialOptions{
		Subprotocols: []string{"grpc-websockets"},
		HTTPHeader:   http.Header{"Origin": {"https://app.example"}, "Cookie": {"a=b"}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	require.NoError(t, conn.Write(t.Context(), websocket.MessageBinary, []byte(headers)))
	return &webSocketCall{t, conn}
}

func (c *webSocketCall) send(frame []byte) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Write(c.t.Context(), websocket.MessageBinary, append([]byte{0}, frame...)))
}

func (c *webSocketCall) end() {
	c.t.Helper()
	require.NoError(c.t, c.conn.Write(c.t.Context(), websocket.MessageBinary, []byte{1}))
}

// rest reads frames until the connection ends: headers, messages, trailers.
func (c *webSocketCall) rest() (texts []string, messages [][]byte) {
	c.t.Helper()
	var all []byte
	for {
		_, b, err := c.conn.Read(c.t.Context())
		if err != nil {
			break
		}
		all = append(all, b...)
	}
	for len(all) >= 5 {
		size := 5 + int(binary.BigEndian.Uint32(all[1:]))
		require.LessOrEqual(c.t, size, len(all))
		if all[0]&grpcwebtest.FlagTrailer != 0 {
			texts = append(texts, string(all[5:size]))
		} else {
			messages = append(messages, all[5:size])
		}
		all = all[size:]
	}
	return texts, messages
}

func TestTheWebSocketTransport(t *testing.T) {
	server := start(t, echo)
	c := dial(t, server, "content-type: application/grpc-web+proto\r\nx-sent: yes\r\n")
	c.send(grpcwebtest.Frame(0, []byte("hello")))
	c.end()
	texts, messages := c.rest()
	assert.Equal(t, [][]byte{[]byte("hello")}, messages)
	require.Len(t, texts, 2, "headers and trailers")
	assert.Contains(t, texts[1], "grpc-status: 0")
	assert.Contains(t, texts[1], "x-content-type: application/grpc+proto")
	assert.NotContains(t, texts[1], "a=b", "the page's cookies stay outside")
}

func TestAWebSocketErrorWithoutMessages(t *testing.T) {
	server := start(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header()["Grpc-Status"] = []string{"5"}
	})
	c := dial(t, server, "content-type: application/grpc-web+proto\r\n")
	c.send(grpcwebtest.Frame(0, nil))
	c.end()
	texts, messages := c.rest()
	assert.Empty(t, messages)
	require.Len(t, texts, 1)
	assert.Contains(t, texts[0], "grpc-status: 5")
}

// awaitClose reads until the server closes the connection.
func awaitClose(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var err error
	for err == nil {
		_, _, err = conn.Read(ctx)
	}
	assert.NoError(t, ctx.Err(), "the server does not close the connection")
	conn.CloseNow()
}

func TestASilentWebSocketTimesOut(t *testing.T) {
	server := start(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	}, func(o *grpcweb.Options) { o.Arrival = 50 * time.Millisecond })
	t.Run("no headers", func(t *testing.T) {
		conn, _, err := websocket.Dial(t.Context(), server.URL+path, &websocket.DialOptions{Subprotocols: []string{"grpc-websockets"}})
		require.NoError(t, err)
		awaitClose(t, conn)
	})
	t.Run("no end", func(t *testing.T) {
		c := dial(t, server, "content-type: application/grpc-web+proto\r\n")
		c.send(grpcwebtest.Frame(0, nil))
		awaitClose(t, c.conn)
	})
}

// goleak verifies that no goroutine of these remains.
func TestAWebSocketWithoutHeadersIsClosed(t *testing.T) {
	server := start(t, echo)
	for what, first := range map[string]struct {
		kind websocket.MessageType
		data string
	}{
		"malformed": {websocket.MessageBinary, "\x00content-type: x\r\n"},
		"text":      {websocket.MessageText, "content-type: application/grpc-web\r\n"},
		"too long":  {websocket.MessageBinary, "x: " + strings.Repeat("x", 70_000) + "\r\n"},
	} {
		t.Run(what, func(t *testing.T) {
			conn, _, err := websocket.Dial(t.Context(), server.URL+path, &websocket.DialOptions{Subprotocols: []string{"grpc-websockets"}})
			require.NoError(t, err)
			_ = conn.Write(t.Context(), first.kind, []byte(first.data)) // the server may have closed it already
			awaitClose(t, conn)
		})
	}
	for _, length := range []int{1, 100, 200, 50_000} { // each form of a frame's length
		c := dial(t, server, "content-type: application/grpc-web+proto\r\nx: "+strings.Repeat("x", length)+"\r\n")
		c.send(grpcwebtest.Frame(0, []byte("hello")))
		c.end()
		_, messages := c.rest()
		assert.Equal(t, [][]byte{[]byte("hello")}, messages)
	}
}

func TestAClosedWebSocketCancelsItsCall(t *testing.T) {
	cancelled := make(chan struct{})
	server := start(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		close(cancelled)
	})
	c := dial(t, server, "content-type: application/grpc-web+proto\r\n")
	c.send(grpcwebtest.Frame(0, nil))
	c.end()
	c.conn.CloseNow()
	select {
	case <-cancelled:
	case <-time.After(10 * time.Second):
		assert.Fail(t, "the call goes on")
	}
}

// credit sends a credit of n bytes.
func (c *webSocketCall) credit(n int) {
	c.t.Helper()
	c.send(grpcwebtest.Frame(0, binary.BigEndian.AppendUint32(nil, uint32(n))))
}

// take reads n messages of a windowed answer and returns their size.
func (c *webSocketCall) take(n int) (bytes int) {
	c.t.Helper()
	for n > 0 {
		_, b, err := c.conn.Read(c.t.Context())
		require.NoError(c.t, err)
		if b[0]&grpcwebtest.FlagTrailer != 0 {
			_, _, err = c.conn.Read(c.t.Context()) // the headers, which are a separate message
			require.NoError(c.t, err)
			continue
		}
		n, bytes = n-1, bytes+len(b)
	}
	return bytes
}

// A page that does not read receives no more than its window, and the handler blocks.
// When the page reads on, it receives everything.
func TestAWindowBoundsUnreadData(t *testing.T) {
	const size, total, perWindow = 4 << 10, 100, improbable.MinWindow / (4 << 10)
	message := grpcwebtest.Frame(0, bytes.Repeat([]byte("x"), size-5))
	var written atomic.Int32
	wrote := make(chan struct{}, total)
	server := start(t, func(w http.ResponseWriter, r *http.Request) {
		request, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, grpcwebtest.Frame(0, []byte("hello")), request, "the request ends without a sign")
		for range total {
			_, err := w.Write(message)
			assert.NoError(t, err)
			w.(http.Flusher).Flush()
			written.Add(1)
			wrote <- struct{}{}
		}
		w.Header()[http.TrailerPrefix+"Grpc-Status"] = []string{"0"}
	})
	c := dial(t, server, fmt.Sprintf("content-type: application/grpc-web+proto\r\nakash-window: %d\r\n", improbable.MinWindow))
	c.send(grpcwebtest.Frame(0, []byte("hello")))
	used := c.take(perWindow)
	for range perWindow {
		<-wrote
	}
	assert.EqualValues(t, perWindow, written.Load(), "the handler waits")
	got := perWindow
	for got < total {
		c.credit(used)
		n := min(perWindow, total-got)
		used = c.take(n)
		got += n
	}
	texts, messages := c.rest()
	assert.Empty(t, messages)
	require.Len(t, texts, 1)
	assert.Contains(t, texts[0], "grpc-status: 0")
}

// Nothing remains of a call whose page disconnects while the bridge waits for credits,
// or sends something other than credits.
func TestAWindowedCallEndsWithItsWebSocket(t *testing.T) {
	for what, end := range map[string]func(c *webSocketCall){
		"closed":  func(c *webSocketCall) { c.conn.CloseNow() },
		"garbage": func(c *webSocketCall) { c.send(grpcwebtest.Frame(0, []byte("not four bytes"))) },
	} {
		t.Run(what, func(t *testing.T) {
			ended := make(chan error, 1)
			server := start(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				for {
					if _, err := w.Write(make([]byte, 1024)); err != nil {
						ended <- err
						return
					}
					w.(http.Flusher).Flush()
				}
			})
			c := dial(t, server, "content-type: application/grpc-web+proto\r\nakash-window: 16384\r\n")
			c.send(grpcwebtest.Frame(0, nil))
			c.take(16)
			end(c)
			select {
			case err := <-ended:
				assert.Error(t, err)
			case <-time.After(10 * time.Second):
				assert.Fail(t, "the call goes on")
			}
		})
	}
}
