package grpcweb_test

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/grpcweb"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/internal/grpcwebtest"
)

// Field: a plain nginx held streams back for ever. Every answer asks it not to, those
// included that are detached from net/http.
func TestFieldStreamsAreNotBuffered(t *testing.T) {
	left := make(chan struct{})
	for name, next := range map[string]rpcFunc{
		"net/http": echo,
		"detached": detaching(t, left, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
		}),
	} {
		server := start(t, next)
		for _, contentType := range []string{"application/grpc-web+proto", "application/grpc-web-text"} {
			if name == "detached" && contentType == "application/grpc-web-text" {
				continue // text bodies are not detached
			}
			r := request(t, server, http.MethodPost, path, map[string]string{"Content-Type": contentType}, "")
			assert.Equal(t, "no", r.Header.Get("X-Accel-Buffering"), "%s, %s", name, contentType)
			assert.Equal(t, "no-store, no-transform", r.Header.Get("Cache-Control"), "%s, %s", name, contentType)
		}
	}
}

// Field: a client behind a proxy that holds streams back stayed "connecting" for ever.
// It learns the cause from a probe: a message at once, and the end a second later.
func TestFieldProbeComesInTwoParts(t *testing.T) {
	server := start(t, func(http.ResponseWriter, *http.Request) { t.Error("a probe became a call") })
	header := map[string]string{
		"Content-Type": "application/grpc-web+proto", "Akash-Probe": "1", "Origin": "https://app.example",
	}
	r := request(t, server, http.MethodPost, path, header, "")
	assert.Equal(t, "1000", r.Header.Get("Akash-Probe"))
	assert.Contains(t, r.Header.Get("Access-Control-Expose-Headers"), "Akash-Probe")

	first := make([]byte, 5)
	_, err := io.ReadFull(r.Body, first)
	require.NoError(t, err)
	assert.Equal(t, grpcwebtest.Frame(0, nil), first)
	begin := time.Now()
	rest, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	assert.Equal(t, "\x80\x00\x00\x00\x10grpc-status: 0\r\n", string(rest))
	assert.Greater(t, time.Since(begin), 500*time.Millisecond)
}

// More probes than there may be at a time get an answer that tells nothing, at once.
func TestFieldProbesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		origins, err := guard.NewOrigins(nil)
		require.NoError(t, err)
		h := grpcweb.Handler(rpcFunc(http.NotFound), grpcweb.Options{Origins: origins})
		probe := func() *recorder {
			w := &recorder{header: http.Header{}, over: make(chan struct{})}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, path, http.NoBody)
			require.NoError(t, err)
			r.Header = http.Header{"Content-Type": {"application/grpc-web+proto"}, "Akash-Probe": {"1"}}
			go func() {
				defer close(w.over)
				h.ServeHTTP(w, r)
			}()
			synctest.Wait()
			return w
		}
		var going []*recorder
		for range 256 {
			w := probe()
			require.Equal(t, "1000", w.header.Get("Akash-Probe"))
			going = append(going, w)
		}
		over := probe()
		<-over.over
		assert.Empty(t, over.header.Get("Akash-Probe"))
		for _, w := range going {
			<-w.over
		}
		again := probe()
		assert.Equal(t, "1000", again.header.Get("Akash-Probe"))
		<-again.over
	})
}

// recorder is an http.ResponseWriter that keeps only the headers.
type recorder struct {
	header http.Header
	over   chan struct{} // closed when the handler has returned
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Flush()                      {}
