package main

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"akash-provider-web/bridge/chain"
)

// chainNodes is the client of the chain's nodes, which can be replaced while it is in use.
// It implements provider.Chain.
type chainNodes struct {
	mu      sync.Mutex
	current *chainClient
	started bool
	closing sync.WaitGroup // replaced clients that still have queries
}

// chainClient is a client and its users.
type chainClient struct {
	*chain.Client
	users sync.WaitGroup
}

func newChainNodes(client *chain.Client) *chainNodes {
	return &chainNodes{current: &chainClient{Client: client}}
}

// Start begins the checks of the nodes. Otherwise they begin with the first query.
func (n *chainNodes) Start() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.started = true
	n.current.Start()
}

// use returns the client until done is called.
func (n *chainNodes) use() (client *chain.Client, done func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.current.users.Add(1)
	return n.current.Client, n.current.users.Done
}

// replace has the next queries sent by another client. Queries that have begun end with the
// old one, which is then closed. What it has cached is lost.
func (n *chainNodes) replace(client *chain.Client) {
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.current
	client.Continue(old.Client)
	n.current = &chainClient{Client: client}
	if n.started {
		client.Start()
	}
	n.closing.Go(func() {
		old.users.Wait() // queries end within seconds
		old.Close()
	})
}

// Provider implements provider.Chain.
func (n *chainNodes) Provider(ctx context.Context, address string) (chain.Record, error) {
	client, done := n.use()
	defer done()
	return client.Provider(ctx, address)
}

// Certificate implements trust.Certificates.
func (n *chainNodes) Certificate(ctx context.Context, owner, serial string) (chain.Certificate, error) {
	client, done := n.use()
	defer done()
	return client.Certificate(ctx, owner, serial)
}

// Leases implements chainrpc.Chain.
func (n *chainNodes) Leases(ctx context.Context, owner, state string) (chain.Leases, error) {
	client, done := n.use()
	defer done()
	return client.Leases(ctx, owner, state)
}

// Providers implements chainrpc.Chain.
func (n *chainNodes) Providers(ctx context.Context) (chain.Providers, error) {
	client, done := n.use()
	defer done()
	return client.Providers(ctx)
}

// Ready returns nil if enough nodes answer and are in sync with the chain.
func (n *chainNodes) Ready(ctx context.Context) error {
	client, done := n.use()
	defer done()
	return client.Ready(ctx)
}

// Describe implements prometheus.Collector. All clients have the same metrics.
func (n *chainNodes) Describe(descriptions chan<- *prometheus.Desc) {
	client, done := n.use()
	defer done()
	client.Describe(descriptions)
}

// Collect implements prometheus.Collector.
func (n *chainNodes) Collect(values chan<- prometheus.Metric) {
	client, done := n.use()
	defer done()
	client.Collect(values)
}

// Close closes the client, and waits for those that it has replaced.
func (n *chainNodes) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.current.Close()
	n.closing.Wait()
}
