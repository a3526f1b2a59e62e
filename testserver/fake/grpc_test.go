package fake_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

// The status over gRPC is the one that the control API shows.
func TestStatus(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	got, err := providerv1.NewProviderRPCClient(dial(t, s)).GetStatus(deadline(t), &emptypb.Empty{})
	require.NoError(t, err)
	assert.NotEmpty(t, got.GetCluster().GetInventory().GetCluster().GetNodes())

	_, text := fetch(t, browser(t), http.MethodGet, s.Ready().Control+"/status", "")
	var want providerv1.Status
	require.NoError(t, protojson.Unmarshal([]byte(text), &want))
	assert.True(t, proto.Equal(&want, got))
}

// A status stream starts at once and continues with every change.
func TestStatusStream(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	stream, err := providerv1.NewProviderRPCClient(dial(t, s)).StreamStatus(deadline(t), &emptypb.Empty{})
	require.NoError(t, err)
	first, err := stream.Recv()
	require.NoError(t, err)
	control(t, s, http.MethodPost, "/status", "", nil)
	second, err := stream.Recv()
	require.NoError(t, err)
	assert.NotEqual(t, first.GetCluster().GetLeases().GetActive(), second.GetCluster().GetLeases().GetActive())
	control(t, s, http.MethodPost, "/status", `{"errors":["on fire"]}`, nil)
	third, err := stream.Recv()
	require.NoError(t, err)
	assert.Equal(t, []string{"on fire"}, third.GetErrors())
}

// logs collects a log stream until it ends or every replica has reached want.
func logs(t *testing.T, stream interface {
	Recv() (*leasev1.ServiceLogsResponse, error)
}, enough func(map[string][]byte) bool) (got map[string][]byte, splits int) {
	t.Helper()
	got = map[string][]byte{}
	for {
		if enough != nil && enough(got) {
			return got, splits
		}
		message, err := stream.Recv()
		if err == io.EOF {
			return got, splits
		}
		require.NoError(t, err)
		for _, entry := range message.GetServices() {
			key := fmt.Sprintf("%s/%d", entry.GetName(), entry.GetReplica())
			got[key] = append(got[key], entry.GetLogs()...)
			require.LessOrEqual(t, len(entry.GetLogs()), 32<<10)
			if !strings.HasSuffix(string(entry.GetLogs()), "\n") {
				splits++
			}
		}
	}
}

// 100,000 lines of history arrive complete and in order, some split over two
// messages.
func TestLogHistory(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, LogLines: 100_000})
	stream, err := leasev1.NewLeaseRPCClient(dial(t, s)).ServiceLogs(authorized(t, s), &leasev1.ServiceLogsRequest{LeaseId: leaseID(s)})
	require.NoError(t, err)
	got, splits := logs(t, stream, nil)
	assert.Positive(t, splits)

	var want []fake.Log
	control(t, s, http.MethodGet, "/logs", "", &want)
	require.Len(t, want, 5)
	var total int64
	for _, one := range want {
		text := got[fmt.Sprintf("%s/%d", one.Service, one.Replica)]
		assert.EqualValues(t, one.Bytes, len(text))
		assert.Equal(t, one.SHA256, digest(text))
		total += one.Lines
	}
	assert.EqualValues(t, 100_000, total)
}

// Lines are the same for every reader of the same seed, and others for another.
func TestLogsDependOnTheSeed(t *testing.T) {
	read := func(seed uint64) string {
		s := start(t, fake.Options{Seed: seed, LogLines: 50})
		_, text := fetch(t, browser(t), http.MethodGet, s.Ready().Control+"/log?service=web&replica=1", "")
		return text
	}
	assert.Equal(t, read(1), read(1))
	assert.NotEqual(t, read(1), read(2))
}

// A follower of one replica gets what is written to it, and nothing else. When it
// disconnects, the provider notices.
func TestFollow(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, LogLines: 10})
	ctx, cancel := context.WithCancel(authorized(t, s))
	stream, err := leasev1.NewLeaseRPCClient(dial(t, s)).ServiceLogs(ctx, &leasev1.ServiceLogsRequest{
		LeaseId: leaseID(s),
		Filter:  &leasev1.ServiceFilter{Name: "db", Replicas: []uint32{1}},
		Follow:  true,
	})
	require.NoError(t, err)
	control(t, s, http.MethodPost, "/write?service=web&replica=0", "not for us\n", nil)
	control(t, s, http.MethodPost, "/write?service=db&replica=1", "größe\n\n日本語", nil)
	got, _ := logs(t, stream, func(got map[string][]byte) bool {
		return strings.HasSuffix(string(got["db/1"]), "größe\n\n日本語\n")
	})
	assert.Len(t, got, 1)

	const method = "/akash.provider.lease.v1.LeaseRPC/ServiceLogs"
	var seen fake.Streams
	control(t, s, http.MethodGet, "/streams", "", &seen)
	assert.Equal(t, 1, seen.Open[method])
	cancel()
	eventually(t, "the stream is cancelled", func() bool {
		control(t, s, http.MethodGet, "/streams", "", &seen)
		return seen.Open[method] == 0 && seen.Cancelled[method] == 1
	})
}

// While a log is followed, lines are written at the given rate.
func TestLogRate(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, LogRate: 50_000})
	ctx, cancel := context.WithCancel(authorized(t, s))
	defer cancel()
	stream, err := leasev1.NewLeaseRPCClient(dial(t, s)).ServiceLogs(ctx, &leasev1.ServiceLogsRequest{LeaseId: leaseID(s), Follow: true})
	require.NoError(t, err)
	got, _ := logs(t, stream, func(got map[string][]byte) bool { return len(got["web/2"]) > 100_000 })
	_, want := fetch(t, browser(t), http.MethodGet, s.Ready().Control+"/log?service=web&replica=2", "")
	assert.True(t, strings.HasPrefix(want, string(got["web/2"])))
}

// An unknown lease or service is an error.
func TestUnknownLease(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	client := leasev1.NewLeaseRPCClient(dial(t, s))
	other := leaseID(s)
	other.Dseq++
	for _, r := range []*leasev1.ServiceLogsRequest{
		{LeaseId: other},
		{LeaseId: leaseID(s), Filter: &leasev1.ServiceFilter{Name: "nobody"}},
		{LeaseId: leaseID(s), Filter: &leasev1.ServiceFilter{Name: "db", Replicas: []uint32{2}}},
	} {
		stream, err := client.ServiceLogs(authorized(t, s), r)
		require.NoError(t, err)
		_, err = stream.Recv()
		assert.Equal(t, codes.NotFound, status.Code(err), "%v", r)
	}
}

// A restart is visible in a followed status, and ends with every replica ready.
func TestRestart(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	client := leasev1.NewLeaseRPCClient(dial(t, s))
	stream, err := client.ServiceStatus(authorized(t, s), &leasev1.ServiceStatusRequest{
		LeaseId: leaseID(s), Filter: &leasev1.ServiceFilter{Name: "web"}, Follow: true,
	})
	require.NoError(t, err)
	ready := func() int32 {
		message, err := stream.Recv()
		require.NoError(t, err)
		require.Len(t, message.GetServices(), 1)
		return message.GetServices()[0].GetStatus().GetReadyReplicas()
	}
	assert.EqualValues(t, 3, ready())
	answer, err := client.ServiceRestart(authorized(t, s), &leasev1.ServiceRestartRequest{
		LeaseId: leaseID(s), Filter: &leasev1.ServiceFilter{Name: "web", Replicas: []uint32{0, 2}},
	})
	require.NoError(t, err)
	require.Len(t, answer.GetStatus(), 2)
	assert.Equal(t, "2", answer.GetStatus()[1].GetReplica())
	assert.Equal(t, leasev1.ServiceRestartStatus_pending, answer.GetStatus()[1].GetState())
	assert.EqualValues(t, 1, ready())
	assert.EqualValues(t, 3, ready())
}

// BenchmarkServiceLogs measures a line through gRPC and TLS, with both ends in this
// process.
func BenchmarkServiceLogs(b *testing.B) {
	for _, chunk := range []int{0, 1, 2048, 16 << 10} {
		b.Run(fmt.Sprintf("chunk=%d", chunk), func(b *testing.B) {
			s, err := fake.Start(b.Context(), fake.Options{LogLines: b.N, LogChunk: chunk})
			require.NoError(b, err)
			defer s.Close()
			conn, err := grpc.NewClient(s.Ready().GRPC, grpc.WithTransportCredentials(credentials.NewTLS(insecure())))
			require.NoError(b, err)
			defer conn.Close()
			ctx := metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+s.Ready().JWT)
			b.SetBytes(fake.DefaultLogBytes)
			b.ResetTimer()
			stream, err := leasev1.NewLeaseRPCClient(conn).ServiceLogs(ctx, &leasev1.ServiceLogsRequest{LeaseId: leaseID(s)})
			require.NoError(b, err)
			for {
				if _, err := stream.Recv(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
