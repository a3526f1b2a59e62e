package chain

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"akash-provider-web/bridge/internal/collectors"
)

// metrics are a client's metrics. The label node is the scheme and host of a configured
// node, so the number of values is bounded, and secrets in a node's path are not shown.
type metrics struct {
	queries       *prometheus.CounterVec   // by node; and by outcome: answered, failed
	duration      *prometheus.HistogramVec // by node
	disagreements *prometheus.CounterVec   // by node
	undecided     prometheus.Counter
	records       *prometheus.CounterVec // by source: cache, node, stale
	healthy       prometheus.GaugeFunc
	refused       *prometheus.CounterVec // by node
	header        prometheus.GaugeFunc
	forked        prometheus.GaugeFunc
}

func newMetrics(c *Client) *metrics {
	m := &metrics{
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "akash_bridge_chain_queries_total",
			Help: "Queries to chain nodes, by node and outcome: answered or failed.",
		}, []string{"node", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "akash_bridge_chain_query_duration_seconds",
			Help:    "Time that chain nodes take to answer a query, or to fail, by node.",
			Buckets: []float64{.005, .025, .05, .1, .25, .5, 1, 2.5, 6},
		}, []string{"node"}),
		disagreements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "akash_bridge_chain_disagreements_total",
			Help: "How often a chain node was left out because it differed from a quorum of the others, by node.",
		}, []string{"node"}),
		undecided: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "akash_bridge_chain_undecided_total",
			Help: "Queries on which the chain nodes disagreed, so that none was believed.",
		}),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "akash_bridge_chain_records_total",
			Help: "Lookups of providers' records, by source: cache, node if the chain's nodes had to be asked, or stale if they did not answer and an expired record was used.",
		}, []string{"source"}),
		healthy: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "akash_bridge_chain_nodes_healthy",
			Help: "Chain nodes that passed their last check and do not differ from the others.",
		}, func() float64 {
			return float64(c.healthy())
		}),
	}
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "akash_bridge_chain_refused_total",
		Help: "How often a header or a proof of a chain node was refused, by node; with --chain-trust only.",
	}, []string{"node"})
	m.header = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "akash_bridge_chain_header_timestamp_seconds",
		Help: "Time of the newest header of the chain that was verified; 0 without --chain-trust.",
	}, func() float64 {
		if c.light == nil {
			return 0
		}
		if h := c.light.Newest(); h != nil {
			return float64(h.Time.Unix())
		}
		return 0
	})
	m.forked = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "akash_bridge_chain_forked",
		Help: "1 if two different headers of one height were valid, so that no answer is believed; with --chain-trust only.",
	}, func() float64 {
		if c.light != nil && c.light.Fork() != nil {
			return 1
		}
		return 0
	})
	for _, source := range []string{"cache", "node", "stale"} {
		m.records.WithLabelValues(source)
	}
	for _, n := range c.nodes { // present at 0 from the start
		m.queries.WithLabelValues(n.name, "answered")
		m.queries.WithLabelValues(n.name, "failed")
		m.disagreements.WithLabelValues(n.name)
		m.refused.WithLabelValues(n.name)
	}
	return m
}

// queried counts a query to a node.
func (m *metrics) queried(n *node, outcome string, took time.Duration) {
	m.queries.WithLabelValues(n.name, outcome).Inc()
	m.duration.WithLabelValues(n.name).Observe(took.Seconds())
}

// Describe implements [prometheus.Collector].
func (c *Client) Describe(descriptions chan<- *prometheus.Desc) {
	c.metrics.all().Describe(descriptions)
}

// Collect implements [prometheus.Collector].
func (c *Client) Collect(values chan<- prometheus.Metric) {
	c.metrics.all().Collect(values)
}

func (m *metrics) all() collectors.Group {
	return collectors.Group{m.queries, m.duration, m.disagreements, m.undecided, m.records, m.healthy, m.refused, m.header, m.forked}
}
