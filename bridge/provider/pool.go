package provider

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trust"
)

const (
	// findTimeout bounds each search for a provider.
	findTimeout = 20 * time.Second
	// peerLifetime is how long information about an unused provider is kept.
	peerLifetime = 15 * time.Minute
	// maxPeers bounds the number of routes and peers.
	maxPeers = 20_000
)

// Chain looks up providers and their certificates. [*chain.Client] implements it.
type Chain interface {
	trust.Certificates
	Provider(ctx context.Context, address string) (chain.Record, error)
}

// Resolver looks up host names. [*net.Resolver] implements it.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options configure a Pool. Without Chain and Overrides, a Pool finds no provider.
type Options struct {
	// Chain has the providers' records and certificates.
	Chain Chain
	// Overrides maps addresses to host URIs that replace the chain's records
	// (--provider). Certificates are verified as usual.
	Overrides map[string]string
	// GRPCPorts are tried instead of 8444, the host URI's port, 8443 and the port
	// after the host URI's (--grpc-port).
	GRPCPorts []uint16
	// Destinations says where connections may go.
	Destinations guard.Destinations
	// Control is called for each socket that Destinations allows, before it connects, as
	// [net.Dialer.ControlContext] is. Its error is that of the connection. Nil allows all.
	Control func(ctx context.Context, network, address string, c syscall.RawConn) error
	// Roots are the public CAs; nil means the system's.
	Roots *x509.CertPool
	// Resolver looks up host names; nil means [net.DefaultResolver].
	Resolver Resolver
	// Now is the clock of caches and certificates; nil means [time.Now].
	Now func() time.Time
	// Logger logs connections; nil disables logging.
	Logger *slog.Logger
}

// Pool connects to providers. It keeps connections and caches information about
// providers. Its methods may be called concurrently. It implements [Reacher].
type Pool struct {
	chain        Chain
	overrides    map[string]guard.HostURI
	ports        []uint16
	destinations guard.Destinations
	control      func(ctx context.Context, network, address string, c syscall.RawConn) error
	resolver     Resolver
	verifier     *trust.Verifier
	now          func() time.Time
	log          *slog.Logger
	timeouts     timeouts
	metrics      *metrics
	// searchesAlong has an element for each search that goes along with the question for a
	// version.
	searchesAlong chan struct{}

	// ctx is canceled when the pool is closed, and closes all connections.
	ctx   context.Context
	close context.CancelFunc

	mu     sync.Mutex
	routes map[routeKey]*route
	peers  int // number of peers and routes
	swept  time.Time
}

var _ Reacher = (*Pool)(nil)

// New returns a Pool. It opens no connections yet.
func New(o Options) (*Pool, error) {
	p := &Pool{
		chain:         o.Chain,
		overrides:     make(map[string]guard.HostURI),
		ports:         slices.Clone(o.GRPCPorts),
		destinations:  o.Destinations,
		control:       o.Control,
		resolver:      o.Resolver,
		now:           o.Now,
		log:           o.Logger,
		timeouts:      defaultTimeouts,
		searchesAlong: make(chan struct{}, maxSearchesAlong),
		metrics:       newMetrics(),
		routes:        make(map[routeKey]*route),
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.resolver == nil {
		p.resolver = net.DefaultResolver
	}
	for _, port := range p.ports {
		if err := p.destinations.Port(port); err != nil {
			return nil, fmt.Errorf("gRPC port: %w", err)
		}
	}
	for address, text := range o.Overrides {
		if err := CheckAddress(address); err != nil {
			return nil, err
		}
		host, err := guard.ParseHostURI(text)
		if err != nil {
			return nil, fmt.Errorf("provider %s: %w", address, err)
		}
		p.overrides[address] = host
	}
	trustOptions := trust.Options{Roots: o.Roots, Now: o.Now, Decided: p.metrics.decided}
	if o.Chain != nil {
		trustOptions.Chain = o.Chain
	}
	p.verifier = trust.New(trustOptions)
	p.ctx, p.close = context.WithCancel(context.Background())
	return p, nil
}

// Close closes all connections and cancels searches. Later calls fail.
func (p *Pool) Close() { p.close() }

// Reach connects to a provider. It determines the host (from the caller, the operator
// or the chain), its addresses, the provider's version if requested, and a port that
// speaks gRPC and presents the provider's certificate. It uses the REST gateway
// instead if there is no such port, if the provider is too old or its version is
// unknown, or if it lacks the requested service in the bridge's dialect.
//
// Errors are *rpcerror.Error and name the provider.
func (p *Pool) Reach(ctx context.Context, r Request) (*Endpoint, error) {
	endpoint, err := p.reach(ctx, r)
	if err != nil {
		return nil, rpcerror.About(r.Address, codes.Unavailable, err)
	}
	return endpoint, nil
}

func (p *Pool) reach(ctx context.Context, r Request) (*Endpoint, error) {
	if err := CheckAddress(r.Address); err != nil {
		return nil, err
	}
	client, err := newClientCert(r.ClientCertificate)
	if err != nil {
		return nil, err
	}
	clientChecked := func() error { return nil }
	if client != nil {
		if s, known := p.verifier.ClientDates(client.leaf); known && s.Refused() {
			return nil, trust.ClientRefusal(s, client.leaf)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		clientChecked = p.checkClient(ctx, client)
	}
	at, err := p.locate(ctx, r.Address, r.HostURI)
	if err != nil {
		return nil, err
	}
	peer, err := p.peer(routeKey{
		address:  r.Address,
		host:     at.host,
		chosen:   at.chosen,
		insecure: r.TLS.Insecure,
		pinned:   r.TLS.PinSHA256 != nil,
		pin:      string(r.TLS.PinSHA256),
	}, client)
	if err != nil {
		return nil, err
	}
	if r.Ahead && client == nil {
		return peer.reachAhead(ctx, r, at)
	}
	endpoint, err := peer.reach(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := clientChecked(); err != nil {
		return nil, err
	}
	return endpoint.located(at), nil
}

// located completes an endpoint with what is known of the provider's host.
func (e *Endpoint) located(at place) *Endpoint {
	e.Stale = at.stale
	if e.Verified == string(trust.ByCA) {
		e.Trust = cmp.Or(e.Trust, string(at.trust))
	}
	return e
}

// peer returns the peer for a route and a client certificate.
func (p *Pool) peer(key routeKey, client *clientCert) (*peer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return nil, errClosed
	}
	now := p.now()
	p.sweep(now)
	rt := p.routes[key]
	if rt == nil {
		if p.peers >= maxPeers {
			return nil, errTooManyPeers
		}
		rt = newRoute(p, key)
		p.routes[key] = rt
		p.peers++
	}
	var id clientKey
	if client != nil {
		id = client.key
	}
	found := rt.peers[id]
	if found == nil {
		if p.peers >= maxPeers {
			return nil, errTooManyPeers
		}
		found = newPeer(rt, id, client)
		rt.peers[id] = found
		p.peers++
	}
	found.used = now
	rt.used = now
	return found, nil
}

var (
	errClosed       = rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderUnreachable, "the bridge is shutting down")
	errTooManyPeers = rpcerror.New(codes.ResourceExhausted, rpcerror.ReasonProviderUnreachable, "the bridge knows too many providers at once; try again later")
)

// sweep occasionally removes routes and peers that are unused and have no connection.
func (p *Pool) sweep(now time.Time) {
	if now.Sub(p.swept) < time.Minute && p.peers < maxPeers {
		return
	}
	p.swept = now
	for key, rt := range p.routes {
		for client, peer := range rt.peers {
			if now.Sub(peer.used) > peerLifetime && peer.idle() {
				delete(rt.peers, client)
				p.peers--
			}
		}
		if len(rt.peers) == 0 && now.Sub(rt.used) > peerLifetime {
			delete(p.routes, key)
			p.peers--
		}
	}
}
