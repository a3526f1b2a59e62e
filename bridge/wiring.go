package main

import (
	"log/slog"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/web"
)

// connect builds the dependencies as configured. It sends no requests yet.
func (c *config) connect(log *slog.Logger) (dependencies, error) {
	options := provider.Options{
		Overrides:    c.providers,
		GRPCPorts:    c.grpcPorts,
		Destinations: guard.Destinations{AllowPrivate: c.allowPrivateNetworks},
		Logger:       log,
	}
	rpc, rest, chosen := c.nodes()
	nodes, err := chain.New(chain.Options{Nodes: rpc, RESTNodes: rest, Logger: log})
	if err != nil {
		return dependencies{}, usageError{err}
	}
	options.Chain = nodes
	pool, err := provider.New(options)
	if err != nil {
		nodes.Close()
		return dependencies{}, usageError{err}
	}
	d := dependencies{
		reacher: pool,
		web:     web.Handler(),
		close:   func() { pool.Close(); nodes.Close() },
	}
	if chosen || len(c.providers) == 0 {
		d.ready = nodes.Ready // otherwise the bridge may run without a chain
	}
	return d, nil
}
