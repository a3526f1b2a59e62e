package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/internal/grpcwebtest"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

// streams returns how many StreamStatus calls the fake has received, and how many are
// open.
func (w *world) streams(t *testing.T) (total, open int) {
	t.Helper()
	response, err := w.HTTP.Get(w.fake.Control + "/streams")
	require.NoError(t, err)
	defer response.Body.Close()
	var s fake.Streams
	require.NoError(t, json.NewDecoder(response.Body).Decode(&s))
	return s.Total[pathStreamStatus], s.Open[pathStreamStatus]
}

// steer sends a request to the fake's control API.
func (w *world) steer(t *testing.T, path string) {
	t.Helper()
	response, err := w.HTTP.Post(w.fake.Control+path, "", nil)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// holds returns the status that the fake currently serves.
func (w *world) holds(t *testing.T) *providerv1.Status {
	t.Helper()
	response, err := w.HTTP.Get(w.fake.Control + "/status")
	require.NoError(t, err)
	defer response.Body.Close()
	var raw json.RawMessage
	require.NoError(t, json.NewDecoder(response.Body).Decode(&raw))
	var status providerv1.Status
	require.NoError(t, protojson.Unmarshal(raw, &status))
	return &status
}

// watch opens a StreamStatus call.
func (w *world) watch(t *testing.T, more ...string) *grpcwebtest.Stream {
	t.Helper()
	s, err := w.Open(t.Context(), pathStreamStatus, w.to(more...), &emptypb.Empty{})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// awaitActive reads statuses until one has the given number of active leases.
func awaitActive(t *testing.T, s *grpcwebtest.Stream, active uint32) {
	t.Helper()
	for {
		message, err := s.Next()
		require.NoError(t, err)
		if len(message) == 0 {
			continue // a heartbeat
		}
		var status providerv1.Status
		require.NoError(t, proto.Unmarshal(message, &status))
		if status.GetCluster().GetLeases().GetActive() == active {
			return
		}
	}
}

func TestManyCallersShareOneStatusStream(t *testing.T) {
	t.Parallel()
	w := startWorld(t, fake.Options{ProviderVersion: "0.14.0"}, "--allow-insecure")
	certificate, key := w.clientCertificate(t)
	var watchers []*grpcwebtest.Stream
	for i := range 50 {
		more := []string{"Authorization", "Bearer " + w.fake.JWT, "X-Request-Id", "1"}
		switch i % 3 {
		case 1:
			more = []string{"Akash-Check-Version", "false", "Akash-Heartbeat", "60"}
		case 2:
			more = []string{"Akash-Client-Cert-Bin", encode(certificate), "Akash-Client-Key-Bin", encode(key), "Grpc-Timeout", "60S"}
		}
		s := w.watch(t, more...)
		_, err := s.Next()
		require.NoError(t, err)
		assert.Equal(t, "grpc", s.Header.Get("Akash-Method"))
		assert.Equal(t, "chain", s.Header.Get("Akash-Verified"))
		assert.Equal(t, strings.Replace(w.fake.GRPC, "127.0.0.1", "localhost", 1), s.Header.Get("Akash-Endpoint"))
		watchers = append(watchers, s)
	}
	total, open := w.streams(t)
	assert.Equal(t, []int{1, 1}, []int{total, open})

	w.steer(t, "/status")
	held := w.holds(t).GetCluster().GetLeases().GetActive()
	for _, s := range watchers {
		awaitActive(t, s, held)
	}
	unchecked := w.watch(t, "Akash-Tls", "insecure")
	awaitActive(t, unchecked, held)
	assert.Equal(t, "none", unchecked.Header.Get("Akash-Verified"))
	total, _ = w.streams(t)
	assert.Equal(t, 2, total, "callers with and without verification do not share a stream")

	for _, s := range append(watchers, unchecked) {
		s.Close()
	}
	require.Eventually(t, func() bool { _, open := w.streams(t); return open == 0 }, 10*time.Second, 10*time.Millisecond)
	for _, r := range w.seen(t) {
		assert.False(t, r.Authorization, r.Method)
		assert.False(t, r.ClientCert, r.Method)
		assert.NotContains(t, r.Metadata, "x-request-id")
	}
}

func TestABrokenStatusStreamIsReopenedUnnoticed(t *testing.T) {
	w := startWorld(t, fake.Options{ProviderVersion: "0.14.0"})
	watchers := []*grpcwebtest.Stream{w.watch(t), w.watch(t)}
	for _, s := range watchers {
		awaitActive(t, s, w.holds(t).GetCluster().GetLeases().GetActive())
	}
	w.steer(t, "/cut")
	w.steer(t, "/status")
	held := w.holds(t).GetCluster().GetLeases().GetActive()
	for _, s := range watchers {
		awaitActive(t, s, held)
	}
	_, open := w.streams(t)
	assert.Equal(t, 1, open)
}

func TestEachWatcherHasItsOwnDeadlineAndHeartbeat(t *testing.T) {
	t.Parallel()
	w := startWorld(t, fake.Options{ProviderVersion: "0.14.0"})
	quiet, beating := w.watch(t), w.watch(t, "Akash-Heartbeat", "1")
	brief := w.watch(t, "Grpc-Timeout", "300m")
	_, err := brief.Rest()
	require.NoError(t, err)
	assert.Equal(t, codes.DeadlineExceeded, brief.Code())

	first, err := beating.Next()
	require.NoError(t, err)
	assert.NotEmpty(t, first)
	second, err := beating.Next()
	require.NoError(t, err)
	assert.Empty(t, second)

	w.steer(t, "/status")
	held := w.holds(t).GetCluster().GetLeases().GetActive()
	awaitActive(t, beating, held)
	awaitActive(t, quiet, held)
	total, _ := w.streams(t)
	assert.Equal(t, 1, total)
}
