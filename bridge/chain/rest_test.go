package chain_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/testserver/fake"
)

// newRESTNode starts a node with a REST API whose answers the test provides.
func newRESTNode(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	return srv
}

func restRecord(w http.ResponseWriter) {
	fmt.Fprintf(w, `{"provider":{"owner":%q,"host_uri":%q,"attributes":[],"info":{"email":"","website":""}}}`, address, hostURI)
}

// A node's REST API gives the same answers as its RPC.
func TestProvidersAndCertificatesAreFoundOverREST(t *testing.T) {
	for _, faults := range [][]string{nil, {"chain-v1beta3"}, {"chain-paginated"}} {
		t.Run(fmt.Sprint(faults), func(t *testing.T) {
			srv, err := fake.Start(t.Context(), fake.Options{Seed: 1, Faults: faults})
			require.NoError(t, err)
			defer srv.Close()
			ready := srv.Ready()
			c := newClient(t, chain.Options{RESTNodes: []string{ready.ChainRPC}})

			require.NoError(t, c.Ready(t.Context()))
			r, err := c.Provider(t.Context(), ready.Provider)
			require.NoError(t, err)
			assert.Equal(t, ready.Provider, r.Owner)
			assert.Equal(t, ready.HostURI, r.HostURI)

			number := serial(t, srv)
			cert, err := c.Certificate(t.Context(), ready.Provider, number)
			require.NoError(t, err)
			assert.Equal(t, chain.Valid, cert.State)
			assert.Contains(t, string(cert.PEM), "BEGIN CERTIFICATE")
			overRPC, err := newClient(t, chain.Options{Nodes: []string{ready.ChainRPC}}).Certificate(t.Context(), ready.Provider, number)
			require.NoError(t, err)
			assert.Equal(t, overRPC, cert)

			cert, err = c.Certificate(t.Context(), ready.Provider, "1")
			require.NoError(t, err)
			assert.Equal(t, chain.Absent, cert.State)

			_, err = c.Provider(t.Context(), ready.Lease.Owner)
			f := errorOf(t, err)
			assert.Equal(t, codes.NotFound, f.Code)
			assert.Equal(t, rpcerror.ReasonUnknownProvider, f.Reason)
		})
	}
}

// A certificate that was revoked is told from one that was never published.
func TestARevokedCertificateIsFoundOverREST(t *testing.T) {
	srv, err := fake.Start(t.Context(), fake.Options{Seed: 1, Faults: []string{"cert-revoked"}})
	require.NoError(t, err)
	defer srv.Close()
	c := newClient(t, chain.Options{RESTNodes: []string{srv.Ready().ChainRPC}})
	cert, err := c.Certificate(t.Context(), srv.Ready().Provider, serial(t, srv))
	require.NoError(t, err)
	assert.Equal(t, chain.Revoked, cert.State)
}

// A list without states answers the question for valid certificates, and only that.
func TestACertificateWithoutAStateIsValidIfThatWasAsked(t *testing.T) {
	var states []string
	node := newRESTNode(t, func(w http.ResponseWriter, r *http.Request) {
		state := r.FormValue("filter.state")
		states = append(states, state)
		if state == "valid" && r.FormValue("filter.serial") == "2" {
			io.WriteString(w, `{"certificates":[]}`)
			return
		}
		fmt.Fprintf(w, `{"certificates":[{"serial":%q,"certificate":{"cert":"QQ=="}}]}`, r.FormValue("filter.serial"))
	})
	c := newClient(t, chain.Options{RESTNodes: []string{node.URL}})
	cert, err := c.Certificate(t.Context(), address, "1")
	require.NoError(t, err)
	assert.Equal(t, chain.Certificate{State: chain.Valid, PEM: []byte("A"), Trust: chain.OneNode}, cert)
	cert, err = c.Certificate(t.Context(), address, "2")
	require.NoError(t, err)
	assert.Equal(t, chain.Absent, cert.State)
	assert.Equal(t, []string{"valid", "valid", ""}, states)
}

// The fixtures were encoded by a real node.
func TestRealRESTAnswersAreDecoded(t *testing.T) {
	read := func(name string) []byte {
		text, err := os.ReadFile("testdata/" + name)
		require.NoError(t, err)
		return text
	}
	var query string
	node := newRESTNode(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/akash/cert/") {
			query = r.URL.RawQuery
			w.Write(read("chain.certificates.json"))
			return
		}
		w.Write(read("chain.provider.json"))
	})
	c := newClient(t, chain.Options{RESTNodes: []string{node.URL}})
	r, err := c.Provider(t.Context(), address)
	require.NoError(t, err)
	assert.Equal(t, "https://localhost:18443", r.HostURI)
	cert, err := c.Certificate(t.Context(), address, "1795177602491491899")
	require.NoError(t, err)
	assert.Equal(t, chain.Valid, cert.State)
	assert.Contains(t, string(cert.PEM), "BEGIN CERTIFICATE")
	assert.Equal(t, "filter.owner="+address+"&filter.serial=1795177602491491899&filter.state=valid&pagination.limit=1", query)
}

// Each node fails in a different way; the last one, of the other kind, answers.
func TestRESTQueriesFailOverToAnotherNode(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	good := newNode(t, func(w http.ResponseWriter, _ *http.Request, _ question) { reply(w, 0, "", record()) })
	goodREST := newRESTNode(t, func(w http.ResponseWriter, _ *http.Request) { restRecord(w) })
	badRPC := newRESTNode(t, answer(http.StatusBadGateway, "<html>"))
	for want, misbehave := range map[string]http.HandlerFunc{
		"HTTP status 502": answer(http.StatusBadGateway, "<html>overloaded"),
		"HTTP status 429": answer(http.StatusTooManyRequests, `{"error":"slow down"}`),
		"HTTP status 404": answer(http.StatusNotFound, ""),
		"HTTP status 501": answer(http.StatusNotImplemented, `{"code":12,"message":"Not Implemented","details":[]}`),
		"HTTP status 302": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", goodREST.URL)
			w.WriteHeader(http.StatusFound)
		},
		"code 3: invalid\u0020height": answer(http.StatusBadRequest, `{"code":3,"message":"invalid\nheight"}`),
		"code 13: panic":              answer(http.StatusInternalServerError, `{"code":13,"message":"panic"}`),
		"unexpected form":             answer(http.StatusOK, `{"provider":[]}`),
		"of another provider":         answer(http.StatusOK, `{}`),
		"more than 1048576 bytes": func(w http.ResponseWriter, _ *http.Request) {
			io.Copy(w, io.MultiReader(strings.NewReader(`{"a":"`), zeros{}))
		},
		"EOF": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(want, func(t *testing.T) {
			node := newRESTNode(t, misbehave)
			c := newClient(t, chain.Options{RESTNodes: []string{node.URL, goodREST.URL}, Quorum: 1})
			r, err := c.Provider(t.Context(), address)
			require.NoError(t, err)
			assert.Equal(t, hostURI, r.HostURI)

			c = newClient(t, chain.Options{RESTNodes: []string{node.URL}})
			_, err = c.Provider(t.Context(), address)
			f := errorOf(t, err)
			assert.Equal(t, codes.Unavailable, f.Code)
			assert.Equal(t, rpcerror.ReasonChainUnavailable, f.Reason)
			assert.Contains(t, f.Error(), want)
			assert.NotContains(t, f.Error(), "\n")
		})
	}
	for _, o := range []chain.Options{
		{Nodes: []string{badRPC.URL}, RESTNodes: []string{goodREST.URL}, Quorum: 1},
		{Nodes: []string{badRPC.URL, good.URL}, RESTNodes: []string{badRPC.URL}, Quorum: 1},
	} {
		r, err := newClient(t, o).Provider(t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, hostURI, r.HostURI)
	}
}

// A slow RPC node does not delay a query that a REST node can answer.
func TestASlowRPCNodeIsHedgedByARESTNode(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	slow := newNode(t, func(_ http.ResponseWriter, r *http.Request, _ question) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	fast := newRESTNode(t, func(w http.ResponseWriter, _ *http.Request) { restRecord(w) })
	c := newClient(t, chain.Options{Nodes: []string{slow.URL}, RESTNodes: []string{fast.URL}, Quorum: 1})
	began := time.Now()
	_, err := c.Provider(t.Context(), address)
	require.NoError(t, err)
	assert.Less(t, time.Since(began), 5*time.Second)
}

// A provider is registered, and the REST node sees the block later than the RPC node. Both
// are asked about the block that both have, and agree.
func TestARESTNodeIsAskedAboutABlock(t *testing.T) {
	rpc := newNode(t, func(w http.ResponseWriter, _ *http.Request, q question) {
		if q.Params.Height == "100" {
			writeAnswer(w, 22, nil, 100)
			return
		}
		writeAnswer(w, 0, record(), 101)
	})
	var about []string
	rest := newRESTNode(t, func(w http.ResponseWriter, r *http.Request) {
		about = append(about, r.Header.Get("X-Cosmos-Block-Height"))
		w.Header().Set("Grpc-Metadata-X-Cosmos-Block-Height", "100")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"code":5,"message":"provider not found","details":[]}`)
	})
	c := newClient(t, chain.Options{Nodes: []string{rpc.URL}, RESTNodes: []string{rest.URL}})
	_, err := c.Provider(t.Context(), address)
	assert.Equal(t, rpcerror.ReasonUnknownProvider, errorOf(t, err).Reason)
	assert.Equal(t, []string{"", "100"}, about)
}

// The route that a node knows is remembered, so an old node costs one request more once.
func TestTheRouteOfAnOldRESTNodeIsRemembered(t *testing.T) {
	var asked atomic.Int32
	node := newRESTNode(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if !strings.HasPrefix(r.URL.Path, "/akash/cert/v1beta3/") {
			w.WriteHeader(http.StatusNotImplemented)
			io.WriteString(w, `{"code":12,"message":"Not Implemented","details":[]}`)
			return
		}
		fmt.Fprintf(w, `{"certificates":[{"serial":%q,"certificate":{"state":"valid","cert":"QQ=="}}]}`, r.FormValue("filter.serial"))
	})
	c := newClient(t, chain.Options{RESTNodes: []string{node.URL}})
	for _, number := range []string{"1", "2", "3"} {
		cert, err := c.Certificate(t.Context(), address, number)
		require.NoError(t, err)
		assert.Equal(t, chain.Valid, cert.State)
	}
	assert.EqualValues(t, 4, asked.Load())
}

// A REST node's URL may have a path before the API's, and a key, which its errors do not
// show.
func TestSecretsInARESTNodesURLDoNotLeak(t *testing.T) {
	node := newRESTNode(t, func(w http.ResponseWriter, r *http.Request) {
		assert.True(t, strings.HasPrefix(r.URL.Path, "/v1/KEY/"), r.URL.Path)
		assert.Equal(t, "TOKEN", r.FormValue("apikey"))
		if strings.Contains(r.URL.Path, "/syncing") {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]any{"code": 3, "message": "bad request: /v1/KEY and apikey=TOKEN"})
	})
	secret := strings.Replace(node.URL, "http://", "http://user:password@", 1) + "/v1/KEY?apikey=TOKEN"
	c := newClient(t, chain.Options{RESTNodes: []string{secret}})
	_, provider := c.Provider(t.Context(), address)
	_, certificate := c.Certificate(t.Context(), address, "1")
	for _, err := range []error{provider, certificate, c.Ready(t.Context())} {
		require.Error(t, err)
		assert.Contains(t, err.Error(), "http://127.0.0.1:")
		for _, secret := range []string{"KEY", "TOKEN", "password", "user"} {
			assert.NotContains(t, err.Error(), secret)
		}
	}
}

func TestReadyReportsProblemsOfARESTNode(t *testing.T) {
	srv, err := fake.Start(t.Context(), fake.Options{Seed: 1, Faults: []string{"chain-syncing"}})
	require.NoError(t, err)
	defer srv.Close()
	c := newClient(t, chain.Options{RESTNodes: []string{srv.Ready().ChainRPC}})
	assert.ErrorContains(t, c.Ready(context.Background()), "catching up")
	require.NoError(t, srv.ClearFault("chain-syncing", ""))
	assert.NoError(t, c.Ready(t.Context()))

	node := newRESTNode(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{}`) })
	c = newClient(t, chain.Options{RESTNodes: []string{node.URL}})
	assert.ErrorContains(t, c.Ready(t.Context()), "syncing")
}
