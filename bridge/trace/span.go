package trace

import (
	"context"
	"encoding/hex"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	api "go.opentelemetry.io/otel/trace"
)

// A Span is a part of a request's work that a collector gets. A nil Span, which stands for
// one that nobody gets, does nothing.
type Span struct {
	span api.Span
}

// A Kind is the role of the bridge in a span.
type Kind = api.SpanKind

// The kinds.
const (
	Internal = api.SpanKindInternal
	Server   = api.SpanKindServer
	Client   = api.SpanKindClient
)

// Begin begins the span of the whole request, whose parent is the caller's. The request's
// other spans are below it. It returns nil if the request is not exported.
func (t *Request) Begin(ctx context.Context, h http.Header, name string) *Span {
	if t.exporter == nil {
		return nil
	}
	ctx = With(context.WithoutCancel(ctx), t)
	if t.parent != "" {
		state, _ := api.ParseTraceState(h.Get("Tracestate")) // one that is malformed is left out
		ctx = api.ContextWithRemoteSpanContext(ctx, parentOf(t.parent).WithTraceState(state))
	}
	_, span := t.exporter.tracer.Start(ctx, name, api.WithSpanKind(Server))
	t.span = span.SpanContext()
	if !span.IsRecording() {
		return nil
	}
	return &Span{span}
}

// parentOf returns the span that a valid traceparent names.
func parentOf(parent string) api.SpanContext {
	var c api.SpanContextConfig
	_, _ = hex.Decode(c.TraceID[:], []byte(parent[3:35]))
	_, _ = hex.Decode(c.SpanID[:], []byte(parent[36:52]))
	flags, _ := strconv.ParseUint(parent[53:55], 16, 8)
	c.TraceFlags = api.TraceFlags(flags) & api.FlagsSampled
	return api.NewSpanContext(c)
}

// Begin begins a span below that of ctx's request. It returns nil if the request is not
// exported.
func Begin(ctx context.Context, kind Kind, name string) *Span {
	t := Of(ctx)
	if t.exporter == nil || !t.span.IsSampled() {
		return nil
	}
	_, span := t.exporter.tracer.Start(api.ContextWithSpanContext(context.Background(), t.span), name, api.WithSpanKind(kind))
	return &Span{span}
}

// Set sets an attribute of the span, unless the value is "".
func (s *Span) Set(key, value string) {
	if s != nil && value != "" {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// SetInt sets an attribute of the span.
func (s *Span) SetInt(key string, value int64) {
	if s != nil {
		s.span.SetAttributes(attribute.Int64(key, value))
	}
}

// Fail marks the span as failed. The message must not have a secret.
func (s *Span) Fail(message string) {
	if s != nil {
		s.span.SetStatus(codes.Error, message)
	}
}

// End ends the span.
func (s *Span) End() {
	if s != nil {
		s.span.End()
	}
}

// Propagate has the headers of a request to a provider name the span as the parent of what
// the provider does. A nil Span leaves the caller's, so that its trace goes on.
func (s *Span) Propagate(h http.Header) {
	if s == nil {
		return
	}
	c := s.span.SpanContext()
	h[headerParent] = []string{"00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + c.TraceFlags().String()}
}
