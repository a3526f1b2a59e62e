package trace

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

// Options configure an Exporter.
type Options struct {
	// Endpoint is the URL of a collector, to which OTLP's path for traces is added; ""
	// leaves it to OpenTelemetry's environment variables.
	Endpoint string
	// Version is the bridge's version.
	Version string
	// Failed is called with errors of the export, from any goroutine.
	Failed func(error)
}

// An Exporter sends spans to a collector, with OTLP over HTTP
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp). It queues a bounded number of them
// and drops what exceeds it, so that calls never wait. Sampling, the queue, headers and
// timeouts are set by OpenTelemetry's environment variables
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
type Exporter struct {
	provider *sdk.TracerProvider
	tracer   api.Tracer
}

// NewExporter returns an Exporter, which sends nothing yet.
func NewExporter(o Options) (*Exporter, error) {
	ctx := context.Background()
	var options []otlptracehttp.Option
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("the collector's URL is malformed: want one such as http://127.0.0.1:4318")
		}
		options = append(options, otlptracehttp.WithEndpointURL(u.JoinPath("v1/traces").String()))
	}
	client, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, err
	}
	self, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "akash-provider-bridge"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv()) // which may set another name
	if err != nil {
		return nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(o.Failed))
	// The sampler is the one that the environment names: by default, it samples what the
	// caller has sampled, and all calls without a traceparent.
	provider := sdk.NewTracerProvider(sdk.WithBatcher(client), sdk.WithResource(self), sdk.WithIDGenerator(ids{}))
	return &Exporter{provider: provider, tracer: provider.Tracer("akash-provider-web/bridge")}, nil
}

// Close sends what is queued, until ctx ends.
func (e *Exporter) Close(ctx context.Context) error {
	if e == nil {
		return nil
	}
	return e.provider.Shutdown(ctx)
}

// ids makes the ids of spans. A trace that begins here has the request's id, so that the
// log and the trace lead to each other.
type ids struct{}

// NewIDs implements [sdk.IDGenerator].
func (ids) NewIDs(ctx context.Context) (api.TraceID, api.SpanID) {
	var id api.TraceID
	if n, err := hex.Decode(id[:], []byte(Of(ctx).ID)); err != nil || n != len(id) {
		fill(id[:])
	}
	return id, ids{}.NewSpanID(ctx, id)
}

// NewSpanID implements [sdk.IDGenerator].
func (ids) NewSpanID(context.Context, api.TraceID) (span api.SpanID) {
	for !span.IsValid() {
		fill(span[:])
	}
	return span
}
