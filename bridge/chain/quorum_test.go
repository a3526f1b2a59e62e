package chain_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/rpcerror"
	certv1 "akash-provider-web/proto/akash/cert/v1"
	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	"akash-provider-web/testserver/fake"
)

const (
	otherURI  = "https://attacker.example.com:8443"
	blockTime = 6 * time.Second
)

// facts are what a chain says of the one provider and certificate of these tests.
type facts struct {
	hostURI string // "" if the provider has no record
	state   certv1.State
	pem     string
}

// network is a transport to several nodes of one chain, which grows by a block every six
// seconds.
type network struct {
	began time.Time

	mu      sync.Mutex
	history []facts // by height - firstHeight; the last one is for all later heights
	peers   map[string]*peer
}

const firstHeight = 1000

// peer is a node. Its fields are set before it is asked, or under the network's mu.
type peer struct {
	lag     int64             // blocks behind the chain
	lie     func(facts) facts // nil if it is honest
	down    bool
	delay   time.Duration
	silent  bool // about heights
	latest  bool // answers about the latest height only, whatever is asked
	chainID string
	skew    time.Duration // of its latest block's time
	asked   int           // queries, without status
	checked int           // status
}

func newNetwork(now facts, peers map[string]*peer) *network {
	return &network{began: time.Now(), history: []facts{now}, peers: peers}
}

func (w *network) height() int64 { return firstHeight + int64(time.Since(w.began)/blockTime) }

// at returns the facts at a height.
func (w *network) at(height int64) facts {
	return w.history[min(max(height-firstHeight, 0), int64(len(w.history))-1)]
}

// change changes the facts with the next block.
func (w *network) change(to facts) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for int64(len(w.history)) <= w.height()-firstHeight {
		w.history = append(w.history, w.history[len(w.history)-1])
	}
	w.history = append(w.history, to)
}

func (w *network) set(name string, f func(*peer)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w.peers[name])
}

func (w *network) asked(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peers[name].asked
}

// RoundTrip implements http.RoundTripper.
func (w *network) RoundTrip(r *http.Request) (*http.Response, error) {
	name, _, _ := strings.Cut(r.URL.Host, ".")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var q struct {
		Method string `json:"method"`
		Params struct {
			Path   string `json:"path"`
			Data   string `json:"data"`
			Height string `json:"height"`
		} `json:"params"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	w.mu.Lock()
	p := w.peers[name]
	delay := p.delay
	w.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.down {
		return nil, errors.New("connection refused")
	}
	height := w.height() - p.lag
	rec := httptest.NewRecorder()
	if q.Method == "status" {
		p.checked++
		fmt.Fprintf(rec, `{"jsonrpc":"2.0","id":1,"result":{"node_info":{"network":%q},"sync_info":{"latest_block_height":"%d","latest_block_time":%q,"catching_up":false}}}`,
			p.chainID, height, time.Now().Add(p.skew-time.Duration(p.lag)*blockTime).UTC().Format(time.RFC3339Nano))
		return rec.Result(), nil
	}
	p.asked++
	if asked, _ := strconv.ParseInt(q.Params.Height, 10, 64); asked > height {
		writeAnswer(rec, 26, nil, 0)
		return rec.Result(), nil
	} else if asked != 0 && !p.latest {
		height = asked
	}
	says := w.at(height)
	if p.lie != nil {
		says = p.lie(says)
	}
	if p.silent {
		height = 0
	}
	data, err := hex.DecodeString(q.Params.Data)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasSuffix(q.Params.Path, "/Certificates"):
		var request certv1.QueryCertificatesRequest
		if err := proto.Unmarshal(data, &request); err != nil {
			return nil, err
		}
		list := &certv1.QueryCertificatesResponse{}
		if says.state != certv1.State_invalid {
			list.Certificates = []*certv1.CertificateResponse{{Serial: request.Filter.Serial, Certificate: &certv1.Certificate{State: says.state, Cert: []byte(says.pem)}}}
		}
		writeAnswer(rec, 0, list, height)
	case says.hostURI == "":
		writeAnswer(rec, 22, nil, height)
	default:
		writeAnswer(rec, 0, &providerv1beta4.QueryProviderResponse{Provider: &providerv1beta4.Provider{Owner: address, HostUri: says.hostURI}}, height)
	}
	return rec.Result(), nil
}

func writeAnswer(w http.ResponseWriter, code int, message proto.Message, height int64) {
	value, err := proto.Marshal(message)
	if err != nil {
		panic(err)
	}
	json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": 1, "result": map[string]any{
		"response": map[string]any{"code": code, "codespace": "sdk", "log": "refused", "value": value, "height": strconv.FormatInt(height, 10)},
	}})
}

// fleet is a client of some nodes of a network, and its log.
type fleet struct {
	*network
	*chain.Client
	t   *testing.T
	log *logs
}

// logs are a logger's lines.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// count returns how many lines have all of the texts.
func (l *logs) count(texts ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
lines:
	for line := range strings.Lines(l.text.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		n++
	}
	return n
}

// inFleet runs a test with a client of the named nodes, in this order, in a time of its
// own.
func inFleet(t *testing.T, o chain.Options, now facts, names string, peers map[string]*peer, test func(*testing.T, *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{network: newNetwork(now, peers), t: t, log: &logs{}}
		for name := range strings.FieldsSeq(names) {
			o.Nodes = append(o.Nodes, "https://"+name+".example")
			if f.peers[name] == nil {
				f.peers[name] = &peer{}
			}
			if f.peers[name].chainID == "" {
				f.peers[name].chainID = "akashnet-2"
			}
		}
		o.Transport, o.Logger = f.network, slog.New(slog.NewTextHandler(f.log, nil))
		var err error
		f.Client, err = chain.New(o)
		require.NoError(t, err)
		defer f.Close()
		test(t, f)
	})
}

// metric returns the value of a metric, with a node's label unless that is "".
func (f *fleet) metric(name, node string) float64 {
	f.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(f.t, registry.Register(f.Client))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if node != "" {
		name += `{node="https://` + node + `.example"}`
	}
	_, after, ok := strings.Cut(w.Body.String(), "\n"+name+" ")
	require.True(f.t, ok, w.Body.String())
	text, _, _ := strings.Cut(after, "\n")
	value, err := strconv.ParseFloat(text, 64)
	require.NoError(f.t, err)
	return value
}

var (
	truth = facts{hostURI: hostURI, state: certv1.State_valid, pem: "the provider's"}

	otherHost   = func(f facts) facts { f.hostURI = otherURI; return f }
	noRecord    = func(f facts) facts { f.hostURI = ""; return f }
	otherCert   = func(f facts) facts { f.state, f.pem = certv1.State_valid, "the attacker's"; return f }
	shownValid  = func(f facts) facts { f.state = certv1.State_valid; return f }
	noneAtAll   = func(f facts) facts { f.state = certv1.State_invalid; return f }
	shownVoided = func(f facts) facts { f.state = certv1.State_revoked; return f }
)

// A node that lies about a provider or a certificate is not believed, wherever it is in
// the list: it is named in the log and left out.
func TestANodeThatLiesIsLeftOutAndNamed(t *testing.T) {
	revoked, unknown := facts{hostURI, certv1.State_revoked, "the provider's"}, facts{}
	for name, test := range map[string]struct {
		truth facts
		lie   func(facts) facts
		says  string
	}{
		"another host":                      {truth, otherHost, otherURI},
		"no record":                         {truth, noRecord, "no record"},
		"a record where there is none":      {unknown, otherHost, otherURI},
		"another certificate":               {truth, otherCert, "valid certificate"},
		"a revoked certificate as valid":    {revoked, shownValid, "valid certificate"},
		"a valid certificate as revoked":    {truth, shownVoided, "revoked certificate"},
		"a certificate as absent":           {truth, noneAtAll, "no certificate"},
		"a certificate where there is none": {unknown, otherCert, "valid certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, order := range []string{"liar b c", "b liar c"} {
				inFleet(t, chain.Options{}, test.truth, order, map[string]*peer{"liar": {lie: test.lie}}, func(t *testing.T, f *fleet) {
					check := func() {
						r, err := f.Provider(t.Context(), address)
						if test.truth.hostURI == "" {
							assert.Equal(t, rpcerror.ReasonUnknownProvider, errorOf(t, err).Reason)
						} else {
							require.NoError(t, err)
							assert.Equal(t, test.truth.hostURI, r.HostURI)
							assert.EqualValues(t, "quorum=2/3", r.Trust)
						}
						c, err := f.Certificate(t.Context(), address, "1")
						require.NoError(t, err)
						assert.Equal(t, int(test.truth.state), int(c.State))
						assert.EqualValues(t, "quorum=2/3", c.Trust)
						if c.State == chain.Valid {
							assert.Equal(t, test.truth.pem, string(c.PEM))
						}
					}
					check()
					synctest.Wait()
					assert.Equal(t, 1, f.log.count("level=WARN", "differs from the others", "node=https://liar.example", test.says), f.log.text.String())
					assert.Equal(t, 1, f.log.count("level=WARN"), "an honest node was blamed")
					assert.EqualValues(t, 1, f.metric("akash_bridge_chain_disagreements_total", "liar"))

					asked := f.asked("liar")
					time.Sleep(6 * time.Second) // absence is cached for less
					check()
					assert.Equal(t, asked, f.asked("liar"), "it was asked although it is left out")
				})
			}
		})
	}
}

// Two nodes that tell the same lie are a quorum of two. That is the limit of a quorum: it
// must be larger than the number of nodes that lie together.
func TestAQuorumMustExceedTheLiars(t *testing.T) {
	liars := func() map[string]*peer { return map[string]*peer{"x": {lie: otherHost}, "y": {lie: otherHost}} }
	inFleet(t, chain.Options{Quorum: 2}, truth, "x y b", liars(), func(t *testing.T, f *fleet) {
		r, err := f.Provider(t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, otherURI, r.HostURI)
	})
	inFleet(t, chain.Options{Quorum: 3}, truth, "x y b c d", liars(), func(t *testing.T, f *fleet) {
		r, err := f.Provider(t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, hostURI, r.HostURI)
		assert.EqualValues(t, "quorum=3/5", r.Trust)
		synctest.Wait()
		assert.Equal(t, 2, f.log.count("differs from the others"))
	})
	inFleet(t, chain.Options{Quorum: 3}, truth, "x y b", liars(), func(t *testing.T, f *fleet) {
		_, err := f.Provider(t.Context(), address)
		assert.Equal(t, rpcerror.ReasonChainDisagreement, errorOf(t, err).Reason)
	})
}

// Without a quorum nobody is believed, and the error says who said what.
func TestWithoutAQuorumNobodyIsBelieved(t *testing.T) {
	inFleet(t, chain.Options{}, truth, "liar b", map[string]*peer{"liar": {lie: otherHost}}, func(t *testing.T, f *fleet) {
		for range 3 {
			began := time.Now()
			_, err := f.Provider(t.Context(), address)
			assert.Zero(t, time.Since(began), "they were asked again, although both spoke about the same block")
			e := errorOf(t, err)
			assert.Equal(t, codes.Unavailable, e.Code)
			assert.Equal(t, rpcerror.ReasonChainDisagreement, e.Reason)
			for _, text := range []string{"https://liar.example says at height 1000: host URI \"" + otherURI, "https://b.example says at height 1000: host URI \"" + hostURI, "--chain-rpc", "2 equal answers"} {
				assert.Contains(t, e.Error(), text)
			}
		}
		assert.Equal(t, 1, f.log.count("level=WARN", "disagree"), "not once, but once per call")
		assert.EqualValues(t, 3, f.metric("akash_bridge_chain_undecided_total", ""))
		assert.EqualValues(t, 0, f.metric("akash_bridge_chain_disagreements_total", "b"))
	})
}

// A disagreement is not answered with an old record: one of the nodes may know better.
func TestADisagreementIsNotAnsweredWithAStaleRecord(t *testing.T) {
	inFleet(t, chain.Options{}, truth, "a b", map[string]*peer{}, func(t *testing.T, f *fleet) {
		_, err := f.Provider(t.Context(), address)
		require.NoError(t, err)

		f.set("a", func(p *peer) { p.down = true })
		time.Sleep(6 * time.Minute)
		r, err := f.Provider(t.Context(), address)
		require.NoError(t, err)
		assert.True(t, r.Stale)
		assert.EqualValues(t, "quorum=2/2", r.Trust, "that is how it was known")
		asked := f.asked("b")
		r, err = f.Provider(t.Context(), address)
		require.NoError(t, err)
		assert.True(t, r.Stale)
		assert.Equal(t, asked, f.asked("b"), "it was asked, although another answer is missing anyway")

		f.set("a", func(p *peer) { p.down, p.lie = false, otherHost })
		time.Sleep(time.Minute)
		_, err = f.Provider(t.Context(), address)
		assert.Equal(t, rpcerror.ReasonChainDisagreement, errorOf(t, err).Reason)
	})
}

// Lies, slow nodes and nodes that are down at the same time: as long as two honest nodes
// answer, so does the chain.
func TestTwoHonestNodesAreEnough(t *testing.T) {
	for _, peers := range []map[string]*peer{
		{"a": {lie: otherHost}, "b": {down: true}, "c": {delay: 3 * time.Second}},
		{"a": {down: true}, "b": {down: true}, "c": {lie: otherHost}},
		{"a": {delay: time.Hour}, "b": {delay: time.Hour}, "c": {delay: time.Hour}},
		{"a": {delay: time.Hour}, "b": {lie: noRecord}, "c": {down: true}},
		{"a": {lie: otherHost}, "b": {lie: noRecord}, "c": {down: true}},
		{"a": {lag: 20}, "b": {lag: 500}, "c": {delay: time.Second}},
	} {
		inFleet(t, chain.Options{}, truth, "a b c d e", peers, func(t *testing.T, f *fleet) {
			began := time.Now()
			r, err := f.Provider(t.Context(), address)
			require.NoError(t, err)
			assert.Equal(t, hostURI, r.HostURI)
			assert.EqualValues(t, "quorum=2/5", r.Trust)
			assert.LessOrEqual(t, time.Since(began), 4*time.Second)
		})
	}
}

// Only as many nodes are asked as are needed, all at once.
func TestNoMoreNodesAreAskedThanNeeded(t *testing.T) {
	peers := map[string]*peer{"a": {delay: 300 * time.Millisecond}, "b": {delay: 400 * time.Millisecond}}
	inFleet(t, chain.Options{}, truth, "a b c d", peers, func(t *testing.T, f *fleet) {
		began := time.Now()
		_, err := f.Provider(t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, 400*time.Millisecond, time.Since(began), "the slower of two")
		assert.Equal(t, [4]int{1, 1, 0, 0}, [4]int{f.asked("a"), f.asked("b"), f.asked("c"), f.asked("d")})
	})
}

// A node that others overtake costs a query its head start once, not each time.
func TestASlowNodeIsAskedAfterTheOthers(t *testing.T) {
	inFleet(t, chain.Options{}, truth, "slow b c", map[string]*peer{"slow": {delay: 3 * time.Second}}, func(t *testing.T, f *fleet) {
		took := func(serial string) time.Duration {
			began := time.Now()
			_, err := f.Certificate(t.Context(), address, serial)
			require.NoError(t, err)
			return time.Since(began)
		}
		assert.Equal(t, 700*time.Millisecond, took("1"))
		synctest.Wait()
		assert.Zero(t, took("2"))
		f.set("slow", func(p *peer) { p.delay = 0 })
		time.Sleep(2 * time.Minute)
		asked := f.asked("slow")
		assert.Zero(t, took("3"))
		assert.Equal(t, asked+1, f.asked("slow"), "it has its place back")
	})
}

// Too few answers: the error says what each node did, and what to do.
func TestTooFewAnswersAreExplained(t *testing.T) {
	peers := map[string]*peer{"a": {down: true}, "b": {delay: time.Hour}}
	inFleet(t, chain.Options{}, truth, "a b c", peers, func(t *testing.T, f *fleet) {
		_, err := f.Provider(t.Context(), address)
		e := errorOf(t, err)
		assert.Equal(t, rpcerror.ReasonChainUnavailable, e.Reason)
		for _, text := range []string{"1 of 3 chain nodes answered, and 2 must agree", "https://a.example: connection refused", "https://b.example: no answer in time", "https://c.example says", "--chain-quorum"} {
			assert.Contains(t, e.Error(), text)
		}
	})
}

// The provider moves to another host, and one node sees the block later. Both were right,
// and neither is blamed.
func TestNodesABlockApartAreNotBlamed(t *testing.T) {
	for name, behind := range map[string]*peer{
		"can be asked about a height":    {lag: 1},
		"does not say its height":        {lag: 1, silent: true},
		"answers about the latest block": {lag: 1, latest: true},
	} {
		for order, count := range map[string]int{"behind b": 2, "behind b c": 3, "b behind c": 3} {
			t.Run(name+", "+order, func(t *testing.T) {
				peers := map[string]*peer{"behind": {lag: behind.lag, silent: behind.silent, latest: behind.latest}}
				if behind.silent {
					peers["b"], peers["c"] = &peer{silent: true}, &peer{silent: true}
				}
				if behind.latest {
					peers["b"] = &peer{latest: true}
				}
				inFleet(t, chain.Options{}, truth, order, peers, func(t *testing.T, f *fleet) {
					f.change(facts{hostURI: otherURI})
					time.Sleep(blockTime)
					// The node that is behind has the block a second later.
					time.AfterFunc(time.Second, func() { f.set("behind", func(p *peer) { p.lag = 0 }) })
					began := time.Now()
					r, err := f.Provider(t.Context(), address)
					require.NoError(t, err)
					if !behind.silent && !behind.latest {
						assert.Zero(t, time.Since(began), "they were not asked about the block that both have")
					}
					assert.Contains(t, []string{hostURI, otherURI}, r.HostURI)
					assert.EqualValues(t, fmt.Sprintf("quorum=2/%d", count), r.Trust)
					time.Sleep(time.Minute)
					assert.Zero(t, f.log.count("level=WARN"), f.log.text.String())
				})
			})
		}
	}
}

// Nor is a node that is ahead of a quorum, even if it can only speak about its latest block.
func TestANodeAheadIsNotBlamed(t *testing.T) {
	peers := map[string]*peer{"ahead": {latest: true}, "b": {lag: 1}, "c": {lag: 1}}
	inFleet(t, chain.Options{}, truth, "ahead b c", peers, func(t *testing.T, f *fleet) {
		f.change(facts{hostURI: otherURI})
		time.Sleep(blockTime)
		r, err := f.Provider(t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, hostURI, r.HostURI)
		time.AfterFunc(time.Second, func() {
			f.set("b", func(p *peer) { p.lag = 0 })
			f.set("c", func(p *peer) { p.lag = 0 })
		})
		time.Sleep(time.Minute)
		assert.Zero(t, f.log.count("level=WARN"), f.log.text.String())
	})
}

// A liar cannot escape by hiding its height, or by ignoring the one that it is asked about.
func TestALiarThatHidesItsHeightIsLeftOut(t *testing.T) {
	for _, liar := range []*peer{{lie: otherHost, silent: true}, {lie: otherHost, latest: true, lag: 3}} {
		inFleet(t, chain.Options{}, truth, "liar b c", map[string]*peer{"liar": liar}, func(t *testing.T, f *fleet) {
			_, err := f.Provider(t.Context(), address)
			require.NoError(t, err)
			time.Sleep(10 * time.Second)
			assert.Equal(t, 1, f.log.count("differs from the others", "liar"), f.log.text.String())
		})
	}
}

// A node that is left out returns after a while. If it still differs it is left out for
// longer, without another warning; if it agrees, the log says so.
func TestANodeThatDiffersReturns(t *testing.T) {
	inFleet(t, chain.Options{}, truth, "liar b c", map[string]*peer{"liar": {lie: otherCert}}, func(t *testing.T, f *fleet) {
		ask := func() int {
			before := f.asked("liar")
			_, err := f.Certificate(t.Context(), address, "1")
			require.NoError(t, err)
			synctest.Wait()
			return f.asked("liar") - before
		}
		assert.Equal(t, 2, ask(), "a question and a second look")
		time.Sleep(59 * time.Second)
		assert.Equal(t, 0, ask())
		time.Sleep(2 * time.Second)
		assert.Equal(t, 2, ask())
		time.Sleep(90 * time.Second)
		assert.Equal(t, 0, ask(), "it is left out for two minutes now")
		time.Sleep(time.Minute)
		f.set("liar", func(p *peer) { p.lie = nil })
		assert.Equal(t, 1, ask())
		assert.Equal(t, 1, f.log.count("level=WARN"))
		assert.Equal(t, 1, f.log.count("agrees with the others again", "liar"))
		assert.EqualValues(t, 2, f.metric("akash_bridge_chain_disagreements_total", "liar"))
	})
}

// Equal answers about states that are far apart are not a quorum.
func TestEqualAnswersAtDistantHeightsAreNoQuorum(t *testing.T) {
	inFleet(t, chain.Options{}, truth, "a b", map[string]*peer{"b": {lag: 100}}, func(t *testing.T, f *fleet) {
		_, err := f.Provider(t.Context(), address)
		e := errorOf(t, err)
		assert.Equal(t, rpcerror.ReasonChainDisagreement, e.Reason)
		assert.Contains(t, e.Error(), "at height 900")
	})
}

// RPC and REST nodes agree with each other, about all that they may say.
func TestRPCAndRESTNodesAgree(t *testing.T) {
	for _, faults := range [][]string{nil, {"cert-revoked"}, {"chain-v1beta3"}} {
		t.Run(fmt.Sprint(faults), func(t *testing.T) {
			srv, err := fake.Start(t.Context(), fake.Options{Seed: 1, Faults: faults})
			require.NoError(t, err)
			defer srv.Close()
			ready := srv.Ready()
			c := newClient(t, chain.Options{Nodes: []string{ready.ChainRPC}, RESTNodes: []string{ready.ChainRPC}})
			r, err := c.Provider(t.Context(), ready.Provider)
			require.NoError(t, err)
			assert.Equal(t, ready.HostURI, r.HostURI)
			assert.EqualValues(t, "quorum=2/2", r.Trust)
			for _, number := range []string{serial(t, srv), "1"} {
				cert, err := c.Certificate(t.Context(), ready.Provider, number)
				require.NoError(t, err)
				assert.EqualValues(t, "quorum=2/2", cert.Trust)
			}
			_, err = c.Provider(t.Context(), ready.Lease.Owner)
			assert.Equal(t, rpcerror.ReasonUnknownProvider, errorOf(t, err).Reason)
			require.NoError(t, c.Ready(t.Context()))
		})
	}
}

func TestQuorumsThatAreNotPossible(t *testing.T) {
	for text, o := range map[string]chain.Options{
		"a quorum of 3 is not possible with 2 nodes": {Nodes: []string{"https://a.example", "https://b.example"}, Quorum: 3},
		"a quorum of -1":                   {Nodes: []string{"https://a.example"}, Quorum: -1},
		"https://a.example is given twice": {Nodes: []string{"https://a.example/KEY", "https://a.example/KEY"}},
	} {
		_, err := chain.New(o)
		require.ErrorContains(t, err, text)
		assert.NotContains(t, err.Error(), "KEY")
	}
	c := newClient(t, chain.Options{Nodes: []string{"https://a.example"}, RESTNodes: []string{"https://a.example"}})
	c.Close()
}

// Closing the client ends a second look and the checks.
func TestCloseEndsTheBackgroundWork(t *testing.T) {
	inFleet(t, chain.Options{Check: true}, truth, "liar b c", map[string]*peer{"liar": {lie: otherHost, silent: true}}, func(t *testing.T, f *fleet) {
		_, err := f.Provider(t.Context(), address)
		require.NoError(t, err)
		began := time.Now()
		f.Close()
		assert.Zero(t, time.Since(began))
		_, err = f.Provider(context.Background(), address)
		require.NoError(t, err, "it is cached")
	})
}
