package rest

import (
	"context"
	"crypto/tls"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
)

func TestMain(m *testing.M) {
	playRole()
	waitTogether()
	goleak.VerifyTestMain(m)
}

// waitTogether lets more parallel tests run than there are processors, unless -parallel is
// given: most of their time they wait. Tests that need a processor are not parallel, since
// they would make the others late.
func waitTogether() {
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
}

// The provider and the tenant in the tests.
const (
	testProvider = "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"
	testOwner    = "akash1365yvmc4s7awdyj3n2sav7xfx76adc6dnmlx63"
)

// fixture returns the content of a file that a real provider wrote.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return data
}

// gatewayOf serves handler as a provider's REST gateway does (TLS 1.3 and
// HTTP/1.1) and returns its endpoint.
func gatewayOf(t testing.TB, handler http.Handler) *provider.Endpoint {
	t.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ErrorLog = quiet
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return &provider.Endpoint{
		Method:    provider.REST,
		Addr:      srv.Listener.Addr().String(),
		Version:   "v0.14.1",
		HostURI:   srv.URL,
		Transport: srv.Client().Transport,
	}
}

// script answers requests for one path in order, and repeats the last answer.
type script struct {
	mu      sync.Mutex
	answers []http.HandlerFunc
	asked   int
}

func answers(a ...http.HandlerFunc) *script { return &script{answers: a} }

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	answer := s.answers[min(s.asked, len(s.answers)-1)]
	s.asked++
	s.mu.Unlock()
	answer(w, r)
}

// says returns a handler that answers with a status and a body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// received collects what a call sends; M is the response message.
type received[T any, M interface {
	*T
	proto.Message
}] struct {
	messages []M
	// after, if set, is called with each message and may end the call.
	after func(M) error
}

func (r *received[T, M]) take(message []byte) error {
	m := M(new(T))
	if err := proto.Unmarshal(message, m); err != nil {
		return err
	}
	r.messages = append(r.messages, m)
	if r.after != nil {
		return r.after(m)
	}
	return nil
}

// testAdapter polls fast.
func testAdapter() *Adapter {
	return New(Options{StatusInterval: time.Millisecond, LeaseInterval: time.Millisecond})
}

// callOf makes a call with a request message.
func callOf(t testing.TB, e *provider.Endpoint, method string, request proto.Message) *Call {
	t.Helper()
	message, err := proto.Marshal(request)
	require.NoError(t, err)
	return &Call{Endpoint: e, Provider: testProvider, Method: method, Message: message, Tail: -1}
}

// requireFault checks what the page would see of err.
func requireFault(t testing.TB, err error) *rpcerror.Error {
	t.Helper()
	var e *rpcerror.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, testProvider, e.Provider)
	return e
}

// testContext ends with the test, or after a time that no test needs.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// quiet discards the log of servers whose errors are expected.
var quiet = log.New(io.Discard, "", 0)
