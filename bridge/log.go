package main

import (
	"context"
	"io"
	"log/slog"
	"time"
)

func newLog(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(milliseconds{slog.NewJSONHandler(w, nil)})
	}
	return slog.New(milliseconds{slog.NewTextHandler(w, nil)})
}

// milliseconds logs durations as milliseconds, with the unit in the key, such as durationMs.
// In JSON they would otherwise be nanoseconds without a unit. slog's ReplaceAttr, which could
// do that, makes all lines take half as long again, and most have no duration.
type milliseconds struct{ slog.Handler }

// Handle implements slog.Handler.
func (h milliseconds) Handle(ctx context.Context, r slog.Record) error {
	found := false
	r.Attrs(func(a slog.Attr) bool {
		found = a.Value.Kind() == slog.KindDuration
		return !found
	})
	if !found {
		return h.Handler.Handle(ctx, r)
	}
	line := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		line.AddAttrs(inMilliseconds(a))
		return true
	})
	return h.Handler.Handle(ctx, line)
}

// WithAttrs implements slog.Handler.
func (h milliseconds) WithAttrs(attrs []slog.Attr) slog.Handler {
	all := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		all = append(all, inMilliseconds(a))
	}
	return milliseconds{h.Handler.WithAttrs(all)}
}

// WithGroup implements slog.Handler.
func (h milliseconds) WithGroup(name string) slog.Handler {
	return milliseconds{h.Handler.WithGroup(name)}
}

// inMilliseconds returns an attribute as it is logged.
func inMilliseconds(a slog.Attr) slog.Attr {
	if a.Value.Kind() != slog.KindDuration {
		return a
	}
	d := a.Value.Duration().Round(time.Microsecond)
	return slog.Float64(a.Key+"Ms", float64(d)/float64(time.Millisecond))
}
