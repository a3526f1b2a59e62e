package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/gateway"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/testserver/fake"
)

// dial connects grpc-go to the bridge.
func (w *world) dial(t *testing.T, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	_, addr, _ := strings.Cut(w.URL, "://")
	conn, err := grpc.NewClient(addr, append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)...)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// naming returns a context for calls to the fake provider, with more metadata.
func (w *world) naming(t *testing.T, more ...string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, append(more, "akash-provider", w.fake.Provider)...)
}

// underPath is a grpc-go option that puts a prefix before every call's path.
func underPath(prefix string) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
			return invoke(ctx, prefix+method, request, reply, conn, options...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(ctx, desc, conn, prefix+method, options...)
		}),
	}
}

// grpc-go calls a provider through the bridge as it would call the provider itself,
// over TLS and without.
func TestGRPCClientsCallProviders(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, "localhost", certFile, keyFile)
	pem, err := os.ReadFile(certFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))

	for _, c := range []struct {
		name    string
		args    []string
		options []grpc.DialOption
	}{
		{"h2c", nil, nil},
		{"TLS", []string{"--tls-cert", certFile, "--tls-key", keyFile}, []grpc.DialOption{
			grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "localhost"})),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := startWorld(t, fake.Options{LogLines: 5000}, c.args...)
			t.Run("a status", func(t *testing.T) {
				var header metadata.MD
				status, err := providerv1.NewProviderRPCClient(w.dial(t, c.options...)).GetStatus(w.naming(t), &emptypb.Empty{}, grpc.Header(&header))
				require.NoError(t, err)
				assert.NotEmpty(t, status.GetCluster().GetInventory().GetCluster().GetNodes())
				assert.Equal(t, []string{"chain"}, header["akash-verified"])
				assert.Equal(t, []string{"one-node"}, header["akash-trust"])
			})
			t.Run("a status of the provider in the path", func(t *testing.T) {
				conn := w.dial(t, append(underPath("/"+w.fake.Provider), c.options...)...)
				status, err := providerv1.NewProviderRPCClient(conn).GetStatus(t.Context(), &emptypb.Empty{})
				require.NoError(t, err)
				assert.NotEmpty(t, status.GetCluster())
			})
			t.Run("a stream of statuses", func(t *testing.T) {
				conn := w.dial(t, append(underPath("/"+w.fake.Provider), c.options...)...)
				stream, err := providerv1.NewProviderRPCClient(conn).StreamStatus(w.naming(t), &emptypb.Empty{})
				require.NoError(t, err)
				status, err := stream.Recv()
				require.NoError(t, err)
				assert.NotEmpty(t, status.GetCluster())
			})
			t.Run("logs", func(t *testing.T) {
				stream, err := leasev1.NewLeaseRPCClient(w.dial(t, c.options...)).ServiceLogs(
					w.naming(t, "authorization", "Bearer "+w.fake.JWT), &leasev1.ServiceLogsRequest{LeaseId: w.lease()})
				require.NoError(t, err)
				lines := 0
				for {
					m, err := stream.Recv()
					if err == io.EOF {
						break
					}
					require.NoError(t, err)
					for _, service := range m.Services {
						lines += strings.Count(string(service.Logs), "\n")
					}
				}
				assert.Equal(t, 5000, lines)
			})
			t.Run("a refusal", func(t *testing.T) {
				var trailer metadata.MD
				_, err := providerv1.NewProviderRPCClient(w.dial(t, c.options...)).GetStatus(t.Context(), &emptypb.Empty{}, grpc.Trailer(&trailer))
				assert.Equal(t, codes.InvalidArgument, status.Code(err))
				assert.ErrorContains(t, err, "header akash-provider is missing")
				assert.Equal(t, []string{"malformedMetadata"}, trailer["akash-error"])
			})
		})
	}
}

// A deadline of grpc-go ends in DEADLINE_EXCEEDED, and its cancellation reaches the
// provider.
func TestAGRPCStreamEndsAtItsDeadline(t *testing.T) {
	w := startWorld(t, fake.Options{})
	ctx, cancel := context.WithTimeout(w.naming(t), 300*time.Millisecond)
	defer cancel()
	stream, err := providerv1.NewProviderRPCClient(w.dial(t)).StreamStatus(ctx, &emptypb.Empty{})
	require.NoError(t, err)
	for err == nil {
		_, err = stream.Recv()
	}
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
}

// Over gRPC a shell is one call whose requests and responses go both ways.
func TestAShellOverGRPC(t *testing.T) {
	w := startWorld(t, fake.Options{Shell: true})
	stream, err := webv1.NewLeaseShellClient(w.dial(t)).Shell(w.naming(t, "authorization", "Bearer "+w.fake.JWT))
	require.NoError(t, err)
	start := w.started("sh", "-c", "read line; echo got $line; exit 3")
	start.Stdin = true
	require.NoError(t, stream.Send(&webv1.ShellRequest{Request: &webv1.ShellRequest_Start{Start: start}}))
	_, err = stream.Header() // the process runs before there is input
	require.NoError(t, err)
	require.NoError(t, stream.Send(&webv1.ShellRequest{Request: &webv1.ShellRequest_Stdin{Stdin: []byte("hello\n")}}))
	var stdout strings.Builder
	var result *webv1.ShellResult
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		stdout.Write(m.GetStdout())
		if m.GetResult() != nil {
			result = m.GetResult()
		}
	}
	assert.Equal(t, "got hello\n", stdout.String())
	require.NotNil(t, result)
	assert.EqualValues(t, 3, result.ExitCode)
}

// Tools find the services that the bridge relays by reflection, with or without a
// provider in the path.
func TestTheBridgeDescribesItsServices(t *testing.T) {
	w := startWorld(t, fake.Options{})
	for _, prefix := range []string{"", "/" + w.fake.Provider} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		stream, err := reflectionv1.NewServerReflectionClient(w.dial(t, underPath(prefix)...)).ServerReflectionInfo(ctx)
		require.NoError(t, err)
		ask := func(r *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse {
			require.NoError(t, stream.Send(r))
			response, err := stream.Recv()
			require.NoError(t, err)
			return response
		}
		listed := ask(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
		var names []string
		for _, s := range listed.GetListServicesResponse().GetService() {
			names = append(names, s.Name)
		}
		for _, m := range gateway.Methods() {
			assert.Contains(t, names, m.Service)
		}
		assert.Contains(t, names, "grpc.reflection.v1.ServerReflection")
		assert.NotContains(t, names, "akash.provider.sdk.v1.LeaseRPC", "it is not served under this name")
		described := ask(&reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "akash.provider.v1.ProviderRPC"},
		})
		assert.NotEmpty(t, described.GetFileDescriptorResponse().GetFileDescriptorProto())
		require.NoError(t, stream.CloseSend())
		_, err = stream.Recv()
		assert.Equal(t, io.EOF, err)
		cancel()
	}
	assert.Empty(t, w.seen(t), "no provider is asked")
	_, metrics := w.get(t, "/metrics")
	assert.Contains(t, metrics, `akash_bridge_calls_total{code="OK",method="/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"} 2`)
}

// A call's path may name its provider, in every protocol. A header that names another
// is a mistake of the caller's, which no provider should learn of.
func TestAProviderInThePath(t *testing.T) {
	w := startWorld(t, fake.Options{})
	message, err := proto.Marshal(&emptypb.Empty{})
	require.NoError(t, err)
	path := "/" + w.fake.Provider + pathGetStatus
	for name, call := range map[string]func(header http.Header) error{
		"gRPC-Web":  func(h http.Header) error { return overHTTP(t.Context(), &w.Client, path, h, message) },
		"WebSocket": func(h http.Header) error { return overWebSocket(t.Context(), &w.Client, path, h, message) },
	} {
		t.Run(name, func(t *testing.T) {
			assert.NoError(t, call(http.Header{}))
			assert.NoError(t, call(w.to()), "the same provider")
		})
	}
	another := http.Header{"Akash-Provider": {"akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"}}
	s, _, err := w.Call(t.Context(), path, another, &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.InvalidArgument, s.Code())
	assert.Contains(t, s.Message(), "names another provider than the path does")

	s, _, err = w.Call(t.Context(), "/akash1nonsense"+pathGetStatus, http.Header{}, &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.InvalidArgument, s.Code())
	assert.Equal(t, "malformedAddress", s.Get("akash-error"))
	_, metrics := w.get(t, "/metrics")
	assert.NotContains(t, metrics, "akash1")
}

// What a page cannot do over gRPC-Web, it cannot do over gRPC either.
func TestGRPCIsGuardedAsGRPCWebIs(t *testing.T) {
	w := startWorld(t, fake.Options{})
	post := func(t *testing.T, http2 bool, header http.Header) (int, string) {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(!http2)
		transport.Protocols.SetUnencryptedHTTP2(http2)
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+pathGetStatus, strings.NewReader("\x00\x00\x00\x00\x00"))
		require.NoError(t, err)
		r.Header = header
		response, err := transport.RoundTrip(r)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
	code, text := post(t, true, w.to("Content-Type", "application/grpc", "Origin", "https://elsewhere.example"))
	assert.Equal(t, http.StatusForbidden, code)
	assert.Contains(t, text, "--allow-origin")
	code, text = post(t, false, w.to("Content-Type", "application/grpc"))
	assert.Equal(t, http.StatusHTTPVersionNotSupported, code)
	assert.Contains(t, text, "needs HTTP/2")
	code, text = post(t, true, w.to("Content-Type", "application/grpc+json"))
	assert.Equal(t, http.StatusUnsupportedMediaType, code)
	assert.Contains(t, text, "application/grpc+proto")
	assert.Empty(t, w.seen(t))

	ctx := metadata.AppendToOutgoingContext(w.naming(t), "akash-host-uri", "https://elsewhere.example:8443")
	_, err := providerv1.NewProviderRPCClient(w.dial(t)).GetStatus(ctx, &emptypb.Empty{})
	assert.Equal(t, codes.PermissionDenied, status.Code(err))
}
