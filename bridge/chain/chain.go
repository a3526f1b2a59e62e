// Package chain queries the Akash chain for providers' records, certificates, and leases. It
// uses the CometBFT RPC or the REST API of several nodes, believes what a quorum of them
// agrees on, leaves out nodes that differ or are out of sync, and caches answers. It knows
// nothing about the protocols of providers.
package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain/light"
	"akash-provider-web/bridge/rpcerror"
)

// Lifetimes of cached answers.
const (
	// recordLifetime is how long a provider's record is fresh. A provider that
	// changes its host URI is found again after it.
	recordLifetime = 5 * time.Minute
	// staleLifetime is how long a record is used, marked as stale, while no node
	// answers.
	staleLifetime = 24 * time.Hour
	// staleTimeout is how long a call that has a stale record waits for a fresh one.
	// The query continues after it.
	staleTimeout = 2 * time.Second
	// absentLifetime is how long the absence of a provider or certificate is cached:
	// long enough to limit the queries of a page that asks in a loop, and short
	// enough for someone who has just published theirs.
	absentLifetime = 5 * time.Second
)

const (
	// maxRecords bounds the cached records. The chain has a few hundred providers.
	maxRecords = 10_000
	// queryTimeout bounds a query over all nodes.
	queryTimeout = 10 * time.Second
	// nodeTimeout bounds a query to one node.
	nodeTimeout = 6 * time.Second
	// maxConnsPerNode bounds the connections to a node, since a page may look up
	// hundreds of providers at once.
	maxConnsPerNode = 32
	// maxHeaderBytes bounds the headers of a node's answer.
	maxHeaderBytes = 64 << 10
	// hedgeDelay is how long nodes may take before a further one is queried, too.
	hedgeDelay = 700 * time.Millisecond
)

// Record is a provider's record on the chain.
type Record struct {
	// Owner is the provider's bech32 address.
	Owner string
	// HostURI is the URI that the provider published. It has not been validated.
	HostURI string
	// AsOf is when the record was queried.
	AsOf time.Time
	// Trust says how the record is known.
	Trust Trust
	// Stale says that the record is no longer fresh, but no node answers.
	Stale bool
}

// State is the state of a certificate on the chain.
type State int

// The possible states.
const (
	// Absent means that the chain has no such certificate.
	Absent State = iota
	Valid
	Revoked
)

// Certificate is a certificate on the chain.
type Certificate struct {
	State State
	// PEM is the certificate as it was published; nil if State is Absent.
	PEM []byte
	// Trust says how the state is known.
	Trust Trust
}

// Options configure a Client.
type Options struct {
	// Nodes are the URLs of CometBFT RPC endpoints, in order of preference. A URL may
	// contain a secret, such as a key in its path or query. It is used in requests
	// only and never logged.
	Nodes []string
	// RESTNodes are the URLs of REST APIs of the Cosmos SDK, such as
	// https://rest.example.com. They are queried after Nodes, and are otherwise treated
	// the same. One of the two lists must have a node.
	RESTNodes []string
	// Quorum is how many nodes must give equal answers. 0 means 2, and 1 if there is one
	// node only or answers are proven.
	Quorum int
	// ChainID is the id of the chain, such as akashnet-2. Nodes of other chains are not
	// asked. "" means the chain that most nodes are of.
	ChainID string
	// Trust, if not nil, has answers proven from the header that it names, and the state
	// that is kept in TrustFile; its zero value means the state in the file only. Nodes
	// that cannot prove their answers are not asked, which are those of RESTNodes. As many
	// nodes as Quorum, or one if it is 0, must have the same header.
	Trust *light.Trust
	// TrustFile is the name of the file that keeps the verified state; "" keeps it in
	// memory.
	TrustFile string
	// Check checks the nodes from the first query on, or from Start, at an interval.
	// Nodes that are of another chain, out of sync or at another height than the others
	// are not asked. Without it only Ready checks them.
	Check bool
	// Transport sends the requests. nil means a transport of the client's own, which
	// respects HTTPS_PROXY.
	Transport http.RoundTripper
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Logger logs nodes that fail, differ and recover; nil disables logging.
	Logger *slog.Logger
}

// Client queries the chain. Its methods may be called concurrently. All errors are
// *rpcerror.Error.
type Client struct {
	nodes    []*node
	quorum   int
	chainID  string // "" if it is not configured
	http     *http.Client
	now      func() time.Time
	log      *slog.Logger
	metrics  *metrics
	flights  singleflight.Group
	records  cache[Record]
	absent   cache[State]
	lists    cache[Leases]
	everyone cache[Providers]
	light    *light.Client // nil if answers are not proven
	close    context.CancelFunc
	closed   context.Context

	checks  bool
	started atomic.Bool // the checks have begun
	judging sync.Mutex  // held while nodes are judged
	learned string      // the chain id that most nodes have; guarded by judging

	refreshed    atomic.Pointer[time.Time] // when the newest header was last asked for
	mu           sync.Mutex
	running      sync.WaitGroup // background work; guarded by mu against Close
	disagreement time.Time      // when one was last logged
}

// New returns a client for the nodes in o. It sends no queries yet.
func New(o Options) (*Client, error) {
	if len(o.Nodes)+len(o.RESTNodes) == 0 {
		return nil, errors.New("chain: no nodes")
	}
	if o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = maxConnsPerNode
		t.MaxConnsPerHost = maxConnsPerNode
		t.IdleConnTimeout = time.Minute
		t.MaxResponseHeaderBytes = maxHeaderBytes
		o.Transport = t
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{
		http: &http.Client{
			Transport: o.Transport,
			// Following a redirect would turn a POST into a GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		chainID: o.ChainID,
		checks:  o.Check,
		now:     o.Now,
		log:     o.Logger,
	}
	c.records.max, c.absent.max, c.lists.max, c.everyone.max = maxRecords, maxRecords, maxLists, 1
	c.closed, c.close = context.WithCancel(context.Background())
	add := func(urls []string, a api) error {
		for _, text := range urls {
			n, err := newNode(text, a)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(c.nodes, func(other *node) bool { return other.api == a && *other.url == *n.url }) {
				return fmt.Errorf("chain: the node %s is given twice, and would agree with itself", n.name)
			}
			c.nodes = append(c.nodes, n)
		}
		return nil
	}
	if err := errors.Join(add(o.Nodes, rpcAPI{}), add(o.RESTNodes, restAPI{})); err != nil {
		return nil, err
	}
	if o.Trust != nil {
		if err := c.prove(o); err != nil {
			return nil, err
		}
	}
	if c.quorum = o.Quorum; c.quorum == 0 {
		c.quorum = min(2, len(c.nodes))
		if c.light != nil {
			c.quorum = 1
		}
	}
	if c.quorum < 1 || c.quorum > len(c.nodes) {
		return nil, fmt.Errorf("chain: a quorum of %d is not possible with %d nodes", c.quorum, len(c.nodes))
	}
	c.metrics = newMetrics(c)
	return c, nil
}

// Close cancels running queries, ends the checks and closes the connections to the nodes.
func (c *Client) Close() {
	c.mu.Lock()
	c.close()
	c.mu.Unlock()
	c.running.Wait()
	c.http.CloseIdleConnections()
}

// background runs work in a goroutine that Close waits for. It returns false if the
// client is closed.
func (c *Client) background(work func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Err() != nil {
		return false
	}
	c.running.Go(work)
	return true
}

// Provider returns the record of the provider with the given bech32 address. The
// error's reason is unknownProvider if the chain has no record, chainUnavailable if too
// few nodes answer and no earlier record is cached, and chainDisagreement if no quorum of
// them agrees.
func (c *Client) Provider(ctx context.Context, address string) (Record, error) {
	if err := c.forked(); err != nil {
		return Record{}, err
	}
	now := c.now()
	known, ok := c.records.get(address, now)
	if ok && known.fresh(now) {
		c.metrics.records.WithLabelValues("cache").Inc()
		return known, nil
	}
	if _, absent := c.absent.get(address, now); absent {
		c.metrics.records.WithLabelValues("cache").Inc()
		return Record{}, unknownProvider(address)
	}
	if !ok {
		c.metrics.records.WithLabelValues("node").Inc()
		return c.freshProvider(ctx, address)
	}
	known.Stale = true
	if c.fewerWork(now) {
		c.metrics.records.WithLabelValues("stale").Inc()
		return known, nil
	}
	waitCtx, cancel := context.WithTimeout(ctx, staleTimeout)
	defer cancel()
	fresh, err := c.freshProvider(waitCtx, address)
	var f *rpcerror.Error
	if errors.As(err, &f) && f.Reason == rpcerror.ReasonChainUnavailable && ctx.Err() == nil {
		c.metrics.records.WithLabelValues("stale").Inc()
		return known, nil
	}
	c.metrics.records.WithLabelValues("node").Inc()
	return fresh, err
}

// fresh reports whether the record need not be queried again.
func (r Record) fresh(now time.Time) bool { return now.Sub(r.AsOf) < recordLifetime }

func (c *Client) freshProvider(ctx context.Context, address string) (Record, error) {
	return share(ctx, c, "provider/"+address, func(ctx context.Context) (Record, error) {
		// Another call's answer may have arrived since the caller looked.
		now := c.now()
		if known, ok := c.records.get(address, now); ok && known.fresh(now) {
			return known, nil
		}
		return c.askProvider(ctx, address)
	})
}

// Certificate returns the certificate that owner published under the given decimal
// serial number. If there is none, its State is Absent, and err is nil. Valid
// certificates are not cached here; the caller caches its decisions.
func (c *Client) Certificate(ctx context.Context, owner, serial string) (Certificate, error) {
	if err := c.forked(); err != nil {
		return Certificate{}, err
	}
	key := owner + "/" + serial
	if state, ok := c.absent.get(key, c.now()); ok {
		return Certificate{State: state}, nil
	}
	return share(ctx, c, "certificate/"+key, func(ctx context.Context) (Certificate, error) {
		cert, err := c.askCertificate(ctx, owner, serial)
		if err == nil && cert.State != Valid {
			c.absent.put(key, cert.State, c.now().Add(absentLifetime), c.now())
		}
		return cert, err
	})
}

// share runs ask once for concurrent callers with the same key. The query continues
// when its first caller leaves, for the sake of the others, but ends after
// queryTimeout or when the client is closed.
func share[V any](ctx context.Context, c *Client, key string, ask func(context.Context) (V, error)) (V, error) {
	return shareFor(ctx, c, key, queryTimeout, ask)
}

func shareFor[V any](ctx context.Context, c *Client, key string, timeout time.Duration, ask func(context.Context) (V, error)) (V, error) {
	answer := c.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(c.closed, timeout)
		defer cancel()
		return ask(ctx)
	})
	var none V
	select {
	case r := <-answer:
		if r.Err != nil {
			return none, r.Err
		}
		return r.Val.(V), nil
	case <-ctx.Done():
		code := codes.DeadlineExceeded
		if errors.Is(ctx.Err(), context.Canceled) {
			code = codes.Canceled
		}
		return none, rpcerror.New(code, rpcerror.ReasonChainUnavailable, "the call ended before the chain had answered (%w)", ctx.Err())
	}
}

func unknownProvider(address string) error {
	return &rpcerror.Error{
		Code: codes.NotFound, Reason: rpcerror.ReasonUnknownProvider, Provider: address,
		Message: "the chain has no provider with this address; check the address and the network it belongs to",
	}
}

// unavailable returns the error of a query that failed on all nodes.
func unavailable(failed []error) error {
	return rpcerror.New(codes.Unavailable, rpcerror.ReasonChainUnavailable,
		"no chain node answered (%w); try again later, or have the bridge's operator check --chain-rpc and --chain-rest", failures(failed))
}

// failures joins several errors in one line.
type failures []error

func (f failures) Error() string {
	texts := make([]string, len(f))
	for i, err := range f {
		texts[i] = strings.ReplaceAll(err.Error(), "\n", ", ")
	}
	return strings.Join(texts, "; ")
}

func (f failures) Unwrap() []error { return f }
