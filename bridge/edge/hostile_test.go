package edge

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/edge/connect"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/relay"
)

// start serves calls in clear, over HTTP/1.1 and HTTP/2, and returns the server's URL
// and an HTTP/2 client.
func start(t *testing.T, next relay.Server, arrival time.Duration) (string, *http.Client) {
	t.Helper()
	origins, err := guard.NewOrigins(nil)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(Handler(next, Options{
		Origins:    origins,
		MaxRequest: 1 << 20,
		Arrival:    arrival,
		Method: func(path string) (connect.Method, bool) {
			return connect.Method{Streaming: path == "/some.Service/Stream"}, true
		},
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return server.URL, &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// relayed relays calls to an upstream that returns the request's message.
func relayed(streaming bool) relay.Server {
	return &relay.Handler{Accept: func(*http.Request, relay.Protocol) (*relay.Call, error) {
		return &relay.Call{Streaming: streaming, Route: func(context.Context) (*relay.Route, error) {
			return &relay.Route{Upstream: relay.Func(func(_ context.Context, request []byte, a *relay.Answer) error {
				return a.Send(request)
			})}, nil
		}}, nil
	}}
}

func post(t *testing.T, client *http.Client, url, contentType string, body io.Reader, more ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	response, err := client.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(text)
}

// A client that sends half a request and waits is told so, and holds nothing.
func TestARequestThatDoesNotArrive(t *testing.T) {
	url, client := start(t, relayed(false), 100*time.Millisecond)
	half := func() io.Reader {
		r, w := io.Pipe()
		go func() { _, _ = w.Write([]byte{0, 0}) }()
		t.Cleanup(func() { w.Close() })
		return r
	}
	response, _ := post(t, client, url+"/some.Service/Unary", "application/grpc", half())
	assert.Equal(t, "4", response.Trailer.Get("Grpc-Status"))
	response, text := post(t, client, url+"/some.Service/Unary", "application/proto", half())
	assert.Equal(t, http.StatusGatewayTimeout, response.StatusCode)
	assert.Contains(t, text, "did not arrive in time")
	_, text = post(t, client, url+"/some.Service/Stream", "application/connect+proto", half())
	assert.Contains(t, text, "deadline_exceeded")
}

// A small request that becomes a large one when it is decompressed is refused.
func TestACompressedRequestIsBounded(t *testing.T) {
	url, client := start(t, relayed(true), time.Minute)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(make([]byte, 8<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.Less(t, zipped.Len(), 1<<20)

	response, text := post(t, client, url+"/some.Service/Unary", "application/proto", bytes.NewReader(zipped.Bytes()), "Content-Encoding", "gzip")
	assert.Equal(t, http.StatusTooManyRequests, response.StatusCode, text)
	n := zipped.Len()
	framed := append([]byte{1, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, zipped.Bytes()...)
	_, text = post(t, client, url+"/some.Service/Stream", "application/connect+proto", bytes.NewReader(framed), "Connect-Content-Encoding", "gzip")
	assert.Contains(t, text, "resource_exhausted")
}

// What is no message of the protocol is an error of the caller's.
func TestMalformedRequests(t *testing.T) {
	url, client := start(t, relayed(true), time.Minute)
	for name, body := range map[string]string{
		"nothing":                   "",
		"unknown flags":             "\x08\x00\x00\x00\x00",
		"cut short":                 "\x00\x00\x00\x00\x09abc",
		"half a prefix":             "\x00\x00",
		"longer than the limit":     "\x00\xff\xff\xff\xff",
		"compressed, does not say":  "\x01\x00\x00\x00\x01a",
		"more than one":             "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"the end of a stream, as a": "\x02\x00\x00\x00\x02{}",
	} {
		t.Run(name, func(t *testing.T) {
			response, text := post(t, client, url+"/some.Service/Stream", "application/connect+proto", bytes.NewReader([]byte(body)))
			assert.Equal(t, http.StatusOK, response.StatusCode)
			assert.Contains(t, text, `"error"`)
			response, _ = post(t, client, url+"/some.Service/Stream", "application/grpc", bytes.NewReader([]byte(body)))
			assert.NotContains(t, []string{"", "0"}, response.Trailer.Get("Grpc-Status"))
		})
	}
}

// Requests and answers of a call alternate over Connect, as over gRPC, where HTTP/2 is
// used.
func TestBothDirectionsAtOnce(t *testing.T) {
	duplex := &relay.Handler{Accept: func(*http.Request, relay.Protocol) (*relay.Call, error) {
		return &relay.Call{Streaming: true, Duplex: true, Route: func(context.Context) (*relay.Route, error) {
			return &relay.Route{Upstream: relay.Duplex(func(ctx context.Context, requests *relay.Requests, a *relay.Answer) error {
				for {
					message, err := requests.Next(ctx)
					if err == io.EOF {
						return nil
					}
					if err != nil {
						return err
					}
					if err := a.Send(message); err != nil {
						return err
					}
				}
			})}, nil
		}}, nil
	}}
	url, client := start(t, duplex, time.Minute)
	for _, contentType := range []string{"application/connect+proto", "application/grpc", "application/grpc-web+proto"} {
		t.Run(contentType, func(t *testing.T) {
			requests, write := io.Pipe()
			defer write.Close()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/some.Service/Stream", requests)
			require.NoError(t, err)
			r.Header.Set("Content-Type", contentType)
			go func() { _, _ = write.Write([]byte("\x00\x00\x00\x00\x01a")) }()
			response, err := client.Do(r)
			require.NoError(t, err)
			defer response.Body.Close()
			frame := make([]byte, 6)
			for _, want := range []string{"a", "b", "c"} {
				_, err := io.ReadFull(response.Body, frame)
				require.NoError(t, err)
				assert.Equal(t, want, string(frame[5:]))
				_, err = write.Write([]byte("\x00\x00\x00\x00\x01" + string(want[0]+1)))
				require.NoError(t, err)
			}
			require.NoError(t, write.Close())
			_, err = io.Copy(io.Discard, response.Body)
			assert.NoError(t, err)
		})
	}
}
