package relay_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/grpcweb"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/internal/grpcwebtest"
	"akash-provider-web/bridge/relay"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// TestMain ignores one goroutine that never ends: the clock of a timer library that
// grpc-web imports.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

// upstream is a real gRPC server over TLS. Each test sets its methods.
type upstream struct {
	leasev1.UnimplementedLeaseRPCServer
	addr    string
	server  *grpc.Server
	restart func(context.Context, *leasev1.ServiceRestartRequest) (*leasev1.ServiceRestartResponse, error)
	logs    func(*leasev1.ServiceLogsRequest, grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error
}

func (u *upstream) ServiceRestart(ctx context.Context, r *leasev1.ServiceRestartRequest) (*leasev1.ServiceRestartResponse, error) {
	return u.restart(ctx, r)
}

func (u *upstream) ServiceLogs(r *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
	return u.logs(r, s)
}

const (
	pathRestart = leasev1.LeaseRPC_ServiceRestart_FullMethodName
	pathLogs    = leasev1.LeaseRPC_ServiceLogs_FullMethodName
)

func startUpstream(t testing.TB) *upstream {
	t.Helper()
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	cert := certificate.TLS.Certificates[0]
	certificate.Close()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	u := &upstream{addr: listener.Addr().String()}
	u.server = grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
	leasev1.RegisterLeaseRPCServer(u.server, u)
	go u.server.Serve(listener)
	t.Cleanup(u.server.Stop)
	return u
}

// front is a minimal bridge: gRPC-Web, the relay, and a route to addr.
type front struct {
	grpcwebtest.Client
	server    *httptest.Server
	handler   *relay.Handler
	results   chan relay.Result
	heartbeat time.Duration
	stop      context.CancelFunc
}

func startFront(t testing.TB, addr string, options ...func(*front)) *front {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2:  true,
		DisableCompression: true,
	}
	stopping, stop := context.WithCancel(context.Background())
	f := &front{results: make(chan relay.Result, 100), stop: stop}
	filter, err := guard.NewMetadata([]string{"x-*"})
	require.NoError(t, err)
	f.handler = &relay.Handler{
		Stopping: stopping,
		Accept: func(r *http.Request, _ relay.Protocol) (*relay.Call, error) {
			header := filter.Upstream(r.Header)
			return &relay.Call{
				Provider:  "akash1test",
				Streaming: r.URL.Path == pathLogs,
				Heartbeat: f.heartbeat,
				Route: func(context.Context) (*relay.Route, error) {
					return &relay.Route{
						ReplyHeader: http.Header{"Akash-Method": {"grpc"}},
						Upstream: &relay.GRPC{
							Transport:  transport,
							Authority:  addr,
							Header:     header,
							Downstream: filter.Downstream,
						},
					}, nil
				},
				Done: f.note,
			}, nil
		},
	}
	origins, err := guard.NewOrigins(nil)
	require.NoError(t, err)
	f.server = httptest.NewUnstartedServer(grpcweb.Handler(f.handler, grpcweb.Options{Origins: origins, MaxRequest: relay.DefaultMaxMessage}))
	for _, option := range options {
		option(f)
	}
	if f.server.TLS != nil {
		f.server.EnableHTTP2 = true
		f.server.StartTLS()
	} else {
		f.server.Start()
	}
	f.URL, f.HTTP = f.server.URL, f.server.Client()
	t.Cleanup(func() {
		stop()
		transport.CloseIdleConnections()
		f.HTTP.CloseIdleConnections()
		f.server.Close()
	})
	return f
}

// note keeps a call's result for the method result, if there is room.
func (f *front) note(r relay.Result) {
	select {
	case f.results <- r:
	default:
	}
}

func withHTTP2(f *front) { f.server.TLS = &tls.Config{} }
func withText(f *front)  { f.Text = true }

func (f *front) result(t *testing.T) relay.Result {
	t.Helper()
	select {
	case r := <-f.results:
		return r
	case <-time.After(10 * time.Second):
		require.FailNow(t, "the call did not end")
		return relay.Result{}
	}
}

func lines(text string) *leasev1.ServiceLogsResponse {
	return &leasev1.ServiceLogsResponse{Services: []*leasev1.ServiceLogs{{Name: "web", Logs: []byte(text)}}}
}

func line(t *testing.T, raw []byte) string {
	t.Helper()
	var m leasev1.ServiceLogsResponse
	require.NoError(t, proto.Unmarshal(raw, &m))
	require.Len(t, m.Services, 1)
	return string(m.Services[0].Logs)
}

// fronts are the protocols that a browser may use to the bridge.
var fronts = map[string][]func(*front){
	"HTTP/1.1":       nil,
	"HTTP/2":         {withHTTP2},
	"HTTP/1.1, text": {withText},
	"HTTP/2, text":   {withHTTP2, withText},
}

func TestAUnaryCallReturnsHeadersMessageAndTrailers(t *testing.T) {
	u := startUpstream(t)
	u.restart = func(ctx context.Context, r *leasev1.ServiceRestartRequest) (*leasev1.ServiceRestartResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		grpc.SetHeader(ctx, metadata.Pairs("x-tag", "header", "x-tag", "again", "set-cookie", "a=b", "akash-method", "forged"))
		grpc.SetTrailer(ctx, metadata.Pairs("x-tag", "trailer", "x-echo-bin", strings.Join(md["x-sent-bin"], ","), "akash-error", "forged"))
		return &leasev1.ServiceRestartResponse{Status: []*leasev1.ServiceRestartStatus{{Service: r.Filter.Name}}}, nil
	}
	for name, options := range fronts {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, u.addr, options...)
			s, messages, err := f.Call(t.Context(), pathRestart,
				http.Header{"X-Sent-Bin": {"AAEC/w"}},
				&leasev1.ServiceRestartRequest{Filter: &leasev1.ServiceFilter{Name: "wéb 🚀"}})
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, s.Status)
			assert.Equal(t, codes.OK, s.Code())
			assert.False(t, s.TrailersOnly)
			require.Len(t, messages, 1)
			var got leasev1.ServiceRestartResponse
			require.NoError(t, proto.Unmarshal(messages[0], &got))
			assert.Equal(t, "wéb 🚀", got.Status[0].Service)

			assert.Equal(t, []string{"header", "again"}, s.Header["X-Tag"])
			assert.Equal(t, []string{"trailer"}, s.Values("x-tag"), "trailers may share the name of a header")
			assert.Equal(t, "AAEC/w", s.Get("x-echo-bin"))
			assert.Equal(t, "grpc", s.Header.Get("Akash-Method"))
			assert.Empty(t, s.Header.Values("Set-Cookie"), "a provider sets no cookies on the bridge's origin")
			assert.Empty(t, s.Get("akash-error"), "a provider cannot set the bridge's own trailers")
			assert.Equal(t, codes.OK, f.result(t).Code)
		})
	}
}

func TestAnErrorWithoutMessagesHasNoTrailerFrame(t *testing.T) {
	u := startUpstream(t)
	u.restart = func(ctx context.Context, _ *leasev1.ServiceRestartRequest) (*leasev1.ServiceRestartResponse, error) {
		return nil, status.Error(codes.PermissionDenied, "nicht für dich: 100 %")
	}
	for name, options := range fronts {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, u.addr, options...)
			s, messages, err := f.Call(t.Context(), pathRestart, nil, &leasev1.ServiceRestartRequest{})
			require.NoError(t, err)
			assert.True(t, s.TrailersOnly)
			assert.Empty(t, messages)
			assert.Equal(t, codes.PermissionDenied, s.Code())
			assert.Equal(t, "nicht für dich: 100 %", s.Message())
			assert.Equal(t, "grpc", s.Header.Get("Akash-Method"))
			assert.Equal(t, codes.PermissionDenied, f.result(t).Code)
		})
	}
}

func TestAnErrorAfterMessagesEndsInATrailerFrame(t *testing.T) {
	u := startUpstream(t)
	u.logs = func(_ *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
		for i := range 3 {
			if err := s.Send(lines(fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return status.Error(codes.Aborted, "enough")
	}
	for name, options := range fronts {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, u.addr, options...)
			s, messages, err := f.Call(t.Context(), pathLogs, nil, &leasev1.ServiceLogsRequest{})
			require.NoError(t, err)
			require.Len(t, messages, 3)
			for i, m := range messages {
				assert.Equal(t, fmt.Sprint(i), line(t, m))
			}
			assert.Equal(t, codes.Aborted, s.Code())
			assert.Equal(t, "enough", s.Message())
		})
	}
}

func TestTheFirstMessageOfAStreamArrivesAtOnce(t *testing.T) {
	u := startUpstream(t)
	read := make(chan struct{})
	u.logs = func(_ *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
		if err := s.Send(lines("first")); err != nil {
			return err
		}
		select {
		case <-read: // the stream goes on only once the client has read its first line
			return nil
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
	for name, options := range fronts {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, u.addr, options...)
			s, err := f.Open(t.Context(), pathLogs, nil, &leasev1.ServiceLogsRequest{})
			require.NoError(t, err)
			defer s.Close()
			first, err := s.Next()
			require.NoError(t, err)
			assert.Equal(t, "first", line(t, first))
			read <- struct{}{}
			_, err = s.Next()
			require.ErrorIs(t, err, io.EOF)
			assert.Equal(t, codes.OK, s.Code())
		})
	}
}

func TestAnExpiredCallEndsInDeadlineExceeded(t *testing.T) {
	u := startUpstream(t)
	var seen sync.Map
	u.restart = func(ctx context.Context, _ *leasev1.ServiceRestartRequest) (*leasev1.ServiceRestartResponse, error) {
		deadline, ok := ctx.Deadline()
		seen.Store("deadline", ok && time.Until(deadline) <= 50*time.Millisecond)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	u.logs = func(_ *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
		if err := s.Send(lines("one")); err != nil {
			return err
		}
		<-s.Context().Done()
		return s.Context().Err()
	}
	f := startFront(t, u.addr)
	header := http.Header{"Grpc-Timeout": {"50m"}}
	for range 10 { // the provider's reset and trailers race
		s, _, err := f.Call(t.Context(), pathRestart, header, &leasev1.ServiceRestartRequest{})
		require.NoError(t, err)
		assert.Equal(t, codes.DeadlineExceeded, s.Code(), s.Message())
	}
	got, _ := seen.Load("deadline")
	assert.Equal(t, true, got, "the provider receives the deadline")

	s, messages, err := f.Call(t.Context(), pathLogs, header, &leasev1.ServiceLogsRequest{})
	require.NoError(t, err)
	assert.Len(t, messages, 1)
	assert.Equal(t, codes.DeadlineExceeded, s.Code())
}

func TestAMalformedDeadlineIsRefused(t *testing.T) {
	u := startUpstream(t)
	f := startFront(t, u.addr)
	for _, value := range []string{"", "10", "s", "-1S", "123456789S", "1 S", "10x", "1.5S"} {
		s, _, err := f.Call(t.Context(), pathRestart, http.Header{"Grpc-Timeout": {value}}, &leasev1.ServiceRestartRequest{})
		require.NoError(t, err)
		assert.Equal(t, codes.InvalidArgument, s.Code(), "%q", value)
		assert.Contains(t, s.Message(), "grpc-timeout")
		assert.Equal(t, "malformedMetadata", s.Get("akash-error"))
	}
}

func TestALostProviderEndsTheCallInUnavailable(t *testing.T) {
	u := startUpstream(t)
	u.logs = func(_ *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
		if err := s.Send(lines("one")); err != nil {
			return err
		}
		<-s.Context().Done()
		return nil
	}
	f := startFront(t, u.addr)
	s, err := f.Open(t.Context(), pathLogs, nil, &leasev1.ServiceLogsRequest{})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Next()
	require.NoError(t, err)
	u.server.Stop()
	_, err = s.Next()
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, codes.Unavailable, s.Code())
	assert.Equal(t, "providerGone", s.Get("akash-error"))
	assert.Contains(t, s.Message(), "akash1test")

	s, _, err = f.Call(t.Context(), pathLogs, nil, &leasev1.ServiceLogsRequest{})
	require.NoError(t, err)
	assert.Equal(t, codes.Unavailable, s.Code(), "no server listens there now")
}

func TestADisconnectCancelsTheProvidersStream(t *testing.T) {
	u := startUpstream(t)
	cancelled := make(chan time.Time, 1)
	u.logs = func(_ *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
		if err := s.Send(lines("one")); err != nil {
			return err
		}
		<-s.Context().Done()
		cancelled <- time.Now()
		return s.Context().Err()
	}
	for name, options := range fronts {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, u.addr, options...)
			ctx, disconnect := context.WithCancel(t.Context())
			s, err := f.Open(ctx, pathLogs, nil, &leasev1.ServiceLogsRequest{})
			require.NoError(t, err)
			defer s.Close()
			_, err = s.Next()
			require.NoError(t, err)
			disconnect()
			select {
			case <-cancelled:
			case <-time.After(10 * time.Second):
				require.FailNow(t, "the provider's stream was not canceled")
			}
			assert.Equal(t, codes.Canceled, f.result(t).Code)
		})
	}
}

func TestLargeMessagesPassUpToTheLimit(t *testing.T) {
	u := startUpstream(t)
	u.restart = func(_ context.Context, r *leasev1.ServiceRestartRequest) (*leasev1.ServiceRestartResponse, error) {
		return &leasev1.ServiceRestartResponse{Status: []*leasev1.ServiceRestartStatus{{Service: r.Filter.Name}}}, nil
	}
	ask := func(n int) *leasev1.ServiceRestartRequest {
		return &leasev1.ServiceRestartRequest{Filter: &leasev1.ServiceFilter{Name: strings.Repeat("x", n)}}
	}
	for name, options := range fronts {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, u.addr, options...)
			large := relay.DefaultMaxMessage - 100
			s, messages, err := f.Call(t.Context(), pathRestart, nil, ask(large))
			require.NoError(t, err)
			require.Equal(t, codes.OK, s.Code(), s.Message())
			require.Len(t, messages, 1)
			assert.Greater(t, len(messages[0]), large)

			for _, size := range []int{relay.DefaultMaxMessage, 3 * relay.DefaultMaxMessage} {
				s, _, err = f.Call(t.Context(), pathRestart, nil, ask(size))
				require.NoError(t, err)
				assert.Equal(t, codes.ResourceExhausted, s.Code())
				assert.Contains(t, s.Message(), "4194304 bytes")
			}
		})
	}
}

func TestAMessageOverTheLimitFromTheProviderIsRefused(t *testing.T) {
	u := startUpstream(t)
	u.logs = func(_ *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
		if err := s.Send(lines("small")); err != nil {
			return err
		}
		return s.Send(lines(strings.Repeat("x", 2000)))
	}
	f := startFront(t, u.addr, func(f *front) { f.handler.MaxMessage = 1000 })
	s, messages, err := f.Call(t.Context(), pathLogs, nil, &leasev1.ServiceLogsRequest{})
	require.NoError(t, err)
	assert.Len(t, messages, 1, "messages before it arrive")
	assert.Equal(t, codes.ResourceExhausted, s.Code())
	assert.Contains(t, s.Message(), "1000 bytes")
}

func TestAMalformedRequestIsRefused(t *testing.T) {
	u := startUpstream(t)
	for name, options := range fronts {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, u.addr, options...)
			for what, body := range map[string][]byte{
				"truncated":    grpcwebtest.Frame(0, []byte("abc"))[:7],
				"a prefix":     {0, 0, 0},
				"garbage":      []byte("<html>hello</html>"),
				"a trailer":    grpcwebtest.Frame(grpcwebtest.FlagTrailer, []byte("grpc-status: 0\r\n")),
				"false length": {0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3},
			} {
				s, err := f.OpenRaw(t.Context(), pathRestart, nil, body)
				require.NoError(t, err, what)
				_, err = s.Rest()
				require.NoError(t, err, what)
				assert.Contains(t, []codes.Code{codes.InvalidArgument, codes.ResourceExhausted}, s.Code(), what)
				s.Close()
			}
		})
	}
}

func TestAStreamGetsHeartbeatsOnRequest(t *testing.T) {
	u := startUpstream(t)
	release := make(chan struct{})
	u.logs = func(_ *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
		select {
		case <-release:
		case <-s.Context().Done():
		}
		return s.Send(lines("late"))
	}
	for name, options := range fronts {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, u.addr, append(options, func(f *front) { f.heartbeat = 10 * time.Millisecond })...)
			s, err := f.Open(t.Context(), pathLogs, nil, &leasev1.ServiceLogsRequest{})
			require.NoError(t, err)
			defer s.Close()
			for range 3 {
				empty, err := s.Next()
				require.NoError(t, err)
				assert.Empty(t, empty)
			}
			release <- struct{}{}
			messages, err := s.Rest()
			require.NoError(t, err)
			assert.Equal(t, "late", line(t, messages[len(messages)-1]))
			assert.Equal(t, codes.OK, s.Code())
		})
	}
}

func TestAStoppingBridgeEndsStreamsWithUnavailable(t *testing.T) {
	u := startUpstream(t)
	u.logs = func(_ *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
		if err := s.Send(lines("one")); err != nil {
			return err
		}
		<-s.Context().Done()
		return s.Context().Err()
	}
	f := startFront(t, u.addr)
	s, err := f.Open(t.Context(), pathLogs, nil, &leasev1.ServiceLogsRequest{})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Next()
	require.NoError(t, err)
	f.stop()
	_, err = s.Next()
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, codes.Unavailable, s.Code())
	assert.Equal(t, "bridgeStopping", s.Get("akash-error"))
}

func TestASlowClientSlowsTheProviderDown(t *testing.T) {
	u := startUpstream(t)
	const each, total = 64 << 10, 512 // 32 MiB in all
	var mu sync.Mutex
	sent := 0
	u.logs = func(_ *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
		for range total {
			if err := s.Send(lines(strings.Repeat("x", each))); err != nil {
				return err
			}
			mu.Lock()
			sent++
			mu.Unlock()
		}
		return nil
	}
	f := startFront(t, u.addr)
	s, err := f.Open(t.Context(), pathLogs, nil, &leasev1.ServiceLogsRequest{})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Next()
	require.NoError(t, err)
	// The client stops reading: the provider can send only what the buffers between
	// them hold.
	progress := func() int { mu.Lock(); defer mu.Unlock(); return sent }
	var before int
	require.Eventually(t, func() bool {
		now := progress()
		defer func() { before = now }()
		return now == before && now > 0
	}, 10*time.Second, 200*time.Millisecond)
	assert.Less(t, progress(), total, "the provider waits for the client")

	messages, err := s.Rest()
	require.NoError(t, err)
	assert.Len(t, messages, total-1)
	assert.Equal(t, codes.OK, s.Code())
}
