// Package chain asks the Akash chain who a provider is and which certificates
// are its own. It speaks CometBFT RPC to several nodes, caches what they say and
// fails over between them. It knows nothing of providers' protocols.
package chain

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// How long answers live.
const (
	// recordLifetime is how long a provider's record is served unasked. A
	// provider that moves is found again after it.
	recordLifetime = 5 * time.Minute
	// staleLifetime is how long a record is served, marked stale, while no node
	// answers.
	staleLifetime = 24 * time.Hour
	// stalePatience is how long a call with a stale record at hand waits for a
	// fresh one; the question itself goes on.
	stalePatience = 2 * time.Second
	// absentLifetime is how long "no such provider" and "no such certificate"
	// are believed: long enough to blunt a page that asks in a loop, short enough
	// not to annoy someone who has just published theirs.
	absentLifetime = 5 * time.Second
)

const (
	// maxRecords bounds the cached provider records; the chain has a few hundred.
	maxRecords = 10_000
	// queryTimeout bounds one question, over all nodes together.
	queryTimeout = 10 * time.Second
	// nodeTimeout bounds one question to one node.
	nodeTimeout = 6 * time.Second
	// maxConnsPerNode bounds how hard one node is asked: a page may discover
	// hundreds of providers at once.
	maxConnsPerNode = 32
	// hedgeDelay is how long a node may think before the next one is asked too.
	hedgeDelay = 700 * time.Millisecond
)

// Record is what the chain says of a provider.
type Record struct {
	// Owner is the provider's bech32 address.
	Owner string
	// HostURI is as the provider wrote it: unchecked.
	HostURI string
	// AsOf is when a node said so.
	AsOf time.Time
	// Stale says that the record is older than it should be, since no node
	// answers.
	Stale bool
}

// State is what the chain says of a certificate.
type State int

// The states of a certificate.
const (
	// Absent means that the chain holds no such certificate.
	Absent State = iota
	Valid
	Revoked
)

// Certificate is a certificate on the chain.
type Certificate struct {
	State State
	// PEM holds the certificate as it was published; nil if Absent.
	PEM []byte
}

// Options configure a Client.
type Options struct {
	// Nodes are the URLs of CometBFT RPC endpoints, best first. A URL may hold a
	// secret (a key in its path or query): it appears nowhere but in requests.
	Nodes []string
	// Transport carries the requests; nil means one of the client's own, which
	// heeds HTTPS_PROXY.
	Transport http.RoundTripper
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Logger hears of nodes that fail and recover; nil discards.
	Logger *slog.Logger
}

// Client asks the chain. Its methods may be called concurrently. All errors are
// *rpcerror.Error.
type Client struct {
	nodes   []*node
	http    *http.Client
	now     func() time.Time
	log     *slog.Logger
	flights singleflight.Group
	records cache[Record]
	absent  cache[State]
	close   context.CancelFunc
	closed  context.Context
}

// New returns a client for the nodes of o, of which there must be at least one.
// It asks them nothing yet.
func New(o Options) (*Client, error) {
	if len(o.Nodes) == 0 {
		return nil, errors.New("chain: no node to ask")
	}
	if o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = maxConnsPerNode
		t.MaxConnsPerHost = maxConnsPerNode
		t.IdleConnTimeout = time.Minute
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
			// A redirect would turn the question into a GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		now: o.Now,
		log: o.Logger,
	}
	c.records.max, c.absent.max = maxRecords, maxRecords
	c.closed, c.close = context.WithCancel(context.Background())
	for _, text := range o.Nodes {
		n, err := newNode(text)
		if err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, n)
	}
	return c, nil
}

// Close ends the questions under way and drops the connections to the nodes.
func (c *Client) Close() {
	c.close()
	c.http.CloseIdleConnections()
}

// Provider returns the record of the provider with the given bech32 address.
// The fault is unknownProvider where the chain has none, chainUnavailable where
// no node answers and no earlier record can stand in.
func (c *Client) Provider(ctx context.Context, address string) (Record, error) {
	now := c.now()
	known, ok := c.records.get(address, now)
	if ok && known.fresh(now) {
		return known, nil
	}
	if _, absent := c.absent.get(address, now); absent {
		return Record{}, unknownProvider(address)
	}
	if !ok {
		return c.freshProvider(ctx, address)
	}
	known.Stale = true
	if c.allResting(now) {
		return known, nil
	}
	patience, cancel := context.WithTimeout(ctx, stalePatience)
	defer cancel()
	fresh, err := c.freshProvider(patience, address)
	var f *rpcerror.Error
	if errors.As(err, &f) && f.Reason == rpcerror.ReasonChainUnavailable && ctx.Err() == nil {
		return known, nil
	}
	return fresh, err
}

// fresh reports whether a record that is known need not be asked for again.
func (r Record) fresh(now time.Time) bool { return now.Sub(r.AsOf) < recordLifetime }

func (c *Client) freshProvider(ctx context.Context, address string) (Record, error) {
	return share(ctx, c, "provider/"+address, func(ctx context.Context) (Record, error) {
		// The answer that others waited for may have come since the caller looked.
		now := c.now()
		if known, ok := c.records.get(address, now); ok && known.fresh(now) {
			return known, nil
		}
		return c.askProvider(ctx, address)
	})
}

// Certificate returns the certificate that owner published under the serial
// number, given in decimal. That there is none is an answer, not an error. What
// is good is not cached here: that is for the one who decides with it.
func (c *Client) Certificate(ctx context.Context, owner, serial string) (Certificate, error) {
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

// Ready returns nil if some node answers and is not catching up with the chain.
func (c *Client) Ready(ctx context.Context) error {
	_, err := share(ctx, c, "ready", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.askReady(ctx)
	})
	return err
}

// share has concurrent callers with the same question wait for one answer. The
// work outlives the caller who began it, for the others' sake, but not
// queryTimeout nor the client.
func share[V any](ctx context.Context, c *Client, key string, ask func(context.Context) (V, error)) (V, error) {
	answer := c.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(c.closed, queryTimeout)
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
		Message: "the chain knows no provider of this address; check the address and the network it belongs to",
	}
}

// unavailable tells what each node said.
func unavailable(failed []error) error {
	return rpcerror.New(codes.Unavailable, rpcerror.ReasonChainUnavailable,
		"no chain node answered (%w); try again later, or have the bridge's operator check --chain-rpc", failures(failed))
}

// failures is several errors in one line.
type failures []error

func (f failures) Error() string {
	texts := make([]string, len(f))
	for i, err := range f {
		texts[i] = strings.ReplaceAll(err.Error(), "\n", ", ")
	}
	return strings.Join(texts, "; ")
}

func (f failures) Unwrap() []error { return f }
