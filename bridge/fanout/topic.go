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

// topic is one stream of a provider and those who watch it.
type topic struct {
	hub    *Hub
	key    topicKey
	host   string
	ctx    context.Context
	cancel context.CancelFunc

	// Guarded by hub.mu.
	watchers int
	linger   *time.Timer // set while there is nobody

	mu    sync.Mutex
	state state
}

// state is what there is to know of a topic.
type state struct {
	// changed is closed when the next state is there.
	changed chan struct{}
	// head is how the provider's answer began; nil until it first did.
	head *http.Response
	// message is the latest message, framed, and number which one that is, from 1.
	message []byte
	number  uint64
	// ended is set when no more messages come.
	ended *ending
}

// ending is how a stream ended: one of its fields says.
type ending struct {
	refused *http.Response // it never began, and was answered thus
	trailer http.Header    // the provider's last words
	err     error
}

var errClosed = rpcerror.New(codes.Unavailable, rpcerror.ReasonBridgeStopping, "the bridge is shutting down; call again")

func newTopic(h *Hub, key topicKey, host string) *topic {
	t := &topic{hub: h, key: key, host: host, state: state{changed: make(chan struct{})}}
	t.ctx, t.cancel = context.WithCancel(h.ctx)
	return t
}

// now returns the state.
func (t *topic) now() state {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

// change makes a new state of the last one and wakes those who wait for it.
func (t *topic) change(f func(*state)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.state)
	close(t.state.changed)
	t.state.changed = make(chan struct{})
}

// await returns the answer to a watcher's request, once the stream stands.
func (t *topic) await(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	for {
		now := t.now()
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case now.head != nil:
			return t.answer(r, now.head), nil
		case now.ended != nil && now.ended.refused != nil:
			return t.answer(r, now.ended.refused), nil
		case now.ended != nil:
			return nil, now.ended.err
		}
		select {
		case <-now.changed:
		case <-ctx.Done():
		}
	}
}

// answer returns an answer of a watcher's own that begins as head does.
func (t *topic) answer(r *http.Request, head *http.Response) *http.Response {
	response := *head
	response.Header, response.Request = head.Header.Clone(), r
	response.Body = &body{topic: t, ctx: r.Context(), response: &response}
	return &response
}

// run keeps the stream open while it is wanted.
func (t *topic) run() {
	defer t.cancel()
	var (
		pause = t.hub.options.Pause
		lost  = time.Now() // when the stream was last there
	)
	for {
		began := time.Now()
		told, end := t.follow(t.hub.options.Patience - began.Sub(lost))
		switch {
		case t.ctx.Err() != nil:
			t.end(&ending{err: errClosed})
			return
		case t.now().number == 0 || end.final():
			t.end(end)
			return
		case told:
			lost = time.Now()
			if lost.Sub(began) > maxPause {
				pause = t.hub.options.Pause
			}
		}
		wait := pause/2 + rand.N(pause)
		pause = min(2*pause, maxPause)
		if time.Since(lost)+wait > t.hub.options.Patience {
			t.end(&ending{err: &rpcerror.Error{Code: codes.Unavailable, Reason: end.reason(), Err: end.err,
				Message: fmt.Sprintf("its stream was lost and did not come back within %s: %s; try again", t.hub.options.Patience, end)}})
			return
		}
		t.hub.options.Logger.LogAttrs(t.ctx, slog.LevelInfo, "shared stream broke, to be opened again",
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

// end tells the watchers, and leaves the place to another topic.
func (t *topic) end(e *ending) {
	t.hub.mu.Lock()
	t.hub.forget(t)
	t.hub.mu.Unlock()
	t.change(func(s *state) { s.ended = e })
}

// follow opens the stream, which must stand within patience, and reads it to its
// end. It reports whether there was a message.
func (t *topic) follow(patience time.Duration) (told bool, end *ending) {
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	late := time.AfterFunc(patience, func() {
		cancel(rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderGone, "it did not open its stream in time"))
	})
	response, err := t.key.transport.RoundTrip(t.request(ctx))
	late.Stop()
	if err != nil {
		return false, &ending{err: because(ctx, err)}
	}
	defer response.Body.Close()
	if !stands(response) {
		head := *response
		head.Body, head.Trailer = nil, nil
		return false, &ending{refused: &head}
	}
	t.change(func(s *state) {
		s.head = &http.Response{
			Status: response.Status, StatusCode: response.StatusCode,
			Proto: response.Proto, ProtoMajor: response.ProtoMajor, ProtoMinor: response.ProtoMinor,
			Header: response.Header, ContentLength: -1,
		}
	})
	messages := bufio.NewReaderSize(response.Body, 1<<10)
	for {
		message, err := readMessage(messages, t.hub.options.MaxMessage)
		switch {
		case err == io.EOF:
			return told, &ending{trailer: lastWords(response.Trailer)}
		case err != nil:
			return told, &ending{err: because(ctx, err)}
		}
		told = true
		t.change(func(s *state) { s.message, s.number = message, s.number+1 })
	}
}

// request returns the call that all share.
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
		// Asking for a state has no effect, so a transport may ask again.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(empty)), nil },
	}
	return r.WithContext(ctx)
}

// because returns why ctx was cancelled, if that is what err comes of.
func because(ctx context.Context, err error) error {
	var known *rpcerror.Error
	if errors.As(context.Cause(ctx), &known) {
		return known
	}
	return err
}

// stands tells whether an answer is a stream of gRPC messages.
func stands(r *http.Response) bool {
	return r.StatusCode == http.StatusOK && r.Header[headerStatus] == nil &&
		strings.HasPrefix(r.Header.Get("Content-Type"), contentTypeGRPC)
}

// lastWords returns what a status consists of.
func lastWords(h http.Header) http.Header {
	words := http.Header{}
	for _, name := range []string{headerStatus, headerMessage, headerDetails} {
		if values := h[name]; values != nil {
			words[name] = values
		}
	}
	return words
}

// code returns the status of the ending, Unknown where the provider gave none.
func (e *ending) code() codes.Code {
	var known *rpcerror.Error
	if errors.As(e.err, &known) {
		return known.Code
	}
	words := e.trailer
	if e.refused != nil {
		words = e.refused.Header
	}
	n, err := strconv.ParseUint(words.Get(headerStatus), 10, 32)
	if err != nil {
		return codes.Unknown
	}
	return codes.Code(n)
}

// final tells whether the stream would end thus again.
func (e *ending) final() bool {
	switch e.code() {
	case codes.InvalidArgument, codes.NotFound, codes.PermissionDenied,
		codes.Unauthenticated, codes.FailedPrecondition, codes.Unimplemented:
		return true
	}
	return e.err != nil && e.reason() == rpcerror.ReasonProviderProtocol
}

// reason returns the ending's reason, ReasonProviderGone where it has none.
func (e *ending) reason() rpcerror.Reason {
	var known *rpcerror.Error
	if errors.As(e.err, &known) && known.Reason != "" {
		return known.Reason
	}
	return rpcerror.ReasonProviderGone
}

// String says in words for people how the stream ended.
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
