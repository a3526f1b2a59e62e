package strikes

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errIll = errors.New("ill")

// fail makes an attempt that fails, which must be allowed.
func fail(t *testing.T, b *Book[string], key string) {
	t.Helper()
	a, refusal := b.Begin(key)
	require.Nil(t, refusal)
	a.End(errIll)
}

func TestOneFailureHasNoEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Book[string]
		fail(t, &b, "a")
		a, refusal := b.Begin("a")
		require.Nil(t, refusal)
		a.End(nil)
		fail(t, &b, "a") // the first of a new row
		_, refusal = b.Begin("a")
		assert.Nil(t, refusal)
	})
}

func TestPausesGrowUpToTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Book[string]
		fail(t, &b, "a")
		for i, want := range []time.Duration{250, 500, 1000, 2000, 2000, 2000} {
			fail(t, &b, "a")
			_, refusal := b.Begin("a")
			require.NotNil(t, refusal)
			assert.Equal(t, Refusal{Failures: i + 2, Last: errIll, Wait: want * time.Millisecond}, *refusal)
			_, other := b.Begin("b")
			assert.Nil(t, other, "another is not concerned")
			time.Sleep(refusal.Wait)
		}
	})
}

// Whoever is well again is asked within the pause, and then by all at once.
func TestASuccessEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Book[string]
		for range 20 {
			fail(t, &b, "a")
			time.Sleep(2 * time.Second)
		}
		a, refusal := b.Begin("a")
		require.Nil(t, refusal)
		_, refusal = b.Begin("a")
		require.NotNil(t, refusal, "one at a time")
		a.End(nil)
		for range 10 {
			_, refusal := b.Begin("a")
			require.Nil(t, refusal)
		}
	})
}

// An attempt that hangs does not keep others from theirs.
func TestAnAttemptThatHangsIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Book[string]
		for range 10 {
			fail(t, &b, "a")
			time.Sleep(2 * time.Second)
		}
		hanging, refusal := b.Begin("a")
		require.Nil(t, refusal)
		time.Sleep(2 * time.Second)
		a, refusal := b.Begin("a")
		require.Nil(t, refusal)
		a.End(nil)
		hanging.End(errIll)
		_, refusal = b.Begin("a")
		assert.Nil(t, refusal, "it is one failure since the success")
	})
}

// Calls that fail together, as when a connection that they share breaks, are one failure.
func TestFailuresAtTheSameTimeAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Book[string]
		var all []*Attempt[string]
		for range 10 {
			a, refusal := b.Begin("a")
			require.Nil(t, refusal)
			all = append(all, a)
		}
		time.Sleep(time.Second)
		for _, a := range all {
			a.End(errIll)
		}
		_, refusal := b.Begin("a")
		assert.Nil(t, refusal)
	})
}

// What lasted long, or was long ago, is not of the same row.
func TestFailuresAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Book[string]
		for range 10 {
			fail(t, &b, "a")
			time.Sleep(memory)
		}
		for range 10 {
			a, refusal := b.Begin("a")
			require.Nil(t, refusal)
			time.Sleep(memory) // a stream that broke in the end
			a.End(errIll)
		}
	})
}

func TestTheBookIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Book[string]
		for i := range 3 * maxKept {
			fail(t, &b, strconv.Itoa(i))
			require.LessOrEqual(t, len(b.entries), maxKept)
		}
		time.Sleep(memory)
		fail(t, &b, "a")
		assert.Len(t, b.entries, 1)
	})
}
