package provider

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trust"
)

const (
	// findTimeout bounds the whole search for a way to a provider.
	findTimeout = 20 * time.Second
	// peerLifetime is how long what is known of an unused provider is kept.
	peerLifetime = 15 * time.Minute
	// maxPeers bounds how many routes and peers are known at once.
	maxPeers = 20_000
)

// Chain finds providers and their certificates; [*chain.Client] does.
type Chain interface {
	trust.Certificates
	Provider(ctx context.Context, address string) (chain.Record, error)
}

// Resolver looks up host names; [*net.Resolver] does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options configure a Pool. The zero value reaches nobody: it needs a Chain or
// Overrides.
type Options struct {
	// Chain says where providers are and which certificates are theirs.
	Chain Chain
	// Overrides maps an address to a host URI which counts instead of the chain's
	// record (--provider). Certificates are judged all the same.
	Overrides map[string]string
	// GRPCPorts are tried instead of 8444, the host URI's own port, 8443 and the
	// port after the host URI's own (--grpc-port).
	GRPCPorts []uint16
	// Destinations says where connections may go.
	Destinations guard.Destinations
	// Roots are the public CAs; nil means the system's.
	Roots *x509.CertPool
	// Resolver looks up host names; nil means [net.DefaultResolver].
	Resolver Resolver
	// Now is the clock of caches and certificates; nil means [time.Now].
	Now func() time.Time
	// Logger hears of connections; nil discards.
	Logger *slog.Logger
}

// Pool reaches providers, and keeps the connections and what was learnt on the
// way. Its methods may be called concurrently. It implements [Reacher].
type Pool struct {
	chain        Chain
	overrides    map[string]guard.HostURI
	ports        []uint16
	destinations guard.Destinations
	resolver     Resolver
	verifier     *trust.Verifier
	now          func() time.Time
	log          *slog.Logger
	patience     patience

	// ctx ends with the pool, and all connections with it.
	ctx   context.Context
	close context.CancelFunc

	mu     sync.Mutex
	routes map[routeKey]*route
	peers  int // and routes
	swept  time.Time
}

var _ Reacher = (*Pool)(nil)

// New returns a Pool. It connects to nobody yet.
func New(o Options) (*Pool, error) {
	p := &Pool{
		chain:        o.Chain,
		overrides:    make(map[string]guard.HostURI),
		ports:        slices.Clone(o.GRPCPorts),
		destinations: o.Destinations,
		resolver:     o.Resolver,
		now:          o.Now,
		log:          o.Logger,
		patience:     standardPatience,
		routes:       make(map[routeKey]*route),
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
	judge := trust.Options{Roots: o.Roots, Now: o.Now}
	if o.Chain != nil {
		judge.Chain = o.Chain
	}
	p.verifier = trust.New(judge)
	p.ctx, p.close = context.WithCancel(context.Background())
	return p, nil
}

// Close ends all connections and searches. Later calls fail.
func (p *Pool) Close() { p.close() }

// Reach finds the way to a provider: its host (from the caller, the operator or
// the chain), the host's addresses, its version if asked for, and a port that
// speaks gRPC and shows the provider's certificate. Where there is none, or the
// provider is too old, or its version cannot be read, or it has not the service
// asked for in the dialect that the bridge speaks, the way is its REST gateway.
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
	judged := func() error { return nil }
	if client != nil {
		if s, known := p.verifier.ClientDates(client.leaf); known && s.Refused() {
			return nil, trust.ClientRefusal(s, client.leaf)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		judged = p.judgeClient(ctx, client)
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
	endpoint, err := peer.reach(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := judged(); err != nil {
		return nil, err
	}
	endpoint.Stale = at.stale
	return endpoint, nil
}

// peer returns what is known of a provider under a client certificate.
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
			return nil, errCrowded
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
			return nil, errCrowded
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
	errClosed  = rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderUnreachable, "the bridge is shutting down")
	errCrowded = rpcerror.New(codes.ResourceExhausted, rpcerror.ReasonProviderUnreachable, "the bridge knows too many providers at once; try again later")
)

// sweep forgets, now and then, what has not been used for long and has no
// connection.
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
