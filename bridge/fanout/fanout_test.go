package fanout_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/fanout"
	"akash-provider-web/bridge/rpcerror"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeProvider is a provider's transport that the test controls.
type fakeProvider struct {
	// refuse, if set, answers calls instead of a stream.
	refuse func(*http.Request) (*http.Response, error)

	mu      sync.Mutex
	streams []*stream
}

// stream is one call that the provider received.
type stream struct {
	request  *http.Request
	response *http.Response
	in       *io.PipeWriter
	closed   bool
}

func (p *fakeProvider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		return p.refuse(r)
	}
	out, in := io.Pipe()
	s := &stream{request: r, in: in}
	context.AfterFunc(r.Context(), func() { in.CloseWithError(context.Cause(r.Context())) })
	s.response = &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/grpc"}, "X-Stream": {fmt.Sprint(len(p.streams) + 1)}},
		Trailer:    http.Header{},
		Body:       &closeFunc{out, func() { p.mu.Lock(); defer p.mu.Unlock(); s.closed = true }},
	}
	p.streams = append(p.streams, s)
	return s.response, nil
}

type closeFunc struct {
	io.ReadCloser
	closed func()
}

func (t *closeFunc) Close() error { t.closed(); return t.ReadCloser.Close() }

func (p *fakeProvider) refuseWith(f func(*http.Request) (*http.Response, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = f
}

// opened returns how many streams have been opened, and how many are open now.
func (p *fakeProvider) opened() (total, open int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.streams {
		if !s.closed {
			open++
		}
	}
	return len(p.streams), open
}

// last returns the most recent stream.
func (p *fakeProvider) last() *stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.streams[len(p.streams)-1]
}

// send sends a message on the most recent stream, and waits until every goroutine is
// blocked.
func (p *fakeProvider) send(text string) {
	p.last().in.Write(frame(text))
	synctest.Wait()
}

// end ends the stream with a status.
func (s *stream) end(code codes.Code) {
	s.response.Trailer.Set("Grpc-Status", fmt.Sprint(int(code)))
	s.in.Close()
	synctest.Wait()
}

func frame(text string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text)))
	return append(b, text...)
}

func request(ctx context.Context) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://provider.example:8444/a.B/Watch", strings.NewReader("\x00\x00\x00\x00\x00"))
	if err != nil {
		panic(err)
	}
	r.Header.Set("X-Request-Id", "one page's")
	r.Header.Set("Grpc-Timeout", "1S")
	return r
}

// watcher reads one answer.
type watcher struct {
	t        *testing.T
	response *http.Response
}

func join(ctx context.Context, t *testing.T, shared http.RoundTripper) *watcher {
	t.Helper()
	response, err := shared.RoundTrip(request(ctx))
	require.NoError(t, err)
	return &watcher{t, response}
}

// next reads a message.
func (w *watcher) next() string {
	w.t.Helper()
	var prefix [5]byte
	_, err := io.ReadFull(w.response.Body, prefix[:])
	require.NoError(w.t, err)
	message := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
	_, err = io.ReadFull(w.response.Body, message)
	require.NoError(w.t, err)
	return string(message)
}

// rest reads to the end and returns the error.
func (w *watcher) rest() error {
	_, err := io.Copy(io.Discard, w.response.Body)
	return err
}

func (w *watcher) leave() { w.response.Body.Close(); synctest.Wait() }

// run runs a test with a fake clock.
func run(t *testing.T, o fanout.Options, test func(t *testing.T, provider *fakeProvider, hub *fanout.Hub, shared http.RoundTripper)) {
	synctest.Test(t, func(t *testing.T) {
		provider, hub := &fakeProvider{}, fanout.New(o)
		test(t, provider, hub, hub.Share(provider))
		hub.Close()
		_, open := provider.opened()
		assert.Zero(t, open, "streams left open")
	})
}

func TestFiftyWatchersShareOneStream(t *testing.T) {
	run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
		var watchers []*watcher
		for range 50 {
			watchers = append(watchers, join(t.Context(), t, shared))
		}
		for i := range 3 {
			provider.send(fmt.Sprint("message ", i))
			for _, w := range watchers {
				require.Equal(t, fmt.Sprint("message ", i), w.next())
			}
		}
		total, open := provider.opened()
		assert.Equal(t, []int{1, 1}, []int{total, open})

		r := provider.last().request
		assert.Equal(t, "/a.B/Watch", r.URL.Path)
		assert.Equal(t, "provider.example:8444", r.Host)
		assert.Empty(t, r.Header.Values("X-Request-Id"), "a caller's metadata is not forwarded")
		assert.Empty(t, r.Header.Values("Grpc-Timeout"), "a caller's deadline is not forwarded")
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		assert.Equal(t, make([]byte, 5), body)
	})
}

func TestANewWatcherGetsTheLatestMessageAtOnce(t *testing.T) {
	run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
		first := join(t.Context(), t, shared)
		provider.send("old")
		provider.send("new")
		late := join(t.Context(), t, shared)
		assert.Equal(t, "new", late.next())
		assert.Equal(t, "1", late.response.Header.Get("X-Stream"))
		late.response.Header.Set("X-Stream", "changed")
		assert.Equal(t, "1", first.response.Header.Get("X-Stream"), "each watcher has its own headers")
	})
}

func TestASlowWatcherSkipsMessagesAndDelaysNobody(t *testing.T) {
	run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
		slow, quick := join(t.Context(), t, shared), join(t.Context(), t, shared)
		provider.send("message 0")
		half := make([]byte, 7)
		_, err := io.ReadFull(slow.response.Body, half)
		require.NoError(t, err)
		for i := range 100 {
			provider.send(fmt.Sprint("message ", i+1))
			require.Equal(t, fmt.Sprint("message ", i+1), quick.next())
		}
		other, err := io.ReadAll(io.LimitReader(slow.response.Body, int64(len(frame("message 0"))-len(half))))
		require.NoError(t, err)
		assert.Equal(t, frame("message 0"), append(half, other...), "a message that it has begun to read stays complete")
		assert.Equal(t, "message 100", slow.next())
	})
}

func TestABrokenStreamIsReopenedUnnoticed(t *testing.T) {
	for what, breaks := range map[string]func(*stream){
		"connection lost":      func(s *stream) { s.in.CloseWithError(errors.New("reset")) },
		"provider shuts down":  func(s *stream) { s.end(codes.Canceled) },
		"provider ends it":     func(s *stream) { s.end(codes.OK) },
		"ended without status": func(s *stream) { s.in.Close() },
	} {
		t.Run(what, func(t *testing.T) {
			run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
				w := join(t.Context(), t, shared)
				provider.send("before")
				assert.Equal(t, "before", w.next())
				breaks(provider.last())
				time.Sleep(time.Second)
				synctest.Wait()
				total, open := provider.opened()
				require.Equal(t, []int{2, 1}, []int{total, open})
				provider.send("after")
				assert.Equal(t, "after", w.next())
				assert.Equal(t, "2", join(t.Context(), t, shared).response.Header.Get("X-Stream"))
			})
		})
	}
}

func TestReopeningBacksOff(t *testing.T) {
	run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
		w := join(t.Context(), t, shared)
		broken := 0
		for began := time.Now(); time.Since(began) < 10*time.Minute; time.Sleep(time.Second) {
			synctest.Wait()
			if total, _ := provider.opened(); total > broken {
				broken = total
				provider.send("hello")
				assert.Equal(t, "hello", w.next())
				provider.last().in.CloseWithError(errors.New("reset"))
			}
		}
		assert.Less(t, broken, 60)
		assert.Greater(t, broken, 30)
	})
}

func TestAStreamThatLastedWithoutAMessageWasOpen(t *testing.T) {
	run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
		w := join(t.Context(), t, shared)
		provider.send("before")
		assert.Equal(t, "before", w.next())
		provider.last().in.CloseWithError(errors.New("reset"))
		time.Sleep(time.Hour) // the second stream stays open, and quiet
		total, _ := provider.opened()
		require.Equal(t, 2, total)
		provider.last().in.CloseWithError(errors.New("reset"))
		time.Sleep(time.Second)
		synctest.Wait()
		total, open := provider.opened()
		require.Equal(t, []int{3, 1}, []int{total, open}, "it is reopened, after the shortest delay")
		provider.send("after")
		assert.Equal(t, "after", w.next())
	})
}

func TestWatchersGetAnErrorIfAStreamCannotBeReopened(t *testing.T) {
	run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
		w := join(t.Context(), t, shared)
		provider.send("before")
		provider.refuseWith(func(*http.Request) (*http.Response, error) {
			return nil, rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderUnreachable, "it is down")
		})
		began := time.Now()
		provider.last().in.CloseWithError(errors.New("reset"))
		assert.Equal(t, "before", w.next(), "a message received before is still delivered")
		err := w.rest()
		var got *rpcerror.Error
		require.ErrorAs(t, err, &got)
		assert.Equal(t, codes.Unavailable, got.Code)
		assert.Equal(t, rpcerror.ReasonProviderUnreachable, got.Reason)
		assert.Contains(t, got.Message, "it is down")
		// It gives up when the next attempt would come after the timeout. The
		// longest delay before one is 22.5 s.
		assert.GreaterOrEqual(t, time.Since(began), 7500*time.Millisecond)
		assert.LessOrEqual(t, time.Since(began), 30*time.Second)

		provider.refuseWith(nil)
		again := join(t.Context(), t, shared)
		provider.send("again")
		assert.Equal(t, "again", again.next())
	})
}

func TestWaitingCallersGetTheErrorOfOpening(t *testing.T) {
	run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
		refused := rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonRevoked, "revoked")
		provider.refuseWith(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return nil, refused
		})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				_, err := shared.RoundTrip(request(t.Context()))
				assert.Equal(t, refused, err)
			})
		}
		all.Wait()
	})
}

func TestOpeningTimesOut(t *testing.T) {
	run(t, fanout.Options{Timeout: 5 * time.Second}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
		provider.refuseWith(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		})
		began := time.Now()
		_, err := shared.RoundTrip(request(t.Context()))
		var got *rpcerror.Error
		require.ErrorAs(t, err, &got)
		assert.Equal(t, codes.Unavailable, got.Code)
		assert.Equal(t, 5*time.Second, time.Since(began))
	})
}

func TestARefusalIsForwarded(t *testing.T) {
	for what, answer := range map[string]*http.Response{
		"trailers only": {StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"12"}, "Grpc-Message": {"no"}}},
		"HTML":          {StatusCode: http.StatusBadGateway, Header: http.Header{"Content-Type": {"text/html"}}},
	} {
		t.Run(what, func(t *testing.T) {
			run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
				provider.refuseWith(func(*http.Request) (*http.Response, error) {
					a := *answer
					a.Body = http.NoBody
					return &a, nil
				})
				w := join(t.Context(), t, shared)
				assert.Equal(t, answer.StatusCode, w.response.StatusCode)
				assert.Equal(t, answer.Header, w.response.Header)
				w.rest()
				w.leave()
			})
		})
	}
}

func TestAFinalStatusEndsTheStreamAtOnce(t *testing.T) {
	run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
		w := join(t.Context(), t, shared)
		provider.send("last")
		provider.last().end(codes.Unimplemented)
		assert.Equal(t, "last", w.next())
		require.NoError(t, w.rest())
		assert.Equal(t, "12", w.response.Trailer.Get("Grpc-Status"))
		total, _ := provider.opened()
		assert.Equal(t, 1, total)
	})
}

func TestMalformedMessagesEndTheStream(t *testing.T) {
	for what, test := range map[string]struct {
		bytes string
		code  codes.Code
	}{
		"no gRPC":    {"HTTP/1.1 400 Bad Request", codes.Internal},
		"compressed": {"\x01\x00\x00\x00\x01x", codes.Internal},
		"too large":  {"\x00\x00\x00\x03\xe9", codes.ResourceExhausted},
	} {
		t.Run(what, func(t *testing.T) {
			run(t, fanout.Options{MaxMessage: 1000}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
				w := join(t.Context(), t, shared)
				provider.last().in.Write([]byte(test.bytes))
				provider.last().end(codes.OK)
				var got *rpcerror.Error
				require.ErrorAs(t, w.rest(), &got)
				assert.Equal(t, test.code, got.Code)
				assert.Equal(t, rpcerror.ReasonProviderProtocol, got.Reason)
			})
		})
	}
}

func TestAStreamThatEndsBeforeItsFirstMessageIsNotReopened(t *testing.T) {
	for _, bytes := range []string{"", "\x00\x00", "\x00\x00\x00\x00\x09", "\x00\x00\x00\x00\x09half"} {
		run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
			w := join(t.Context(), t, shared)
			began := time.Now()
			provider.last().in.Write([]byte(bytes))
			provider.last().end(codes.Unavailable)
			if err := w.rest(); err == nil {
				assert.Equal(t, "14", w.response.Trailer.Get("Grpc-Status"))
			} else {
				var got *rpcerror.Error
				require.ErrorAs(t, err, &got)
				assert.Equal(t, codes.Unavailable, got.Code)
			}
			assert.Zero(t, time.Since(began))
		})
	}
}

func TestAStreamLingersAfterItsLastWatcher(t *testing.T) {
	run(t, fanout.Options{Linger: 3 * time.Second}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
		w := join(t.Context(), t, shared)
		provider.send("hello")
		w.leave()
		w.leave() // a second Close has no effect
		time.Sleep(2 * time.Second)
		w = join(t.Context(), t, shared)
		assert.Equal(t, "hello", w.next(), "a watcher that returns soon finds the stream open")
		time.Sleep(time.Minute)
		total, open := provider.opened()
		assert.Equal(t, []int{1, 1}, []int{total, open})

		w.leave()
		time.Sleep(2 * time.Second)
		_, open = provider.opened()
		assert.Equal(t, 1, open)
		time.Sleep(time.Second)
		synctest.Wait()
		_, open = provider.opened()
		assert.Zero(t, open)
		join(t.Context(), t, shared).leave()
		total, _ = provider.opened()
		assert.Equal(t, 2, total)
	})
}

func TestADeadlineEndsOneWatcherOnly(t *testing.T) {
	run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, _ *fanout.Hub, shared http.RoundTripper) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		brief, other := join(ctx, t, shared), join(t.Context(), t, shared)
		require.ErrorIs(t, brief.rest(), context.DeadlineExceeded)
		_, err := shared.RoundTrip(request(ctx))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		provider.send("hello")
		assert.Equal(t, "hello", other.next())
	})
}

func TestDifferentTransportsAreNotShared(t *testing.T) {
	run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, hub *fanout.Hub, shared http.RoundTripper) {
		other := &fakeProvider{}
		join(t.Context(), t, shared)
		join(t.Context(), t, hub.Share(other))
		for _, p := range []*fakeProvider{provider, other} {
			total, _ := p.opened()
			assert.Equal(t, 1, total)
		}
	})
}

func TestAClosedHubEndsItsStreams(t *testing.T) {
	run(t, fanout.Options{}, func(t *testing.T, provider *fakeProvider, hub *fanout.Hub, shared http.RoundTripper) {
		w := join(t.Context(), t, shared)
		hub.Close()
		var got *rpcerror.Error
		require.ErrorAs(t, w.rest(), &got)
		assert.Equal(t, rpcerror.ReasonBridgeStopping, got.Reason)
		_, err := shared.RoundTrip(request(t.Context()))
		require.ErrorAs(t, err, &got)
		assert.Equal(t, rpcerror.ReasonBridgeStopping, got.Reason)
	})
}
