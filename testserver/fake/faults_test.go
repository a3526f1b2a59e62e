package fake_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

// An unknown fault, or one with a time that it does not accept, is refused with the
// list of all faults.
func TestUnknownFault(t *testing.T) {
	_, err := fake.Start(t.Context(), fake.Options{Faults: []string{"flood"}})
	require.ErrorContains(t, err, `unknown fault "flood"`)
	require.ErrorContains(t, err, "goaway-pings")
	_, err = fake.Start(t.Context(), fake.Options{Faults: []string{"refuse=1s"}})
	require.ErrorContains(t, err, "takes no duration")
	_, err = fake.Start(t.Context(), fake.Options{Faults: []string{"slow-connect=-1s"}})
	require.ErrorContains(t, err, "want a duration")
}

// getStatus makes one call.
func getStatus(t *testing.T, client providerv1.ProviderRPCClient, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	_, err := client.GetStatus(ctx, &emptypb.Empty{})
	return err
}

const (
	long  = 20 * time.Second       // never reached
	short = 300 * time.Millisecond // reached by what hangs
)

// Each fault affects a call, and calls before and after it succeed.
func TestCallFaults(t *testing.T) {
	for fault, c := range map[string]struct {
		limit time.Duration
		code  codes.Code
		text  string
	}{
		"goaway-pings":      {long, codes.Unavailable, ""},
		"garbage-frames":    {long, codes.Unavailable, ""},
		"garbage-message":   {long, codes.Internal, "unmarshal"},
		"oversized-message": {long, codes.ResourceExhausted, "larger than max"},
		"hang-headers":      {short, codes.DeadlineExceeded, ""},
		"freeze":            {short, codes.DeadlineExceeded, ""},
		"refuse":            {long, codes.Unavailable, ""},
	} {
		t.Run(fault, func(t *testing.T) {
			s := start(t, fake.Options{Seed: 7})
			client := statusClient(t, s)
			require.NoError(t, getStatus(t, client, long))
			require.NoError(t, s.SetFault(fault, ""))
			err := getStatus(t, client, c.limit)
			assert.Equal(t, c.code, status.Code(err), "%v", err)
			assert.ErrorContains(t, err, c.text)
			require.NoError(t, s.ClearFault(fault, ""))
			eventually(t, "the provider is well again", func() bool { return getStatus(t, client, long) == nil })
		})
	}
}

// An idle stream is broken, too.
func TestGoAwayOnAQuietStream(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	stream, err := statusClient(t, s).StreamStatus(deadline(t), &emptypb.Empty{})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.NoError(t, err)
	control(t, s, http.MethodPost, "/fault?name=goaway-pings", "", nil)
	_, err = stream.Recv()
	assert.Equal(t, codes.Unavailable, status.Code(err))
}

// Faults of the handshake: no response, a late one, or an old TLS version.
func TestHandshakeFaults(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	handshake := func(limit time.Duration) (uint16, error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		conn, err := (&tls.Dialer{Config: insecure()}).DialContext(ctx, "tcp", s.Ready().GRPC)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState().Version, nil
	}
	require.NoError(t, s.SetFault("tls12", ""))
	version, err := handshake(long)
	require.NoError(t, err)
	assert.EqualValues(t, tls.VersionTLS12, version)
	require.NoError(t, s.ClearFault("tls12", ""))

	require.NoError(t, s.SetFault("hang-accept", ""))
	_, err = handshake(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, s.ClearFault("hang-accept", ""))

	require.NoError(t, s.SetFault("slow-connect=1h", ""))
	_, err = handshake(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, s.SetFault("slow-connect=1ms", ""))
	_, err = handshake(long)
	require.NoError(t, err)

	require.NoError(t, s.SetFault("refuse", ""))
	_, err = handshake(long)
	var refused *net.OpError
	require.True(t, errors.As(err, &refused), "%v", err)
	assert.Equal(t, "dial", refused.Op)
}

// With cert-swap every connection gets a different certificate.
func TestCertificateSwap(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Faults: []string{"cert-swap"}})
	assert.NotEqual(t, served(t, s.Ready().GRPC).Raw, served(t, s.Ready().GRPC).Raw)
}

// A certificate fault given at the start applies from the first handshake on,
// until it is cleared.
func TestCertificateFault(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Faults: []string{"cert-expired"}})
	assert.True(t, served(t, s.Ready().GRPC).NotAfter.Before(time.Now()))
	require.NoError(t, s.ClearFault("cert-expired", ""))
	assert.True(t, served(t, s.Ready().GRPC).NotAfter.After(time.Now()))
}

// Early messages of a stream may lack the cluster.
func TestPartialStatus(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Faults: []string{"partial-first"}})
	stream, err := statusClient(t, s).StreamStatus(deadline(t), &emptypb.Empty{})
	require.NoError(t, err)
	first, err := stream.Recv()
	require.NoError(t, err)
	assert.Nil(t, first.GetCluster())
	second, err := stream.Recv()
	require.NoError(t, err)
	assert.NotNil(t, second.GetCluster())
}

// One of many providers can be down while the others are up.
func TestManyProviders(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, Providers: 6, ProviderVersion: "0.14.0,0.4.8"})
	ready := s.Ready()
	require.Len(t, ready.Providers, 6)
	assert.Equal(t, ready.Endpoints, ready.Providers[0].Endpoints)
	assert.Equal(t, "v0.4.8", ready.Providers[3].Version)
	down := ready.Providers[2]
	require.NoError(t, s.SetFault("refuse", down.Provider))
	for i, p := range ready.Providers {
		response, err := browser(t).Get("https://" + p.REST + "/address")
		if p.Provider == down.Provider {
			require.ErrorContains(t, err, "refused")
			continue
		}
		require.NoError(t, err, i)
		response.Body.Close()
	}
	require.ErrorContains(t, s.SetFault("refuse", "akash1nobody"), "no provider")
}

// With CA, the REST port serves a public certificate for its name, and the
// self-signed one without SNI; the gRPC port always serves the latter.
func TestAuthority(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, CA: true})
	text, err := os.ReadFile(s.Ready().CAFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	trusting := func(address string) error {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: "localhost"})
		if err == nil {
			conn.Close()
		}
		return err
	}
	assert.True(t, strings.HasPrefix(s.Ready().HostURI, "https://localhost:"))
	require.NoError(t, trusting(s.Ready().REST))
	require.Error(t, trusting(s.Ready().GRPC))
	assert.Equal(t, s.Ready().Provider, served(t, s.Ready().REST).Subject.CommonName)
}

// statusClient returns a client of the first provider's status.
func statusClient(t *testing.T, s *fake.Server) providerv1.ProviderRPCClient {
	return providerv1.NewProviderRPCClient(dial(t, s))
}
