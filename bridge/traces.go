package main

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"akash-provider-web/bridge/trace"
)

const (
	// exportEnd bounds the time that a bridge that stops waits for the collector.
	exportEnd = 2 * time.Second
	// exportFailedInterval is the least time between log lines about a collector that
	// does not take the traces.
	exportFailedInterval = time.Minute
)

// newExporter returns the exporter of traces, or nil if there are to be none. close sends
// what is queued.
func (c *config) newExporter(log *slog.Logger) (exporter *trace.Exporter, close func(), err error) {
	if !c.traces {
		return nil, func() {}, nil
	}
	sometimes := rate.Sometimes{First: 1, Interval: exportFailedInterval}
	failed := func(err error) {
		sometimes.Do(func() { log.Warn("traces cannot be sent to the collector", "error", err) })
	}
	exporter, err = trace.NewExporter(trace.Options{Endpoint: c.otlpEndpoint, Version: version, Failed: failed})
	if err != nil {
		return nil, nil, usageError{err}
	}
	return exporter, func() {
		ctx, cancel := context.WithTimeout(context.Background(), exportEnd)
		defer cancel()
		if err := exporter.Close(ctx); err != nil {
			failed(err)
		}
	}, nil
}
