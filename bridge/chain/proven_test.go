package chain_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/chain/light"
	"akash-provider-web/bridge/rpcerror"
	certv1 "akash-provider-web/proto/akash/cert/v1"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	"akash-provider-web/testserver/fake"
)

// object is a JSON object.
type object = map[string]any

// tampering changes the requests to a node, and the results of its answers.
type tampering struct {
	request func(method string, params object)
	result  func(method string, params, result object)
}

// verifiable is a chain whose nodes sign their blocks and prove their answers, a client
// of some of them, and its log. Names of nodes in liars tamper with what the chain says.
type verifiable struct {
	*chain.Client
	t      testing.TB
	ready  fake.Ready
	serial string
	clock  clock
	log    *logs
	trust  light.Trust

	mu    sync.Mutex
	liars map[string]tampering
	asked map[string]int // queries, by node
}

func startVerifiable(t testing.TB) *verifiable {
	t.Helper()
	server, err := fake.Start(t.Context(), fake.Options{Providers: 2})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	v := &verifiable{t: t, ready: server.Ready(), log: &logs{}, liars: map[string]tampering{}, asked: map[string]int{}}
	conn, err := tls.Dial("tcp", v.ready.REST, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	v.serial = conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	require.NoError(t, conn.Close())

	latest := v.ask(http.DefaultTransport, v.ready.ChainRPC, "status", object{})["sync_info"].(object)["latest_block_height"].(string)
	height, err := strconv.ParseInt(latest, 10, 64)
	require.NoError(t, err)
	result := v.ask(http.DefaultTransport, v.ready.ChainRPC, "commit", object{"height": strconv.FormatInt(height-8, 10)})
	text, err := json.Marshal(result)
	require.NoError(t, err)
	signed, err := light.DecodeCommit(text)
	require.NoError(t, err)
	v.trust = light.Trust{Height: signed.Header.Height, Hash: signed.Header.Hash(), Period: light.DefaultPeriod}
	return v
}

// open makes a client of the named nodes.
func (v *verifiable) open(names string, o chain.Options) {
	v.t.Helper()
	for name := range strings.FieldsSeq(names) {
		o.Nodes = append(o.Nodes, "https://"+name+".example")
	}
	v.log = &logs{}
	if o.Trust == nil {
		o.Trust = &v.trust
	}
	o.Transport, o.Now, o.Logger = v, v.clock.now, slog.New(slog.NewTextHandler(v.log, nil))
	v.Client = newClient(v.t, o)
}

// ask sends a request and returns the result.
func (v *verifiable) ask(transport http.RoundTripper, url, method string, params object) object {
	body, err := json.Marshal(object{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		panic(err)
	}
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	var reply struct{ Result object }
	decoder := json.NewDecoder(res.Body)
	decoder.UseNumber()
	if err := decoder.Decode(&reply); err != nil {
		panic(err)
	}
	return reply.Result
}

// RoundTrip implements http.RoundTripper.
func (v *verifiable) RoundTrip(r *http.Request) (*http.Response, error) {
	name, _, _ := strings.Cut(r.URL.Host, ".")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var q struct {
		Method string
		Params object
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	v.mu.Lock()
	lie := v.liars[name]
	if q.Method == "abci_query" {
		v.asked[name]++
	}
	v.mu.Unlock()
	asked := object{}
	for key, value := range q.Params {
		asked[key] = value
	}
	if lie.request != nil {
		lie.request(q.Method, q.Params)
	}
	result := v.ask(http.DefaultTransport, v.ready.ChainRPC, q.Method, q.Params)
	w := httptest.NewRecorder()
	if result == nil {
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error","data":"no such height"}}`)
		return w.Result(), nil
	}
	if lie.result != nil {
		lie.result(q.Method, asked, result)
	}
	if err := json.NewEncoder(w).Encode(object{"jsonrpc": "2.0", "id": 1, "result": result}); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (v *verifiable) lie(name string, how tampering) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.liars[name] = how
}

func (v *verifiable) control(path string) {
	v.t.Helper()
	res, err := http.Post(v.ready.Control+path, "application/json", nil)
	require.NoError(v.t, err)
	require.NoError(v.t, res.Body.Close())
	require.Less(v.t, res.StatusCode, 300)
}

func (v *verifiable) metric(name, node string) string {
	registry := prometheus.NewPedanticRegistry()
	require.NoError(v.t, registry.Register(v.Client))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if node != "" {
		name += `{node="https://` + node + `.example"}`
	}
	_, after, ok := strings.Cut(w.Body.String(), "\n"+name+" ")
	require.True(v.t, ok, name)
	text, _, _ := strings.Cut(after, "\n")
	return text
}

// response returns the response of an abci_query's result; nil for other results.
func response(method string, result object) object {
	if method != "abci_query" {
		return nil
	}
	return result["response"].(object)
}

func marshalled(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func TestAnswersAreProven(t *testing.T) {
	v := startVerifiable(t)
	v.open("a b", chain.Options{})

	r, err := v.Provider(t.Context(), v.ready.Provider)
	require.NoError(t, err)
	assert.Equal(t, v.ready.HostURI, r.HostURI)
	assert.Equal(t, chain.Proven, r.Trust)

	c, err := v.Certificate(t.Context(), v.ready.Provider, v.serial)
	require.NoError(t, err)
	assert.Equal(t, chain.Valid, c.State)
	assert.Contains(t, string(c.PEM), "BEGIN CERTIFICATE")
	assert.Equal(t, chain.Proven, c.Trust)

	_, err = v.Provider(t.Context(), address)
	assert.Equal(t, rpcerror.ReasonUnknownProvider, errorOf(t, err).Reason)
	for _, serial := range []string{"1", "-1", strings.Repeat("9", 100)} {
		c, err = v.Certificate(t.Context(), v.ready.Provider, serial)
		require.NoError(t, err)
		assert.Equal(t, chain.Absent, c.State, serial)
	}
	require.NoError(t, v.Ready(t.Context()))
	assert.Zero(t, v.log.count("level=WARN"), v.log.text.String())
	assert.Equal(t, "0", v.metric("akash_bridge_chain_refused_total", "a"))
	assert.NotEqual(t, "0", v.metric("akash_bridge_chain_header_timestamp_seconds", ""))

	v.control("/certificate?kind=revoked")
	v.clock.advance(6 * time.Second) // a newer block is asked for
	c, err = v.Certificate(t.Context(), v.ready.Provider, v.serial)
	require.NoError(t, err)
	assert.Equal(t, chain.Revoked, c.State)
}

// A node's forged answer is not believed: it fails if there is no other node, and otherwise
// another is asked, and the node is named in the log and the metrics.
func TestForgedAnswersAreNotBelieved(t *testing.T) {
	v := startVerifiable(t)
	// Answers from before the certificate was revoked, by the queried key.
	old := map[string]object{}
	v.lie("recorder", tampering{result: func(method string, params, result object) {
		if r := response(method, result); r != nil {
			old[fmt.Sprint(params["path"], params["data"])] = r
		}
	}})
	v.open("recorder", chain.Options{})
	_, err := v.Provider(t.Context(), v.ready.Provider)
	require.NoError(t, err)
	_, err = v.Certificate(t.Context(), v.ready.Provider, v.serial)
	require.NoError(t, err)
	v.control("/certificate?kind=revoked")

	forged := marshalled(&providerv1beta4.Provider{Owner: v.ready.Provider, HostUri: otherURI})
	forgedCertificate := marshalled(&certv1.Certificate{State: certv1.State_valid, Cert: []byte("the attacker's")})
	for name, how := range map[string]tampering{
		"another value": {result: func(method string, params, result object) {
			if r := response(method, result); r != nil {
				r["value"] = forged
				if strings.Contains(fmt.Sprint(params["path"]), "cert") {
					r["value"] = forgedCertificate
				}
			}
		}},
		"the answer from before, with today's height": {result: func(method string, params, result object) {
			if r := response(method, result); r != nil {
				was, ok := old[fmt.Sprint(params["path"], params["data"])]
				if !ok {
					r["value"] = nil
					return
				}
				r["value"], r["proofOps"] = was["value"], was["proofOps"]
			}
		}},
		"the state some blocks ago": {
			request: func(method string, params object) {
				if method == "abci_query" {
					params["height"] = strconv.FormatInt(v.trust.Height+2, 10)
				}
			},
			result: func(method string, params, result object) {
				if r := response(method, result); r != nil {
					r["height"] = params["height"]
				}
			},
		},
		"no value, with the proof of one or of none": {result: func(method string, params, result object) {
			if r := response(method, result); r != nil {
				if r["value"] == nil {
					r["value"] = forgedCertificate
				} else {
					r["value"] = nil
				}
			}
		}},
		"no proof": {result: func(method string, _, result object) {
			if r := response(method, result); r != nil {
				r["value"], r["proofOps"] = forged, nil
			}
		}},
		"half a proof": {result: func(method string, _, result object) {
			if r := response(method, result); r != nil {
				ops := r["proofOps"].(object)
				ops["ops"] = ops["ops"].([]any)[:1]
			}
		}},
		"the proof of another key": {
			request: func(method string, params object) {
				if method == "abci_query" {
					params["data"] = fmt.Sprint(params["data"]) + "00"
				}
			},
			result: func(string, object, object) {},
		},
		"the record in another store": {
			request: func(method string, params object) {
				if method == "abci_query" {
					params["path"] = "/store/bank/key"
				}
			},
		},
		"a header with another app hash": {result: func(method string, _, result object) {
			if method == "commit" {
				result["signed_header"].(object)["header"].(object)["app_hash"] = strings.Repeat("AB", 32)
			}
		}},
		"a header of another chain": {result: func(method string, _, result object) {
			if method == "commit" {
				result["signed_header"].(object)["header"].(object)["chain_id"] = "akashnet-3"
			}
		}},
		"a commit without most signatures": {result: func(method string, _, result object) {
			if method == "commit" {
				all := result["signed_header"].(object)["commit"].(object)["signatures"].([]any)
				for i := range all {
					if i != 0 {
						all[i] = object{"block_id_flag": 1, "validator_address": "", "timestamp": "0001-01-01T00:00:00Z", "signature": nil}
					}
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			v.t = t
			v.lie("liar", how)
			v.open("liar", chain.Options{})
			_, err := v.Provider(t.Context(), v.ready.Provider)
			assert.Equal(t, codes.Unavailable, errorOf(t, err).Code)
			v.open("liar", chain.Options{})
			c, err := v.Certificate(t.Context(), v.ready.Provider, v.serial)
			assert.Equal(t, codes.Unavailable, errorOf(t, err).Code)
			assert.Empty(t, c)

			v.open("liar b c", chain.Options{})
			r, err := v.Provider(t.Context(), v.ready.Provider)
			require.NoError(t, err)
			assert.Equal(t, v.ready.HostURI, r.HostURI)
			c, err = v.Certificate(t.Context(), v.ready.Provider, v.serial)
			require.NoError(t, err)
			assert.Equal(t, chain.Revoked, c.State)
			if strings.Contains(name, "without most signatures") {
				return // its header is right, and another node has the signatures
			}
			assert.Equal(t, 1, v.log.count("level=WARN", "sent what is not true", "node=https://liar.example"), v.log.text.String())
			assert.Equal(t, 1, v.log.count("level=WARN"), v.log.text.String())
			assert.NotEqual(t, "0", v.metric("akash_bridge_chain_refused_total", "liar"))
			assert.Equal(t, "0", v.metric("akash_bridge_chain_refused_total", "b"))
			asked := v.asked["liar"]
			v.clock.advance(6 * time.Second) // absence is cached for less
			_, err = v.Certificate(t.Context(), v.ready.Provider, v.serial)
			v.clock.advance(-6 * time.Second)
			require.NoError(t, err)
			assert.Equal(t, asked, v.asked["liar"], "it was asked although it is left out")
		})
	}
}

// Nodes that keep new blocks back cannot prove what was once so.
func TestOldHeadersProveNothing(t *testing.T) {
	v := startVerifiable(t)
	v.open("a b", chain.Options{})
	_, err := v.Certificate(t.Context(), v.ready.Provider, v.serial)
	require.NoError(t, err)
	v.control("/certificate?kind=revoked")

	// To this clock the chain stands still.
	v.clock.advance(3 * time.Minute)
	_, err = v.Certificate(t.Context(), v.ready.Provider, v.serial)
	e := errorOf(t, err)
	assert.Equal(t, rpcerror.ReasonChainUnavailable, e.Reason)
	assert.ErrorContains(t, err, "too old to prove")
	assert.Error(t, v.Ready(t.Context()))
}

func TestTrustThatHasRunOutSaysWhatToDo(t *testing.T) {
	v := startVerifiable(t)
	v.open("a b", chain.Options{})
	_, err := v.Provider(t.Context(), v.ready.Provider)
	require.NoError(t, err)
	v.clock.advance(15 * 24 * time.Hour)
	_, err = v.Provider(t.Context(), v.ready.Provider)
	e := errorOf(t, err)
	assert.Equal(t, rpcerror.ReasonChainUnavailable, e.Reason)
	assert.ErrorContains(t, err, "restart it with --chain-trust")
}

// The nodes must have the same header, as many as the quorum.
func TestHeadersNeedTheQuorum(t *testing.T) {
	v := startVerifiable(t)
	v.lie("liar", tampering{result: func(method string, _, result object) {
		if method == "commit" {
			result["signed_header"].(object)["header"].(object)["app_hash"] = strings.Repeat("AB", 32)
		}
	}})
	v.open("liar b", chain.Options{Quorum: 2})
	_, err := v.Provider(t.Context(), v.ready.Provider)
	assert.Equal(t, rpcerror.ReasonChainUnavailable, errorOf(t, err).Reason)
	assert.ErrorContains(t, err, "1 of 2 nodes")
	v.open("liar b", chain.Options{Quorum: 1})
	_, err = v.Provider(t.Context(), v.ready.Provider)
	assert.NoError(t, err)
}

// REST nodes cannot prove anything, and are not asked.
func TestRESTNodesAreNotAskedForProofs(t *testing.T) {
	v := startVerifiable(t)
	v.open("a", chain.Options{RESTNodes: []string{"https://rest.example"}})
	assert.Equal(t, 1, v.log.count("level=WARN", "cannot prove", "https://rest.example"))
	_, err := v.Provider(t.Context(), v.ready.Provider)
	require.NoError(t, err)

	_, err = chain.New(chain.Options{RESTNodes: []string{"https://rest.example"}, Trust: &v.trust})
	assert.ErrorContains(t, err, "only nodes with the CometBFT RPC")
}

// A restarted bridge goes on from the file, and needs no old block any more.
func TestTheTrustFile(t *testing.T) {
	v := startVerifiable(t)
	file := filepath.Join(t.TempDir(), "trust.json")
	v.open("a", chain.Options{TrustFile: file})
	_, err := v.Provider(t.Context(), v.ready.Provider)
	require.NoError(t, err)

	v.open("a", chain.Options{Trust: &light.Trust{}, TrustFile: file})
	_, err = v.Provider(t.Context(), v.ready.Provider)
	require.NoError(t, err)
	_, err = chain.New(chain.Options{Nodes: []string{"https://a.example"}, Trust: &light.Trust{}, TrustFile: file + "2"})
	assert.ErrorContains(t, err, "no trusted header is given")

	// Where the file cannot be written, the log says so, and the bridge works.
	v.open("a", chain.Options{TrustFile: filepath.Join(t.TempDir(), "missing", "trust.json")})
	_, err = v.Provider(t.Context(), v.ready.Provider)
	require.NoError(t, err)
	assert.Equal(t, 1, v.log.count("level=WARN", "cannot be written"))
}

// replay answers requests as they were answered before.
type replay struct {
	next http.RoundTripper
	mu   sync.Mutex
	seen map[string][]byte
}

func (p *replay) RoundTrip(r *http.Request) (*http.Response, error) {
	question, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	body, ok := p.seen[string(question)]
	if !ok {
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(question))
		res, err := p.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		if body, err = io.ReadAll(res.Body); err != nil {
			return nil, err
		}
		p.seen[string(question)] = body
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// The bridge's work for an answer from a node, once the header is verified: the request,
// decoding, and the verification of the proof.
func BenchmarkProvenAnswer(b *testing.B) {
	v := startVerifiable(b)
	at := time.Now()
	c, err := chain.New(chain.Options{
		Nodes: []string{"https://a.example"}, Trust: &v.trust, Now: func() time.Time { return at },
		Transport: &replay{next: v, seen: map[string][]byte{}},
	})
	require.NoError(b, err)
	defer c.Close()
	for b.Loop() {
		found, err := c.Certificate(b.Context(), v.ready.Provider, v.serial)
		if err != nil || found.State != chain.Valid {
			b.Fatal(found, err)
		}
	}
}
