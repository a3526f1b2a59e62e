package provider

import (
	"cmp"
	"context"
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
	rt.lastPort, rt.lastFailure = 0, nil
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
	cert  *clientCert // nil for none
	rest  *restTransport
	grpc  *grpcTransport

	used time.Time // guarded by pool.mu
}

func newPeer(rt *route, id clientKey, cert *clientCert) *peer {
	p := &peer{route: rt, id: string(id[:]), cert: cert, rest: rt.rest}
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
		asked = p.versionFirst(ctx, r)
		switch {
		case asked.reached && (asked.err != nil || !speaksGRPC(asked.version)):
			return p.overREST(asked), nil
		case asked.err != nil && (hopeless(asked.err) || because(asked.err, rpcerror.ReasonChainUnavailable)):
			return nil, asked.err
		}
		// A REST gateway that cannot be reached says nothing of the gRPC port.
	}
	began := time.Now()
	search := p.search(ctx)
	var found searched
	var inTime *Endpoint
	var noREST error
	select {
	case found = <-search:
	case <-p.silence(r, asked):
		// The gateway may answer while no port has said a word of gRPC. The search
		// goes on, for the calls to come.
		if inTime, noREST = p.reachREST(ctx, nil); noREST != nil {
			found = <-search
			break
		}
		select {
		case found = <-search:
		default:
			found.err = rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderUnreachable, "no port has spoken gRPC within %s", time.Since(began).Round(time.Millisecond))
		}
	}
	switch {
	case found.err == nil && r.Service == leaseService && !found.conn.leasesOverGRPC(ctx):
		return p.reachREST(ctx, nil)
	case found.err == nil:
		return p.overGRPC(found.conn, asked), nil
	case asked.err != nil:
		return nil, cannotReach(found.err, asked.err)
	case hopeless(found.err):
		return nil, found.err
	case noREST != nil:
		return nil, cannotReach(found.err, noREST)
	}
	took := time.Since(began)
	if inTime == nil {
		var err error
		if inTime, err = p.reachREST(ctx, found.err); err != nil {
			return nil, err
		}
	}
	p.route.pool.log.Info("provider answers over REST only", "provider", p.route.key.address, "error", found.err)
	p.route.avoidGRPC(found.err, took)
	return inTime, nil
}

// searched is what came of a search for a gRPC port.
type searched struct {
	conn *grpcConn
	err  error
}

// search finds a connection that speaks gRPC, without keeping the caller.
func (p *peer) search(ctx context.Context) <-chan searched {
	found := make(chan searched, 1)
	if conn := p.grpc.ready(); conn != nil {
		found <- searched{conn: conn}
		return found
	}
	go func() {
		conn, err := p.grpc.conn(ctx)
		found <- searched{conn, err}
	}()
	return found
}

// silence fires when the gRPC ports have been silent for so long that a call goes
// over REST instead, if it can. It never does where there is no REST to go over.
func (p *peer) silence(r Request, asked versionAnswer) <-chan time.Time {
	if r.GRPCOnly || asked.err != nil {
		return nil
	}
	rt := p.route
	rt.mu.Lock()
	failure, until := rt.lastFailure, rt.failureUntil
	rt.mu.Unlock()
	patience := rt.pool.patience.ports
	switch {
	case failure != nil && rt.pool.now().Before(until):
		patience = 0 // a search that is still under way need not be waited for
	case failure != nil:
		patience = knownSilence
	}
	// Where the gateway took long, the way is long or the bridge busy.
	return time.After(max(patience, 4*asked.took))
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

// versionFirst is version before a call over gRPC. A gateway that is silent does
// not keep a call whose provider answers on its gRPC port, unless what may be sent
// there depends on the version.
func (p *peer) versionFirst(ctx context.Context, r Request) versionAnswer {
	if known, ok := p.route.knownVersion(p.versionLifetime()); ok {
		known.took = 0
		return known
	}
	began := time.Now()
	answered := make(chan versionAnswer, 1)
	go func() {
		answer := p.version(ctx)
		answer.took = time.Since(began)
		answered <- answer
	}()
	head := time.NewTimer(versionHeadStart)
	defer head.Stop()
	select {
	case answer := <-answered:
		return answer
	case <-head.C:
	}
	_, err := p.grpc.conn(ctx)
	if err != nil || r.GRPCOnly {
		return <-answered
	}
	select {
	case answer := <-answered:
		return answer
	default:
		return versionAnswer{err: rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderUnreachable, "no answer within %s from port %d to the question for its version", time.Since(began).Round(time.Millisecond), p.route.key.host.Port)}
	}
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
		Client:    p.client(),
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
		Client:    p.client(),
		Transport: p.grpc,
	}
}
