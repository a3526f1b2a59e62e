package rest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wire is a server's bytes, and what the client wrote back.
type wire struct {
	io.Reader
	bytes.Buffer
}

func (w *wire) Read(p []byte) (int, error) { return w.Reader.Read(p) }

// frame encodes a server's frame.
func frame(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return string(b) + payload
}

const (
	text0 = opText // the first of several frames of a text
	text1 = 0x80 | opText
	last1 = 0x80 | opContinuation
	ping1 = 0x80 | opPing
	pong1 = 0x80 | opPong
	shut1 = 0x80 | opClose
)

// readAll reads messages until an error.
func readAll(w *wire) (messages []string, err error) {
	f := newFrames(w, maxSocketMessage)
	for {
		message, err := f.next()
		if err != nil {
			return messages, err
		}
		messages = append(messages, string(message))
	}
}

// Messages of every size arrive whole, however the bytes come in.
func TestFrames(t *testing.T) {
	var want []string
	var sent strings.Builder
	for _, n := range []int{0, 1, 125, 126, 127, frameBuffer - 1, frameBuffer, frameBuffer + 1, 1<<16 - 1, 1 << 16, maxSocketMessage} {
		message := strings.Repeat("x", n)
		want = append(want, message)
		sent.WriteString(frame(text1, message))
	}
	for name, r := range map[string]io.Reader{
		"at once":      strings.NewReader(sent.String()),
		"in pieces":    iotest.HalfReader(strings.NewReader(sent.String())),
		"byte by byte": iotest.OneByteReader(strings.NewReader(sent.String())),
	} {
		got, err := readAll(&wire{Reader: r})
		assert.Equal(t, io.EOF, err, name)
		assert.True(t, assert.ObjectsAreEqual(want, got), name)
	}
}

// The fragments of a message are joined, also with control frames between them, and every
// ping is answered with its own payload.
func TestFragmentsAndPings(t *testing.T) {
	w := &wire{Reader: strings.NewReader(
		frame(text0, "one ") + frame(ping1, "are you there?") + frame(opContinuation, "") + frame(opContinuation, "message ") +
			frame(pong1, "") + frame(last1, "here") + frame(ping1, "") + frame(0x80|opBinary, "next") + frame(shut1, "\x0f\xa0no running pods"))}
	got, err := readAll(w)
	assert.Equal(t, []string{"one message here", "next"}, got)
	assert.Equal(t, &closed{code: closeInternal, reason: closeNoPods}, err)

	// What the client sent, unmasked.
	var said []string
	for b := w.Bytes(); len(b) > 0; {
		require.NotZero(t, b[1]&bitMasked)
		payload := b[6:][:b[1]&bitsOfSize]
		for i := range payload {
			payload[i] ^= b[2+i%4]
		}
		said = append(said, frame(b[0], string(payload)))
		b = b[6+len(payload):]
	}
	assert.Equal(t, []string{frame(pong1, "are you there?"), frame(pong1, ""), frame(shut1, "\x0f\xa0")}, said)
}

// A violation of the protocol ends the connection.
func TestMalformedFrames(t *testing.T) {
	for name, sent := range map[string]string{
		"masked":                  "\x81\x81\x00\x00\x00\x00x",
		"reserved bit":            frame(text1|0x40, "x"),
		"unknown opcode":          frame(0x83, "x"),
		"unknown control opcode":  frame(0x8b, ""),
		"continuation of nothing": frame(last1, "x"),
		"a text within a text":    frame(text0, "x") + frame(text1, "y"),
		"a ping in parts":         frame(opPing, "x"),
		"a long ping":             frame(ping1, strings.Repeat("x", 126)),
		"half a close code":       frame(shut1, "x"),
	} {
		_, err := readAll(&wire{Reader: strings.NewReader(sent)})
		assert.Equal(t, errFrame, err, name)
	}
	for name, sent := range map[string]string{
		"too long":             frame(text1, strings.Repeat("x", maxSocketMessage+1)),
		"too long in parts":    frame(text0, strings.Repeat("x", maxSocketMessage)) + frame(last1, "x"),
		"longer than anything": "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		_, err := readAll(&wire{Reader: strings.NewReader(sent)})
		assert.Equal(t, errFrameSize, err, name)
	}
}

func TestFloodsOfFramesWithoutData(t *testing.T) {
	for name, sent := range map[string]string{
		"pings":           strings.Repeat(frame(ping1, "x"), 3*maxEmpty),
		"empty fragments": frame(text0, "x") + strings.Repeat(frame(0, ""), 3*maxEmpty),
		"empty messages":  strings.Repeat(frame(text1, ""), 3*maxEmpty),
	} {
		_, err := readAll(&wire{Reader: strings.NewReader(sent)})
		assert.Equal(t, errFrameFlood, err, name)
	}
	// A provider's pings of an hour may be read at once.
	messages, err := readAll(&wire{Reader: strings.NewReader(strings.Repeat(frame(ping1, ""), 360) + frame(text1, "x"))})
	assert.Equal(t, io.EOF, err)
	assert.Equal(t, []string{"x"}, messages)
}

// A connection that ends within a message is an error, not a normal end.
func TestCutFrames(t *testing.T) {
	whole := frame(text0, strings.Repeat("x", 200)) + frame(ping1, "x") + frame(last1, strings.Repeat("y", 1<<16))
	for n := range len(whole) {
		got, err := readAll(&wire{Reader: strings.NewReader(whole[:n])})
		assert.Empty(t, got)
		if n == 0 {
			require.Equal(t, io.EOF, err)
		} else {
			require.Equal(t, io.ErrUnexpectedEOF, err, n)
		}
		if n > 300 {
			break // the rest is alike
		}
	}
}

// Only the answer to this very handshake is accepted.
func TestHandshake(t *testing.T) {
	good := func(request http.Header) http.Header {
		// The example of RFC 6455 section 1.3 holds for every key.
		return http.Header{"Upgrade": {"WebSocket"}, "Connection": {"keep-alive, Upgrade"}, "Sec-Websocket-Accept": {acceptKey(request.Get("Sec-WebSocket-Key"))}}
	}
	assert.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", acceptKey("dGhlIHNhbXBsZSBub25jZQ=="))

	request := http.Header{}
	accepted := handshake(request)
	assert.True(t, accepted(good(request)))
	for _, field := range []string{"Upgrade", "Connection", "Sec-WebSocket-Accept"} {
		answer := good(request)
		answer.Del(field)
		assert.False(t, accepted(answer), field)
	}
	for _, field := range []string{"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} {
		answer := good(request)
		answer.Set(field, "x")
		assert.False(t, accepted(answer), field)
	}
	assert.False(t, handshake(http.Header{})(good(request)), "of another handshake")
}

// No input makes the reader panic or buffer more than one message.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(frame(text1, "x") + frame(ping1, "y") + frame(text0, "a") + frame(last1, "b") + frame(shut1, "\x03\xe8")))
	f.Fuzz(func(t *testing.T, sent []byte) {
		reader := newFrames(&wire{Reader: bytes.NewReader(sent)}, 1000)
		for {
			message, err := reader.next()
			if err != nil {
				return
			}
			require.LessOrEqual(t, len(message), 1000)
		}
	})
}

// Large messages share their buffers: a log of long lines makes no garbage, and a stream
// that waits for its next message keeps none.
func TestLargeMessagesShareBuffers(t *testing.T) {
	const n, size = 200, 60_000
	f := newFrames(&wire{Reader: strings.NewReader(strings.Repeat(frame(text1, strings.Repeat("x", size)), n) + frame(text1, "y"))}, maxSocketMessage)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		message, err := f.next()
		require.NoError(t, err)
		require.Len(t, message, size)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(n*size*5/6))
	message, err := f.next()
	require.NoError(t, err)
	assert.Equal(t, "y", string(message))
	assert.Nil(t, f.large)
	assert.LessOrEqual(t, cap(f.message), keptMessage)
}
