//go:build js

package browser

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTimerRingsWhenItsTimeHasPassed(t *testing.T) {
	rung := make(chan string, 2)
	start := time.Now()
	stop := Clock{}.AfterFunc(600_000, func() { rung <- "in ten minutes" })
	Clock{}.AfterFunc(30, func() { rung <- "soon" })
	assert.Equal(t, 2, Waiting())
	assert.Equal(t, "soon", <-rung)
	assert.GreaterOrEqual(t, time.Since(start), 29*time.Millisecond)
	assert.Equal(t, 1, Waiting(), "the other one")
	stop()
	assert.Zero(t, Waiting())
}

func TestStoppedTimerDoesNotRing(t *testing.T) {
	rung := make(chan string, 2)
	stop := Clock{}.AfterFunc(1, func() { rung <- "stopped" })
	stop()
	assert.Zero(t, Waiting())
	stop() // twice does no harm
	last := Clock{}.AfterFunc(20, func() { rung <- "later" })
	assert.Equal(t, "later", <-rung)
	last() // nor when it has rung
}

func TestNowIsInSeconds(t *testing.T) {
	before := time.Now().Unix()
	now := Clock{}.Now()
	assert.GreaterOrEqual(t, now, before)
	assert.LessOrEqual(t, now, time.Now().Unix())
	for range 100 {
		r := Random()
		assert.True(t, 0 <= r && r < 1, "%v", r)
	}
}
