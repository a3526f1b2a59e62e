package fanout

import (
	"bytes"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// A provider's stream is split into its messages, however the network splits it, and none
// is larger than the limit.
func FuzzReadMessage(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 'h', 'i', 0, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, 0})
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 'x'})
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 100
		whole, pieces := bytes.NewReader(stream), iotest.HalfReader(bytes.NewReader(stream))
		taken := 0
		for {
			message, err := readMessage(whole, limit)
			again, errAgain := readMessage(pieces, limit)
			require.Equal(t, err == nil, errAgain == nil)
			if err != nil {
				return
			}
			require.Equal(t, message, again)
			require.LessOrEqual(t, len(message), limit+5)
			require.Equal(t, stream[taken:taken+len(message)], message)
			taken += len(message)
		}
	})
}
