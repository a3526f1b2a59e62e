package gateway

import (
	"cmp"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/limit"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rest"
	"akash-provider-web/bridge/rpcerror"
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
	protocol *prometheus.CounterVec   // by protocol, method, code
	refused  *prometheus.CounterVec   // by reason
	streams  *prometheus.GaugeVec     // by transport
	calmed   prometheus.Counter

	// Values of the vectors above, which take time to look up.
	received, sent prometheus.Counter
	methods        map[string]methodMetrics
	endings        sync.Map // from ending to endingMetrics
	outcomes       sync.Map // from the outcome of reach to prometheus.Observer
}

// methodMetrics are the metrics of a method.
type methodMetrics struct {
	open     prometheus.Gauge
	duration prometheus.Observer
}

// ending is how a call can end. There are as many as the labels allow.
type ending struct {
	method   string
	protocol relay.Protocol
	code     codes.Code
}

// endingMetrics are the metrics of an ending.
type endingMetrics struct{ calls, protocol prometheus.Counter }

// reasonOriginRefused is the reason of requests of pages whose origin is not allowed. Such
// a page learns it from the client, since browsers do not let it read the answer.
const reasonOriginRefused = "originRefused"

// noReason stands for failed calls whose error has no reason, which are most of those that
// a provider refused itself.
const noReason = "none"

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
	m.protocol = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "akash_bridge_protocol_calls_total",
		Help: "Calls that ended, by the caller's protocol, method and gRPC status code.",
	}, []string{"protocol", "method", "code"})
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "akash_bridge_failed_calls_total",
		Help: "Calls that failed or were refused, by the reason of the error, or none; those of origins that are not allowed by originRefused.",
	}, []string{"reason"})
	m.streams = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "akash_bridge_open_streams",
		Help: "Open streams, by transport: fetch-h1, fetch-h2, websocket, grpc, connect or console.",
	}, []string{"transport"})
	m.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "akash_bridge_config_reloads_total",
		Help: "Reloads of the settings, by outcome: applied or refused.",
	}, []string{"outcome"})
	for _, outcome := range []string{"applied", "refused"} {
		m.reloads.WithLabelValues(outcome)
	}
	m.calmed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "akash_bridge_flooding_connections_total",
		Help: "Connections that were closed because the client took the bridge's time for nothing, such as with a flood of pings.",
	})
	m.registry.MustRegister(m.calmed, m.calls, m.open, m.duration, m.bytes, m.reach, m.skipped, m.console, m.limited, m.reloads, m.protocol, m.refused, m.streams,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// Present at 0 from the start.
	m.received, m.sent = m.bytes.WithLabelValues("received"), m.bytes.WithLabelValues("sent")
	m.methods = make(map[string]methodMetrics, len(methods))
	for path := range methods {
		m.methods[path] = methodMetrics{m.open.WithLabelValues(path), m.duration.WithLabelValues(path)}
	}
	for _, transport := range []string{transportH1, transportH2, transportWebSocket, transportGRPC, transportConnect, transportConsole} {
		m.streams.WithLabelValues(transport)
	}
	m.refused.WithLabelValues(reasonOriginRefused)
	m.refused.WithLabelValues(string(rpcerror.ReasonDestinationRefused))
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

// Capacity adds how many calls count for --max-streams, and the limit.
func (m *Metrics) Capacity(admitted, limit func() int) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "akash_bridge_admitted_calls",
			Help: "Open calls that count for --max-streams: of all methods, and those in the protocol of Console's provider proxy.",
		}, func() float64 { return float64(admitted()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "akash_bridge_max_calls",
			Help: "How many calls may be open at once: --max-streams.",
		}, func() float64 { return float64(limit()) }))
}

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

// Calmed counts a connection that was closed because of what the client sent.
func (m *Metrics) Calmed() { m.calmed.Inc() }

// Limited counts a call that a limit refused.
func (m *Metrics) Limited(by string) { m.limited.WithLabelValues(by).Inc() }

// The transports of streams.
const (
	transportH1        = "fetch-h1"
	transportH2        = "fetch-h2"
	transportWebSocket = "websocket"
	transportGRPC      = "grpc"
	transportConnect   = "connect"
	transportConsole   = "console"
)

// transportOf returns the transport of a stream.
func transportOf(p relay.Protocol, httpMajor int) string {
	switch {
	case p == relay.ProtocolGRPC:
		return transportGRPC
	case p == relay.ProtocolConnect:
		return transportConnect
	case p == relay.ProtocolWebSocket:
		return transportWebSocket
	case httpMajor >= 2:
		return transportH2
	}
	return transportH1
}

// of returns the metrics of the method at a path.
func (m *Metrics) of(path string) methodMetrics {
	if known, ok := m.methods[path]; ok {
		return known
	}
	return methodMetrics{m.open.WithLabelValues(path), m.duration.WithLabelValues(path)} // one of the bridge's own
}

// reachedIn records how long it took to reach a provider, by outcome.
func (m *Metrics) reachedIn(outcome string, took time.Duration) {
	observer, ok := m.outcomes.Load(outcome)
	if !ok {
		observer, _ = m.outcomes.LoadOrStore(outcome, m.reach.WithLabelValues(outcome))
	}
	observer.(prometheus.Observer).Observe(took.Seconds())
}

// ended counts a call that ended, or was refused.
func (m *Metrics) ended(method string, protocol relay.Protocol, code codes.Code, reason rpcerror.Reason) {
	e := ending{method, protocol, code}
	known, ok := m.endings.Load(e)
	if !ok {
		known, _ = m.endings.LoadOrStore(e, endingMetrics{
			m.calls.WithLabelValues(method, code.String()),
			m.protocol.WithLabelValues(string(protocol), method, code.String()),
		})
	}
	counters := known.(endingMetrics)
	counters.calls.Inc()
	counters.protocol.Inc()
	if code != codes.OK {
		m.failed(reason)
	}
}

// ConsoleFailed counts an error in the protocol of Console's provider proxy by its reason.
func (m *Metrics) ConsoleFailed(reason rpcerror.Reason) { m.failed(reason) }

// failed counts an error by its reason. All reasons are constants, so they are few.
func (m *Metrics) failed(reason rpcerror.Reason) {
	m.refused.WithLabelValues(cmp.Or(string(reason), noReason)).Inc()
}

// OriginRefused counts a request of a page whose origin is not allowed.
func (m *Metrics) OriginRefused() { m.refused.WithLabelValues(reasonOriginRefused).Inc() }

// ConsoleSocket counts an open WebSocket in the protocol of Console's provider proxy, until
// closed is called.
func (m *Metrics) ConsoleSocket() (closed func()) {
	open := m.streams.WithLabelValues(transportConsole)
	open.Inc()
	return open.Dec
}

// Console counts a request or a WebSocket in the protocol of Console's provider proxy.
// A provider may answer with any status, so those that HTTP does not define count as one.
func (m *Metrics) Console(kind string, status int) {
	label := "other"
	if status == 495 || status == 499 || http.StatusText(status) != "" {
		label = strconv.Itoa(status)
	}
	m.console.WithLabelValues(kind, label).Inc()
}
