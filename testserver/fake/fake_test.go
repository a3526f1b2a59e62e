package fake_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	marketv1 "akash-provider-web/proto/akash/market/v1"
	"akash-provider-web/testserver/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a fake for one test.
func start(t *testing.T, o fake.Options) *fake.Server {
	t.Helper()
	s, err := fake.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// insecure accepts any certificate; certificates are tested elsewhere.
func insecure() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// dial returns a gRPC connection to the first provider.
func dial(t *testing.T, s *fake.Server) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(s.Ready().GRPC, grpc.WithTransportCredentials(credentials.NewTLS(insecure())))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// browser returns an HTTP client for the REST gateway.
func browser(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: insecure()}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// fetch returns the response to a request and its body.
func fetch(t *testing.T, c *http.Client, method, url, body string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	response, err := c.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(text)
}

// control calls the control API.
func control(t *testing.T, s *fake.Server, method, path, body string, into any) {
	t.Helper()
	c := browser(t)
	response, text := fetch(t, c, method, s.Ready().Control+path, body)
	require.Equal(t, http.StatusOK, response.StatusCode, text)
	if into != nil {
		require.NoError(t, json.Unmarshal([]byte(text), into), text)
	}
}

func leaseID(s *fake.Server) *marketv1.LeaseID {
	l := s.Ready().Lease
	return &marketv1.LeaseID{Owner: l.Owner, Dseq: l.DSeq, Gseq: l.GSeq, Oseq: l.OSeq, Provider: l.Provider}
}

// eventually waits for a condition that another goroutine will make true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	require.Eventually(t, done, 10*time.Second, 5*time.Millisecond, what)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// deadline is much longer than any test takes.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// authorized returns a context with the tenant's token.
func authorized(t *testing.T, s *fake.Server) context.Context {
	return metadata.AppendToOutgoingContext(deadline(t), "authorization", "Bearer "+s.Ready().JWT)
}
