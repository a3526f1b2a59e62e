package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/gateway"
	"akash-provider-web/bridge/internal/grpcwebtest"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

// versions are the provider versions that behave differently.
var versions = []string{"0.4.8", "0.6.4", "0.8.4", "0.14.0", "0.16.0-rc3", "0.16.2"}

// TestStatusOfEveryKindOfProvider requests the status of providers of every
// version, with every kind of certificate, with and without the version check, and
// with the gRPC port at its usual place and elsewhere.
func TestStatusOfEveryKindOfProvider(t *testing.T) {
	refusals := map[fake.CertificateKind]string{
		fake.CertValid:         "",
		fake.CertExpired:       "expired",
		fake.CertNotYetValid:   "notYetValid",
		fake.CertWrongCN:       "wrongOwner",
		fake.CertRevoked:       "revoked",
		fake.CertAbsent:        "unknownCertificate",
		fake.CertOtherKey:      "fingerprintMismatch",
		fake.CertNotSelfSigned: "notSelfSigned",
	}
	kinds := slices.Sorted(maps.Keys(refusals))
	server := startFake(t, fake.Options{
		Seed:            4,
		ProviderVersion: strings.Join(versions, ","),
		Providers:       len(versions) * len(kinds),
	})
	ready := server.Ready()
	kindOf := map[string]fake.CertificateKind{}
	for i, p := range ready.Providers {
		kindOf[p.Provider] = kinds[i/len(versions)]
		response, err := http.Post(fmt.Sprintf("%s/certificate?provider=%s&kind=%s", ready.Control, p.Provider, kindOf[p.Provider]), "", nil)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	_, nobody, err := net.SplitHostPort(closed.Addr().String())
	require.NoError(t, err)

	for _, ports := range []struct {
		name string
		args []string
		grpc bool // whether the bridge should find it
	}{
		{"the gRPC port after the REST port", nil, true},
		{"no gRPC port", []string{"--grpc-port", nobody}, false},
	} {
		w := &world{
			process: start(t, append(ports.args, "--chain-rpc", ready.ChainRPC, "--allow-private-networks")...),
			fake:    ready,
		}
		for _, p := range ready.Providers {
			for _, check := range []string{"true", "false"} {
				kind := kindOf[p.Provider]
				t.Run(fmt.Sprintf("%s, %s, %s, check version %s", ports.name, p.Version, kind, check), func(t *testing.T) {
					s, messages, err := w.Call(t.Context(), pathGetStatus,
						http.Header{"Akash-Provider": {p.Provider}, "Akash-Check-Version": {check}, "Grpc-Timeout": {"20S"}}, &emptypb.Empty{})
					require.NoError(t, err)
					if reason := refusals[kind]; reason != "" {
						assert.Equal(t, codes.FailedPrecondition, s.Code(), s.Message())
						assert.Equal(t, reason, s.Get("akash-error"), s.Message())
						assert.Contains(t, s.Message(), p.Provider)
						assert.Empty(t, messages)
						return
					}
					require.Equal(t, codes.OK, s.Code(), s.Message())
					require.Len(t, messages, 1)
					var status providerv1.Status
					require.NoError(t, proto.Unmarshal(messages[0], &status))
					assert.NotEmpty(t, status.GetCluster().GetInventory().GetCluster().GetNodes())
					method, endpoint := "rest", p.REST
					if ports.grpc && p.GRPC != "" {
						method, endpoint = "grpc", p.GRPC
					}
					assert.Equal(t, method, s.Header.Get("Akash-Method"))
					assert.Equal(t, strings.Replace(endpoint, "127.0.0.1", "localhost", 1), s.Header.Get("Akash-Endpoint"))
					assert.Equal(t, "chain", s.Header.Get("Akash-Verified"))
					if check == "true" || method == "rest" {
						assert.Equal(t, "v"+strings.TrimPrefix(p.Version, "v"), s.Header.Get("Akash-Provider-Version"))
					}
				})
			}
		}
	}
}

// TestConfiguredGRPCPorts checks that the ports given by --grpc-port are tried in
// order.
func TestConfiguredGRPCPorts(t *testing.T) {
	for _, version := range versions {
		server := startFake(t, fake.Options{ProviderVersion: version})
		ready := server.Ready()
		_, port, ok := strings.Cut(ready.GRPC, ":")
		if !ok {
			continue // it has no gRPC port
		}
		_, other, _ := strings.Cut(ready.REST, ":") // which does not speak gRPC
		w := &world{
			process: start(t, "--chain-rpc", ready.ChainRPC, "--allow-private-networks", "--grpc-port", other+","+port),
			fake:    ready,
		}
		for _, check := range []string{"true", "false"} {
			s, _, err := w.Call(t.Context(), pathGetStatus, w.to("Akash-Check-Version", check), &emptypb.Empty{})
			require.NoError(t, err)
			assert.Equal(t, codes.OK, s.Code(), s.Message())
			assert.Equal(t, "grpc", s.Header.Get("Akash-Method"), version)
			assert.Equal(t, "localhost:"+port, s.Header.Get("Akash-Endpoint"))
		}
	}
}

// overWebSocket makes a call over improbable's grpc-websockets transport, which lets a
// page send any header, and waits for its end.
func overWebSocket(ctx context.Context, c *grpcwebtest.Client, path string, header http.Header, message []byte) error {
	conn, _, err := websocket.Dial(ctx, c.URL+path, &websocket.DialOptions{
		Subprotocols: []string{"grpc-websockets"}, HTTPClient: c.HTTP,
	})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	var head strings.Builder
	header = header.Clone()
	header.Set("Content-Type", "application/grpc-web+proto")
	if err := header.Write(&head); err != nil {
		return err
	}
	for _, part := range [][]byte{[]byte(head.String()), append([]byte{0}, grpcwebtest.Frame(0, message)...), {1}} {
		if err := conn.Write(ctx, websocket.MessageBinary, part); err != nil {
			return err
		}
	}
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return nil // the end of the call
		}
	}
}

// overHTTP makes a call, and waits for its end.
func overHTTP(ctx context.Context, c *grpcwebtest.Client, path string, header http.Header, message []byte) error {
	s, err := c.OpenRaw(ctx, path, header, grpcwebtest.Frame(0, message))
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Rest()
	return err
}

// crashed reports whether the fake's process has crashed.
func (w *world) crashed(t *testing.T) bool {
	t.Helper()
	response, err := w.HTTP.Get(w.fake.Control + "/state")
	require.NoError(t, err)
	defer response.Body.Close()
	var state fake.State
	require.NoError(t, json.NewDecoder(response.Body).Decode(&state))
	return state.Crashed
}

func TestNoCallCrashesAProviderOfAnyVersion(t *testing.T) {
	t.Parallel()
	for _, version := range append(versions, "0.7.0", "0.10.6", "0.15.0-rc0") {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			// A careless operator has allowed headers that might do harm.
			w := startWorld(t, fake.Options{ProviderVersion: version, LogLines: 10}, "--allow-insecure", "--max-streams", "1000",
				"--forward-header", "a*", "--forward-header", "x-*", "--forward-header", "grpc-*")
			certificate, key := w.clientCertificate(t)
			bearer := "Bearer " + w.fake.JWT
			pages := map[string]http.Header{
				"nothing":             {},
				"a token":             {"Authorization": {bearer}},
				"a token, unverified": {"Authorization": {bearer}, "Akash-Tls": {"insecure"}},
				"a token, twice":      {"Authorization": {bearer, bearer}},
				"no token":            {"Authorization": {""}},
				"an odd token":        {"Authorization": {"bearer x.y.z"}},
				"another scheme":      {"Authorization": {"Basic dXNlcjpwYXNz"}},
				"a certificate":       {"Akash-Client-Cert-Bin": {encode(certificate)}, "Akash-Client-Key-Bin": {encode(key)}},
				"both":                {"Authorization": {bearer}, "Akash-Client-Cert-Bin": {encode(certificate)}, "Akash-Client-Key-Bin": {encode(key)}},
				"its relatives": {"Authorization-Bin": {encode([]byte(bearer))}, "X-Authorization": {bearer}, "Proxy-Authorization": {bearer},
					"Grpc-Metadata-Authorization": {bearer}, "Akash-Authorization": {bearer}, "Cookie": {"authorization=x"}},
				"odd metadata": {"X-Long": {strings.Repeat("x", 7000)}, "X-Bin": {"\x80"}, "A-Bin": {"%%%"}, "Grpc-Encoding": {"snappy"},
					"Grpc-Accept-Encoding": {"gzip,snappy"}, "Grpc-Status": {"0"}, "Grpc-Message": {"x"}, "Grpc-Tags-Bin": {"AA"}},
				"an empty page": {"Content-Length": nil, "X-Empty": {""}},
			}
			many := http.Header{}
			for i := range 300 {
				many.Add(fmt.Sprintf("X-Many-%d", i), "value")
			}
			pages["many headers"] = many

			lease, err := proto.Marshal(w.lease())
			require.NoError(t, err)
			lease = append([]byte{0x0a, byte(len(lease))}, lease...) // field 1 of every request about a lease
			transports := []func(http.Header, string, []byte) error{
				func(h http.Header, path string, message []byte) error {
					return overHTTP(t.Context(), &w.Client, path, h, message)
				},
				func(h http.Header, path string, message []byte) error {
					text := grpcwebtest.Client{URL: w.URL, HTTP: w.HTTP, Text: true}
					h.Set("Akash-Check-Version", "false")
					return overHTTP(t.Context(), &text, path, h, message)
				},
				func(h http.Header, path string, message []byte) error {
					return overWebSocket(t.Context(), &w.Client, path, h, message)
				},
			}
			var all sync.WaitGroup
			busy := make(chan struct{}, 32)
			for _, method := range gateway.Methods() {
				path := method.Path
				message := lease
				if method.Public() {
					message = nil
				}
				for what, given := range pages {
					for i, transport := range transports {
						header := w.to("Grpc-Timeout", "5S")
						if method.Streaming {
							header.Set("Grpc-Timeout", "300m")
						}
						maps.Copy(header, given)
						all.Go(func() {
							busy <- struct{}{}
							defer func() { <-busy }()
							assert.NoError(t, transport(header, path, message), "%s with %s, transport %d", path, what, i)
						})
					}
				}
				for _, body := range [][]byte{nil, {1, 2, 3}, grpcwebtest.Frame(1, message), grpcwebtest.Frame(0, []byte("\xff\xff\xff")),
					append(grpcwebtest.Frame(0, message), grpcwebtest.Frame(0, message)...), make([]byte, 1<<20)} {
					s, err := w.OpenRaw(t.Context(), path, w.to("Authorization", bearer, "Grpc-Timeout", "500m"), body)
					if assert.NoError(t, err) {
						_, err = s.Rest()
						assert.NoError(t, err, path)
						s.Close()
					}
				}
			}
			all.Wait()

			assert.False(t, w.crashed(t))
			for _, r := range w.seen(t) {
				if strings.Contains(r.Method, "ProviderRPC") {
					assert.False(t, r.Authorization || r.ClientCert, "a credential in public: %v", r)
				}
				for _, name := range []string{"cookie", "proxy-authorization", "akash-provider"} {
					assert.NotContains(t, r.Metadata, name, r.Method)
				}
			}
			require.Eventually(t, func() bool {
				s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
				return err == nil && s.Code() == codes.OK
			}, 10*time.Second, 10*time.Millisecond, "the provider still answers")
		})
	}
}
