package improbable

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// messages is an http.ResponseWriter that keeps the WebSocket messages it is given.
type messages struct {
	http.ResponseWriter
	mu   sync.Mutex
	sent []string
}

func (m *messages) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, string(p))
	return len(p), nil
}

// sizes returns the sizes of the messages.
func (m *messages) sizes() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sizes []int
	for _, s := range m.sent {
		sizes = append(sizes, len(s))
	}
	return sizes
}

func newMessages() *messages { return &messages{ResponseWriter: httptest.NewRecorder()} }

func TestAMessageOutsideABurstIsSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newMessages()
		b := newBatchWriter(out, MaxWindow)
		defer b.close()
		for i := range 100 { // keys that somebody types, and more
			_, err := b.Write([]byte("key"))
			require.NoError(t, err)
			b.Flush()
			require.Len(t, out.sizes(), i+1)
			time.Sleep(time.Millisecond)
		}
	})
}

func TestMessagesOfABurstAreSentTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newMessages()
		b := newBatchWriter(out, MaxWindow)
		defer b.close()
		piece := bytes.Repeat([]byte("x"), 12<<10)
		sent := 0
		for range 40 {
			n, err := b.Write(piece)
			require.NoError(t, err)
			sent += n
			b.Flush()
			time.Sleep(500 * time.Microsecond)
		}
		time.Sleep(maxDelay)
		synctest.Wait()
		total := 0
		for _, n := range out.sizes() {
			total += n
			require.LessOrEqual(t, n, maxBatch)
		}
		require.Equal(t, sent, total, "everything is sent %v after the last flush", maxDelay)
		require.Less(t, len(out.sizes()), 15)
	})
}

func TestABurstsLastMessagesAreSentBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newMessages()
		b := newBatchWriter(out, MaxWindow)
		for range 3 {
			_, err := b.Write(bytes.Repeat([]byte("x"), burst))
			require.NoError(t, err)
			b.Flush()
		}
		b.close()
		after := out.sizes()
		total := 0
		for _, n := range after {
			total += n
		}
		require.Equal(t, 3*burst, total)
		time.Sleep(time.Second)
		require.Equal(t, after, out.sizes(), "nothing is written after the end")
	})
}

func TestAMessageLargerThanABatchKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newMessages()
		b := newBatchWriter(out, MaxWindow)
		for _, s := range []string{"before", string(bytes.Repeat([]byte("x"), 1<<20)), "after"} {
			_, err := b.Write([]byte(s))
			require.NoError(t, err)
		}
		b.close()
		require.Equal(t, []int{6, 1 << 20, 5}, out.sizes())
	})
}
