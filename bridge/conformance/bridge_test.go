package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwebtest"
)

// The tests in this package cover what the suite does not. Like the suite, they are a
// gRPC-Web client on one side of the bridge and a gRPC server on the other, which they
// control frame by frame.

func TestMain(m *testing.M) {
	// improbable's grpcweb imports a timer library whose goroutine never ends.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

// testTimeout bounds a call, and how long the other side may take to notice an event.
const testTimeout = 10 * time.Second

// stream is the path of the method that the tests call, which is a streaming one.
const stream = "/akash.provider.test.Service/ServerStream"

// testBridge is a bridge to a provider that the test controls.
type testBridge struct {
	provider, clear, encrypted *httptest.Server
}

// startBridge starts a bridge to a provider that answers with handler.
func startBridge(t *testing.T, handler http.HandlerFunc) *testBridge {
	t.Helper()
	provider := httptest.NewUnstartedServer(handler)
	provider.EnableHTTP2 = true
	provider.StartTLS()
	t.Cleanup(provider.Close)
	bridge, err := newBridge(provider.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(bridge.Close)
	b := &testBridge{
		provider:  provider,
		clear:     httptest.NewServer(bridge),
		encrypted: httptest.NewUnstartedServer(bridge),
	}
	t.Cleanup(b.clear.Close)
	b.encrypted.EnableHTTP2 = true
	b.encrypted.StartTLS()
	t.Cleanup(b.encrypted.Close)
	b.clear.Client().Timeout, b.encrypted.Client().Timeout = testTimeout, testTimeout
	return b
}

func (b *testBridge) http1() *grpcwebtest.Client {
	return &grpcwebtest.Client{URL: b.clear.URL, HTTP: b.clear.Client()}
}

func (b *testBridge) http2() *grpcwebtest.Client {
	return &grpcwebtest.Client{URL: b.encrypted.URL, HTTP: b.encrypted.Client()}
}

// eachWay runs a test with each protocol that a browser may use.
func (b *testBridge) eachWay(t *testing.T, test func(*testing.T, *grpcwebtest.Client)) {
	t.Helper()
	t.Run("HTTP/1.1", func(t *testing.T) { test(t, b.http1()) })
	t.Run("HTTP/2", func(t *testing.T) { test(t, b.http2()) })
	t.Run("text", func(t *testing.T) {
		c := b.http1()
		c.Text = true
		test(t, c)
	})
}

// open opens a call with one message.
func open(ctx context.Context, t *testing.T, c *grpcwebtest.Client, header http.Header, message string) *grpcwebtest.Stream {
	t.Helper()
	s, err := c.OpenRaw(ctx, stream, header, grpcwebtest.Frame(0, []byte(message)))
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	require.Equal(t, http.StatusOK, s.Status)
	return s
}

// call makes a call with one message and returns the messages of the answer.
func call(t *testing.T, c *grpcwebtest.Client, header http.Header, message string) (*grpcwebtest.Stream, []string) {
	t.Helper()
	s := open(t.Context(), t, c, header, message)
	return s, rest(t, s)
}

// rest reads a call to its end.
func rest(t *testing.T, s *grpcwebtest.Stream) []string {
	t.Helper()
	frames, err := s.Rest()
	require.NoError(t, err)
	var messages []string
	for _, frame := range frames {
		messages = append(messages, string(frame))
	}
	return messages
}

// assertEnd checks a call's status code and message.
func assertEnd(t *testing.T, s *grpcwebtest.Stream, code codes.Code, contains string) {
	t.Helper()
	assert.Equal(t, code, s.Code(), s.Message())
	assert.Contains(t, s.Message(), contains)
}

// A reply is a controlled provider's answer.
type reply struct{ http.ResponseWriter }

// beginReply sends a reply's headers and flushes them.
func beginReply(w http.ResponseWriter) reply {
	w.Header().Set("Content-Type", "application/grpc")
	w.WriteHeader(http.StatusOK)
	r := reply{w}
	r.raw(nil)
	return r
}

// send sends a message and flushes it.
func (r reply) send(message string) {
	r.raw(grpcwebtest.Frame(0, []byte(message)))
}

// raw sends arbitrary bytes and flushes them.
func (r reply) raw(b []byte) {
	r.Write(b)
	http.NewResponseController(r.ResponseWriter).Flush()
}

// trailer sets a trailer, which is sent when the provider's handler returns.
func (r reply) trailer(name string, values ...string) {
	r.Header()[http.TrailerPrefix+name] = values
}

// end sets the call's status.
func (r reply) end(code string) { r.trailer("Grpc-Status", code) }

// echo is a provider that returns a request's body.
func echo(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		request, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		reply := beginReply(w)
		reply.raw(request)
		reply.end("0")
	}
}
