package logs

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A pod that is quiet is looked at soon, often at first, and then less and less.
func TestQuietIsLookedAtLessAndLess(t *testing.T) {
	var q quiet
	q.count(1)
	var at []int
	for i := 1; i <= 1800; i++ { // an hour
		if q.count(1) {
			at = append(at, i)
		}
	}
	assert.Equal(t, []int{1, 5, 9, 13, 17, 21, 25, 29, 33, 66, 132, 264, 414, 564, 714, 864, 1014, 1164, 1314, 1464, 1614, 1764}, at)
}

// A pod that writes is not looked at, nor is one that pauses no longer than usual.
func TestUsualPausesAreNotLookedAt(t *testing.T) {
	for _, pause := range []int{1, 2, 5, 20} {
		var q quiet
		looks, late := 0, 0
		for i := range 1000 {
			if q.count(i / pause) {
				if looks++; i > 2*pause {
					late++
				}
			}
		}
		assert.LessOrEqual(t, looks, 6, "pause %d", pause)
		assert.LessOrEqual(t, late, 2, "pause %d", pause)
	}
}

// What a fresh read has of a pod tells whether it is quiet, or its log has stopped.
func TestCompare(t *testing.T) {
	j := newReader([]string{"web"}, nil, true)
	reopen(j, map[string]int{"web": 2}, -1)
	say(t, j, "web-1-a", "web-1-b")
	_, print, ok := ReadLine([]byte(`{"name":"web-1-a","message":"web-1-a speaks"}` + "\n"))
	assert.True(t, ok)
	same := j.pods["web-1-b"].history.latest
	for range 2 {
		fresh, missing := j.Compare("web", map[string]uint64{"web-1-a": print, "web-1-b": same}, 2, false)
		assert.Empty(t, fresh)
		assert.Empty(t, missing, "both are quiet")
	}
	last := map[string]uint64{"web-1-a": print + 1, "web-1-b": same, "web-1-c": 1}
	fresh, missing := j.Compare("web", last, 3, false)
	assert.Equal(t, []string{"web-1-c"}, fresh)
	assert.Empty(t, missing, "the line may be on its way")
	_, missing = j.Compare("web", last, 3, false)
	assert.Equal(t, []string{"web-1-a"}, missing)

	say(t, j, "web-1-a")
	_, missing = j.Compare("web", last, 3, false)
	assert.Empty(t, missing, "it has said something meanwhile")

	// One that is not there at all is gone, unless there should be more pods.
	_, missing = j.Compare("web", map[string]uint64{"web-1-b": same}, 1, false)
	assert.Empty(t, missing)
	for range 2 {
		_, missing = j.Compare("web", map[string]uint64{"web-1-b": same}, 2, false)
	}
	assert.Equal(t, []string{"web-1-a"}, missing)
}
