package chain_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/rpcerror"
	certv1 "akash-provider-web/proto/akash/cert/v1"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	queryv1beta1 "akash-provider-web/proto/cosmos/base/query/v1beta1"
	"akash-provider-web/testserver/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	address = "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"
	hostURI = "https://provider.example.com:8443"
)

func newClient(t testing.TB, o chain.Options) *chain.Client {
	t.Helper()
	c, err := chain.New(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func errorOf(t *testing.T, err error) *rpcerror.Error {
	t.Helper()
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f)
	return f
}

// clock is a clock that the test can advance.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// question is a query that a node received.
type question struct {
	Method string `json:"method"`
	Params struct {
		Path   string `json:"path"`
		Data   string `json:"data"`
		Height string `json:"height"`
	} `json:"params"`
}

// newNode starts a node whose answers the test provides.
func newNode(t *testing.T, answer func(http.ResponseWriter, *http.Request, question)) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q question
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &q)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, r, q)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func reply(w http.ResponseWriter, code int, log string, message proto.Message) {
	value := ""
	if message != nil {
		b, err := proto.Marshal(message)
		if err != nil {
			panic(err)
		}
		value = base64.StdEncoding.EncodeToString(b)
	}
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":{"response":{"code":%d,"log":%q,"codespace":"sdk","value":%q,"key":null,"height":"1"}}}`, code, log, value)
}

func record() *providerv1beta4.QueryProviderResponse {
	return &providerv1beta4.QueryProviderResponse{Provider: &providerv1beta4.Provider{Owner: address, HostUri: hostURI}}
}

func TestProvidersAndCertificatesAreFound(t *testing.T) {
	for _, faults := range [][]string{nil, {"chain-v1beta3"}, {"chain-paginated"}} {
		t.Run(fmt.Sprint(faults), func(t *testing.T) {
			srv, err := fake.Start(t.Context(), fake.Options{Seed: 1, Faults: faults})
			require.NoError(t, err)
			defer srv.Close()
			ready := srv.Ready()
			c := newClient(t, chain.Options{Nodes: []string{ready.ChainRPC}})

			require.NoError(t, c.Ready(t.Context()))
			r, err := c.Provider(t.Context(), ready.Provider)
			require.NoError(t, err)
			assert.Equal(t, ready.Provider, r.Owner)
			assert.Equal(t, ready.HostURI, r.HostURI)
			assert.False(t, r.Stale)

			cert, err := c.Certificate(t.Context(), ready.Provider, serial(t, srv))
			require.NoError(t, err)
			assert.Equal(t, chain.Valid, cert.State)
			assert.Contains(t, string(cert.PEM), "BEGIN CERTIFICATE")

			cert, err = c.Certificate(t.Context(), ready.Provider, "1")
			require.NoError(t, err)
			assert.Equal(t, chain.Absent, cert.State)

			_, err = c.Provider(t.Context(), ready.Lease.Owner)
			f := errorOf(t, err)
			assert.Equal(t, codes.NotFound, f.Code)
			assert.Equal(t, rpcerror.ReasonUnknownProvider, f.Reason)
			assert.Contains(t, f.Error(), ready.Lease.Owner)
		})
	}
}

// serial returns the serial number of the fake's certificate.
func serial(t *testing.T, srv *fake.Server) string {
	t.Helper()
	res, err := http.Get(srv.Ready().Control + "/state")
	require.NoError(t, err)
	defer res.Body.Close()
	var state fake.State
	require.NoError(t, json.NewDecoder(res.Body).Decode(&state))
	return state.Serial
}

// The fixture was encoded by a real chain.
func TestARealCertificateResponseIsDecoded(t *testing.T) {
	text, err := os.ReadFile("testdata/chain.certificates.json")
	require.NoError(t, err)
	var real struct {
		Certificates []struct {
			Certificate struct {
				Cert []byte `json:"cert"`
			} `json:"certificate"`
			Serial string `json:"serial"`
		} `json:"certificates"`
	}
	require.NoError(t, json.Unmarshal(text, &real))
	var asked certv1.QueryCertificatesRequest
	node := newNode(t, func(w http.ResponseWriter, _ *http.Request, q question) {
		var data []byte
		fmt.Sscanf(q.Params.Data, "%x", &data)
		assert.NoError(t, proto.Unmarshal(data, &asked))
		reply(w, 0, "", &certv1.QueryCertificatesResponse{Certificates: []*certv1.CertificateResponse{{
			Certificate: &certv1.Certificate{State: certv1.State_valid, Cert: real.Certificates[0].Certificate.Cert},
			Serial:      real.Certificates[0].Serial,
		}}})
	})
	c := newClient(t, chain.Options{Nodes: []string{node.URL}})
	cert, err := c.Certificate(t.Context(), address, real.Certificates[0].Serial)
	require.NoError(t, err)
	assert.Equal(t, real.Certificates[0].Certificate.Cert, cert.PEM)
	assert.Equal(t, address, asked.Filter.Owner)
	assert.Equal(t, "1795177602491491899", asked.Filter.Serial)
	assert.Empty(t, asked.Filter.State, "a filter by state would hide revoked certificates")
}

// The list may have several pages, with other certificates first.
func TestACertificateOnALaterPageIsFound(t *testing.T) {
	page := func(serial string, next []byte, state certv1.State) *certv1.QueryCertificatesResponse {
		return &certv1.QueryCertificatesResponse{
			Certificates: []*certv1.CertificateResponse{{Certificate: &certv1.Certificate{State: state, Cert: []byte(serial)}, Serial: serial}},
			Pagination:   &queryv1beta1.PageResponse{NextKey: next},
		}
	}
	node := newNode(t, func(w http.ResponseWriter, _ *http.Request, q question) {
		var data []byte
		fmt.Sscanf(q.Params.Data, "%x", &data)
		var asked certv1.QueryCertificatesRequest
		assert.NoError(t, proto.Unmarshal(data, &asked))
		if string(asked.GetPagination().GetKey()) == "2" {
			reply(w, 0, "", page("22", nil, certv1.State_revoked))
			return
		}
		reply(w, 0, "", page("11", []byte("2"), certv1.State_valid))
	})
	c := newClient(t, chain.Options{Nodes: []string{node.URL}})
	cert, err := c.Certificate(t.Context(), address, "22")
	require.NoError(t, err)
	assert.Equal(t, chain.Revoked, cert.State)
	assert.Equal(t, "22", string(cert.PEM))
}

func TestTheNumberOfPagesIsBounded(t *testing.T) {
	node := newNode(t, func(w http.ResponseWriter, _ *http.Request, _ question) {
		reply(w, 0, "", &certv1.QueryCertificatesResponse{Pagination: &queryv1beta1.PageResponse{NextKey: []byte("more")}})
	})
	c := newClient(t, chain.Options{Nodes: []string{node.URL}})
	_, err := c.Certificate(t.Context(), address, "1")
	assert.Contains(t, errorOf(t, err).Error(), "too many pages")
}

// Each node fails in a different way; the last one answers.
func TestQueriesFailOverToAnotherNode(t *testing.T) {
	bad := map[string]func(http.ResponseWriter){
		"HTTP status 502": func(w http.ResponseWriter) { http.Error(w, "<html>overloaded", http.StatusBadGateway) },
		"HTTP status 302": func(w http.ResponseWriter) { w.Header().Set("Location", "/"); w.WriteHeader(http.StatusFound) },
		"not JSON-RPC":    func(w http.ResponseWriter) { io.WriteString(w, "{}") },
		"unexpected form": func(w http.ResponseWriter) { io.WriteString(w, `{"result":[]}`) },
		"RPC error -32603 Internal error": func(w http.ResponseWriter) {
			w.WriteHeader(500)
			io.WriteString(w, `{"error":{"code":-32603,"message":"Internal\nerror"}}`)
		},
		"cannot be decoded":                 func(w http.ResponseWriter) { io.WriteString(w, `{"result":{"response":{"value":"/w=="}}}`) },
		"of another provider":               func(w http.ResponseWriter) { reply(w, 0, "", &providerv1beta4.QueryProviderResponse{}) },
		"the answer is not JSON)":           func(w http.ResponseWriter) { io.Copy(w, zeros{}) },
		"more than 1048576 bytes":           func(w http.ResponseWriter) { io.Copy(w, io.MultiReader(strings.NewReader(`{"result":"`), zeros{})) },
		"nested more than 50 deep":          func(w http.ResponseWriter) { io.WriteString(w, strings.Repeat(`{"a":`, 51)) },
		"EOF":                               func(w http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"refused with code 6: some failure": func(w http.ResponseWriter) { reply(w, 6, "some failure", nil) },
		"refused with code 18: height":      func(w http.ResponseWriter) { reply(w, 18, "height", nil) },
	}
	good := newNode(t, func(w http.ResponseWriter, _ *http.Request, _ question) { reply(w, 0, "", record()) })
	for want, misbehave := range bad {
		t.Run(want, func(t *testing.T) {
			node := newNode(t, func(w http.ResponseWriter, _ *http.Request, _ question) { misbehave(w) })
			c := newClient(t, chain.Options{Nodes: []string{node.URL, good.URL}, Quorum: 1})
			r, err := c.Provider(t.Context(), address)
			require.NoError(t, err)
			assert.Equal(t, hostURI, r.HostURI)

			c = newClient(t, chain.Options{Nodes: []string{node.URL}})
			_, err = c.Provider(t.Context(), address)
			f := errorOf(t, err)
			assert.Equal(t, codes.Unavailable, f.Code)
			assert.Equal(t, rpcerror.ReasonChainUnavailable, f.Reason)
			assert.Contains(t, f.Error(), want)
			assert.NotContains(t, f.Error(), "\n")
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A node that failed is queried last during its backoff.
func TestAFailedNodeIsInBackoff(t *testing.T) {
	var ill atomic.Bool
	ill.Store(true)
	var first, second atomic.Int32
	a := newNode(t, func(w http.ResponseWriter, _ *http.Request, _ question) {
		first.Add(1)
		if ill.Load() {
			http.Error(w, "", http.StatusServiceUnavailable)
			return
		}
		reply(w, 0, "", &certv1.QueryCertificatesResponse{})
	})
	b := newNode(t, func(w http.ResponseWriter, _ *http.Request, _ question) {
		second.Add(1)
		reply(w, 0, "", &certv1.QueryCertificatesResponse{})
	})
	clock := &clock{}
	c := newClient(t, chain.Options{Nodes: []string{a.URL, b.URL}, Quorum: 1, Now: clock.now})
	ask := func(serial string) {
		_, err := c.Certificate(t.Context(), address, serial)
		require.NoError(t, err)
	}
	ask("1")
	ask("2")
	assert.EqualValues(t, 1, first.Load(), "it was queried during its backoff")
	assert.EqualValues(t, 2, second.Load())

	ill.Store(false)
	clock.advance(time.Minute)
	ask("3")
	ask("4")
	assert.EqualValues(t, 3, first.Load(), "it was not queried again after its backoff")
	assert.EqualValues(t, 2, second.Load())
}

func TestASlowNodeIsHedged(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	slow := newNode(t, func(w http.ResponseWriter, r *http.Request, _ question) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	fast := newNode(t, func(w http.ResponseWriter, _ *http.Request, _ question) { reply(w, 0, "", record()) })
	c := newClient(t, chain.Options{Nodes: []string{slow.URL, fast.URL}, Quorum: 1})
	began := time.Now()
	_, err := c.Provider(t.Context(), address)
	require.NoError(t, err)
	assert.Less(t, time.Since(began), 5*time.Second)
}

// A fresh record is served from the cache, and a stale one is queried again but served
// if no node answers.
func TestAStaleRecordIsServedWhileNoNodeAnswers(t *testing.T) {
	var down atomic.Bool
	var asked atomic.Int32
	node := newNode(t, func(w http.ResponseWriter, _ *http.Request, _ question) {
		asked.Add(1)
		if down.Load() {
			http.Error(w, "", http.StatusServiceUnavailable)
			return
		}
		reply(w, 0, "", record())
	})
	clock := &clock{}
	c := newClient(t, chain.Options{Nodes: []string{node.URL}, Now: clock.now})
	get := func() chain.Record {
		r, err := c.Provider(t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, hostURI, r.HostURI)
		return r
	}
	assert.False(t, get().Stale)
	clock.advance(4 * time.Minute)
	assert.False(t, get().Stale)
	assert.EqualValues(t, 1, asked.Load())
	clock.advance(2 * time.Minute)
	assert.False(t, get().Stale)
	assert.EqualValues(t, 2, asked.Load())

	down.Store(true)
	clock.advance(6 * time.Minute)
	assert.True(t, get().Stale)
	assert.EqualValues(t, 3, asked.Load())
	assert.True(t, get().Stale)
	assert.EqualValues(t, 3, asked.Load(), "a node in backoff was queried although a record was cached")

	clock.advance(25 * time.Hour)
	_, err := c.Provider(t.Context(), address)
	assert.Equal(t, rpcerror.ReasonChainUnavailable, errorOf(t, err).Reason)
}

func TestAbsenceIsCachedForSeconds(t *testing.T) {
	var asked atomic.Int32
	node := newNode(t, func(w http.ResponseWriter, _ *http.Request, q question) {
		asked.Add(1)
		if strings.HasSuffix(q.Params.Path, "/Provider") {
			reply(w, 22, "rpc error: code = NotFound", nil)
			return
		}
		reply(w, 0, "", &certv1.QueryCertificatesResponse{})
	})
	clock := &clock{}
	c := newClient(t, chain.Options{Nodes: []string{node.URL}, Now: clock.now})
	for range 3 {
		_, err := c.Provider(t.Context(), address)
		assert.Equal(t, rpcerror.ReasonUnknownProvider, errorOf(t, err).Reason)
		cert, err := c.Certificate(t.Context(), address, "1")
		require.NoError(t, err)
		assert.Equal(t, chain.Absent, cert.State)
	}
	assert.EqualValues(t, 2, asked.Load())
	clock.advance(10 * time.Second)
	_, err := c.Provider(t.Context(), address)
	assert.Error(t, err)
	assert.EqualValues(t, 3, asked.Load())
}

func TestConcurrentCallersShareOneQuery(t *testing.T) {
	const callers = 20
	var asked atomic.Int32
	arrived := make(chan struct{})
	release := make(chan struct{})
	node := newNode(t, func(w http.ResponseWriter, _ *http.Request, _ question) {
		if asked.Add(1) == 1 {
			close(arrived)
		}
		<-release
		reply(w, 0, "", record())
	})
	c := newClient(t, chain.Options{Nodes: []string{node.URL}})

	// The first caller leaves before the answer. The others still get it.
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := c.Provider(ctx, address)
		left <- err
	}()
	<-arrived
	var waiting sync.WaitGroup
	for range callers {
		waiting.Go(func() {
			r, err := c.Provider(t.Context(), address)
			assert.NoError(t, err)
			assert.Equal(t, hostURI, r.HostURI)
		})
	}
	leave()
	assert.Equal(t, codes.Canceled, errorOf(t, <-left).Code)
	close(release)
	waiting.Wait()
	assert.EqualValues(t, 1, asked.Load())
}

// stuck is a transport that never answers.
type stuck struct{}

func (stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestQueriesTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := chain.New(chain.Options{Nodes: []string{"https://a.example", "https://b.example"}, Transport: stuck{}})
		require.NoError(t, err)
		defer c.Close()

		began := time.Now()
		_, err = c.Certificate(t.Context(), address, "1")
		f := errorOf(t, err)
		assert.Equal(t, rpcerror.ReasonChainUnavailable, f.Reason)
		assert.Contains(t, f.Error(), "https://a.example")
		assert.Contains(t, f.Error(), "https://b.example")
		assert.LessOrEqual(t, time.Since(began), 10*time.Second)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		_, err = c.Certificate(ctx, address, "2")
		assert.Equal(t, codes.DeadlineExceeded, errorOf(t, err).Code)
		assert.Equal(t, time.Second, time.Since(began))
	})
}

// With a cached record, a chain that does not respond delays a call by two seconds
// instead of ten.
func TestACallWithAStaleRecordWaitsTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &switching{first: answering{record()}, then: stuck{}}
		c, err := chain.New(chain.Options{Nodes: []string{"https://a.example"}, Transport: transport})
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Provider(t.Context(), address)
		require.NoError(t, err)

		time.Sleep(10 * time.Minute)
		began := time.Now()
		r, err := c.Provider(t.Context(), address)
		require.NoError(t, err)
		assert.True(t, r.Stale)
		assert.Equal(t, 2*time.Second, time.Since(began))
	})
}

// switching is a transport that changes to another after one answer.
type switching struct {
	asked       atomic.Int32
	first, then http.RoundTripper
}

func (s *switching) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.asked.Add(1) == 1 {
		return s.first.RoundTrip(r)
	}
	return s.then.RoundTrip(r)
}

type answering struct{ message proto.Message }

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	reply(w, 0, "", a.message)
	return w.Result(), nil
}

// A node's URL may contain a key, and a gateway may repeat the requested path.
func TestSecretsInANodesURLDoNotLeak(t *testing.T) {
	node := newNode(t, func(w http.ResponseWriter, r *http.Request, q question) {
		switch {
		case q.Method == "status":
			fmt.Fprintf(w, `{"error":{"code":-1,"message":%q}}`, "no such method at "+r.URL.RequestURI())
		case strings.HasSuffix(q.Params.Path, "/Provider"):
			reply(w, 18, "bad path "+r.URL.Path+" "+r.URL.RawQuery, nil)
		default:
			panic(http.ErrAbortHandler)
		}
	})
	secret := strings.Replace(node.URL, "http://", "http://user:password@", 1) + "/v1/KEY?apikey=TOKEN"
	c := newClient(t, chain.Options{Nodes: []string{secret}})
	_, provider := c.Provider(t.Context(), address)
	_, certificate := c.Certificate(t.Context(), address, "1")
	down := newClient(t, chain.Options{Nodes: []string{"http://user:password@127.0.0.1:1/v1/KEY?apikey=TOKEN"}})
	_, refused := down.Provider(t.Context(), address)
	for _, err := range []error{provider, certificate, refused, c.Ready(t.Context())} {
		require.Error(t, err)
		assert.Contains(t, err.Error(), "http://127.0.0.1:")
		for _, secret := range []string{"KEY", "TOKEN", "password", "user"} {
			assert.NotContains(t, err.Error(), secret)
		}
	}
	for _, text := range []string{"", "/KEY", "ftp://KEY", "http://", "http://[KEY"} {
		_, err := chain.New(chain.Options{Nodes: []string{text}})
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "KEY")
	}
	_, err := chain.New(chain.Options{})
	assert.Error(t, err)
}

func TestReadyReportsProblems(t *testing.T) {
	srv, err := fake.Start(t.Context(), fake.Options{Seed: 1, Faults: []string{"chain-syncing"}})
	require.NoError(t, err)
	defer srv.Close()
	c := newClient(t, chain.Options{Nodes: []string{srv.Ready().ChainRPC}})
	assert.ErrorContains(t, c.Ready(t.Context()), "catching up")
	require.NoError(t, srv.ClearFault("chain-syncing", ""))
	assert.NoError(t, c.Ready(t.Context()))

	node := newNode(t, func(w http.ResponseWriter, _ *http.Request, _ question) { io.WriteString(w, `{"result":{}}`) })
	c = newClient(t, chain.Options{Nodes: []string{node.URL}})
	assert.ErrorContains(t, c.Ready(t.Context()), "sync_info")
}
