package main

import (
	"log/slog"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/web"
)

// connect builds the rooms that the bridge stands on, as configured. Nothing is
// asked of anyone yet.
func (c *config) connect(log *slog.Logger) (dependencies, error) {
	options := provider.Options{
		Overrides:    c.providers,
		GRPCPorts:    c.grpcPorts,
		Destinations: guard.Destinations{AllowPrivate: c.allowPrivateNetworks},
		Logger:       log,
	}
	d := dependencies{web: web.Handler(), close: func() {}}
	if len(c.chainRPC) > 0 {
		nodes, err := chain.New(chain.Options{Nodes: c.chainRPC, Logger: log})
		if err != nil {
			return d, usageError{err}
		}
		options.Chain = nodes
		d.ready = nodes.Ready
		d.close = nodes.Close
	}
	pool, err := provider.New(options)
	if err != nil {
		d.close()
		return d, usageError{err}
	}
	d.reacher = pool
	closeChain := d.close
	d.close = func() { pool.Close(); closeChain() }
	return d, nil
}
