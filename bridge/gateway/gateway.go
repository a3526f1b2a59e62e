// Package gateway decides about calls: which methods and headers it accepts, how it
// connects to a call's provider, whether it may send the provider the call's token,
// and whether the call uses the provider's gRPC or REST interface. It logs and counts
// each call.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/access"
	"akash-provider-web/bridge/fanout"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/internal/flood"
	"akash-provider-web/bridge/internal/strikes"
	"akash-provider-web/bridge/limit"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rest"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/sdk"
	"akash-provider-web/bridge/trace"
	marketv1 "akash-provider-web/proto/akash/market/v1"
)

// Response headers of a call (bridge/README.md, "Headers").
const (
	headerMethod   = "Akash-Method"
	headerEndpoint = "Akash-Endpoint"
	headerVersion  = "Akash-Provider-Version"
	// headerVerified says how the provider's certificate was verified: "chain", "ca",
	// "pin", or "none" if the caller asked for no verification.
	headerVerified = "Akash-Verified"
	// headerTrust says how what the verification rests on is known: "proven",
	// "quorum=K/M" or "one-node" for the chain's answers, "operator" for a host that the
	// operator named, "pin" or "none".
	headerTrust = "Akash-Trust"
	// headerStale is "true" if the chain could not be queried and the provider's
	// record comes from an expired cache entry.
	headerStale = "Akash-Stale"
)

// Options are the settings of a Gateway. All are required except Own and the two
// permissions.
type Options struct {
	Reacher  provider.Reacher
	REST     *rest.Adapter
	Statuses *fanout.Hub
	Metadata *guard.Metadata
	// Own are the methods that the bridge answers itself, without a provider, by path: a
	// relay.Duplex for a stream, a relay.Func for a unary method.
	Own map[string]relay.Upstream
	// AllowInsecure lets callers skip the verification of a provider's certificate.
	AllowInsecure bool
	// AllowHostOverride lets callers name a provider's host.
	AllowHostOverride bool
	// Access says who may use the bridge.
	Access *access.Control
	// Limits admits calls.
	Limits  *limit.Limiter
	Logger  *slog.Logger
	Metrics *Metrics
}

// Gateway accepts calls and routes them. Accept is for a relay.Handler.
type Gateway struct {
	options Options
	// failing has the providers whose answers cannot be used.
	failing strikes.Book[question]
}

// New returns a Gateway.
func New(o Options) *Gateway { return &Gateway{options: o} }

// Accept decides about a call before its body is read.
func (g *Gateway) Accept(r *http.Request, protocol relay.Protocol) (*relay.Call, error) {
	if own, ok := g.options.Own[r.URL.Path]; ok {
		return g.acceptOwn(r, protocol, own)
	}
	from := trace.Of(r.Context())
	span := from.Begin(r.Context(), r.Header, spanName(r.URL.Path))
	c, err := parseCall(r.URL.Path, r.Header, permissions{insecure: g.options.AllowInsecure, hostOverride: g.options.AllowHostOverride})
	var admitted *limit.Call
	if err == nil {
		if admitted, err = g.Admit(r); err != nil {
			err = rpcerror.About(c.request.Address, codes.ResourceExhausted, err)
		}
	}
	if err != nil {
		g.logRefused(r, protocol, span, err)
		return nil, err
	}
	c.protocol = protocol
	g.opened(c, r)
	header := g.options.Metadata.Upstream(r.Header)
	c.from, c.span = from, span
	var endpoint *provider.Endpoint
	var attempt *strikes.Attempt[question]
	return &relay.Call{
		Provider:  c.request.Address,
		Streaming: c.method.Streaming,
		Duplex:    c.method.Duplex,
		Heartbeat: c.heartbeat,
		Route: func(ctx context.Context) (*relay.Route, error) {
			var err error
			if attempt, err = g.begin(c, header); err != nil {
				return nil, err
			}
			if endpoint, err = g.connect(ctx, c.request); err != nil {
				return nil, err
			}
			if c.warm {
				return &relay.Route{ReplyHeader: replyHeader(endpoint), Upstream: relay.Func(sendNothing)}, nil
			}
			if endpoint.Settle == nil {
				return g.route(ctx, c, endpoint, header)
			}
			return &relay.Route{Upstream: &relay.Ahead{
				First: g.ahead(ctx, c, endpoint, header),
				Settle: func(ctx context.Context) (*relay.Route, error) {
					settled, err := endpoint.Settle(ctx)
					if err != nil {
						return nil, rpcerror.About(c.request.Address, codes.Unavailable, err)
					}
					endpoint = settled
					return g.route(ctx, c, settled, header)
				},
			}}, nil
		},
		Memory: admitted,
		Done: func(result relay.Result) {
			admitted.Release()
			endAttempt(attempt, result)
			g.done(c, endpoint, result)
		},
	}, nil
}

// Admit admits a request, of this or another protocol, until it is released, or returns an
// error if its caller may not use the bridge or has its share of it.
func (g *Gateway) Admit(r *http.Request) (*limit.Call, error) {
	if err := g.options.Access.Check(r.Context(), r.Header); err != nil {
		return nil, err
	}
	admitted, err := g.options.Limits.Admit(limit.Of(r.Context()))
	if err == nil {
		flood.Useful(r.Context())
	}
	return admitted, err
}

// acceptOwn accepts a call of a method that the bridge answers itself.
func (g *Gateway) acceptOwn(r *http.Request, protocol relay.Protocol, own relay.Upstream) (*relay.Call, error) {
	admitted, err := g.Admit(r)
	if err != nil {
		g.logRefused(r, protocol, nil, err)
		return nil, err
	}
	_, streams := own.(relay.Duplex)
	c := &call{method: Method{Path: r.URL.Path, Streaming: streams}, protocol: protocol, from: trace.Of(r.Context())}
	g.opened(c, r)
	return &relay.Call{
		Streaming: streams,
		Duplex:    streams,
		Route: func(context.Context) (*relay.Route, error) {
			return &relay.Route{Upstream: own}, nil
		},
		Memory: admitted,
		Done: func(result relay.Result) {
			admitted.Release()
			g.done(c, nil, result)
		},
	}, nil
}

// opened counts a call as open, until done.
func (g *Gateway) opened(c *call, r *http.Request) {
	g.options.Metrics.of(c.method.Path).open.Inc()
	if c.method.Streaming {
		c.stream = g.options.Metrics.streams.WithLabelValues(transportOf(c.protocol, r.ProtoMajor))
		c.stream.Inc()
	}
}

// done ends a call. endpoint is nil if none was connected.
func (g *Gateway) done(c *call, endpoint *provider.Endpoint, result relay.Result) {
	g.options.Metrics.of(c.method.Path).open.Dec()
	if c.stream != nil {
		c.stream.Dec()
	}
	g.logFinished(c, endpoint, result)
}

// connect connects to a provider, and records how long that took.
func (g *Gateway) connect(ctx context.Context, r provider.Request) (*provider.Endpoint, error) {
	start := time.Now()
	endpoint, err := g.options.Reacher.Reach(ctx, r)
	outcome := "failed"
	if err == nil {
		outcome = string(endpoint.Method)
	}
	g.options.Metrics.reachedIn(outcome, time.Since(start))
	return endpoint, err
}

// sendNothing answers a call whose provider is only to be connected to, with an empty
// message.
func sendNothing(_ context.Context, _ []byte, answer *relay.Answer) error { return answer.Send(nil) }

// replyHeader returns the headers about a connected provider.
func replyHeader(endpoint *provider.Endpoint) http.Header {
	h := http.Header{
		headerMethod:   {string(endpoint.Method)},
		headerEndpoint: {endpoint.Addr},
		headerVerified: {endpoint.Verified},
	}
	if endpoint.Version != "" {
		h[headerVersion] = []string{endpoint.Version}
	}
	if endpoint.Trust != "" {
		h[headerTrust] = []string{endpoint.Trust}
	}
	if endpoint.Stale {
		h[headerStale] = []string{"true"}
	}
	return h
}

// route returns the route of a call to a connected provider.
func (g *Gateway) route(ctx context.Context, c *call, endpoint *provider.Endpoint, header http.Header) (*relay.Route, error) {
	replyHeader := replyHeader(endpoint)
	authorization, err := c.authorize(endpoint)
	if err != nil {
		return nil, err
	}
	c.beginUpstream(ctx, header)
	restCall := func() *rest.Call {
		return &rest.Call{
			Endpoint:          endpoint,
			Provider:          c.request.Address,
			Method:            c.method.Path,
			Authorization:     authorization,
			ClientCertificate: c.request.ClientCertificate,
			Tail:              c.tail,
		}
	}
	if endpoint.Method == provider.REST {
		upstream := relay.Upstream(g.overREST(restCall()))
		if c.method.Duplex {
			upstream = g.duplexOverREST(restCall())
		}
		return &relay.Route{ReplyHeader: replyHeader, Upstream: upstream}, nil
	}
	if authorization != "" {
		header[headerAuth] = []string{authorization}
	}
	if endpoint.SDK {
		return &relay.Route{ReplyHeader: replyHeader, Upstream: g.overSDK(restCall(), header)}, nil
	}
	transport := endpoint.Transport
	if c.method.sharesStream() {
		transport = g.options.Statuses.Share(transport)
	}
	return &relay.Route{ReplyHeader: replyHeader, Upstream: &relay.GRPC{
		Transport:  transport,
		Authority:  endpoint.Addr,
		Header:     header,
		Downstream: g.options.Metadata.Downstream,
		Explain: func(code codes.Code, message string) *rpcerror.Error {
			// rest.Explain finds the reason of a refusal by asking the REST
			// gateway.
			return rest.Explain(restCall(), code, message)
		},
	}}, nil
}

// ahead sends a call to a provider about which not everything is known yet.
func (g *Gateway) ahead(ctx context.Context, c *call, endpoint *provider.Endpoint, header http.Header) *relay.GRPC {
	c.beginUpstream(ctx, header)
	return &relay.GRPC{Transport: endpoint.Transport, Authority: endpoint.Addr, Header: maps.Clone(header)}
}

// overREST answers a call through a provider's REST gateway.
func (g *Gateway) overREST(call *rest.Call) relay.Func {
	return func(ctx context.Context, request []byte, answer *relay.Answer) error {
		call.Message, call.Opened = request, answer.Open
		return g.options.REST.Serve(ctx, call, answer.Send)
	}
}

// overSDK answers a call through the SDK's LeaseRPC of call's endpoint, with header as
// its metadata, and where the provider does not implement the method through its REST
// gateway.
func (g *Gateway) overSDK(call *rest.Call, header http.Header) relay.Func {
	return func(ctx context.Context, request []byte, answer *relay.Answer) error {
		err := sdk.Serve(ctx, &sdk.Call{
			Endpoint: call.Endpoint,
			Provider: call.Provider,
			Method:   call.Method,
			Message:  request,
			Header:   header,
			Explain: func(code codes.Code, message string) *rpcerror.Error {
				return rest.Explain(call, code, message)
			},
			Deployment: func(id *marketv1.LeaseID) error { return rest.CheckDeployment(call, id) },
			Opened:     answer.Open,
		}, answer.Send)
		if err != sdk.ErrNotImplemented {
			return err
		}
		call.Endpoint.NotImplemented()
		if call.Endpoint.REST == nil {
			return rpcerror.About(call.Provider, codes.Unavailable, call.Endpoint.NoREST)
		}
		call.Endpoint = call.Endpoint.REST
		answer.SetHeader(http.Header{headerMethod: {string(provider.REST)}, headerEndpoint: {call.Endpoint.Addr}})
		return g.overREST(call)(ctx, request, answer)
	}
}

// duplexOverREST is overREST for a call whose requests are a stream.
func (g *Gateway) duplexOverREST(call *rest.Call) relay.Duplex {
	return func(ctx context.Context, requests *relay.Requests, answer *relay.Answer) error {
		call.Next, call.Opened = requests.Next, answer.Open
		return g.options.REST.Serve(ctx, call, answer.Send)
	}
}

// logRefused logs and counts a call that was refused because of its headers.
func (g *Gateway) logRefused(r *http.Request, protocol relay.Protocol, span *trace.Span, err error) {
	var known *rpcerror.Error
	errors.As(err, &known)
	label := "unknown" // callers may send any path, which must not become a label
	if m, ok := methods[r.URL.Path]; ok {
		label = m.Path
	} else if _, ok := g.options.Own[r.URL.Path]; ok {
		label = r.URL.Path
	}
	g.options.Metrics.ended(label, protocol, known.Code, known.Reason)
	endSpan(span, protocol, known.Provider, relay.Result{Code: known.Code, Reason: known.Reason, Err: known})
	attrs := trace.Of(r.Context()).Attrs([]slog.Attr{
		slog.String("method", label),
		slog.String("protocol", string(protocol)),
		slog.String("provider", known.Provider),
		slog.String("code", known.Code.String()),
		slog.String("reason", string(known.Reason)),
		slog.String("error", known.Message)})
	g.options.Logger.LogAttrs(r.Context(), slog.LevelInfo, "call refused", attrs...)
}

// logFinished logs and counts a call that ended. endpoint is nil if none was
// connected.
func (g *Gateway) logFinished(c *call, endpoint *provider.Endpoint, result relay.Result) {
	label := c.method.Path
	c.endSpans(endpoint, result)
	m := g.options.Metrics
	m.ended(label, c.protocol, result.Code, result.Reason)
	m.of(label).duration.Observe(result.Duration.Seconds())
	m.received.Add(float64(result.Received))
	m.sent.Add(float64(result.Sent))

	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("method", label),
		slog.String("protocol", string(c.protocol)),
		slog.String("provider", c.request.Address),
		slog.String("code", result.Code.String()))
	if result.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(result.Reason)))
	}
	attrs = append(attrs,
		// As the bridge's log has durations, which it would convert otherwise.
		slog.Float64("durationMs", float64(result.Duration.Round(time.Microsecond))/float64(time.Millisecond)),
		slog.Int64("received", result.Received),
		slog.Int64("sent", result.Sent))
	if endpoint != nil {
		attrs = append(attrs,
			slog.String("over", string(endpoint.Method)),
			slog.String("endpoint", endpoint.Addr),
			slog.String("version", endpoint.Version),
			slog.String("verified", endpoint.Verified),
			slog.String("trust", endpoint.Trust))
	}
	if result.Err != nil {
		attrs = append(attrs, slog.String("error", result.Err.Message))
		if cause := result.Err.Err; cause != nil {
			attrs = append(attrs, slog.String("cause", cause.Error()))
		}
	}
	attrs = c.from.Attrs(attrs)
	// Logger.LogAttrs would look up the source location for each record, which no
	// handler of the bridge writes.
	if h := g.options.Logger.Handler(); h.Enabled(context.Background(), slog.LevelInfo) {
		line := slog.NewRecord(time.Now(), slog.LevelInfo, "call", 0)
		line.AddAttrs(attrs...)
		_ = h.Handle(context.Background(), line)
	}
}
