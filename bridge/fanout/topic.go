package fanout

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"
)

// Headers and trailers of gRPC over HTTP/2.
const (
	contentTypeGRPC = "application/grpc"
	headerStatus    = "Grpc-Status"
	headerMessage   = "Grpc-Message"
	headerDetails   = "Grpc-Status-Details-Bin"
)

// topic is one shared stream.
type topic struct {
	hub    *Hub
	key    topicKey
	host   string
	ctx    context.Context
	cancel context.CancelFunc

	// Guarded by hub.mu.
	watchers int
	linger   *time.Timer // set while there are no watchers

	mu    sync.Mutex
	state state
}

// state is a snapshot of a topic.
type state struct {
	// changed is closed when a newer state exists.
	changed chan struct{}
	// head is the status and the headers of the provider's answer; nil until they
	// first arrived.
	head *http.Response
	// message is the latest message, framed. number counts the messages so far.
	message []byte
	number  uint64
	// ended is set when no more messages will come.
	ended *ending
}

// ending says how a stream ended. One field is set.
type ending struct {
	refused *http.Response // an answer without a stream
	trailer http.Header    // the provider's status
	err     error
}

var errClosed = rpcerror.New(codes.Unavailable, rpcerror.ReasonBridgeStopping, "the bridge is shutting down; call again")

func newTopic(h *Hub, key topicKey, host string) *topic {
	t := &topic{hub: h, key: key, host: host, state: state{changed: make(chan struct{})}}
	t.ctx, t.cancel = context.WithCancel(h.ctx)
	return t
}

// current returns the current state.
func (t *topic) current() state {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

// update applies f to a copy of the state and wakes the watchers.
func (t *topic) update(f func(*state)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.state)
	close(t.state.changed)
	t.state.changed = make(chan struct{})
}

// await waits for the stream to open, and returns the answer to a watcher's request.
func (t *topic) await(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	for {
		current := t.current()
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case current.head != nil:
			return t.answer(r, current.head), nil
		case current.ended != nil && current.ended.refused != nil:
			return t.answer(r, current.ended.refused), nil
		case current.ended != nil:
			return nil, current.ended.err
		}
		select {
		case <-current.changed:
		case <-ctx.Done():
		}
	}
}

// answer returns a watcher's own answer with the status and headers of head.
func (t *topic) answer(r *http.Request, head *http.Response) *http.Response {
	response := *head
	response.Header, response.Request = head.Header.Clone(), r
	response.Body = &body{topic: t, ctx: r.Context(), response: &response}
	return &response
}

// run keeps the stream open until the last watcher has left or the stream has ended.
// The delays between attempts double until a stream lasts longer than the longest of
// them. A message alone does not reset them: every status has a new time, and each
// stream that is opened costs the provider memory.
func (t *topic) run() {
	defer t.cancel()
	var (
		backoff  = t.hub.options.Backoff
		lastOpen = time.Now() // when the stream was last open
	)
	for {
		started := time.Now()
		useful, end := t.follow(t.hub.options.Timeout - started.Sub(lastOpen))
		switch {
		case t.ctx.Err() != nil:
			t.end(&ending{err: errClosed})
			return
		case t.current().number == 0 || end.final():
			t.end(end)
			return
		case useful:
			lastOpen = time.Now()
			if lastOpen.Sub(started) > maxBackoff {
				backoff = t.hub.options.Backoff
			}
		}
		wait := backoff/2 + rand.N(backoff)
		backoff = min(2*backoff, maxBackoff)
		if time.Since(lastOpen)+wait > t.hub.options.Timeout {
			t.end(&ending{err: &rpcerror.Error{Code: codes.Unavailable, Reason: end.reason(), Err: end.err,
				Message: fmt.Sprintf("its stream was lost and did not come back within %s: %s; try again", t.hub.options.Timeout, end)}})
			return
		}
		t.hub.options.Logger.LogAttrs(t.ctx, slog.LevelInfo, "shared stream broke and will be reopened",
			slog.String("method", t.key.path), slog.String("endpoint", t.host),
			slog.Duration("in", wait), slog.String("error", end.String()))
		select {
		case <-time.After(wait):
		case <-t.ctx.Done():
			t.end(&ending{err: errClosed})
			return
		}
	}
}

// end removes the topic from the hub and reports the end to its watchers.
func (t *topic) end(e *ending) {
	t.hub.mu.Lock()
	t.hub.remove(t)
	t.hub.mu.Unlock()
	t.update(func(s *state) { s.ended = e })
}

// follow opens the stream, which may take as long as timeout, and reads it to its end.
// It reports whether the stream was of use: it received a message, or lasted.
func (t *topic) follow(timeout time.Duration) (useful bool, end *ending) {
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	timer := time.AfterFunc(timeout, func() {
		cancel(rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderGone, "it did not open its stream in time"))
	})
	response, err := t.key.transport.RoundTrip(t.request(ctx))
	timer.Stop()
	if err != nil {
		return false, &ending{err: causeOf(ctx, err)}
	}
	defer response.Body.Close()
	if !isStream(response) {
		head := *response
		head.Body, head.Trailer = nil, nil
		return false, &ending{refused: &head}
	}
	t.update(func(s *state) {
		s.head = &http.Response{
			Status: response.Status, StatusCode: response.StatusCode,
			Proto: response.Proto, ProtoMajor: response.ProtoMajor, ProtoMinor: response.ProtoMinor,
			Header: response.Header, ContentLength: -1,
		}
	})
	opened := time.Now()
	messages := bufio.NewReaderSize(response.Body, 1<<10)
	for {
		message, err := readMessage(messages, t.hub.options.MaxMessage)
		switch {
		case err == io.EOF:
			return useful || time.Since(opened) > maxBackoff, &ending{trailer: statusTrailers(response.Trailer)}
		case err != nil:
			return useful || time.Since(opened) > maxBackoff, &ending{err: causeOf(ctx, err)}
		}
		useful = true
		t.update(func(s *state) { s.message, s.number = message, s.number+1 })
	}
}

// request returns the request of the shared call.
func (t *topic) request(ctx context.Context) *http.Request {
	empty := []byte{0, 0, 0, 0, 0}
	r := &http.Request{
		Method: http.MethodPost,
		URL:    &url.URL{Scheme: "https", Host: t.host, Path: t.key.path},
		Host:   t.host,
		Header: http.Header{
			"Content-Type": {contentTypeGRPC + "+proto"},
			"Te":           {"trailers"},
			"User-Agent":   {grpcwire.UserAgent},
		},
		ContentLength: int64(len(empty)),
		Body:          io.NopCloser(bytes.NewReader(empty)),
		// The call has no side effects, so a transport may retry it.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(empty)), nil },
	}
	return r.WithContext(ctx)
}

// causeOf returns the cause of ctx's cancellation if it is an rpcerror.Error, and err
// otherwise.
func causeOf(ctx context.Context, err error) error {
	var known *rpcerror.Error
	if errors.As(context.Cause(ctx), &known) {
		return known
	}
	return err
}

// isStream reports whether an answer is a stream of gRPC messages.
func isStream(r *http.Response) bool {
	return r.StatusCode == http.StatusOK && r.Header[headerStatus] == nil &&
		strings.HasPrefix(r.Header.Get("Content-Type"), contentTypeGRPC)
}

// statusTrailers returns the trailers of h that form its gRPC status.
func statusTrailers(h http.Header) http.Header {
	trailers := http.Header{}
	for _, name := range []string{headerStatus, headerMessage, headerDetails} {
		if values := h[name]; values != nil {
			trailers[name] = values
		}
	}
	return trailers
}

// code returns the status code of the ending, or Unknown if the provider sent none.
func (e *ending) code() codes.Code {
	var known *rpcerror.Error
	if errors.As(e.err, &known) {
		return known.Code
	}
	trailers := e.trailer
	if e.refused != nil {
		trailers = e.refused.Header
	}
	n, err := strconv.ParseUint(trailers.Get(headerStatus), 10, 32)
	if err != nil {
		return codes.Unknown
	}
	return codes.Code(n)
}

// final reports whether reopening the stream would only repeat the error.
func (e *ending) final() bool {
	switch e.code() {
	case codes.InvalidArgument, codes.NotFound, codes.PermissionDenied,
		codes.Unauthenticated, codes.FailedPrecondition, codes.Unimplemented:
		return true
	}
	return e.err != nil && e.reason() == rpcerror.ReasonProviderProtocol
}

// reason returns the ending's reason, ReasonProviderGone by default.
func (e *ending) reason() rpcerror.Reason {
	var known *rpcerror.Error
	if errors.As(e.err, &known) && known.Reason != "" {
		return known.Reason
	}
	return rpcerror.ReasonProviderGone
}

// String describes for people how the stream ended.
func (e *ending) String() string {
	var known *rpcerror.Error
	switch {
	case errors.As(e.err, &known):
		return known.Message
	case e.err != nil:
		return "the connection broke"
	case e.refused != nil && e.refused.Header[headerStatus] == nil:
		return fmt.Sprintf("it answered with HTTP status %d", e.refused.StatusCode)
	}
	return "it ended the stream with the status " + e.code().String()
}
