package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"akash-provider-web/testserver/program"
)

// sample is what a bridge uses at a time.
type sample struct {
	Seconds    float64 `json:"seconds"`
	Streams    int     `json:"streams"`
	Goroutines float64 `json:"goroutines"`
	// Heap is the size at which the collector runs next, three times what was live when the
	// sample was taken: the bridge collects its garbage before. Otherwise it would tell
	// whether the collector last ran in a burst of streams.
	Heap  float64 `json:"nextGCBytes"`
	RSS   float64 `json:"rssBytes"`
	Files float64 `json:"files"`
	Load  string  `json:"load"`

	messages, churned, injected int
}

func (s *soak) measure(at time.Duration) (sample, error) {
	if err := s.bridge.Collect(); err != nil {
		return sample{}, err
	}
	metrics, err := s.bridge.Metrics()
	if err != nil {
		return sample{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return sample{
		Seconds: at.Seconds(), Streams: s.open, Goroutines: metrics["go_goroutines"], Heap: metrics["go_memstats_next_gc_bytes"],
		RSS: float64(s.bridge.Memory("VmRSS")), Files: float64(s.bridge.Files()), Load: program.Load(),
		messages: s.messages, churned: s.churned, injected: s.injected,
	}, nil
}

func (m sample) print() {
	fmt.Printf("%7.0fs %8d %8.0f %8.1f %8.1f %8.0f %10d %9d %8d  %s\n", m.Seconds, m.Streams, m.Goroutines, m.Heap/(1<<20), m.RSS/(1<<20), m.Files,
		m.messages, m.churned, m.injected, m.Load)
}

// trend is how a figure developed.
type trend struct {
	Name  string  `json:"name"`
	Mean  float64 `json:"mean"`
	Slope float64 `json:"slopePerHour"`
	// Growth is how much the fitted line rose over the time that was measured, as a part
	// of the mean.
	Growth float64 `json:"growth"`
}

func (t trend) String() string {
	return fmt.Sprintf("%-12s mean %9.1f  slope %+9.1f an hour  growth %+5.1f %% in the time measured", t.Name, t.Mean, t.Slope, 100*t.Growth)
}

// warmUp is the part of the samples that is left out: streams open, and pools fill.
const warmUp = 0.25

// enough is the part of the streams that must be open for a sample to count.
const enough = 0.95

// A figure may grow by this part of its mean before it counts as growing. The number of
// connections depends on how clients come and go, and memory on when the collector ran.
const tolerance = 0.15

// judge fits a line to each figure, by least squares. Samples with fewer streams than
// usual, as while the provider is away, are left out.
func judge(samples []sample, streams int) (trends []trend, problems []error) {
	samples = slices.Clone(samples[int(warmUp*float64(len(samples))):])
	samples = slices.DeleteFunc(samples, func(s sample) bool { return float64(s.Streams) < enough*float64(streams) })
	if len(samples) < 5 {
		return nil, []error{fmt.Errorf("there are only %d samples", len(samples))}
	}
	for _, figure := range []struct {
		name string
		of   func(sample) float64
		unit float64
	}{
		{"goroutines", func(s sample) float64 { return s.Goroutines }, 1},
		{"next GC MB", func(s sample) float64 { return s.Heap }, 1 << 20},
		{"RSS MB", func(s sample) float64 { return s.RSS }, 1 << 20},
		{"files", func(s sample) float64 { return s.Files }, 1},
	} {
		var n, sumX, sumY, sumXX, sumXY float64
		for _, s := range samples {
			x, y := s.Seconds, figure.of(s)/figure.unit
			n, sumX, sumY, sumXX, sumXY = n+1, sumX+x, sumY+y, sumXX+x*x, sumXY+x*y
		}
		slope := (n*sumXY - sumX*sumY) / (n*sumXX - sumX*sumX)
		mean := sumY / n
		measured := samples[len(samples)-1].Seconds - samples[0].Seconds
		t := trend{Name: figure.name, Mean: mean, Slope: slope * time.Hour.Seconds(), Growth: slope * measured / mean}
		trends = append(trends, t)
		if math.IsNaN(t.Growth) || t.Growth > tolerance {
			problems = append(problems, fmt.Errorf("%s grew by %.0f %% of their mean", figure.name, 100*t.Growth))
		}
	}
	return trends, problems
}
