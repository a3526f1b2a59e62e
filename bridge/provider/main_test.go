package provider_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a fake provider, a fake chain, and a pool that connects to them.
type world struct {
	*testing.T
	fake  *fake.Server
	ready fake.Ready
	now   func() time.Time
	chain *chain.Client
	pool  *provider.Pool
}

// newWorld starts a world.
func newWorld(t *testing.T, o fake.Options) *world { return newWorldAt(t, o, nil) }

// newWorldAt starts a world with the given clock.
func newWorldAt(t *testing.T, o fake.Options, now func() time.Time) *world {
	t.Helper()
	srv, err := fake.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { srv.Close() })
	w := &world{T: t, fake: srv, ready: srv.Ready(), now: now}
	w.chain, err = chain.New(chain.Options{Nodes: []string{w.ready.ChainRPC}, Now: now})
	require.NoError(t, err)
	t.Cleanup(w.chain.Close)
	w.pool = w.newPool(nil)
	return w
}

func (w *world) newPool(configure func(*provider.Options)) *provider.Pool {
	w.Helper()
	options := provider.Options{Now: w.now, Chain: w.chain, Destinations: guard.Destinations{AllowPrivate: true}}
	// Other programs on this machine may use the default ports.
	options.GRPCPorts = []uint16{port(w.T, w.ready.REST) + 1}
	if w.ready.GRPC != "" {
		options.GRPCPorts = []uint16{port(w.T, w.ready.GRPC)}
	}
	if configure != nil {
		configure(&options)
	}
	pool, err := provider.New(options)
	require.NoError(w, err)
	w.Cleanup(pool.Close)
	return pool
}

// byName returns host:port with the host of the provider's record.
func (w *world) byName(addr string) string {
	w.Helper()
	host, err := url.Parse(w.ready.HostURI)
	require.NoError(w, err)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(w, err)
	return net.JoinHostPort(host.Hostname(), port)
}

// request returns a request with the defaults of a page.
func (w *world) request() provider.Request {
	return provider.Request{
		Address:      w.ready.Provider,
		CheckVersion: true,
		Service:      providerv1.ProviderRPC_ServiceDesc.ServiceName,
	}
}

func (w *world) reach(r provider.Request) *provider.Endpoint {
	w.Helper()
	e, err := w.pool.Reach(w.Context(), r)
	require.NoError(w, err)
	return e
}

// refusal returns the error of a request that must fail.
func (w *world) refusal(r provider.Request) *rpcerror.Error {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	e, err := w.pool.Reach(ctx, r)
	require.Nil(w, e)
	var f *rpcerror.Error
	require.ErrorAs(w, err, &f)
	require.NotEmpty(w, f.Message)
	return f
}

// control sends a request to the fake's control API.
func (w *world) control(method, path string, answer any) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.ready.Control+path, nil)
	require.NoError(w, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(w, err)
	defer res.Body.Close()
	require.Equal(w, http.StatusOK, res.StatusCode)
	require.NoError(w, json.NewDecoder(res.Body).Decode(answer))
}

// pin returns the fingerprint of the served certificate.
func (w *world) pin() []byte {
	w.Helper()
	var state fake.State
	w.control(http.MethodGet, "/state", &state)
	pin, err := hex.DecodeString(state.CertSHA256)
	require.NoError(w, err)
	return pin
}

// revoke revokes the served certificate on the chain.
func (w *world) revoke() {
	w.Helper()
	var state fake.State
	w.control(http.MethodPost, "/certificate?kind=revoked", &state)
}

// requests returns the requests that the provider has received.
func (w *world) requests() (seen []fake.Request) {
	w.Helper()
	w.control(http.MethodGet, "/requests", &seen)
	return seen
}

// port returns the port of host:port.
func port(t *testing.T, addr string) uint16 {
	t.Helper()
	to, err := netip.ParseAddrPort(addr)
	require.NoError(t, err)
	return to.Port()
}

// status calls GetStatus over an endpoint's transport.
func status(ctx context.Context, e *provider.Endpoint) (*providerv1.Status, error) {
	if e.Method == provider.REST {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.HostURI+"/status", nil)
		if err != nil {
			return nil, err
		}
		res, err := e.Transport.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"https://"+e.Addr+providerv1.ProviderRPC_GetStatus_FullMethodName, bytes.NewReader(make([]byte, 5)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	res, err := e.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if len(body) < 5 || int(binary.BigEndian.Uint32(body[1:])) != len(body)-5 {
		return nil, io.ErrUnexpectedEOF
	}
	var s providerv1.Status
	return &s, proto.Unmarshal(body[5:], &s)
}
