package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"akash-provider-web/bridge/internal/grpcwebtest"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// ask returns a request for n messages.
func ask(n uint64) *leasev1.ServiceLogsRequest {
	return &leasev1.ServiceLogsRequest{LeaseId: &marketv1.LeaseID{Dseq: n}}
}

// startBench is startFront with a client that keeps its idle connections.
func startBench(b *testing.B, addr string) *front {
	f := startFront(b, addr)
	f.HTTP.Transport.(*http.Transport).MaxIdleConnsPerHost = 1000
	return f
}

func BenchmarkUnary(b *testing.B) {
	u := startUpstream(b)
	u.restart = func(context.Context, *leasev1.ServiceRestartRequest) (*leasev1.ServiceRestartResponse, error) {
		return &leasev1.ServiceRestartResponse{}, nil
	}
	f := startBench(b, u.addr)
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s, err := f.OpenRaw(context.Background(), pathRestart, nil, grpcwebtest.Frame(0, nil))
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := s.Rest(); err != nil {
				b.Error(err)
			}
			s.Close()
		}
	})
}

func BenchmarkStream(b *testing.B) {
	for _, size := range []int{200, 2 << 10, 16 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			u := startUpstream(b)
			message := lines(strings.Repeat("x", size))
			u.logs = func(r *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
				for range r.LeaseId.Dseq {
					if err := s.Send(message); err != nil {
						return err
					}
				}
				return nil
			}
			f := startBench(b, u.addr)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				n := uint64(0)
				for pb.Next() {
					n++
				}
				s, err := f.Open(context.Background(), pathLogs, nil, ask(n))
				if err != nil {
					b.Error(err)
					return
				}
				defer s.Close()
				for err == nil {
					_, err = s.Next()
				}
				if !errors.Is(err, io.EOF) {
					b.Error(err)
				}
			})
		})
	}
}

// BenchmarkIdleStream reports the memory that an idle stream takes in the bridge, the
// test's provider and the test's client together.
func BenchmarkIdleStream(b *testing.B) {
	u := startUpstream(b)
	u.logs = func(_ *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
		if err := s.Send(lines("one")); err != nil {
			return err
		}
		<-s.Context().Done()
		return nil
	}
	f := startBench(b, u.addr)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range b.N {
		s, err := f.Open(ctx, pathLogs, nil, ask(1))
		require.NoError(b, err)
		_, err = s.Next()
		require.NoError(b, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/float64(b.N), "held-B/stream")
}

// BenchmarkCancel reports how long a client's cancellation takes to reach the
// provider.
func BenchmarkCancel(b *testing.B) {
	u := startUpstream(b)
	cancelled := make(chan time.Time)
	u.logs = func(_ *leasev1.ServiceLogsRequest, s grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
		if err := s.Send(lines("one")); err != nil {
			return err
		}
		<-s.Context().Done()
		cancelled <- time.Now()
		return s.Context().Err()
	}
	f := startBench(b, u.addr)
	var delays []time.Duration
	for b.Loop() {
		ctx, disconnect := context.WithCancel(context.Background())
		s, err := f.Open(ctx, pathLogs, nil, ask(1))
		require.NoError(b, err)
		_, err = s.Next()
		require.NoError(b, err)
		disconnected := time.Now()
		disconnect()
		delays = append(delays, (<-cancelled).Sub(disconnected))
		s.Close()
	}
	slices.Sort(delays)
	b.ReportMetric(float64(delays[len(delays)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(delays[len(delays)*99/100].Microseconds()), "µs-p99")
}
