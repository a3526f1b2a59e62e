package fake_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

// A release has its real ports and TLS configuration.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		version string
		grpc    bool
		alpn    string
	}{
		{"0.4.8", false, ""},
		{"0.6.4", true, "h2"},
		{"0.8.4", true, ""},
		{"0.14.0", true, "h2"},
		{"v0.16.0-rc3", true, "h2"},
		{"0.16.2", true, "h2"},
	} {
		t.Run(c.version, func(t *testing.T) {
			s := start(t, fake.Options{Seed: 7, ProviderVersion: c.version})
			_, text := fetch(t, browser(t), http.MethodGet, "https://"+s.Ready().REST+"/version", "")
			var told struct{ Akash struct{ Version string } }
			require.NoError(t, json.Unmarshal([]byte(text), &told))
			assert.Equal(t, "v"+strings.TrimPrefix(c.version, "v"), told.Akash.Version)
			if !c.grpc {
				assert.Empty(t, s.Ready().GRPC)
				return
			}
			config := insecure()
			config.NextProtos = []string{"h2"}
			conn, err := tls.Dial("tcp", s.Ready().GRPC, config)
			require.NoError(t, err)
			defer conn.Close()
			assert.Equal(t, c.alpn, conn.ConnectionState().NegotiatedProtocol)
		})
	}
}

// An invalid version is refused at the start.
func TestMalformedVersion(t *testing.T) {
	for _, text := range []string{"new", "0.14", "0.x.1", "0.14.-1"} {
		_, err := fake.Start(t.Context(), fake.Options{ProviderVersion: text})
		assert.ErrorContains(t, err, text)
	}
}

// unenforced is TLS for clients that do not insist on ALPN.
type unenforced struct {
	credentials.TransportCredentials
}

func (unenforced) ClientHandshake(ctx context.Context, _ string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn := tls.Client(raw, insecure())
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, nil, err
	}
	return conn, credentials.TLSInfo{
		State:          conn.ConnectionState(),
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, nil
}

func (u unenforced) Clone() credentials.TransportCredentials { return u }

// One authorization value on a unary call crashes a provider between v0.7 and v0.15,
// REST included; a stream with it, and two values, are harmless.
func TestCrashOnAuthorization(t *testing.T) {
	for version, dies := range map[string]bool{"0.6.4": false, "0.8.4": true, "0.14.0": true, "0.16.0-rc3": false, "0.16.2": false} {
		t.Run(version, func(t *testing.T) {
			s := start(t, fake.Options{Seed: 7, ProviderVersion: version})
			conn, err := grpc.NewClient(s.Ready().GRPC, grpc.WithTransportCredentials(unenforced{credentials.NewTLS(nil)}))
			require.NoError(t, err)
			defer conn.Close()
			client := providerv1.NewProviderRPCClient(conn)
			one := metadata.AppendToOutgoingContext(deadline(t), "authorization", "Bearer x.y.z")
			two := metadata.AppendToOutgoingContext(one, "authorization", "Bearer x.y.z")

			stream, err := client.StreamStatus(one, &emptypb.Empty{})
			require.NoError(t, err)
			_, err = stream.Recv()
			require.NoError(t, err)
			if dies {
				_, err = client.GetStatus(two, &emptypb.Empty{})
				require.NoError(t, err)
			}
			_, err = client.GetStatus(one, &emptypb.Empty{})

			var state fake.State
			control(t, s, http.MethodGet, "/state", "", &state)
			assert.Equal(t, dies, state.Crashed)
			if !dies {
				return
			}
			assert.Equal(t, codes.Unavailable, status.Code(err))
			_, err = stream.Recv()
			assert.Equal(t, codes.Unavailable, status.Code(err))
			_, err = browser(t).Get("https://" + s.Ready().REST + "/status")
			require.ErrorContains(t, err, "refused")

			control(t, s, http.MethodPost, "/revive", "", nil)
			_, err = client.GetStatus(deadline(t), &emptypb.Empty{}, grpc.WaitForReady(true))
			assert.NoError(t, err)
		})
	}
}

// Unknown methods are answered as grpc-go does.
func TestUnknownMethods(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, LeaseRPC: fake.DialectNone})
	conn := dial(t, s)
	for method, text := range map[string]string{
		"/akash.provider.v1.ProviderRPC/BidScreening":                    "BidScreening not implemented",
		"/akash.provider.v1.ProviderRPC/Nonsense":                        "unknown method Nonsense for service akash.provider.v1.ProviderRPC",
		"/akash.provider.lease.v1.LeaseRPC/ServiceLogs":                  "unknown service akash.provider.lease.v1.LeaseRPC",
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "unknown service grpc.reflection.v1alpha.ServerReflection",
	} {
		err := conn.Invoke(deadline(t), method, &emptypb.Empty{}, &emptypb.Empty{})
		assert.Equal(t, codes.Unimplemented, status.Code(err), method)
		assert.Equal(t, text, status.Convert(err).Message())
	}
}

// A client that pings without an open stream gets ENHANCE_YOUR_CALM.
func TestTooManyPings(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	config := insecure()
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", s.Ready().GRPC, config)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte(http2.ClientPreface))
	require.NoError(t, err)
	framer := http2.NewFramer(conn, conn)
	require.NoError(t, framer.WriteSettings())
	for range 4 {
		require.NoError(t, framer.WritePing(false, [8]byte{1}))
	}
	for {
		f, err := framer.ReadFrame()
		require.NoError(t, err)
		if away, ok := f.(*http2.GoAwayFrame); ok {
			assert.Equal(t, http2.ErrCodeEnhanceYourCalm, away.ErrCode)
			assert.Equal(t, "too_many_pings", string(away.DebugData()))
			return
		}
	}
}

// The form of /status depends on the version.
func TestStatusByVersion(t *testing.T) {
	type nodes []map[string]any
	get := func(version string) (text string, available struct {
		Cluster struct {
			Inventory struct{ Available json.RawMessage }
		}
	}) {
		s := start(t, fake.Options{Seed: 7, ProviderVersion: version})
		_, text = fetch(t, browser(t), http.MethodGet, "https://"+s.Ready().REST+"/status", "")
		require.NoError(t, json.Unmarshal([]byte(text), &available))
		return text, available
	}
	var list struct{ Nodes nodes }

	_, now := get("0.14.0")
	require.NoError(t, json.Unmarshal(now.Cluster.Inventory.Available, &list))
	assert.Contains(t, list.Nodes[0], "allocatable")
	assert.Contains(t, list.Nodes[0], "name")

	_, old := get("0.4.8")
	list.Nodes = nil
	require.NoError(t, json.Unmarshal(old.Cluster.Inventory.Available, &list))
	assert.Contains(t, list.Nodes[0], "cpu")
	assert.NotContains(t, list.Nodes[0], "name")

	text, ancient := get("0.3.0")
	var plain nodes
	require.NoError(t, json.Unmarshal(ancient.Cluster.Inventory.Available, &plain))
	assert.Contains(t, text, `"cpu":{"units":{"val":"`)
}
