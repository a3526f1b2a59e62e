package logs

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readLine reads a line as the merger does.
func readLine(data []byte) (pod, text string, ok bool) {
	if p, escaped, usual := splitLine(data); usual {
		if t, ok := appendText(nil, escaped); ok {
			return string(p), string(t), true
		}
	}
	p, t, ok := parseLine(data)
	return string(p), string(t), ok
}

// Lines of a real provider take the short way.
func TestRealLines(t *testing.T) {
	data, err := os.ReadFile("../testdata/ws.logs.jsonl")
	require.NoError(t, err)
	lines := bytes.SplitAfter(data, []byte("\n"))
	for _, line := range lines[:3] {
		pod, escaped, ok := splitLine(line)
		require.True(t, ok)
		text, ok := appendText(nil, escaped)
		require.True(t, ok)
		assert.Contains(t, []string{"web-7f8b9c6d5-x2x9p", "api-5c4d7f9b8-qk7lz"}, string(pod))
		assert.True(t, strings.HasSuffix(string(text), `msg="héllo ✓ request served"`), "%s", text)
	}
}

func TestReadLine(t *testing.T) {
	for _, tt := range []struct{ line, pod, text string }{
		{`{"name":"a","message":""}`, "a", ""},
		{`{"name":"a","message":"x"}` + "\n", "a", "x"},
		{`{"name":"a","message":"\u003c\u003e\u0026 \"q\" \\ \/ \b\f\n\r\t"}`, "a", "<>& \"q\" \\ / \b\f\n\r\t"},
		{`{"name":"a","message":"😀 \ud83d\ude00 \u65e5本"}`, "a", "😀 😀 日本"},
		{`{"name":"a","message":"\ud83d x \ude00"}`, "a", "\uFFFD x \uFFFD"},
		{`{"name":"a","message":"ends in \\"}`, "a", `ends in \`},
		{`{"name":"a","message":"\"}"}`, "a", `"}`},
		// Any other JSON with the same meaning.
		{`{"message":"m","name":"a"}`, "a", "m"},
		{` { "name" : "a" , "message" : "m" , "stream" : "stdout" } `, "a", "m"},
		{`{"name":"a","message":"m","extra":"e"}`, "a", "m"},
		{`{"name":"\u0061","message":"m"}`, "a", "m"},
		{`{"name":"a"}`, "a", ""},
	} {
		pod, text, ok := readLine([]byte(tt.line))
		assert.True(t, ok, tt.line)
		assert.Equal(t, tt.pod, pod, tt.line)
		assert.Equal(t, tt.text, text, tt.line)
	}
	for _, bad := range []string{"", "\n", "x", "{}", `{"name":"a","message":"`, `{"name":"a","message":"x\"}`, `{"name":"a","message":"\x"}`, `{"name":"a","message":"\u12"}`, `{"name":"a","message":5}`, `"}`, `{"name":"}`} {
		_, _, ok := readLine([]byte(bad))
		assert.False(t, ok, bad)
	}
}

// The short way reads what encoding/json writes, whatever the text.
func FuzzReadLine(f *testing.F) {
	f.Add("web-0", "héllo <b> \"x\" \\ \u2028 \x00 \xff")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, pod, text string) {
		data, err := json.Marshal(struct {
			Name    string `json:"name"`
			Message string `json:"message"`
		}{"pod-" + strings.ToValidUTF8(pod, ""), text})
		require.NoError(t, err)
		gotPod, gotText, ok := readLine(data)
		require.True(t, ok, "%s", data)
		require.Equal(t, "pod-"+strings.ToValidUTF8(pod, ""), gotPod)
		want := text
		if !utf8.ValidString(text) {
			var again string
			quoted, _ := json.Marshal(text)
			require.NoError(t, json.Unmarshal(quoted, &again))
			want = again
		}
		require.Equal(t, want, gotText)
	})
}
