package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/fanout"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rest"
	"akash-provider-web/bridge/rpcerror"
)

// Response headers of a call (bridge/README.md, "Headers").
const (
	headerMethod   = "Akash-Method"
	headerEndpoint = "Akash-Endpoint"
	headerVersion  = "Akash-Provider-Version"
	// headerVerified says what the provider's certificate was accepted for: "chain",
	// "ca", "pin", or "none" where the page asked for no check.
	headerVerified = "Akash-Verified"
	// headerStale is "true" where the chain does not answer and the provider was
	// found in an old record of it.
	headerStale = "Akash-Stale"
)

// bridge takes calls from the relay to a provider, and notes how they end.
type bridge struct {
	reacher    provider.Reacher
	rest       *rest.Adapter
	watched    *fanout.Hub
	metadata   *guard.Metadata
	allowed    permissions
	maxStreams int64
	log        *slog.Logger
	metrics    *metrics

	open atomic.Int64
}

// accept examines a call before its body is read.
func (b *bridge) accept(r *http.Request) (*relay.Call, error) {
	c, err := parseCall(r.URL.Path, r.Header, b.allowed)
	if err == nil {
		err = b.admit(c.request.Address)
	}
	if err != nil {
		b.refused(r, err)
		return nil, err
	}
	b.metrics.open.WithLabelValues(c.method.path).Inc()
	header := b.metadata.Upstream(r.Header)
	var endpoint *provider.Endpoint
	return &relay.Call{
		Provider:  c.request.Address,
		Streaming: c.method.streaming,
		Heartbeat: c.heartbeat,
		Route: func(ctx context.Context) (*relay.Route, error) {
			var err error
			if endpoint, err = b.reach(ctx, c.request); err != nil {
				return nil, err
			}
			return b.route(c, endpoint, header)
		},
		Done: func(result relay.Result) {
			b.open.Add(-1)
			b.metrics.open.WithLabelValues(c.method.path).Dec()
			b.finished(c, endpoint, result)
		},
	}, nil
}

// admit takes one of the places for open calls.
func (b *bridge) admit(address string) error {
	if b.open.Add(1) <= b.maxStreams {
		return nil
	}
	b.open.Add(-1)
	return rpcerror.About(address, codes.ResourceExhausted, rpcerror.New(codes.ResourceExhausted, rpcerror.ReasonBridgeBusy,
		"this bridge has %d calls open, as many as it may (--max-streams); try again later", b.maxStreams))
}

// reach finds the way to a provider.
func (b *bridge) reach(ctx context.Context, r provider.Request) (*provider.Endpoint, error) {
	start := time.Now()
	endpoint, err := b.reacher.Reach(ctx, r)
	outcome := "failed"
	if err == nil {
		outcome = string(endpoint.Method)
	}
	b.metrics.reach.WithLabelValues(outcome).Observe(time.Since(start).Seconds())
	return endpoint, err
}

// route says how a call goes to a provider that was reached.
func (b *bridge) route(c *call, endpoint *provider.Endpoint, header http.Header) (*relay.Route, error) {
	told := http.Header{
		headerMethod:   {string(endpoint.Method)},
		headerEndpoint: {endpoint.Addr},
		headerVerified: {endpoint.Verified},
	}
	if endpoint.Version != "" {
		told[headerVersion] = []string{endpoint.Version}
	}
	if endpoint.Stale {
		told[headerStale] = []string{"true"}
	}
	authorization, err := c.authorize(endpoint)
	if err != nil {
		return nil, err
	}
	onREST := func() *rest.Call {
		return &rest.Call{
			Endpoint:          endpoint,
			Provider:          c.request.Address,
			Method:            c.method.path,
			Authorization:     authorization,
			ClientCertificate: c.request.ClientCertificate,
			Tail:              c.tail,
		}
	}
	if endpoint.Method == provider.REST {
		return &relay.Route{ReplyHeader: told, Serve: b.overREST(onREST())}, nil
	}
	if authorization != "" {
		header[headerAuth] = []string{authorization}
	}
	transport := endpoint.Transport
	if c.method.tellsState() {
		transport = b.watched.Through(transport)
	}
	return &relay.Route{
		ReplyHeader: told,

		Transport:  transport,
		Authority:  endpoint.Addr,
		Header:     header,
		Downstream: b.metadata.Downstream,
		Explain: func(code codes.Code, message string) *rpcerror.Error {
			// What the call would be over REST tells a refusal's reason.
			return rest.Explain(onREST(), code, message)
		},
	}, nil
}

// overREST answers a call through a provider's REST gateway.
func (b *bridge) overREST(call *rest.Call) func(context.Context, []byte, *relay.Answer) error {
	return func(ctx context.Context, request []byte, answer *relay.Answer) error {
		call.Message, call.Opened = request, answer.Open
		return b.rest.Serve(ctx, call, answer.Send)
	}
}

// refused notes a call that was refused by its headers.
func (b *bridge) refused(r *http.Request, err error) {
	var known *rpcerror.Error
	errors.As(err, &known)
	label := "unknown" // a path that anyone may have made up is no label
	if m, ok := methods[r.URL.Path]; ok {
		label = m.path
	}
	b.metrics.calls.WithLabelValues(label, known.Code.String()).Inc()
	b.log.LogAttrs(r.Context(), slog.LevelInfo, "call refused",
		slog.String("method", label),
		slog.String("provider", known.Provider),
		slog.String("code", known.Code.String()),
		slog.String("reason", string(known.Reason)),
		slog.String("error", known.Message))
}

// finished notes a call that ended. endpoint is nil where none was reached.
func (b *bridge) finished(c *call, endpoint *provider.Endpoint, result relay.Result) {
	label := c.method.path
	b.metrics.calls.WithLabelValues(label, result.Code.String()).Inc()
	b.metrics.duration.WithLabelValues(label).Observe(result.Duration.Seconds())
	b.metrics.bytes.WithLabelValues("received").Add(float64(result.Received))
	b.metrics.bytes.WithLabelValues("sent").Add(float64(result.Sent))

	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("method", label),
		slog.String("provider", c.request.Address),
		slog.String("code", result.Code.String()))
	if result.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(result.Reason)))
	}
	attrs = append(attrs,
		slog.Duration("duration", result.Duration),
		slog.Int64("received", result.Received),
		slog.Int64("sent", result.Sent))
	if endpoint != nil {
		attrs = append(attrs,
			slog.String("over", string(endpoint.Method)),
			slog.String("endpoint", endpoint.Addr),
			slog.String("version", endpoint.Version),
			slog.String("verified", endpoint.Verified))
	}
	if result.Err != nil {
		attrs = append(attrs, slog.String("error", result.Err.Message))
		if cause := result.Err.Err; cause != nil {
			attrs = append(attrs, slog.String("cause", cause.Error()))
		}
	}
	// Logger.LogAttrs would look up the place in the source for every line, which no
	// handler here writes.
	if h := b.log.Handler(); h.Enabled(context.Background(), slog.LevelInfo) {
		line := slog.NewRecord(time.Now(), slog.LevelInfo, "call", 0)
		line.AddAttrs(attrs...)
		_ = h.Handle(context.Background(), line)
	}
}
