package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/internal/grpcwebtest"
	"akash-provider-web/testserver/fake"
)

// occupy opens streams with the headers until the bridge refuses one, and returns how many
// it has opened and the refusal.
func (w *world) occupy(t *testing.T, most int, header http.Header) (opened int, refusal *grpcwebtest.Stream) {
	t.Helper()
	for opened < most {
		s, err := w.Open(t.Context(), pathStreamStatus, header.Clone(), &emptypb.Empty{})
		require.NoError(t, err)
		t.Cleanup(func() { s.Close() })
		if _, err := s.Next(); err != nil {
			return opened, s
		}
		opened++
	}
	return opened, nil
}

// One caller opens all streams that it can. Somebody else still gets an answer, and the
// bridge still says that it is ready.
func TestACallerThatOpensTooManyStreamsShutsOutNobodyElse(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--max-streams", "100", "--trusted-proxy", "127.0.0.1")
	opened, refusal := w.occupy(t, 100, w.to("X-Forwarded-For", "192.0.2.1"))
	require.NotNil(t, refusal, "%d streams", opened)
	assert.Equal(t, 51, opened, "half of them")
	assert.Equal(t, codes.ResourceExhausted, refusal.Code())
	assert.Equal(t, "tooManyCalls", refusal.Get("akash-error"))
	assert.Contains(t, refusal.Message(), "your address already has 51")
	assert.Len(t, refusal.Get("grpc-retry-pushback-ms"), 4, "the delay before a retry, in milliseconds")

	s, _, err := w.Call(t.Context(), pathGetStatus, w.to("X-Forwarded-For", "192.0.2.2"), &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.OK, s.Code(), s.Message())
	status, body := w.get(t, "/readyz")
	assert.Equal(t, http.StatusOK, status, body)
	_, metrics := w.get(t, "/metrics")
	assert.Contains(t, metrics, `akash_bridge_limited_calls_total{limit="caller"} 1`)

	t.Run("over a WebSocket, too", func(t *testing.T) {
		w.Text = false
		body := strings.NewReader(`{}`)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/provider-proxy", body)
		require.NoError(t, err)
		r.Header.Set("X-Forwarded-For", "198.51.100.9, 192.0.2.1")
		response, err := w.HTTP.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		assert.Equal(t, http.StatusTooManyRequests, response.StatusCode)
		assert.NotEmpty(t, response.Header.Get("Retry-After"))
	})
}

// A full bridge says so to its load balancer.
func TestAFullBridgeIsNotReady(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--max-streams", "2")
	opened, _ := w.occupy(t, 2, w.to())
	require.Equal(t, 2, opened)
	status, body := w.get(t, "/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "not ready: 2 calls are open, the limit\n", body)
}

func TestCallsASecondAreLimited(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--max-call-rate", "1", "--trusted-proxy", "127.0.0.0/8")
	call := func(from string) *grpcwebtest.Stream {
		s, _, err := w.Call(t.Context(), pathGetStatus, w.to("Forwarded", "for="+from), &emptypb.Empty{})
		require.NoError(t, err)
		return s
	}
	var refusal *grpcwebtest.Stream
	for range 50 {
		if s := call("192.0.2.1"); s.Code() != codes.OK {
			refusal = s
			break
		}
	}
	require.NotNil(t, refusal)
	assert.Equal(t, "tooManyCalls", refusal.Get("akash-error"))
	assert.Contains(t, refusal.Message(), "more than 1 calls a second")
	assert.NotEmpty(t, refusal.Get("grpc-retry-pushback-ms"))
	assert.Equal(t, codes.OK, call("192.0.2.2").Code())
}

// Behind a proxy that is not named, all callers are one. The operator is told once.
func TestAProxyThatIsNotTrustedIsReported(t *testing.T) {
	w := startWorld(t, fake.Options{})
	for range 2 {
		_, _, err := w.Call(t.Context(), pathGetStatus, w.to("X-Forwarded-For", "192.0.2.1"), &emptypb.Empty{})
		require.NoError(t, err)
	}
	assert.Equal(t, 1, strings.Count(w.stderr.String(), "--trusted-proxy"), w.stderr)
}

// terminate ends the bridge as SIGTERM does.
func (p *process) terminate() { p.cancel(errTerminated) }

// A load balancer that asks /readyz has time to send new calls elsewhere before anything
// ends.
func TestABridgeThatIsTerminatedFirstSaysSo(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--drain-delay", "2s")
	status, _ := w.get(t, "/readyz")
	require.Equal(t, http.StatusOK, status)
	s, err := w.Open(t.Context(), pathStreamStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Next()
	require.NoError(t, err)

	began := time.Now()
	w.terminate()
	require.Eventually(t, func() bool {
		status, _ := w.get(t, "/readyz")
		return status == http.StatusServiceUnavailable
	}, time.Second, time.Millisecond)
	called, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err, "calls are served still")
	assert.Equal(t, codes.OK, called.Code())
	_, err = s.Rest()
	require.NoError(t, err)
	assert.Equal(t, codes.Unavailable, s.Code())
	assert.Equal(t, "bridgeStopping", s.Get("akash-error"), "the stream goes on elsewhere")
	assert.GreaterOrEqual(t, time.Since(began), 2*time.Second)
	w.end(t)
}

// Without a load balancer and without calls there is nothing to wait for.
func TestAnIdleBridgeIsTerminatedAtOnce(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--drain-delay", "1h", "--drain-timeout", "1h")
	w.terminate()
	w.end(t)
}

// A call that cannot be resumed may finish until the timeout. What is cut off then learns
// why, and the log does not blame the caller.
func TestACallThatIsCutOffLearnsWhy(t *testing.T) {
	w := startWorld(t, fake.Options{Faults: []string{string(fake.FaultHangHeaders)}}, "--drain-delay", "0s", "--drain-timeout", "300ms")
	ended := make(chan *grpcwebtest.Stream, 1)
	go func() {
		s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
		assert.NoError(t, err)
		ended <- s
	}()
	require.Eventually(t, func() bool {
		_, metrics := w.get(t, "/metrics")
		return strings.Contains(metrics, `akash_bridge_open_calls{method="`+pathGetStatus+`"} 1`)
	}, 10*time.Second, time.Millisecond)
	w.terminate()
	s := <-ended
	require.NotNil(t, s)
	assert.Equal(t, codes.Unavailable, s.Code())
	assert.Equal(t, "bridgeStopping", s.Get("akash-error"))
	w.end(t)
	assert.Contains(t, w.stderr.String(), "calls are cut off")
	assert.NotContains(t, w.stderr.String(), "the caller ended the call")
}
