package main

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// samplesOf returns samples every ten seconds whose goroutines are what f says.
func samplesOf(n int, f func(i int) float64) (samples []sample) {
	for i := range n {
		samples = append(samples, sample{Seconds: float64(10 * i), Streams: 100, Goroutines: f(i), Heap: 1 << 20, RSS: 1 << 20, Files: 10})
	}
	return samples
}

func TestGrowthIsNoticed(t *testing.T) {
	for name, test := range map[string]struct {
		f     func(i int) float64
		grows bool
	}{
		"flat":                      {func(int) float64 { return 1000 }, false},
		"a saw":                     {func(i int) float64 { return 1000 + 100*float64(i%5) }, false},
		"a leak":                    {func(i int) float64 { return 1000 + 10*float64(i) }, true},
		"grows while streams open":  {func(i int) float64 { return math.Min(1000, 100*float64(i)) }, false},
		"a leak behind larger saws": {func(i int) float64 { return 1000 + 10*float64(i) + 300*float64(i%5) }, true},
		"falls":                     {func(i int) float64 { return 1000 - 5*float64(i) }, false},
	} {
		trends, problems := judge(append(samplesOf(60, test.f), sample{Seconds: 600}), 100) // the last one without streams
		assert.Len(t, trends, 4, name)
		assert.Equal(t, test.grows, strings.Contains(errors.Join(append(problems, errors.New(""))...).Error(), "goroutines"), "%s: %v", name, problems)
		assert.False(t, len(problems) > 1, "%s: %v", name, problems)
	}
	_, problems := judge(samplesOf(4, func(int) float64 { return 1 }), 100)
	assert.NotEmpty(t, problems, "too few to tell")
}
