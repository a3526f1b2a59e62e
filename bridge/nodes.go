package main

import (
	"context"
	"sync"

	"akash-provider-web/bridge/chain"
)

// chainNodes is the client of the chain's nodes, which can be replaced while it is in use.
// It implements provider.Chain.
type chainNodes struct {
	mu      sync.Mutex
	current *chainClient
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
	n.current = &chainClient{Client: client}
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

// Ready returns nil if a node answers and is in sync with the chain.
func (n *chainNodes) Ready(ctx context.Context) error {
	client, done := n.use()
	defer done()
	return client.Ready(ctx)
}

// Close closes the client, and waits for those that it has replaced.
func (n *chainNodes) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.current.Close()
	n.closing.Wait()
}
