package h2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// script is a connection to a peer that sends fixed bytes once it has seen a request,
// and then closes.
type script struct {
	mu      sync.Mutex
	changed *sync.Cond
	first   []byte // sent at once: the peer's settings
	rest    []byte // sent after a request
	asked   bool
	closed  bool
	wrote   int
}

func newScript(first, rest []byte) *script {
	s := &script{first: first, rest: rest}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (s *script) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.first) > 0 {
		n := copy(p, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	for !s.asked && !s.closed {
		s.changed.Wait()
	}
	if s.closed || len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Write notes what the client writes. A request has more bytes than what comes before it
// in one write, the acknowledgement of settings.
func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	s.wrote += len(p)
	if bytes.Contains(p, []byte(requestMark)) {
		s.asked = true
		s.changed.Broadcast()
	}
	return len(p), nil
}

func (s *script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.changed.Broadcast()
	return nil
}

func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// requestMark is the body of the request, which both clients send as it is.
const requestMark = "\x00\x00\x00\x00\x04mark"

// outcome is what a client made of a peer's bytes.
type outcome struct {
	status  int
	header  http.Header
	body    []byte
	trailer http.Header
	err     error
}

// ask sends a request and reads the answer to its end.
func ask(t http.RoundTripper, scheme string) (o outcome) {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+"://provider.test/akash.Service/Method", bytes.NewReader([]byte(requestMark)))
	if err != nil {
		return outcome{err: err}
	}
	r.ContentLength = -1
	response, err := t.RoundTrip(r)
	if err != nil {
		return outcome{err: err}
	}
	defer response.Body.Close()
	o.status, o.header = response.StatusCode, response.Header
	o.body, o.err = io.ReadAll(response.Body)
	o.trailer = response.Trailer
	return o
}

// framesOf returns the bytes of the frames that f writes.
func framesOf(f func(*http2.Framer, *hpack.Encoder, *bytes.Buffer)) []byte {
	var wire, block bytes.Buffer
	framer := http2.NewFramer(&wire, nil)
	framer.AllowIllegalWrites = true
	f(framer, hpack.NewEncoder(&block), &block)
	return wire.Bytes()
}

// headersOf encodes fields, after those that were encoded before.
func headersOf(e *hpack.Encoder, block *bytes.Buffer, fields ...string) []byte {
	block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(block.Bytes())
}

// hostilePeers are what peers may send after a request, in the order of RFC 9113.
func hostilePeers() [][]byte {
	answer := func(f *http2.Framer, e *hpack.Encoder, b *bytes.Buffer) {
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: headersOf(e, b, ":status", "200", "content-type", "application/grpc")})
		f.WriteData(1, false, []byte("\x00\x00\x00\x00\x02hi"))
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: headersOf(e, b, "grpc-status", "0", "x-more", "1", "x-more", "2")})
	}
	only := func(f func(*http2.Framer)) []byte {
		return framesOf(func(fr *http2.Framer, _ *hpack.Encoder, _ *bytes.Buffer) { f(fr) })
	}
	seeds := [][]byte{
		framesOf(answer),
		framesOf(func(f *http2.Framer, e *hpack.Encoder, b *bytes.Buffer) { // 100, padding, CONTINUATION
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: headersOf(e, b, ":status", "103", "link", "x")})
			block := headersOf(e, b, ":status", "200", "a", "b")
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:2], PadLength: 9})
			f.WriteContinuation(1, false, nil)
			f.WriteContinuation(1, true, block[2:])
			f.WriteDataPadded(1, true, []byte("padded"), make([]byte, 200))
		}),
		framesOf(func(f *http2.Framer, e *hpack.Encoder, b *bytes.Buffer) { // the table is resized, and then used
			f.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			f.WritePing(false, [8]byte{1})
			f.WriteWindowUpdate(0, 1)
			f.WriteWindowUpdate(1, 1<<31-1)
			answer(f, e, b)
		}),
		only(func(f *http2.Framer) { f.WriteRSTStream(1, http2.ErrCodeRefusedStream) }),
		only(func(f *http2.Framer) { f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("too_many_pings")) }),
		framesOf(func(f *http2.Framer, e *hpack.Encoder, b *bytes.Buffer) {
			f.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
			answer(f, e, b)
		}),
		framesOf(func(f *http2.Framer, e *hpack.Encoder, b *bytes.Buffer) {
			f.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true, BlockFragment: headersOf(e, b, ":method", "GET")})
		}),
		framesOf(func(f *http2.Framer, e *hpack.Encoder, b *bytes.Buffer) { // a header is repeated from the table
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: append(headersOf(e, b, ":status", "200", "x", string(make([]byte, 3000))), bytes.Repeat([]byte{0xbe}, 300)...)})
		}),
		only(func(f *http2.Framer) { f.WriteRawFrame(0x77, 0xff, 1, []byte("unknown")) }),
		only(func(f *http2.Framer) { f.WriteRawFrame(http2.FrameContinuation, 0, 1, nil) }),
		only(func(f *http2.Framer) { f.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, []byte{255}) }),
		only(func(f *http2.Framer) { f.WriteRawFrame(http2.FrameData, 0, 3, []byte("never opened")) }),
		only(func(f *http2.Framer) { f.WriteRawFrame(http2.FrameSettings, 0, 0, make([]byte, 5)) }),
		{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1},
		[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		nil,
	}
	return seeds
}

// Whatever a peer sends after its settings, the connection ends, a call gets an answer or
// an error, and nothing is left behind. An answer that is complete is the one that net/http
// reads from the same bytes.
func FuzzPeer(f *testing.F) {
	log.SetOutput(io.Discard) // of net/http
	for _, seed := range hostilePeers() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		if len(sent) > 1<<20 {
			return
		}
		settings := framesOf(func(f *http2.Framer, _ *hpack.Encoder, _ *bytes.Buffer) { f.WriteSettings() })
		conn := newScript(bytes.Clone(settings), sent)
		c, err := NewConn(conn, Options{})
		require.NoError(t, err)
		<-c.Settled()
		ours := ask(c, "https")
		require.NoError(t, c.Close())
		require.Error(t, c.Err())
		require.Empty(t, c.streams)
		require.NotErrorIs(t, ours.err, context.DeadlineExceeded)
		// What a peer can make this side send is in proportion to what it sent.
		require.Less(t, conn.wrote, 2000+20*len(sent))

		if ours.err != nil || ours.status == 0 {
			return
		}
		require.LessOrEqual(t, len(ours.body), len(sent))
		require.GreaterOrEqual(t, ours.status, 200)
		theirs := askReference(settings, sent)
		if theirs.err != nil {
			return // it is stricter about lengths and names
		}
		require.Equal(t, theirs.status, ours.status)
		require.Equal(t, theirs.body, ours.body)
		for name := range theirs.header {
			if connectionSpecific(lower(name)) && name != "Content-Length" {
				delete(theirs.header, name) // which it leaves to its user
			}
		}
		delete(theirs.header, "Trailer") // which it moves
		delete(ours.header, "Trailer")
		require.Equal(t, theirs.header, ours.header)
		for name, values := range theirs.trailer {
			if values != nil && !connectionSpecific(lower(name)) { // announced, but not sent
				require.Equal(t, values, ours.trailer[name], name)
			}
		}
	})
}

// askReference asks the same peer with the HTTP/2 client of net/http.
func askReference(settings, sent []byte) outcome {
	conn := newScript(bytes.Clone(settings), sent)
	dialed := false
	transport := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols), DialContext: func(context.Context, string, string) (net.Conn, error) {
		if dialed {
			return nil, errors.New("only one connection")
		}
		dialed = true
		return conn, nil
	}}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	defer conn.Close()
	return ask(transport, "http")
}

// A server that is no HTTP/2 server is recognised by its first bytes, whatever they are.
func FuzzFirstFrame(f *testing.F) {
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add([]byte{0x15, 3, 1, 0, 2, 2, 0x46})
	f.Add(framesOf(func(f *http2.Framer, _ *hpack.Encoder, _ *bytes.Buffer) {
		f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0}, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1})
	}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn := newScript(bytes.Clone(sent), nil)
		conn.asked = true // it closes after these bytes
		c, err := NewConn(conn, Options{})
		require.NoError(t, err)
		seen := false
		select {
		case <-c.Settled():
			seen = true
		case <-c.Done():
			select {
			case <-c.Settled():
				seen = true
			default:
			}
		case <-time.After(testTimeout):
			t.Fatal("neither settings nor an end")
		}
		c.Close()
		if errors.Is(c.Err(), ErrNotHTTP2) {
			require.NotEmpty(t, sent)
		}
		if seen {
			require.GreaterOrEqual(t, len(sent), frameHeaderLen)
			require.Equal(t, byte(http2.FrameSettings), sent[3])
		}
	})
}

// The queue of a stream returns what was written, in whatever steps.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{1, 2, 3}, 3)
	f.Add(make([]byte, 100), 7)
	f.Fuzz(func(t *testing.T, steps []byte, scale int) {
		var q queue
		var want, got bytes.Buffer
		scale = 1 + int(uint(scale)%1000)
		next := byte(0)
		for i, step := range steps {
			n := int(step) * scale
			if i%2 == 0 {
				b := make([]byte, n)
				for j := range b {
					next++
					b[j] = next
				}
				q.write(b)
				want.Write(b)
				continue
			}
			pieces, have := q.peek(nil, n)
			require.GreaterOrEqual(t, have, min(n, q.size))
			n = min(n, have)
			for left := n; left > 0; pieces = pieces[1:] {
				m := min(left, len(pieces[0]))
				got.Write(pieces[0][:m])
				left -= m
			}
			q.discard(n)
		}
		require.Equal(t, want.Len()-got.Len(), q.size)
		require.True(t, bytes.HasPrefix(want.Bytes(), got.Bytes()))
		q.release()
		require.Zero(t, q.size)
	})
}
