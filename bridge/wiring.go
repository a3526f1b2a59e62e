package main

import (
	"context"
	"log/slog"
	"syscall"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/web"
)

// testHookControl, if set, sees every socket to a provider before it connects.
var testHookControl func(ctx context.Context, network, address string, c syscall.RawConn) error

// connect builds the dependencies as configured. It sends no requests yet.
func (c *config) connect(log *slog.Logger) (dependencies, error) {
	options := provider.Options{
		Overrides:    c.providers,
		GRPCPorts:    c.grpcPorts,
		Destinations: guard.Destinations{AllowPrivate: c.allowPrivateNetworks},
		Control:      testHookControl,
		Logger:       log,
	}
	client, err := c.newChain(log)
	if err != nil {
		return dependencies{}, usageError{err}
	}
	nodes := newChainNodes(client)
	options.Chain = nodes
	pool, err := provider.New(options)
	if err != nil {
		nodes.Close()
		return dependencies{}, usageError{err}
	}
	d := dependencies{
		reacher: pool,
		chain:   nodes,
		web:     web.Handler(),
		close:   func() { pool.Close(); nodes.Close() },
	}
	if _, chosen := c.chain(); chosen || len(c.providers) == 0 {
		d.ready = nodes.Ready // otherwise the bridge may run without a chain
	}
	return d, nil
}

// newChain returns a client for the chain as configured. It sends no requests yet.
func (c *config) newChain(log *slog.Logger) (*chain.Client, error) {
	o, _ := c.chain()
	o.Check, o.Logger = true, log
	return chain.New(o)
}
