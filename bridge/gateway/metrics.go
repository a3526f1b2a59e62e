package gateway

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"akash-provider-web/bridge/limit"
	"akash-provider-web/bridge/rest"
)

// Metrics are the bridge's metrics. The values of labels come from fixed lists, never
// from callers or providers, so that nobody can make them grow without bound.
type Metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec   // by method, code
	open     *prometheus.GaugeVec     // by method
	duration *prometheus.HistogramVec // by method
	bytes    *prometheus.CounterVec   // by direction: received, sent
	reach    *prometheus.HistogramVec // by outcome: grpc, rest, failed
	skipped  *prometheus.CounterVec   // by kind: event, logLine, shell
	console  *prometheus.CounterVec   // by kind: request, socket; and by status
	reloads  *prometheus.CounterVec   // by outcome: applied, refused
	limited  *prometheus.CounterVec   // by limit
}

// NewMetrics returns Metrics in a registry of their own.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "akash_bridge_calls_total",
			Help: "Calls that ended, by method and gRPC status code.",
		}, []string{"method", "code"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "akash_bridge_open_calls",
			Help: "Calls being relayed, by method.",
		}, []string{"method"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "akash_bridge_call_duration_seconds",
			Help:    "Time from a call's headers to its trailers, by method.",
			Buckets: []float64{.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 600, 3600},
		}, []string{"method"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "akash_bridge_message_bytes_total",
			Help: "Bytes of messages, by direction: received from pages, sent to pages.",
		}, []string{"direction"}),
		reach: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "akash_bridge_reach_duration_seconds",
			Help:    "Time to find, connect to and verify a provider, by outcome: grpc, rest or failed.",
			Buckets: []float64{.0001, .001, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"outcome"}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "akash_bridge_skipped_frames_total",
			Help: "WebSocket frames of providers that could not be read and were skipped, by what was expected: event, logLine or shell.",
		}, []string{"kind"}),
		console: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "akash_bridge_console_proxy_total",
			Help: "Requests and WebSockets in the protocol of Console's provider proxy, by kind and HTTP status.",
		}, []string{"kind", "status"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "akash_bridge_limited_calls_total",
			Help: "Calls that a limit refused, by limit: total, caller, origin, rate or waiting.",
		}, []string{"limit"}),
	}
	m.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "akash_bridge_config_reloads_total",
		Help: "Reloads of the settings, by outcome: applied or refused.",
	}, []string{"outcome"})
	for _, outcome := range []string{"applied", "refused"} {
		m.reloads.WithLabelValues(outcome)
	}
	m.registry.MustRegister(m.calls, m.open, m.duration, m.bytes, m.reach, m.skipped, m.console, m.limited, m.reloads,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for path := range methods {
		m.open.WithLabelValues(path) // present at 0 from the start
	}
	for _, by := range limit.Refusals {
		m.limited.WithLabelValues(by)
	}
	for _, kind := range rest.Frames {
		m.skipped.WithLabelValues(string(kind))
	}
	return m
}

// Add adds the metrics of another package.
func (m *Metrics) Add(c prometheus.Collector) { m.registry.MustRegister(c) }

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Skipped counts a frame of a provider that could not be read.
func (m *Metrics) Skipped(kind rest.Frame) { m.skipped.WithLabelValues(string(kind)).Inc() }

// Reloaded counts a reload of the settings.
func (m *Metrics) Reloaded(applied bool) {
	outcome := "applied"
	if !applied {
		outcome = "refused"
	}
	m.reloads.WithLabelValues(outcome).Inc()
}

// Limited counts a call that a limit refused.
func (m *Metrics) Limited(by string) { m.limited.WithLabelValues(by).Inc() }

// Console counts a request or a WebSocket in the protocol of Console's provider proxy.
// A provider may answer with any status, so those that HTTP does not define count as one.
func (m *Metrics) Console(kind string, status int) {
	label := "other"
	if status == 495 || status == 499 || http.StatusText(status) != "" {
		label = strconv.Itoa(status)
	}
	m.console.WithLabelValues(kind, label).Inc()
}
