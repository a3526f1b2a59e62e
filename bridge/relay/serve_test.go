package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwebtest"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
)

// answering makes the front answer calls with s.
func answering(s relay.Func) func(*front) {
	return func(f *front) {
		f.handler.Accept = func(r *http.Request, _ relay.Protocol) (*relay.Call, error) {
			return &relay.Call{
				Provider:  "akash1test",
				Streaming: r.URL.Path == pathLogs,
				Route:     func(context.Context) (*relay.Route, error) { return &relay.Route{Upstream: s}, nil },
				Done:      f.note,
			}, nil
		}
	}
}

func TestAFuncAnswersCalls(t *testing.T) {
	echo := func(_ context.Context, request []byte, a *relay.Answer) error { return a.Send(request) }
	for name, options := range fronts {
		for _, path := range []string{pathRestart, pathLogs} {
			t.Run(name+path, func(t *testing.T) {
				f := startFront(t, "", append(options, answering(echo))...)
				s, err := f.OpenRaw(t.Context(), path, nil, grpcwebtest.Frame(0, []byte("hello")))
				require.NoError(t, err)
				defer s.Close()
				messages, err := s.Rest()
				require.NoError(t, err)
				assert.Equal(t, [][]byte{[]byte("hello")}, messages)
				assert.Equal(t, codes.OK, s.Code())
			})
		}
	}
}

func TestAFuncTakesOneUncompressedMessage(t *testing.T) {
	f := startFront(t, "", answering(func(context.Context, []byte, *relay.Answer) error { return nil }))
	one := grpcwebtest.Frame(0, []byte("hello"))
	for what, body := range map[string][]byte{"none": nil, "two": bytes.Repeat(one, 2), "compressed": grpcwebtest.Frame(grpcwebtest.FlagCompressed, []byte("zip"))} {
		s, err := f.OpenRaw(t.Context(), pathRestart, nil, body)
		require.NoError(t, err)
		_, err = s.Rest()
		require.NoError(t, err)
		assert.Contains(t, []codes.Code{codes.InvalidArgument, codes.Unimplemented}, s.Code(), what)
		s.Close()
	}
}

func TestMessagesArriveAtOnceAndInOrder(t *testing.T) {
	seen := make(chan struct{})
	f := startFront(t, "", answering(func(ctx context.Context, _ []byte, a *relay.Answer) error {
		for i := range 10 {
			if err := a.Send(fmt.Append(nil, i)); err != nil {
				return err
			}
			select {
			case <-seen: // the client reads each before the next is sent
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		for i := range 10_000 {
			if err := a.Send(fmt.Append(nil, i)); err != nil {
				return err
			}
		}
		return rpcerror.New(codes.NotFound, rpcerror.ReasonUnknownLease, "gone")
	}))
	s, err := f.OpenRaw(t.Context(), pathLogs, nil, grpcwebtest.Frame(0, nil))
	require.NoError(t, err)
	defer s.Close()
	for i := range 10 {
		message, err := s.Next()
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(message))
		seen <- struct{}{}
	}
	messages, err := s.Rest()
	require.NoError(t, err)
	require.Len(t, messages, 10_000)
	for i, message := range messages {
		require.Equal(t, fmt.Sprint(i), string(message))
	}
	assert.Equal(t, codes.NotFound, s.Code())
	assert.Equal(t, "unknownLease", s.Get("akash-error"))
	assert.Equal(t, "provider akash1test: gone", s.Message())
}

func TestSendBlocksWhileTheClientDoesNotRead(t *testing.T) {
	var sent atomic.Int64
	message := make([]byte, 32<<10)
	f := startFront(t, "", answering(func(_ context.Context, _ []byte, a *relay.Answer) error {
		for range 2000 { // 64 MiB
			if err := a.Send(message); err != nil {
				return err
			}
			sent.Add(1)
		}
		return nil
	}))
	ctx, disconnect := context.WithCancel(t.Context())
	s, err := f.OpenRaw(ctx, pathLogs, nil, grpcwebtest.Frame(0, nil))
	require.NoError(t, err)
	defer s.Close()
	var before int64
	require.Eventually(t, func() bool {
		now := sent.Load()
		defer func() { before = now }()
		return now == before && now > 0
	}, 10*time.Second, 200*time.Millisecond)
	assert.Less(t, sent.Load(), int64(2000))
	disconnect()
	assert.Equal(t, codes.Canceled, f.result(t).Code, "a blocked Send ends when the client disconnects")
}

func TestAMessageOverTheLimitIsRefused(t *testing.T) {
	f := startFront(t, "", func(f *front) { f.handler.MaxMessage = 1000 }, answering(func(_ context.Context, _ []byte, a *relay.Answer) error {
		if err := a.Send(make([]byte, 1000)); err != nil {
			return err
		}
		return a.Send(make([]byte, 1001))
	}))
	s, err := f.OpenRaw(t.Context(), pathLogs, nil, grpcwebtest.Frame(0, nil))
	require.NoError(t, err)
	defer s.Close()
	messages, err := s.Rest()
	require.NoError(t, err)
	assert.Len(t, messages, 1)
	assert.Equal(t, codes.ResourceExhausted, s.Code())
}

func TestAnUnknownErrorIsInternal(t *testing.T) {
	f := startFront(t, "", answering(func(context.Context, []byte, *relay.Answer) error {
		return errors.Join(io.ErrNoProgress)
	}))
	s, err := f.OpenRaw(t.Context(), pathRestart, nil, grpcwebtest.Frame(0, nil))
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Rest()
	require.NoError(t, err)
	assert.Equal(t, codes.Internal, s.Code())
	assert.Contains(t, s.Message(), "akash1test")
}
