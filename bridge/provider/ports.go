package provider

import (
	"context"
	"errors"
	"slices"
	"time"

	"akash-provider-web/bridge/internal/happyeyeballs"
	"akash-provider-web/bridge/rpcerror"
)

const (
	defaultGRPCPort uint16 = 8444
	defaultRESTPort uint16 = 8443
	// portHeadStart is what one port has over the next. It covers a TCP and a TLS
	// handshake to most places, so that a port further down the list is troubled
	// only if something is wrong with the likely one.
	portHeadStart = 500 * time.Millisecond
	// portSilence is how long all ports may be silent before a call goes over the REST
	// gateway, if that answers: a firewall that swallows packets, or a process that
	// hangs, accepts connections and says nothing. A slow port is found all the same,
	// for the next call.
	portSilence = 1250 * time.Millisecond
	// knownSilence is the same where the last search found no port either.
	knownSilence = 250 * time.Millisecond
	// noGRPCLifetime is how long a host whose gRPC ports do not answer is not tried
	// again, if its REST gateway does answer and finding out took slowSearch: a
	// firewall that swallows packets. Ports that refuse at once cost nothing to
	// try, and may open any moment when a provider restarts.
	noGRPCLifetime = 30 * time.Second
	slowSearch     = time.Second
)

// candidates lists the ports that may speak gRPC, the likeliest first. The chain
// does not tell (proto/akash-provider-api.md, section 1.1).
func (rt *route) candidates() []uint16 {
	own := rt.key.host.Port
	ports := rt.pool.ports
	if len(ports) == 0 {
		ports = []uint16{defaultGRPCPort, own, defaultRESTPort}
		if own < 65535 {
			ports = append(ports, own+1)
		}
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.lastPort != 0 {
		ports = slices.Concat([]uint16{rt.lastPort}, ports)
	}
	var once []uint16
	for _, port := range ports {
		if !slices.Contains(once, port) {
			once = append(once, port)
		}
	}
	return once
}

// find races the ports for a connection that speaks gRPC.
func (t *grpcTransport) find(ctx context.Context) (*grpcConn, error) {
	rt := t.peer.route
	rt.mu.Lock()
	failure, until := rt.lastFailure, rt.failureUntil
	rt.mu.Unlock()
	if rt.pool.now().Before(until) {
		return nil, failure
	}
	// Before any connection: if the name leads nowhere, no port is to blame.
	if _, err := rt.addresses(ctx); err != nil {
		return nil, err
	}
	conn, failures := happyeyeballs.First(ctx, portHeadStart, rt.candidates(), t.dial, (*grpcConn).discard)
	if len(failures) == 0 {
		rt.mu.Lock()
		defer rt.mu.Unlock()
		rt.lastPort, rt.lastFailure, rt.failureUntil = conn.port, nil, time.Time{}
		return conn, nil
	}
	err := joined(failures...)
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.lastPort, rt.addressesUntil = 0, time.Time{}
	return nil, err
}

// avoidGRPC remembers that the search for a gRPC port failed and what it took.
func (rt *route) avoidGRPC(err error, took time.Duration) {
	var f *rpcerror.Error
	if took < slowSearch || !errors.As(err, &f) || f.Reason != rpcerror.ReasonProviderUnreachable {
		return
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if now := rt.pool.now(); now.After(rt.failureUntil) {
		rt.lastFailure, rt.failureUntil = err, now.Add(noGRPCLifetime)
	}
}
