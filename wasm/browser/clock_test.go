//go:build js

package browser

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTimersRingInOrder(t *testing.T) {
	rung := make(chan string, 3)
	start := time.Now()
	Clock{}.AfterFunc(30, func() { rung <- "second" })
	Clock{}.AfterFunc(1, func() { rung <- "first" })
	assert.Equal(t, 2, Waiting())
	assert.Equal(t, "first", <-rung)
	assert.Equal(t, "second", <-rung)
	assert.GreaterOrEqual(t, time.Since(start), 29*time.Millisecond)
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
