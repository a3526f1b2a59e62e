package h2

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/net/http2"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if n := openStreams.Load(); code == 0 && n != 0 {
			fmt.Fprintln(os.Stderr, n, "streams were not closed, and count against the windows of others")
			code = 1
		}
		os.Exit(code)
	}))
}

// testTimeout bounds what should happen soon. No test waits for it to pass.
const testTimeout = 10 * time.Second

// serve starts a real HTTP/2 server and returns a connection to it.
func serve(t testing.TB, config http.HTTP2Config, options Options, h http.HandlerFunc) *Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: h, Protocols: protocols, HTTP2: &config}
	var running sync.WaitGroup
	running.Go(func() { server.Serve(listener) })
	nc, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	c, err := NewConn(nc, options)
	require.NoError(t, err)
	t.Cleanup(func() {
		c.Close()
		server.Close()
		running.Wait()
	})
	return c
}

func newRequest(t testing.TB, ctx context.Context, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://provider.test/akash.Service/Method", bytes.NewReader(body))
	require.NoError(t, err)
	return r
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

func TestACallTransfersHeadersBodyAndTrailers(t *testing.T) {
	c := serve(t, http.HTTP2Config{}, Options{}, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/akash.Service/Method", r.URL.Path)
		assert.Equal(t, "provider.test", r.Host)
		assert.Equal(t, []string{"1", "2"}, r.Header["X-Twice"])
		assert.Equal(t, "trailers", r.Header.Get("Te"))
		assert.Empty(t, r.Header["Connection"])
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		w.Header()["X-Back"] = []string{"a", "b"}
		w.Write(append([]byte("echo "), body...))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})
	r := newRequest(t, testContext(t), []byte("hello"))
	r.Header = http.Header{"X-Twice": {"1", "2"}, "Te": {"trailers"}, "Connection": {"close"}}
	response, err := c.RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, "echo hello", string(body))
	assert.Equal(t, []string{"a", "b"}, response.Header["X-Back"])
	assert.Equal(t, []string{"0"}, response.Trailer["Grpc-Status"])
	assert.Empty(t, c.streams)
}

func TestAnAnswerOfHeadersOnlyHasNoBody(t *testing.T) {
	c := serve(t, http.HTTP2Config{}, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Grpc-Status", "5")
	})
	response, err := c.RoundTrip(newRequest(t, testContext(t), nil))
	require.NoError(t, err)
	assert.Equal(t, "5", response.Header.Get("Grpc-Status"))
	assert.Equal(t, http.NoBody, response.Body)
}

// Both directions transfer far more than a window, on many streams at once.
func TestBodiesLargerThanTheWindowsAreTransferred(t *testing.T) {
	c := serve(t, http.HTTP2Config{}, Options{}, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		_, err := io.Copy(io.MultiWriter(w, sum), r.Body)
		assert.NoError(t, err)
		w.Header().Set(http.TrailerPrefix+"X-Sum", string(hex(sum.Sum(nil))))
	})
	var calls sync.WaitGroup
	for i := range 8 {
		calls.Go(func() {
			sent := bytes.Repeat([]byte(strconv.Itoa(i)+"-large-body-"), 40_000)
			response, err := c.RoundTrip(newRequest(t, testContext(t), sent))
			if !assert.NoError(t, err) {
				return
			}
			defer response.Body.Close()
			got, err := io.ReadAll(response.Body)
			assert.NoError(t, err)
			assert.True(t, bytes.Equal(sent, got))
			want := sha256.Sum256(sent)
			assert.Equal(t, string(hex(want[:])), response.Trailer.Get("X-Sum"))
		})
	}
	calls.Wait()
}

func hex(b []byte) []byte {
	const digits = "0123456789abcdef"
	var out []byte
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return out
}

// When a reader stops, the peer can send no more than the window. When it reads on, it
// gets all data.
func TestAnUnreadAnswerBlocksThePeer(t *testing.T) {
	const total = 8 << 20
	c := serve(t, http.HTTP2Config{}, Options{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/other" {
			w.Write([]byte("quick"))
			return
		}
		w.Write(make([]byte, total))
	})
	response, err := c.RoundTrip(newRequest(t, testContext(t), nil))
	require.NoError(t, err)
	defer response.Body.Close()

	// Meanwhile, another stream is served.
	other := newRequest(t, testContext(t), nil)
	other.URL.Path = "/other"
	quick, err := c.RoundTrip(other)
	require.NoError(t, err)
	text, err := io.ReadAll(quick.Body)
	require.NoError(t, err)
	quick.Body.Close()
	assert.Equal(t, "quick", string(text))

	s := response.Body.(*stream)
	s.mu.Lock()
	held := s.queue.size
	s.mu.Unlock()
	assert.LessOrEqual(t, held, streamWindow)
	n, err := io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	assert.EqualValues(t, total, n)
}

func TestCancelResetsThePeersStream(t *testing.T) {
	cancelled := make(chan struct{})
	c := serve(t, http.HTTP2Config{}, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(cancelled)
	})
	ctx, cancel := context.WithCancel(testContext(t))
	response, err := c.RoundTrip(newRequest(t, ctx, nil))
	require.NoError(t, err)
	cancel()
	_, err = response.Body.Read(make([]byte, 1))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, response.Body.Close())
	select {
	case <-cancelled:
	case <-time.After(testTimeout):
		t.Fatal("the peer's stream was not reset")
	}
}

func TestALostConnectionFailsItsStreams(t *testing.T) {
	c, peer := rawPeer(t, Options{})
	result := make(chan error, 1)
	go func() {
		_, err := c.RoundTrip(newRequest(t, testContext(t), nil))
		result <- err
	}()
	peer.awaitHeaders()
	peer.nc.Close()
	require.ErrorIs(t, <-result, io.ErrUnexpectedEOF)
	<-c.Done()
	_, err := c.RoundTrip(newRequest(t, testContext(t), nil))
	require.Error(t, err)
}

// A connection that ends within a frame is not a proper end of the answer.
func TestAConnectionLostWithinAFrameFailsItsStreams(t *testing.T) {
	c, p := rawPeer(t, Options{})
	go func() {
		id := p.awaitHeaders()
		p.headers(id, false, ":status", "200")
		// A frame of 100 bytes, of which ten arrive.
		p.nc.Write([]byte{0, 0, 100, byte(http2.FrameData), 0, 0, 0, 0, byte(id), 'h', 'a', 'l', 'f', ' ', 'o', 'f', ' ', 'a', ' '})
		p.nc.Close()
	}()
	response, err := c.RoundTrip(newRequest(t, testContext(t), nil))
	require.NoError(t, err)
	_, err = io.ReadAll(response.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	response.Body.Close()
}

func TestGoAwayEndsOnlyUnprocessedStreams(t *testing.T) {
	c, peer := rawPeer(t, Options{})
	type result struct {
		response *http.Response
		err      error
	}
	first, second := make(chan result, 1), make(chan result, 1)
	call := func(to chan result) {
		response, err := c.RoundTrip(newRequest(t, testContext(t), nil))
		to <- result{response, err}
	}
	go call(first)
	id := peer.awaitHeaders()
	go call(second)
	peer.awaitHeaders()

	require.NoError(t, peer.framer.WriteGoAway(id, http2.ErrCodeEnhanceYourCalm, []byte("too_many_pings")))
	refused := <-second
	var away GoAwayError
	require.ErrorAs(t, refused.err, &away)
	assert.Equal(t, "too_many_pings", away.Debug)

	assert.True(t, Unsent(refused.err))
	_, err := c.RoundTrip(newRequest(t, testContext(t), nil))
	require.ErrorIs(t, err, errUnusable)
	assert.True(t, Unsent(err))

	peer.headers(id, true, ":status", "200", "grpc-status", "0")
	kept := <-first
	require.NoError(t, kept.err)
	assert.Equal(t, "0", kept.response.Header.Get("Grpc-Status"))
	<-c.Done() // a draining connection closes after its last stream
}

// If the peer allows one stream at a time, further calls wait.
func TestCallsWaitForAFreeStream(t *testing.T) {
	var open atomic.Int32
	c := serve(t, http.HTTP2Config{MaxConcurrentStreams: 1}, Options{}, func(w http.ResponseWriter, r *http.Request) {
		assert.EqualValues(t, 1, open.Add(1))
		open.Add(-1)
	})
	<-c.Settled()
	assert.Equal(t, 1, c.MaxStreams())
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			response, err := c.RoundTrip(newRequest(t, testContext(t), nil))
			if assert.NoError(t, err) {
				response.Body.Close()
			}
		})
	}
	calls.Wait()
}

func TestAnIdleConnectionCloses(t *testing.T) {
	closed := make(chan error, 1)
	c := serve(t, http.HTTP2Config{}, Options{IdleTimeout: time.Millisecond, OnClose: func(err error) { closed <- err }},
		func(http.ResponseWriter, *http.Request) {})
	<-c.Done()
	require.ErrorIs(t, <-closed, ErrClosed)
	_, err := c.RoundTrip(newRequest(t, testContext(t), nil))
	assert.True(t, Unsent(err))
}

func TestPeersThatViolateTheProtocol(t *testing.T) {
	endless := strings.Repeat("x", 8<<10)
	for _, test := range []struct {
		name string
		act  func(p *peer, id uint32)
		want string
	}{
		{"data before headers", func(p *peer, id uint32) { p.framer.WriteData(id, false, []byte("x")) }, "protocol"},
		{"data on a stream nobody opened", func(p *peer, id uint32) { p.framer.WriteData(id+10, false, []byte("x")) }, "protocol"},
		{"a push", func(p *peer, id uint32) {
			p.framer.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, EndHeaders: true})
		}, "protocol"},
		{"reset", func(p *peer, id uint32) { p.framer.WriteRSTStream(id, http2.ErrCodeRefusedStream) }, "REFUSED_STREAM"},
		{"no status", func(p *peer, id uint32) { p.headers(id, false, "a", "b") }, "protocol"},
		{"endless headers", func(p *peer, id uint32) {
			var fields []string
			fields = append(fields, ":status", "200")
			for i := range 70 {
				fields = append(fields, "x-"+strconv.Itoa(i), endless)
			}
			p.headers(id, false, fields...)
		}, "protocol"},
		{"headers a little too long", func(p *peer, id uint32) {
			fields := []string{":status", "200"}
			for i := range 33 {
				fields = append(fields, "x-"+strconv.Itoa(i), endless)
			}
			p.headers(id, false, fields...)
		}, "larger than"},
		{"a frame larger than agreed", func(p *peer, id uint32) {
			p.nc.Write([]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, byte(id)})
		}, "too large"},
		{"more than the window", func(p *peer, id uint32) {
			p.headers(id, false, ":status", "200")
			for range streamWindow/defaultFrameSize + 1 {
				p.framer.WriteData(id, false, make([]byte, defaultFrameSize))
			}
		}, "window"},
		{"a window that overflows", func(p *peer, id uint32) {
			p.framer.WriteWindowUpdate(0, 1<<31-1)
		}, "window"},
		{"a flood of pings", func(p *peer, id uint32) {
			for range 3 * maxIdleFrames {
				p.framer.WritePing(false, [8]byte{})
			}
		}, "flood"},
		{"a flood of empty data", func(p *peer, id uint32) {
			p.headers(id, false, ":status", "200")
			for range 3 * maxIdleFrames {
				p.framer.WriteData(id, false, nil)
			}
		}, "flood"},
		{"a flood of informational headers", func(p *peer, id uint32) {
			for range 3 * maxIdleFrames {
				p.headers(id, false, ":status", "103")
			}
		}, "flood"},
		{"a header block of empty frames", func(p *peer, id uint32) {
			p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id})
			for range maxBlockFrames {
				p.framer.WriteContinuation(id, false, nil)
			}
		}, "flood"},
		{"too many settings", func(p *peer, id uint32) {
			p.framer.WriteSettings(make([]http2.Setting, maxSettings+1)...)
		}, "flood"},
		{"not HTTP/2 any more", func(p *peer, id uint32) { io.WriteString(p.nc, "HTTP/1.1 400 Bad Request\r\n\r\n") }, "too large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, p := rawPeer(t, Options{idleInterval: time.Hour}) // however slow this machine is
			result := make(chan error, 1)
			go func() {
				response, err := c.RoundTrip(newRequest(t, testContext(t), nil))
				if err == nil {
					// Read only after everything has arrived or was refused.
					select {
					case <-c.Done():
					case <-time.After(testTimeout):
					}
					_, err = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
				result <- err
			}()
			id := p.awaitHeaders()
			go io.Copy(io.Discard, p.nc) // what a flood is answered with
			test.act(p, id)
			err := <-result
			require.Error(t, err)
			assert.Contains(t, strings.ToLower(err.Error()), strings.ToLower(test.want))
		})
	}
}

// A busy server pings and updates windows with each message, which is no flood.
func TestManyPingsAreAnswered(t *testing.T) {
	c, p := rawPeer(t, Options{idleInterval: time.Hour})
	var call sync.WaitGroup
	call.Go(func() {
		response, err := c.RoundTrip(newRequest(t, testContext(t), nil))
		if assert.NoError(t, err) {
			_, err = io.Copy(io.Discard, response.Body)
			assert.NoError(t, err)
			response.Body.Close()
		}
	})
	id := p.awaitHeaders()
	go io.Copy(io.Discard, p.nc)
	p.headers(id, false, ":status", "200")
	for range 2 * maxIdleFrames {
		p.framer.WritePing(false, [8]byte{})
		p.framer.WriteWindowUpdate(0, 1)
		p.framer.WriteData(id, false, []byte("x"))
	}
	p.framer.WriteData(id, true, nil)
	call.Wait()
}

// So does one that is sent much, and takes it in small pieces.
func TestAnUploadIsAcknowledgedByManyFrames(t *testing.T) {
	c, p := rawPeer(t, Options{idleInterval: time.Hour})
	const window = 65535 // that a peer has before it says otherwise
	var call sync.WaitGroup
	call.Go(func() {
		response, err := c.RoundTrip(newRequest(t, testContext(t), make([]byte, window+2*maxIdleFrames)))
		if assert.NoError(t, err) {
			_, err = io.Copy(io.Discard, response.Body)
			assert.NoError(t, err)
			response.Body.Close()
		}
	})
	id := p.awaitHeaders()
	for received := 0; received < window+2*maxIdleFrames; {
		f, err := p.framer.ReadFrame()
		require.NoError(t, err)
		data, ok := f.(*http2.DataFrame)
		if !ok {
			continue
		}
		if received += len(data.Data()); received >= window {
			p.framer.WritePing(false, [8]byte{})
			p.framer.WriteWindowUpdate(0, 1)
			p.framer.WriteWindowUpdate(id, 1)
		}
	}
	go io.Copy(io.Discard, p.nc)
	p.headers(id, true, ":status", "200")
	call.Wait()
}

func TestAServerThatDoesNotSpeakHTTP2IsDetected(t *testing.T) {
	client, server := socketPair(t)
	defer server.Close()
	_, err := io.WriteString(server, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	c, err := NewConn(client, Options{})
	require.NoError(t, err)
	select {
	case <-c.Settled():
		t.Fatal("settled with a server that does not speak HTTP/2")
	case <-c.Done():
		assert.ErrorIs(t, c.Err(), ErrNotHTTP2)
	}
}

// A silent peer is pinged while a stream is open. If it does not answer, the
// connection ends.
func TestASilentPeerTimesOut(t *testing.T) {
	c, _ := rawPeer(t, Options{Keepalive: 20 * time.Millisecond, KeepaliveTimeout: 20 * time.Millisecond})
	_, err := c.RoundTrip(newRequest(t, testContext(t), nil))
	require.ErrorIs(t, err, errKeepalive)
}

// Padding is returned to the window. Otherwise a padded stream would come to a stop.
func TestPaddingIsReturnedToTheWindow(t *testing.T) {
	c, p := rawPeer(t, Options{})
	const frames = 3 * streamWindow / 1000
	done := make(chan int64, 1)
	go func() {
		response, err := c.RoundTrip(newRequest(t, testContext(t), nil))
		if !assert.NoError(t, err) {
			done <- 0
			return
		}
		defer response.Body.Close()
		n, err := io.Copy(io.Discard, response.Body)
		assert.NoError(t, err)
		done <- n
	}()
	id := p.awaitHeaders()
	p.headers(id, false, ":status", "200")
	sent, window := 0, p.window(id)
	for range frames {
		for sent+1001 > window() {
			require.NoError(t, p.step())
		}
		require.NoError(t, p.framer.WriteDataPadded(id, false, make([]byte, 800), make([]byte, 200)))
		sent += 1001
	}
	p.headers(id, true, "grpc-status", "0")
	assert.EqualValues(t, frames*800, <-done)
}

func TestAnUnreadableRequestBodySendsNothing(t *testing.T) {
	c := serve(t, http.HTTP2Config{}, Options{}, func(w http.ResponseWriter, r *http.Request) {
		assert.Fail(t, "the request was sent")
	})
	r := newRequest(t, testContext(t), []byte("x"))
	broken := errors.New("the client disconnected")
	r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("x"), failing{broken})), -1
	_, err := c.RoundTrip(r)
	require.ErrorIs(t, err, broken)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Peeked data stays until it is discarded, however much of it the reader uses.
func TestPeekKeepsDataUntilItIsDiscarded(t *testing.T) {
	const total = 3 << 20
	sent := bytes.Repeat([]byte("0123456789abcdef!"), total/17)
	c := serve(t, http.HTTP2Config{}, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Write(sent)
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})
	response, err := c.RoundTrip(newRequest(t, testContext(t), nil))
	require.NoError(t, err)
	defer response.Body.Close()
	body := response.Body.(Body)
	var got []byte
	seen := 0
	for round := 0; ; round++ {
		pieces, err := body.Peek(seen)
		all := bytes.Join(pieces, nil)
		require.True(t, len(all) > seen || err != nil, "new data, or the end")
		require.True(t, bytes.HasPrefix(sent[len(got):], all))
		used := len(all)
		if err == nil {
			used = len(all) * (round % 4) / 4 // nothing, or a part
		}
		got = append(got, all[:used]...)
		body.Discard(used)
		seen = len(all) - used
		if err != nil {
			assert.Equal(t, io.EOF, err)
			break
		}
	}
	assert.True(t, bytes.Equal(sent, got))
	assert.Equal(t, "0", response.Trailer.Get("Grpc-Status"))
}
