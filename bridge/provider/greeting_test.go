package provider

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// hear gives a server's words to a connection in two pieces.
func hear(words []byte, cut int) (c *grpcConn, ok bool) {
	c = &grpcConn{first: make(chan error, 1)}
	cut = min(cut, len(words))
	return c, c.listen(words[:cut], nil) && c.listen(words[cut:], nil)
}

func TestTheGreetingTellsHowManyStreamsAreAllowed(t *testing.T) {
	for _, s := range []struct {
		settings []http2.Setting
		limit    int32
	}{
		{nil, 1000},
		{[]http2.Setting{{ID: http2.SettingMaxFrameSize, Val: 16384}, {ID: http2.SettingMaxConcurrentStreams, Val: 7}}, 7},
		{[]http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 1<<32 - 1}}, 1<<31 - 1},
	} {
		var words bytes.Buffer
		require.NoError(t, http2.NewFramer(&words, nil).WriteSettings(s.settings...))
		require.NoError(t, http2.NewFramer(&words, nil).WriteWindowUpdate(0, 1))
		for cut := range words.Len() {
			c, ok := hear(words.Bytes(), cut)
			assert.True(t, ok)
			assert.True(t, c.greetingEnded())
			assert.Equal(t, s.limit, c.limit)
			assert.Empty(t, c.first)
		}
	}
}

// Whatever a server says, it is either refused or a SETTINGS frame that HTTP/2's
// own reader takes for one.
func FuzzGreeting(f *testing.F) {
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"), 3)
	f.Add([]byte{0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100}, 9)
	f.Fuzz(func(t *testing.T, words []byte, cut int) {
		if cut < 0 {
			return
		}
		c, ok := hear(words, cut)
		if !ok {
			require.ErrorIs(t, <-c.first, errNotHTTP2)
			return
		}
		if !c.greetingEnded() {
			return
		}
		require.GreaterOrEqual(t, c.limit, int32(0))
		frame, err := http2.NewFramer(io.Discard, bytes.NewReader(words)).ReadFrame()
		if err == nil { // it may still judge the settings
			require.IsType(t, &http2.SettingsFrame{}, frame)
		}
	})
}
