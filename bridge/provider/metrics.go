package provider

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"akash-provider-web/bridge/internal/collectors"
	"akash-provider-web/bridge/rpcerror"
)

// metrics are a pool's metrics.
type metrics struct {
	handshakes  *prometheus.CounterVec // by outcome: ok, a reason, or failed
	duration    prometheus.Histogram
	connections prometheus.Gauge
	decisions   *prometheus.CounterVec // by source: cache, chain
}

func newMetrics() *metrics {
	m := &metrics{
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "akash_bridge_provider_handshakes_total",
			Help: "TLS handshakes with providers, by outcome: ok, the reason of a refused certificate or of another failure, or failed.",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "akash_bridge_provider_handshake_duration_seconds",
			Help:    "Time that TLS handshakes with providers take, with the verification of the certificate.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 8},
		}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "akash_bridge_provider_connections",
			Help: "Open connections to providers whose certificates have been accepted.",
		}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "akash_bridge_certificate_decisions_total",
			Help: "Decisions about providers' self-signed certificates, by source: cache, or chain if that had to be asked.",
		}, []string{"source"}),
	}
	m.handshakes.WithLabelValues("ok") // present at 0 from the start
	for _, source := range []string{"cache", "chain"} {
		m.decisions.WithLabelValues(source)
	}
	return m
}

// shook counts a handshake that ended with err.
func (m *metrics) shook(err error, took time.Duration) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
		var known *rpcerror.Error
		if errors.As(err, &known) && known.Reason != "" {
			outcome = string(known.Reason)
		}
	}
	m.handshakes.WithLabelValues(outcome).Inc()
	m.duration.Observe(took.Seconds())
}

// decided counts a decision about a certificate.
func (m *metrics) decided(cached bool) {
	source := "chain"
	if cached {
		source = "cache"
	}
	m.decisions.WithLabelValues(source).Inc()
}

func (m *metrics) all() collectors.Group {
	return collectors.Group{m.handshakes, m.duration, m.connections, m.decisions}
}

// Describe implements [prometheus.Collector].
func (p *Pool) Describe(descriptions chan<- *prometheus.Desc) {
	p.metrics.all().Describe(descriptions)
}

// Collect implements [prometheus.Collector].
func (p *Pool) Collect(values chan<- prometheus.Metric) {
	p.metrics.all().Collect(values)
}
