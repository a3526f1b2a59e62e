package h2

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// However many streams there are, what they may have unread is bounded, and a reader
// always gets on.
func TestWindows(t *testing.T) {
	for _, c := range []struct {
		name                      string
		consumed, allowed, widest int
		increment, wide           int
	}{
		{"a small answer sends no frame", 1000, smallestWindow, streamWindow, 0, smallestWindow},
		{"a new stream that is read widens", smallestWindow / 4, smallestWindow, streamWindow, smallestWindow/4 + streamWindow - smallestWindow, streamWindow},
		{"a wide one is returned in large steps", streamWindow/4 - 1, streamWindow, streamWindow, 0, streamWindow},
		{"a wide one stays wide", streamWindow / 4, streamWindow, streamWindow, streamWindow / 4, streamWindow},
		{"a wide one narrows when there are many", streamWindow / 2, streamWindow, smallestWindow, 0, streamWindow},
		{"a narrowed one gets on", streamWindow - 3*smallestWindow/4, streamWindow, smallestWindow, smallestWindow / 4, smallestWindow},
		{"a narrow one stays narrow", smallestWindow / 4, smallestWindow, smallestWindow, smallestWindow / 4, smallestWindow},
	} {
		increment, wide := returned(c.consumed, c.allowed, c.widest)
		assert.Equal(t, [2]int{c.increment, c.wide}, [2]int{increment, wide}, c.name)
	}
	for allowed := smallestWindow; allowed <= streamWindow; allowed += 1000 {
		for _, widest := range []int{smallestWindow, 3 * smallestWindow, streamWindow} {
			increment, wide := returned(allowed, allowed, widest)
			assert.Positive(t, increment, "a peer that may send nothing more may send again: %d to %d", allowed, widest)
			assert.Equal(t, widest, wide)
		}
	}
}

func TestManyStreamsHaveNarrowWindows(t *testing.T) {
	defer openStreams.Store(openStreams.Load())
	for _, c := range []struct{ streams, widest int }{
		{0, streamWindow}, {1, streamWindow}, {512, streamWindow}, {1024, streamWindow / 2}, {100_000, smallestWindow},
	} {
		openStreams.Store(int64(c.streams))
		assert.Equal(t, c.widest, widestWindow(), "%d streams", c.streams)
	}
}

// What many answers hold unread is their smallest windows. They still arrive whole.
func TestManyUnreadAnswersHoldLittle(t *testing.T) {
	openStreams.Add(100_000)
	defer openStreams.Add(-100_000)
	const total = 3 << 20
	c := serve(t, http.HTTP2Config{}, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, total))
	})
	var bodies []io.ReadCloser
	for range 10 {
		response, err := c.RoundTrip(newRequest(t, testContext(t), nil))
		require.NoError(t, err)
		defer response.Body.Close()
		bodies = append(bodies, response.Body)
	}
	for _, body := range bodies {
		_, err := io.CopyN(io.Discard, body, total/2)
		require.NoError(t, err)
		s := body.(*stream)
		s.mu.Lock()
		assert.LessOrEqual(t, s.queue.size+s.recvWindow, smallestWindow+peekSize, "what Peek has returned counts as read")
		s.mu.Unlock()
		n, err := io.Copy(io.Discard, body)
		require.NoError(t, err)
		assert.EqualValues(t, total/2, n)
	}
}
