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

// origin is a provider as a transport: it answers calls as a test says.
type origin struct {
	// refuse, where set, answers instead of a stream.
	refuse func(*http.Request) (*http.Response, error)

	mu      sync.Mutex
	streams []*stream
}

// stream is one call that reached the origin.
type stream struct {
	request  *http.Request
	response *http.Response
	in       *io.PipeWriter
	closed   bool
}

func (o *origin) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refuse != nil {
		return o.refuse(r)
	}
	out, in := io.Pipe()
	s := &stream{request: r, in: in}
	context.AfterFunc(r.Context(), func() { in.CloseWithError(context.Cause(r.Context())) })
	s.response = &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/grpc"}, "X-Stream": {fmt.Sprint(len(o.streams) + 1)}},
		Trailer:    http.Header{},
		Body:       &tap{out, func() { o.mu.Lock(); defer o.mu.Unlock(); s.closed = true }},
	}
	o.streams = append(o.streams, s)
	return s.response, nil
}

type tap struct {
	io.ReadCloser
	closed func()
}

func (t *tap) Close() error { t.closed(); return t.ReadCloser.Close() }

func (o *origin) refuseWith(f func(*http.Request) (*http.Response, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refuse = f
}

// opened returns how many streams were opened, and how many are open.
func (o *origin) opened() (total, open int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.streams {
		if !s.closed {
			open++
		}
	}
	return len(o.streams), open
}

// last returns the stream opened last.
func (o *origin) last() *stream {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.streams[len(o.streams)-1]
}

// say sends a message on the stream opened last, and waits until it is everywhere.
func (o *origin) say(text string) {
	o.last().in.Write(frame(text))
	synctest.Wait()
}

// end ends the stream opened last with a status.
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

func join(ctx context.Context, t *testing.T, through http.RoundTripper) *watcher {
	t.Helper()
	response, err := through.RoundTrip(request(ctx))
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

// rest reads to the end, and returns its error.
func (w *watcher) rest() error {
	_, err := io.Copy(io.Discard, w.response.Body)
	return err
}

func (w *watcher) leave() { w.response.Body.Close(); synctest.Wait() }

// play runs a test in a bubble of its own time.
func play(t *testing.T, o fanout.Options, test func(t *testing.T, from *origin, hub *fanout.Hub, through http.RoundTripper)) {
	synctest.Test(t, func(t *testing.T) {
		from, hub := &origin{}, fanout.New(o)
		test(t, from, hub, hub.Through(from))
		hub.Close()
		_, open := from.opened()
		assert.Zero(t, open, "streams left open")
	})
}

func TestFiftyWatchersShareOneStream(t *testing.T) {
	play(t, fanout.Options{}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
		var watchers []*watcher
		for range 50 {
			watchers = append(watchers, join(t.Context(), t, through))
		}
		for i := range 3 {
			from.say(fmt.Sprint("message ", i))
			for _, w := range watchers {
				require.Equal(t, fmt.Sprint("message ", i), w.next())
			}
		}
		total, open := from.opened()
		assert.Equal(t, []int{1, 1}, []int{total, open})

		r := from.last().request
		assert.Equal(t, "/a.B/Watch", r.URL.Path)
		assert.Equal(t, "provider.example:8444", r.Host)
		assert.Empty(t, r.Header.Values("X-Request-Id"), "the stream is no page's own")
		assert.Empty(t, r.Header.Values("Grpc-Timeout"), "nor has it a page's deadline")
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		assert.Equal(t, make([]byte, 5), body)
	})
}

func TestALatecomerGetsTheLatestMessageAtOnce(t *testing.T) {
	play(t, fanout.Options{}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
		first := join(t.Context(), t, through)
		from.say("old")
		from.say("new")
		late := join(t.Context(), t, through)
		assert.Equal(t, "new", late.next())
		assert.Equal(t, "1", late.response.Header.Get("X-Stream"))
		late.response.Header.Set("X-Stream", "changed")
		assert.Equal(t, "1", first.response.Header.Get("X-Stream"), "headers are each one's own")
	})
}

func TestASlowWatcherGetsTheNewestMessageAndHoldsUpNobody(t *testing.T) {
	play(t, fanout.Options{}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
		slow, quick := join(t.Context(), t, through), join(t.Context(), t, through)
		from.say("message 0")
		half := make([]byte, 7)
		_, err := io.ReadFull(slow.response.Body, half)
		require.NoError(t, err)
		for i := range 100 {
			from.say(fmt.Sprint("message ", i+1))
			require.Equal(t, fmt.Sprint("message ", i+1), quick.next())
		}
		other, err := io.ReadAll(io.LimitReader(slow.response.Body, int64(len(frame("message 0"))-len(half))))
		require.NoError(t, err)
		assert.Equal(t, frame("message 0"), append(half, other...), "what it had begun comes whole")
		assert.Equal(t, "message 100", slow.next())
	})
}

func TestWatchersDoNotNoticeThatAStreamBreaks(t *testing.T) {
	for what, breaks := range map[string]func(*stream){
		"connection lost":      func(s *stream) { s.in.CloseWithError(errors.New("reset")) },
		"provider shuts down":  func(s *stream) { s.end(codes.Canceled) },
		"provider ends it":     func(s *stream) { s.end(codes.OK) },
		"ended without status": func(s *stream) { s.in.Close() },
	} {
		t.Run(what, func(t *testing.T) {
			play(t, fanout.Options{}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
				w := join(t.Context(), t, through)
				from.say("before")
				assert.Equal(t, "before", w.next())
				breaks(from.last())
				time.Sleep(time.Second)
				synctest.Wait()
				total, open := from.opened()
				require.Equal(t, []int{2, 1}, []int{total, open})
				from.say("after")
				assert.Equal(t, "after", w.next())
				assert.Equal(t, "2", join(t.Context(), t, through).response.Header.Get("X-Stream"))
			})
		})
	}
}

func TestAStreamThatKeepsBreakingIsOpenedEverMoreRarely(t *testing.T) {
	play(t, fanout.Options{}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
		w := join(t.Context(), t, through)
		broken := 0
		for began := time.Now(); time.Since(began) < 10*time.Minute; time.Sleep(time.Second) {
			synctest.Wait()
			if total, _ := from.opened(); total > broken {
				broken = total
				from.say("hello")
				assert.Equal(t, "hello", w.next())
				from.last().in.CloseWithError(errors.New("reset"))
			}
		}
		assert.Less(t, broken, 60)
		assert.Greater(t, broken, 30)
	})
}

func TestWatchersAreToldOfAStreamThatDoesNotComeBack(t *testing.T) {
	play(t, fanout.Options{}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
		w := join(t.Context(), t, through)
		from.say("before")
		from.refuseWith(func(*http.Request) (*http.Response, error) {
			return nil, rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderUnreachable, "it is down")
		})
		began := time.Now()
		from.last().in.CloseWithError(errors.New("reset"))
		assert.Equal(t, "before", w.next(), "what had come is still handed out")
		err := w.rest()
		var told *rpcerror.Error
		require.ErrorAs(t, err, &told)
		assert.Equal(t, codes.Unavailable, told.Code)
		assert.Equal(t, rpcerror.ReasonProviderUnreachable, told.Reason)
		assert.Contains(t, told.Message, "it is down")
		// It gives up when the next attempt would come after the patience has run out,
		// and the longest pause before one is 22.5 s.
		assert.GreaterOrEqual(t, time.Since(began), 7500*time.Millisecond)
		assert.LessOrEqual(t, time.Since(began), 30*time.Second)

		from.refuseWith(nil)
		again := join(t.Context(), t, through)
		from.say("again")
		assert.Equal(t, "again", again.next())
	})
}

func TestAStreamThatCannotBeOpenedIsToldToThoseWhoWait(t *testing.T) {
	play(t, fanout.Options{}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
		refused := rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonRevoked, "revoked")
		from.refuseWith(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return nil, refused
		})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				_, err := through.RoundTrip(request(t.Context()))
				assert.Equal(t, refused, err)
			})
		}
		all.Wait()
	})
}

func TestAProviderThatNeverAnswersIsGivenUp(t *testing.T) {
	play(t, fanout.Options{Patience: 5 * time.Second}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
		from.refuseWith(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		})
		began := time.Now()
		_, err := through.RoundTrip(request(t.Context()))
		var told *rpcerror.Error
		require.ErrorAs(t, err, &told)
		assert.Equal(t, codes.Unavailable, told.Code)
		assert.Equal(t, 5*time.Second, time.Since(began))
	})
}

func TestARefusalIsHandedOn(t *testing.T) {
	for what, answer := range map[string]*http.Response{
		"trailers only": {StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"12"}, "Grpc-Message": {"no"}}},
		"HTML":          {StatusCode: http.StatusBadGateway, Header: http.Header{"Content-Type": {"text/html"}}},
	} {
		t.Run(what, func(t *testing.T) {
			play(t, fanout.Options{}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
				from.refuseWith(func(*http.Request) (*http.Response, error) {
					a := *answer
					a.Body = http.NoBody
					return &a, nil
				})
				w := join(t.Context(), t, through)
				assert.Equal(t, answer.StatusCode, w.response.StatusCode)
				assert.Equal(t, answer.Header, w.response.Header)
				w.rest()
				w.leave()
			})
		})
	}
}

func TestAnEndForGoodIsToldAtOnce(t *testing.T) {
	play(t, fanout.Options{}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
		w := join(t.Context(), t, through)
		from.say("last")
		from.last().end(codes.Unimplemented)
		assert.Equal(t, "last", w.next())
		require.NoError(t, w.rest())
		assert.Equal(t, "12", w.response.Trailer.Get("Grpc-Status"))
		total, _ := from.opened()
		assert.Equal(t, 1, total)
	})
}

func TestGarbageEndsAStreamForGood(t *testing.T) {
	for what, test := range map[string]struct {
		bytes string
		code  codes.Code
	}{
		"no gRPC":    {"HTTP/1.1 400 Bad Request", codes.Internal},
		"compressed": {"\x01\x00\x00\x00\x01x", codes.Internal},
		"too large":  {"\x00\x00\x00\x03\xe9", codes.ResourceExhausted},
	} {
		t.Run(what, func(t *testing.T) {
			play(t, fanout.Options{MaxMessage: 1000}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
				w := join(t.Context(), t, through)
				from.last().in.Write([]byte(test.bytes))
				from.last().end(codes.OK)
				var told *rpcerror.Error
				require.ErrorAs(t, w.rest(), &told)
				assert.Equal(t, test.code, told.Code)
				assert.Equal(t, rpcerror.ReasonProviderProtocol, told.Reason)
			})
		})
	}
}

func TestAStreamThatEndsBeforeItsFirstMessageIsToldAtOnce(t *testing.T) {
	for _, bytes := range []string{"", "\x00\x00", "\x00\x00\x00\x00\x09", "\x00\x00\x00\x00\x09half"} {
		play(t, fanout.Options{}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
			w := join(t.Context(), t, through)
			began := time.Now()
			from.last().in.Write([]byte(bytes))
			from.last().end(codes.Unavailable)
			if err := w.rest(); err == nil {
				assert.Equal(t, "14", w.response.Trailer.Get("Grpc-Status"))
			} else {
				var told *rpcerror.Error
				require.ErrorAs(t, err, &told)
				assert.Equal(t, codes.Unavailable, told.Code)
			}
			assert.Zero(t, time.Since(began))
		})
	}
}

func TestAStreamOutlivesItsLastWatcherForAMoment(t *testing.T) {
	play(t, fanout.Options{Linger: 3 * time.Second}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
		w := join(t.Context(), t, through)
		from.say("hello")
		w.leave()
		w.leave() // closing twice is leaving once
		time.Sleep(2 * time.Second)
		w = join(t.Context(), t, through)
		assert.Equal(t, "hello", w.next(), "who comes back soon finds it")
		time.Sleep(time.Minute)
		total, open := from.opened()
		assert.Equal(t, []int{1, 1}, []int{total, open})

		w.leave()
		time.Sleep(2 * time.Second)
		_, open = from.opened()
		assert.Equal(t, 1, open)
		time.Sleep(time.Second)
		synctest.Wait()
		_, open = from.opened()
		assert.Zero(t, open)
		join(t.Context(), t, through).leave()
		total, _ = from.opened()
		assert.Equal(t, 2, total)
	})
}

func TestAWatcherEndsAlone(t *testing.T) {
	play(t, fanout.Options{}, func(t *testing.T, from *origin, _ *fanout.Hub, through http.RoundTripper) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		brief, other := join(ctx, t, through), join(t.Context(), t, through)
		require.ErrorIs(t, brief.rest(), context.DeadlineExceeded)
		_, err := through.RoundTrip(request(ctx))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		from.say("hello")
		assert.Equal(t, "hello", other.next())
	})
}

func TestDifferentWaysAreNotShared(t *testing.T) {
	play(t, fanout.Options{}, func(t *testing.T, from *origin, hub *fanout.Hub, through http.RoundTripper) {
		other := &origin{}
		join(t.Context(), t, through)
		join(t.Context(), t, hub.Through(other))
		for _, o := range []*origin{from, other} {
			total, _ := o.opened()
			assert.Equal(t, 1, total)
		}
	})
}

func TestAClosedHubEndsItsStreams(t *testing.T) {
	play(t, fanout.Options{}, func(t *testing.T, from *origin, hub *fanout.Hub, through http.RoundTripper) {
		w := join(t.Context(), t, through)
		hub.Close()
		var told *rpcerror.Error
		require.ErrorAs(t, w.rest(), &told)
		assert.Equal(t, rpcerror.ReasonBridgeStopping, told.Reason)
		_, err := through.RoundTrip(request(t.Context()))
		require.ErrorAs(t, err, &told)
		assert.Equal(t, rpcerror.ReasonBridgeStopping, told.Reason)
	})
}
