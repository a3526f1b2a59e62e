package improbable

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// decodeText is a simple decoder of base64 that may be padded in the middle.
func decodeText(text []byte) (out []byte, ok bool) {
	text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r"), nil), []byte("\n"), nil)
	for len(text) > 0 {
		if len(text) < 4 {
			return out, false
		}
		piece, err := base64.StdEncoding.DecodeString(string(text[:4]))
		if err != nil {
			return out, false
		}
		out, text = append(out, piece...), text[4:]
	}
	return out, true
}

// Text is decoded in the same way however the network splits it.
func FuzzTextReader(f *testing.F) {
	f.Add([]byte("AAAAAAA=AAAABWhlbGxv"))
	f.Add([]byte("AA==AA==AA=="))
	f.Add([]byte("AAA"))
	f.Add([]byte("A===AA"))
	f.Add(bytes.Repeat([]byte("AAE="), 1000))
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.ContainsAny(text, "\r\n") {
			return // which base64 ignores, and so moves the groups
		}
		want, ok := decodeText(text)
		for _, src := range []io.Reader{bytes.NewReader(text), iotest.OneByteReader(bytes.NewReader(text)), iotest.HalfReader(bytes.NewReader(text)), iotest.DataErrReader(bytes.NewReader(text))} {
			got, err := io.ReadAll(&textReader{src: io.NopCloser(src)})
			require.Equal(t, ok, err == nil, "%q: %v", text, err)
			if ok {
				require.True(t, bytes.Equal(want, got))
			}
		}
	})
}

// The first message of a WebSocket is passed on unchanged if it is a list of headers, and
// never read beyond its end or the limit.
func FuzzFirstMessage(f *testing.F) {
	message := func(text string) []byte {
		b := []byte{0x82, 0x80 | byte(len(text)), 1, 2, 3, 4}
		for i := range text {
			b = append(b, text[i]^b[2+i%4])
		}
		return b
	}
	f.Add(append(message("akash-provider: akash1\r\ncontent-type: x\r\n"), 0x82, 0x80))
	f.Add(message("no header"))
	f.Add(message(": x\r\n"))
	f.Add([]byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Add([]byte{0x82, 0xfe, 0, 5, 0, 0, 0, 0, 'a', ':', 'b', '\r', '\n'})
	f.Add([]byte{0x81, 0x80, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, sent []byte) {
		src := bytes.NewReader(sent)
		frame, err := readHeaderFrame(src)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(frame), maxFirstMessage+14)
		require.Equal(t, sent[:len(frame)], frame)
		require.Equal(t, len(sent)-len(frame), src.Len())
		require.Equal(t, byte(0x82), frame[0])
	})
}

// Credits of a page add up, whatever it sends after its request.
func FuzzWindow(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 'x', 0, 0, 0, 0, 4, 0, 0, 1, 0})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, sent []byte) {
		w := newWindowed(t.Context(), discarding{}, bytes.NewReader(sent), 100)
		got, err := io.ReadAll(w)
		if err != nil || w.at < len(w.head) || w.rest > 0 {
			return // the request is cut short
		}
		require.LessOrEqual(t, len(got), len(sent))
		w.credits.Wait()
		require.Error(t, w.err)
		require.Zero(t, w.unconsumed)
		_, err = w.Write([]byte("x"))
		require.Error(t, err)
	})
}

type discarding struct{}

func (discarding) Header() http.Header         { return http.Header{} }
func (discarding) Write(p []byte) (int, error) { return len(p), nil }
func (discarding) WriteHeader(int)             {}
