package improbable

import (
	"bytes"
	"net"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// written is a connection that records what is written to it.
type written struct {
	net.Conn
	bytes  []byte
	writes int
}

func (w *written) Write(p []byte) (int, error) {
	w.bytes = append(w.bytes, p...)
	w.writes++
	return len(p), nil
}

func TestNothingFollowsTheFirstClose(t *testing.T) {
	frame := func(opcode byte, payload []byte) []byte {
		head := []byte{0x80 | opcode}
		switch n := len(payload); {
		case n < 126:
			head = append(head, byte(n))
		case n < 1<<16:
			head = append(head, 126, byte(n>>8), byte(n))
		default:
			head = append(head, 127, 0, 0, 0, 0, 0, byte(n>>16), byte(n>>8), byte(n))
		}
		return append(head, payload...)
	}
	// Payloads that resemble Close frames.
	looksLike := func(n int) []byte { return bytes.Repeat([]byte{0x88, 0x02}, n/2) }
	end := frame(opClose, []byte{0x03, 0xe8, 'b', 'y', 'e'})
	good := slices.Concat(frame(2, nil), frame(2, looksLike(10)), frame(9, nil), frame(2, looksLike(300)), frame(2, looksLike(70_000)), end)
	all := slices.Concat(good, end, frame(2, looksLike(4)))

	for _, step := range []int{1, 2, 3, 7, 4096, len(all)} {
		conn := &written{}
		c := &lastFrame{Conn: conn}
		for piece := range slices.Chunk(all, step) {
			n, err := c.Write(piece)
			require.NoError(t, err)
			require.Equal(t, len(piece), n)
		}
		assert.True(t, bytes.Equal(good, conn.bytes), "in pieces of %d bytes", step)
	}

	conn := &written{}
	c := &lastFrame{Conn: conn}
	_, err := c.Write(slices.Concat(frame(opClose, nil), frame(opClose, nil)))
	require.NoError(t, err)
	assert.Equal(t, frame(opClose, nil), conn.bytes, "a Close without a reason")
}

func TestAFrameIsSentInOneWrite(t *testing.T) {
	for _, n := range []int{10, 5_000, 60_000} {
		conn := &written{}
		c := &lastFrame{Conn: conn}
		frame := append([]byte{0x82, 127, 0, 0, 0, 0, 0, 0, byte(n >> 8), byte(n)}, bytes.Repeat([]byte("x"), n)...)
		for _, piece := range [][]byte{frame[:min(4096, len(frame))], frame[min(4096, len(frame)):]} {
			_, err := c.Write(piece) // as the library does
			require.NoError(t, err)
		}
		assert.Equal(t, frame, conn.bytes)
		assert.Equal(t, 1, conn.writes, "a frame of %d bytes", n)
	}
}
