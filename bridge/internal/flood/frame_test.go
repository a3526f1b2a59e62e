package flood

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Frames cost the same however their bytes arrive.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678\x00\x00\x04\x03\x00\x00\x00\x00\x010000"), uint8(3))
	f.Add([]byte("\x89\x85mask12345\x01\x81maskx\x80\xfe\x00\x03maskabc"), uint8(1))
	f.Add([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask"), uint8(5))
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		var whole, parts http2Frames
		var open, same streams
		var socket, socketParts socketFrames
		var h2Cost, wsCost price
		add := func(sum *price, p price) {
			sum.control += p.control
			sum.data += p.data
			sum.headers += p.headers
		}
		for rest := data; len(rest) > 0; {
			n := min(len(rest), max(1, int(piece)))
			add(&h2Cost, parts.received(rest[:n], &same))
			add(&wsCost, socketParts.received(rest[:n]))
			rest = rest[n:]
		}
		assert.Equal(t, whole.received(data, &open), h2Cost)
		assert.Equal(t, socket.received(data), wsCost)
		assert.Equal(t, whole.between(), parts.between())
		assert.Equal(t, socket.between(), socketParts.between())
		assert.LessOrEqual(t, len(open.open), maxStreams)
		var out, outParts http2Frames
		assert.Equal(t, out.sent(data, &open), outParts.sent(data, &same))
	})
}

// A message that has begun must arrive, whether it lacks bytes or fragments; a WebSocket
// without one may be silent.
func TestSlowMessages(t *testing.T) {
	for name, test := range map[string]struct {
		sent   []byte
		closed bool
	}{
		"the rest of a frame's header": {[]byte{0x82}, true},
		"the rest of a payload":        {[]byte{0x82, 0x85, 0, 0, 0, 0, 'x'}, true},
		"the next fragment":            {[]byte{0x02, 0x81, 0, 0, 0, 0, 'x'}, true},
		"nothing":                      {[]byte{0x82, 0x81, 0, 0, 0, 0, 'x'}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended, read := make(chan error, 1), make(chan struct{})
			server := httptest.NewUnstartedServer(Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := websocket.Accept(w, r, nil)
				if err != nil {
					ended <- err
					return
				}
				defer conn.CloseNow()
				ctx := context.WithoutCancel(r.Context())
				if _, _, err = conn.Read(ctx); err == nil {
					close(read)
					_, _, err = conn.Read(ctx)
				}
				ended <- err
			})))
			l := Listener(server.Listener, Options{}).(*listener)
			l.messageTime = 50 * time.Millisecond
			server.Listener = l
			server.Config.ConnContext = Context
			server.Start()
			t.Cleanup(server.Close)
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
			require.NoError(t, err)
			_, err = io.ReadFull(conn, make([]byte, 12))
			require.NoError(t, err)
			_, err = conn.Write(test.sent)
			require.NoError(t, err)
			if !test.closed {
				<-read
				select {
				case err := <-ended:
					t.Error("a silent WebSocket has ended: ", err)
				case <-time.After(4 * l.messageTime): // what must not happen has no sign
				}
				conn.Close()
				<-ended
				return
			}
			text, err := io.ReadAll(conn)
			require.NoError(t, err)
			assert.Contains(t, string(text), "\x03\xf0the rest of a message did not arrive")
			assert.Error(t, <-ended)
		})
	}
}
