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
	// portHeadStart is the head start of each port over the next. It covers the TCP
	// and TLS handshakes with most hosts, so that further ports are tried only if
	// something is wrong with the likeliest one.
	portHeadStart = 500 * time.Millisecond
	// portSilence is how long no port may speak gRPC before a call uses the REST
	// gateway, if that answers. A firewall may drop packets, or a process may hang
	// after accepting the connection. The search continues, so that later calls can
	// use a slow port.
	portSilence = 1250 * time.Millisecond
	// knownSilence is the same if the previous search found no port either.
	knownSilence = 250 * time.Millisecond
	// noGRPCLifetime is how long a host without an answering gRPC port is not
	// searched again, if its REST gateway answers and the search took slowSearch or
	// longer, for example because a firewall drops packets. Ports that refuse
	// connections at once are cheap to try, and may open when a provider restarts.
	noGRPCLifetime = 30 * time.Second
	slowSearch     = time.Second
)

// candidates returns the ports that may speak gRPC, the likeliest first. The chain has
// no record of the port (proto/akash-provider-api.md, section 1.1).
func (rt *route) candidates() []uint16 {
	own := rt.key.host.Port
	ports := rt.pool.ports
	if len(ports) == 0 {
		ports = []uint16{defaultGRPCPort, own, defaultRESTPort}
		// Another service may have the next port.
		if own < 65535 && rt.pool.destinations.Port(own+1) == nil {
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

// find tries the ports concurrently for a connection that speaks gRPC.
func (t *grpcTransport) find(ctx context.Context) (*grpcConn, error) {
	rt := t.peer.route
	rt.mu.Lock()
	failure, until := rt.lastFailure, rt.failureUntil
	rt.mu.Unlock()
	if rt.pool.now().Before(until) {
		return nil, failure
	}
	// Resolve the name first: if it does not resolve, no port is at fault.
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

// avoidGRPC records that the search for a gRPC port failed and how long it took.
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
