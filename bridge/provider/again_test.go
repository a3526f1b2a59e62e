package provider_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"akash-provider-web/bridge/provider"
)

// A call is retried, including its body, if the provider says that it has not
// processed it, as one that restarts does. It is never retried if it may have been
// processed.
func TestOnlyUnprocessedCallsAreRetried(t *testing.T) {
	for name, test := range map[string]struct {
		refuse func(f *http2.Framer, id uint32)
		calls  int32
	}{
		"a refused stream":  {func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeRefusedStream) }, 2},
		"a goodbye":         {func(f *http2.Framer, _ uint32) { f.WriteGoAway(0, http2.ErrCodeNo, nil) }, 2},
		"a cancelled call":  {func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeCancel) }, 1},
		"a failed call":     {func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeInternal) }, 1},
		"a late goodbye":    {func(f *http2.Framer, id uint32) { f.WriteGoAway(id, http2.ErrCodeInternal, nil) }, 1},
		"a broken protocol": {func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeProtocol) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			id := newIdentity(t, someone, nil)
			var calls atomic.Int32
			g, _ := listen(t, anyPort, id.config("h2"), func(conn *tls.Conn) {
				answerAllButOne(conn, func(f *http2.Framer, id uint32) bool {
					first := calls.Add(1) == 1
					if first {
						test.refuse(f, id)
					}
					return first && name != "a late goodbye"
				})
			})
			pool := newPool(t, uri(closedPort(t)), func(o *provider.Options) { o.GRPCPorts = []uint16{g.port} })
			e, err := pool.Reach(t.Context(), pinned(id))
			require.NoError(t, err)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+e.Addr+"/some.Service/Method", bytes.NewReader([]byte("hello")))
			require.NoError(t, err)
			res, err := e.Transport.RoundTrip(req)
			assert.Equal(t, test.calls, calls.Load())
			if test.calls == 1 && name != "a late goodbye" {
				assert.Error(t, err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "hello", res.Header.Get("X-Body"))
			res.Body.Close()
		})
	}
}

// answerAllButOne is an HTTP/2 server that echoes requests, except those that refuse
// handles.
func answerAllButOne(conn *tls.Conn, refuse func(f *http2.Framer, id uint32) bool) {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	f.WriteSettings()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		data, ok := frame.(*http2.DataFrame)
		if !ok || refuse(f, data.StreamID) {
			continue
		}
		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		for _, field := range [][2]string{{":status", "200"}, {"content-type", "application/grpc"}, {"x-body", string(data.Data())}} {
			encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
		}
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: data.StreamID, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	}
}
