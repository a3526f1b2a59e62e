// Package collectors lets several Prometheus collectors be registered as one.
package collectors

import "github.com/prometheus/client_golang/prometheus"

// Group is a [prometheus.Collector] that collects what its members do.
type Group []prometheus.Collector

// Describe implements [prometheus.Collector].
func (g Group) Describe(descriptions chan<- *prometheus.Desc) {
	for _, c := range g {
		c.Describe(descriptions)
	}
}

// Collect implements [prometheus.Collector].
func (g Group) Collect(values chan<- prometheus.Metric) {
	for _, c := range g {
		c.Collect(values)
	}
}
