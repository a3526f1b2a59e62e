package message

import (
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Invalid text is replaced as TextDecoder does: one U+FFFD for the longest prefix of a
// character (the Unicode Standard, table 3-8).
func TestInvalidText(t *testing.T) {
	for broken, want := range map[string]string{
		"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41": "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdA",
		"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41": "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdA",
		"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42": "\ufffd\ufffd\ufffd\ufffd\ufffdA\ufffd\ufffdB",
		"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41": "\ufffd\ufffd\ufffd\ufffdA",
		"plain ascii then \xf0\x9f\x98":        "plain ascii then \ufffd",
		"\xf0\x9f\x98\x80 whole":               "😀 whole",
		"\xef\xbf\xbd":                         "\ufffd",
		"\xef\xbb\xbfmark":                     "\ufeffmark",
		"":                                     "",
	} {
		text, n := AppendText(nil, []byte(broken))
		assert.Equal(t, want, string(text), "%q", broken)
		assert.Equal(t, len(utf16.Encode([]rune(want))), n, "%q", broken)
	}
}

func FuzzAppendText(f *testing.F) {
	f.Add([]byte("a log line"), []byte("漢字 \xf0\x9f\x98\x80 \xf0\x9f"))
	f.Fuzz(func(t *testing.T, before, text []byte) {
		whole, n := AppendText(before[:len(before):len(before)], text)
		added := whole[len(before):]
		require.Equal(t, string(before), string(whole[:len(before)]))
		require.True(t, utf8.Valid(added))
		require.Len(t, utf16.Encode([]rune(string(added))), n)
		require.Equal(t, n, UTF16Len(added))
		if utf8.Valid(text) {
			require.Equal(t, string(text), string(added))
		}
	})
}
