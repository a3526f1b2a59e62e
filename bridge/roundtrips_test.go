package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/testserver/fake"
)

// distance is between a bridge and a provider. It counts the round trips that one answer
// needs after another: what the bridge sends depends on all that it has received before, as
// far as an observer can tell, so the count is never too low. Connections that are used at
// the same time share round trips, as long as none is a whole delay behind another.
type distance struct {
	mu   sync.Mutex
	here int // round trips after which the bridge has what it has received
	from int // the same when they were last taken
	down sync.WaitGroup
}

// delay is how long each answer takes. It only has to be longer than the bridge needs to
// send on one connection what it sends on another at the same time.
const delay = 100 * time.Millisecond

// between returns the address at which a server is that far away.
func (d *distance) between(t *testing.T, server string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	d.down.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			d.down.Go(func() { d.carry(near, server) })
		}
	})
	return listener.Addr().String()
}

// carry carries a connection until either side closes it.
func (d *distance) carry(near net.Conn, server string) {
	defer near.Close()
	d.mu.Lock()
	there := d.here + 1 // when the server has the last that was sent to it; a connection takes one round trip
	d.mu.Unlock()
	time.Sleep(delay)
	far, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer far.Close()
	d.down.Go(func() {
		defer far.Close()
		for buffer := make([]byte, 64<<10); ; {
			n, err := near.Read(buffer)
			if err != nil {
				return
			}
			d.mu.Lock()
			there = max(there, d.here)
			d.mu.Unlock()
			if _, err := far.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	for buffer := make([]byte, 64<<10); ; {
		n, err := far.Read(buffer)
		if err != nil {
			return
		}
		d.mu.Lock()
		arrives := there + 1
		d.mu.Unlock()
		time.Sleep(delay)
		d.mu.Lock()
		d.here = max(d.here, arrives)
		d.mu.Unlock()
		if _, err := near.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// take returns how many round trips there have been since the last time.
func (d *distance) take() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.here - d.from
	d.from = d.here
	return n
}

// startFar runs a bridge that has never asked the provider, which is far away. The chain is
// near.
func startFar(t *testing.T, o fake.Options, args ...string) (*world, *distance) {
	t.Helper()
	far := &distance{}
	ready := startFake(t, o).Ready()
	t.Cleanup(far.down.Wait) // after the bridge has ended and the listeners are closed
	_, rest, _ := strings.Cut(far.between(t, ready.REST), ":")
	_, grpc, _ := strings.Cut(far.between(t, ready.GRPC), ":")
	args = append([]string{"--chain-rpc", ready.ChainRPC, "--allow-private-networks", "--grpc-port", grpc,
		"--provider", fmt.Sprintf("%s=https://localhost:%s", ready.Provider, rest)}, args...)
	return &world{process: start(t, args...), fake: ready}, far
}

// roundTrips repeats a measurement with new bridges until one shows that so few round trips
// are enough: a machine that is busy makes them look like more.
func roundTrips(t *testing.T, o fake.Options, most int, ask func(*world, *distance)) {
	t.Helper()
	var counts []int
	for range 10 {
		w, far := startFar(t, o)
		ask(w, far)
		count := far.take()
		w.stop()
		if count <= most {
			require.Positive(t, count)
			return
		}
		counts = append(counts, count)
	}
	require.Fail(t, "too many round trips", "%d, not %d", counts, most)
}

// A connection, its TLS handshake, and the call itself. The question for the version goes
// along.
func TestAColdProviderAnswersWithinThreeRoundTrips(t *testing.T) {
	for _, version := range []string{"0.16.0", "0.14.0"} {
		roundTrips(t, fake.Options{ProviderVersion: version}, 3, func(w *world, _ *distance) {
			s, messages, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
			require.NoError(t, err)
			require.Equal(t, codes.OK, s.Code(), s.Message())
			require.Len(t, messages, 1)
			require.Equal(t, "grpc", s.Header.Get("Akash-Method"))
			require.Equal(t, "chain", s.Header.Get("Akash-Verified"))
			require.Equal(t, "v"+version, s.Header.Get("Akash-Provider-Version"))
		})
	}
}

// A stream is not sent before the version is known, which takes one more.
func TestAStreamOfAColdProviderOpensWithinFourRoundTrips(t *testing.T) {
	roundTrips(t, fake.Options{}, 4, func(w *world, _ *distance) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s, err := w.Open(ctx, pathStreamStatus, w.to(), &emptypb.Empty{})
		require.NoError(t, err)
		defer s.Close()
		_, err = s.Next()
		require.NoError(t, err)
	})
}

// A page that knows whom it will ask has the bridge connect before. The provider is asked
// for its version and nothing else.
func TestAWarmProviderAnswersWithinOneRoundTrip(t *testing.T) {
	roundTrips(t, fake.Options{}, 1, func(w *world, far *distance) {
		s, messages, err := w.Call(t.Context(), pathGetStatus, w.to("Akash-Warm", "true"), &emptypb.Empty{})
		require.NoError(t, err)
		require.Equal(t, codes.OK, s.Code(), s.Message())
		require.Equal(t, [][]byte{{}}, messages)
		require.Equal(t, "grpc", s.Header.Get("Akash-Method"))
		require.Equal(t, "chain", s.Header.Get("Akash-Verified"))
		for _, r := range w.seen(t) {
			require.Equal(t, "GET /version", r.Method)
		}
		far.take()
		s, messages, err = w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
		require.NoError(t, err)
		require.Equal(t, codes.OK, s.Code(), s.Message())
		require.NotEmpty(t, messages[0])
	})
}

// It is a call like any other: the provider must be who it says, and the caller must be
// allowed to call.
func TestAProviderIsNotWarmedAgainstTheRules(t *testing.T) {
	w := startWorld(t, fake.Options{Faults: []string{"cert-revoked"}}, "--caller-key", "0123456789abcdef")
	s, _, err := w.Call(t.Context(), pathGetStatus, w.to("Akash-Warm", "true"), &emptypb.Empty{})
	require.NoError(t, err)
	require.Equal(t, "bridgeKeyRefused", s.Get("akash-error"))
	s, _, err = w.Call(t.Context(), pathGetStatus, w.to("Akash-Warm", "true", "Akash-Bridge-Key", "0123456789abcdef"), &emptypb.Empty{})
	require.NoError(t, err)
	require.Equal(t, "revoked", s.Get("akash-error"))
	require.Empty(t, w.seen(t))
}
