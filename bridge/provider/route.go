package provider

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trust"
)

// routeKey is all that a way to a provider depends on. What was learnt under
// one key says nothing under another: a server whose certificate was not
// verified could have told anything.
type routeKey struct {
	address  string
	host     guard.HostURI
	chosen   bool // by the caller
	insecure bool
	pinned   bool
	pin      string
}

// route is a way to a provider and what was learnt on it: its host's addresses,
// its version, the port of its gRPC.
type route struct {
	pool    *Pool
	key     routeKey
	policy  trust.Policy
	rest    *restTransport // without a client certificate
	flights singleflight.Group

	// Guarded by pool.mu.
	peers map[clientKey]*peer
	used  time.Time

	mu             sync.Mutex
	lastAddresses  []netip.Addr
	addressesUntil time.Time
	lastVersion    versionAnswer
	versionAsked   time.Time
	lastPort       uint16 // that answered with gRPC; 0 if none did
	lastFailure    error  // why none did, though the REST gateway answered
	failureUntil   time.Time
}

func newRoute(p *Pool, key routeKey) *route {
	rt := &route{pool: p, key: key, peers: make(map[clientKey]*peer)}
	rt.policy = trust.Policy{
		Address:    key.address,
		ServerName: key.host.Host,
		Insecure:   key.insecure,
	}
	if key.pinned {
		rt.policy.PinSHA256 = []byte(key.pin)
	}
	if key.chosen {
		rt.policy.HostIsProviders = func(ctx context.Context) (bool, error) {
			at, err := p.locate(ctx, key.address, "")
			return err == nil && at.host.Host == key.host.Host, err
		}
	}
	rt.rest = newRESTTransport(rt, nil)
	return rt
}

// forget drops what was learnt, since it led to a failure.
func (rt *route) forget() {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.addressesUntil, rt.versionAsked, rt.failureUntil = time.Time{}, time.Time{}, time.Time{}
	rt.lastPort = 0
}

// share has concurrent callers wait for one search. It outlives the caller who
// began it, for the others' sake, but not findTimeout nor the pool.
func share[V any](ctx context.Context, rt *route, key string, search func(context.Context) (V, error)) (V, error) {
	found := rt.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(rt.pool.ctx, findTimeout)
		defer cancel()
		return search(ctx)
	})
	var none V
	select {
	case f := <-found:
		if f.Err != nil {
			return none, f.Err
		}
		return f.Val.(V), nil
	case <-ctx.Done():
		code := codes.DeadlineExceeded
		if errors.Is(ctx.Err(), context.Canceled) {
			code = codes.Canceled
		}
		return none, rpcerror.New(code, rpcerror.ReasonProviderUnreachable, "the call ended before the provider was reached (%w)", ctx.Err())
	}
}

// peer is a provider as one caller may use it: connections that carry a client
// certificate are never shared with other certificates.
type peer struct {
	route *route
	id    string
	cert  *tls.Certificate
	rest  *restTransport
	grpc  *grpcTransport

	used time.Time // guarded by pool.mu
}

func newPeer(rt *route, client clientKey, cert *tls.Certificate) *peer {
	p := &peer{route: rt, id: string(client[:]), cert: cert, rest: rt.rest}
	if cert != nil {
		p.rest = newRESTTransport(rt, cert)
	}
	p.grpc = newGRPCTransport(p)
	return p
}

// idle tells whether the peer has no connection that speaks gRPC.
func (p *peer) idle() bool { return p.grpc.open() == 0 }

// reach chooses the protocol.
func (p *peer) reach(ctx context.Context, r Request) (*Endpoint, error) {
	if r.Service == leaseRESTService {
		return p.reachREST(ctx, nil)
	}
	var asked versionAnswer
	if r.CheckVersion {
		asked = p.versionFirst(ctx)
		switch {
		case asked.reached && (asked.err != nil || !speaksGRPC(asked.version)):
			return p.overREST(asked), nil
		case asked.err != nil && (hopeless(asked.err) || because(asked.err, rpcerror.ReasonChainUnavailable)):
			return nil, asked.err
		}
		// A REST gateway that cannot be reached says nothing of the gRPC port.
	}
	began := time.Now()
	conn, err := p.grpc.conn(ctx)
	switch {
	case err != nil && asked.err != nil:
		return nil, cannotReach(err, asked.err)
	case err != nil:
		took := time.Since(began)
		e, alsoFailed := p.reachREST(ctx, err)
		if alsoFailed == nil {
			p.route.pool.log.Info("provider answers over REST only", "provider", p.route.key.address, "error", err)
			p.route.avoidGRPC(err, took)
		}
		return e, alsoFailed
	case r.Service == leaseService && !conn.leasesOverGRPC(ctx):
		return p.reachREST(ctx, nil)
	}
	return p.overGRPC(conn, asked), nil
}

// reachREST falls back to the REST gateway, since noGRPC or because the call is
// not for gRPC. What it answers shows that it is there.
func (p *peer) reachREST(ctx context.Context, noGRPC error) (*Endpoint, error) {
	if noGRPC != nil && hopeless(noGRPC) {
		return nil, noGRPC
	}
	asked := p.version(ctx)
	if !asked.reached {
		return nil, cannotReach(noGRPC, asked.err)
	}
	return p.overREST(asked), nil
}

// versionFirst is version before a call over gRPC: where the answer is long in
// coming, connecting does not wait for it.
func (p *peer) versionFirst(ctx context.Context) versionAnswer {
	if known, ok := p.route.knownVersion(p.versionLifetime()); ok {
		return known
	}
	early := time.AfterFunc(versionHeadStart, func() { p.grpc.conn(ctx) })
	defer early.Stop()
	return p.version(ctx)
}

// version asks the provider's version.
func (p *peer) version(ctx context.Context) versionAnswer {
	return p.route.version(ctx, p.versionLifetime())
}

// versionLifetime is how long an answer will do. While a connection to a provider
// lives, so does its process, and an older one will.
func (p *peer) versionLifetime() time.Duration {
	if p.grpc.open() > 0 {
		return heldVersionLifetime
	}
	return versionLifetime
}

// hopeless tells whether, after this failure of one port, the host's others
// need not be tried.
func hopeless(err error) bool {
	var f *rpcerror.Error
	return errors.As(err, &f) && (f.Code == codes.Canceled || f.Code == codes.DeadlineExceeded ||
		f.Code == codes.Unauthenticated || f.Reason == rpcerror.ReasonHostNotFound || f.Reason == rpcerror.ReasonDestinationRefused)
}

func because(err error, reason rpcerror.Reason) bool {
	var f *rpcerror.Error
	return errors.As(err, &f) && f.Reason == reason
}

func (p *peer) overREST(asked versionAnswer) *Endpoint {
	return &Endpoint{
		Method:    REST,
		Addr:      p.route.key.host.Addr(),
		Version:   asked.version,
		Verified:  cmp.Or(p.rest.verified(), p.route.rest.verified()),
		HostURI:   p.route.key.host.String(),
		Transport: p.rest,
	}
}

func (p *peer) overGRPC(c *grpcConn, asked versionAnswer) *Endpoint {
	return &Endpoint{
		Method:    GRPC,
		Addr:      c.addr,
		Version:   asked.version,
		Verified:  string(c.current().Basis),
		HostURI:   p.route.key.host.String(),
		Transport: p.grpc,
	}
}
