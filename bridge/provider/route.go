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

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trace"
	"akash-provider-web/bridge/trust"
)

// routeKey has everything that a route depends on. Information found under one key
// must not be used for another: a server whose certificate was not verified could have
// sent anything.
type routeKey struct {
	address  string
	host     guard.HostURI
	chosen   bool // by the caller
	insecure bool
	pinned   bool
	pin      string
}

// route has the cached information about a provider: its host's addresses, its
// version, and its gRPC port.
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
	lastPort       uint16 // the port that speaks gRPC; 0 if unknown
	lastFailure    error  // why no port does, although the REST gateway answers
	failureUntil   time.Time
	silent         silence
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
		rt.policy.HostIsProviders = func(ctx context.Context) (chain.Trust, bool, error) {
			at, err := p.locate(ctx, key.address, "")
			return at.trust, err == nil && at.host.Host == key.host.Host, err
		}
	}
	rt.rest = newRESTTransport(rt, nil)
	return rt
}

// invalidate drops the cached information after a failure.
func (rt *route) invalidate() {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.addressesUntil, rt.versionAsked, rt.failureUntil = time.Time{}, time.Time{}, time.Time{}
	rt.lastPort, rt.lastFailure, rt.silent = 0, nil, silence{}
}

// share runs search once for concurrent callers with the same key. The search
// continues when its first caller leaves, for the sake of the others, but ends after
// findTimeout or when the pool is closed.
func share[V any](ctx context.Context, rt *route, key string, search func(context.Context) (V, error)) (V, error) {
	var none V
	select {
	case f := <-begin(ctx, rt, key, search):
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

// begin starts search, unless one with the same key is running, and returns the channel
// of its result, which nobody has to read. Spans of the search belong to ctx's request.
func begin[V any](ctx context.Context, rt *route, key string, search func(context.Context) (V, error)) <-chan singleflight.Result {
	from := trace.Of(ctx)
	return rt.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(trace.With(rt.pool.ctx, from), findTimeout)
		defer cancel()
		return search(ctx)
	})
}

// peer is a route together with a client certificate, or none. Connections with a
// client certificate are never shared with other certificates.
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

// idle reports whether the peer has no gRPC connection.
func (p *peer) idle() bool { return p.grpc.open() == 0 }

// reach chooses the protocol.
func (p *peer) reach(ctx context.Context, r Request) (*Endpoint, error) {
	if r.RESTOnly {
		return p.overREST(versionAnswer{}), nil
	}
	if r.Service == leaseShellService || r.Service == leaseRESTService && r.SDKMethod == "" {
		return p.reachREST(ctx, nil)
	}
	lease := r.Service == leaseService || r.Service == leaseRESTService
	var asked versionAnswer
	var search *search
	if r.CheckVersion {
		asked, search = p.versionFirst(ctx, r)
		switch {
		case asked.reached && (asked.err != nil || !speaksGRPC(asked.version)):
			return p.overREST(asked), nil
		case asked.err != nil && (final(asked.err) || ofChain(asked.err)):
			return nil, asked.err
		}
		// An unreachable REST gateway says nothing about the gRPC port.
	}
	if r.Service == leaseRESTService && asked.err == nil && (r.SDKLast || !AuthorizationSafe(asked.version)) {
		endpoint, err := p.reachREST(ctx, nil)
		if err == nil || !r.SDKLast || !noREST(err) {
			return endpoint, err
		}
		asked.err = err
	}
	if search == nil {
		search = p.search(ctx)
	}
	var found searchResult
	var inTime *Endpoint
	var restFailed error
	select {
	case found = <-search.result:
	case <-p.silence(r, asked):
		// The REST gateway may answer although no port has spoken gRPC yet. The
		// search continues for later calls.
		if inTime, restFailed = p.reachREST(ctx, nil); restFailed != nil {
			found = <-search.result
			break
		}
		select {
		case found = <-search.result:
		default:
			found.err = rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderUnreachable, "no port has spoken gRPC within %s", time.Since(search.began).Round(time.Millisecond))
		}
	}
	switch {
	case found.err == nil && r.Service == leaseService && found.conn.leaseRPC(ctx).aep37:
		return p.overGRPC(found.conn, asked), nil
	case found.err == nil && lease:
		return p.reachLease(ctx, r, found.conn, asked)
	case found.err == nil:
		return p.overGRPC(found.conn, asked), nil
	case asked.err != nil:
		return nil, cannotReach(found.err, asked.err)
	case final(found.err):
		return nil, found.err
	case restFailed != nil:
		return nil, cannotReach(found.err, restFailed)
	}
	took := time.Since(search.began)
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

// reachLease chooses between the REST gateway and the SDK's LeaseRPC, for a provider that
// does not serve the call in AEP-37's. If the gateway does not answer, the SDK's is used
// although the version is unknown; Endpoint.AuthorizationSafe then returns false.
func (p *peer) reachLease(ctx context.Context, r Request, conn *grpcConn, asked versionAnswer) (*Endpoint, error) {
	sdk := r.SDKMethod != "" && conn.answersSDK(ctx, r.SDKMethod)
	if sdk && !r.SDKLast && AuthorizationSafe(asked.version) {
		return p.overSDK(conn, asked, r.SDKMethod, nil), nil
	}
	if !sdk || asked.err == nil || asked.pending {
		endpoint, err := p.reachREST(ctx, nil)
		if err == nil || !sdk || !noREST(err) {
			return endpoint, err
		}
		asked.err = err
	}
	return p.overSDK(conn, asked, r.SDKMethod, asked.err), nil
}

// noREST reports whether an error says that a REST gateway does not answer.
func noREST(err error) bool {
	return hasReason(err, rpcerror.ReasonProviderUnreachable) || hasReason(err, rpcerror.ReasonProviderProtocol)
}

// search is a search for a connection that speaks gRPC.
type search struct {
	result chan searchResult // has one element, at the end
	began  time.Time
}

// searchResult is the result of a search.
type searchResult struct {
	conn *grpcConn
	err  error
}

// search starts looking for a connection that speaks gRPC.
func (p *peer) search(ctx context.Context) *search {
	s := &search{result: make(chan searchResult, 1), began: time.Now()}
	if conn := p.grpc.ready(); conn != nil {
		s.result <- searchResult{conn: conn}
		return s
	}
	go func() {
		conn, err := p.grpc.conn(ctx)
		s.result <- searchResult{conn, err}
	}()
	return s
}

// silence returns a channel that fires when the gRPC ports have been silent for so
// long that the call should use REST. It never fires for calls that cannot.
func (p *peer) silence(r Request, asked versionAnswer) <-chan time.Time {
	if r.GRPCOnly || asked.err != nil {
		return nil
	}
	rt := p.route
	rt.mu.Lock()
	failure, until := rt.lastFailure, rt.failureUntil
	rt.mu.Unlock()
	limit := rt.pool.timeouts.ports
	switch {
	case failure != nil && rt.pool.now().Before(until):
		limit = 0 // do not wait for a search that is still running
	case failure != nil:
		limit = knownSilence
	}
	// If the REST gateway was slow, the network or the bridge may be slow, too.
	return time.After(max(limit, 4*asked.took))
}

// reachREST connects to the REST gateway, because of the error noGRPC, or because the
// call is not for gRPC. Any answer shows that the gateway works.
func (p *peer) reachREST(ctx context.Context, noGRPC error) (*Endpoint, error) {
	if noGRPC != nil && final(noGRPC) {
		return nil, noGRPC
	}
	asked := p.version(ctx)
	if !asked.reached {
		return nil, cannotReach(noGRPC, asked.err)
	}
	return p.overREST(asked), nil
}

// versionFirst requests the version for a call over gRPC, and meanwhile searches for the
// port, since nearly all providers have one, unless that is done for many others already. A
// silent REST gateway does not delay the call if the gRPC port answers, unless the version
// decides what may be sent. The search is nil if it was not started.
func (p *peer) versionFirst(ctx context.Context, r Request) (versionAnswer, *search) {
	if known, ok := p.route.knownVersion(p.versionLifetime()); ok {
		known.took = 0
		return known, nil
	}
	decides := r.GRPCOnly && r.Service != inventoryService // whether a token may be sent
	if silent, ok := p.route.knownSilence(); ok && !(silent.pending && decides) {
		return silent, nil
	}
	began := time.Now()
	answered := make(chan versionAnswer, 1)
	go func() {
		answer := p.version(ctx)
		answer.took = time.Since(began)
		answered <- answer
	}()
	patience := p.route.pool.timeouts.head
	var search *search
	select {
	case p.route.pool.searchesAlong <- struct{}{}:
		search = p.search(ctx)
		defer func() { <-p.route.pool.searchesAlong }()
	default:
		select {
		case answer := <-answered:
			return answer, nil
		case <-time.After(patience):
		}
		search, patience = p.search(ctx), 0
	}
	select {
	case answer := <-answered:
		return answer, search
	case found := <-search.result:
		search.result <- found
		if found.err != nil || decides {
			return <-answered, search
		}
	}
	// The gateway is as far away as the port, which has answered.
	select {
	case answer := <-answered:
		return answer, search
	case <-time.After(patience):
	}
	silent := versionAnswer{pending: true, err: rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderUnreachable,
		"no answer within %s from port %d to the question for its version", time.Since(began).Round(time.Millisecond), p.route.key.host.Port)}
	p.route.remember(silent)
	return silent, search
}

// version returns the provider's version.
func (p *peer) version(ctx context.Context) versionAnswer {
	return p.route.version(ctx, p.versionLifetime())
}

// versionLifetime is how long a cached version is used. An open connection shows that
// the provider's process still runs, so an older answer is still correct.
func (p *peer) versionLifetime() time.Duration {
	if p.grpc.open() > 0 {
		return heldVersionLifetime
	}
	return versionLifetime
}

// final reports whether, after this error of one port, trying the host's other ports
// is useless.
func final(err error) bool {
	var f *rpcerror.Error
	return errors.As(err, &f) && (f.Code == codes.Canceled || f.Code == codes.DeadlineExceeded ||
		f.Code == codes.Unauthenticated || f.Reason == rpcerror.ReasonHostNotFound || f.Reason == rpcerror.ReasonDestinationRefused)
}

func hasReason(err error, reason rpcerror.Reason) bool {
	var f *rpcerror.Error
	return errors.As(err, &f) && f.Reason == reason
}

// ofChain reports whether err says that the chain gave no answer.
func ofChain(err error) bool {
	var f *rpcerror.Error
	return errors.As(err, &f) && f.Reason.OfChain()
}

func (p *peer) overREST(asked versionAnswer) *Endpoint {
	decision := cmp.Or(p.rest.decision(), p.route.rest.decision())
	return &Endpoint{
		Method:    REST,
		Addr:      p.route.key.host.Addr(),
		Version:   asked.version,
		Verified:  string(decision.Basis),
		Trust:     string(decision.Trust),
		HostURI:   p.route.key.host.String(),
		Client:    p.client(),
		Transport: p.rest,
	}
}

func (p *peer) overGRPC(c *grpcConn, asked versionAnswer) *Endpoint {
	decision := c.current()
	return &Endpoint{
		Method:    GRPC,
		Addr:      c.addr,
		Version:   asked.version,
		Verified:  string(decision.Basis),
		Trust:     string(decision.Trust),
		HostURI:   p.route.key.host.String(),
		Client:    p.client(),
		Transport: p.grpc,
	}
}

// overSDK returns an endpoint for the SDK's LeaseRPC. noREST says why there is no REST
// gateway; nil if there is one.
func (p *peer) overSDK(c *grpcConn, asked versionAnswer, method string, noREST error) *Endpoint {
	e := p.overGRPC(c, asked)
	e.SDK = true
	if e.NoREST = noREST; noREST == nil {
		e.REST = p.overREST(asked)
	}
	e.NotImplemented = func() { c.notImplemented(method) }
	return e
}
