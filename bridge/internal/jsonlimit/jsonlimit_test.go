package jsonlimit

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var limits = Limits{Bytes: 1000, Depth: 4, String: 20, Values: 10}

func TestTextWithinTheLimitsIsRead(t *testing.T) {
	for _, text := range []string{
		``, `{}`, ` {"a":[1,2,{"b":"c"}]}`, `"\"quoted\" and \\"`, `[[[[]]]]`, `null`, `7`, `{"cut":`,
		`"` + strings.Repeat("x", 20) + `"`, `[` + strings.Repeat("1,", 9) + `1]`, `"[[[[[{{{{{,,,,,,"`,
	} {
		for name, r := range map[string]io.Reader{
			"whole":          strings.NewReader(text),
			"byte by byte":   iotest.OneByteReader(strings.NewReader(text)),
			"with the error": iotest.DataErrReader(strings.NewReader(text)),
		} {
			got, err := Read(r, nil, limits)
			require.NoError(t, err, "%s %s", text, name)
			assert.Equal(t, text, string(got), name)
		}
	}
}

// A text without an end is refused where it passes a limit: so much is read of it, and not
// more than one read beyond.
func TestTextIsRefusedAsSoonAsItPassesALimit(t *testing.T) {
	limits := Limits{Bytes: 100_000, Depth: 50, String: 1000, Values: 500}
	for _, test := range []struct {
		head, again, want string
		most              int
	}{
		{"", "x", "not JSON", 1},
		{"", "\x1f\x8b", "not JSON", 1}, // gzip
		{"", "<html>", "not JSON", 1},
		{"", " ", "not JSON", maxBlanks + 1},
		{"", "]", "not JSON", 1},
		{"", "[", "nested more than 50 deep", 51},
		{"", `{"a":`, "nested more than 50 deep", 51 * 5},
		{`{"a":"`, "x", "a string of more than 1000 bytes", 1007},
		{`{"a":"`, `\"`, "a string of more than 1000 bytes", 1008},
		{`[0`, ",0", "more than 500 values", 1002},
		{`{"a":[`, "                    0,\n", "more than 500 values", 6 + 23*500},
		{`[`, " ", "more than 100000 bytes", 100_001},
	} {
		r := &endless{head: test.head, again: test.again}
		_, err := Read(iotest.OneByteReader(r), nil, limits)
		assert.ErrorContains(t, err, test.want, "%q", test.again)
		var e *Error
		assert.ErrorAs(t, err, &e)
		assert.LessOrEqual(t, r.read, test.most, "%q", test.again)
	}
}

// endless is a text without an end.
type endless struct {
	head, again string
	read        int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		if e.read < len(e.head) {
			p[i] = e.head[e.read]
		} else {
			p[i] = e.again[(e.read-len(e.head))%len(e.again)]
		}
		e.read++
	}
	return len(p), nil
}

func TestErrorsOfTheConnectionAreReturned(t *testing.T) {
	broken := errors.New("broken")
	_, err := Read(io.MultiReader(strings.NewReader(`{"a":`), iotest.ErrReader(broken)), nil, limits)
	assert.Equal(t, broken, err)
}

// A buffer that is used again has nothing of the text before.
func TestUseLeavesNothingBehind(t *testing.T) {
	var kept []byte
	require.NoError(t, Use(strings.NewReader(`"secret"`), limits, func(text []byte) error {
		assert.Equal(t, `"secret"`, string(text))
		kept = text
		return nil
	}))
	assert.Equal(t, make([]byte, 8), kept)
	refused := errors.New("refused")
	assert.Equal(t, refused, Use(strings.NewReader(`{}`), limits, func([]byte) error { return refused }))
	assert.Error(t, Use(strings.NewReader(`x`), limits, func([]byte) error { t.Error("it was used"); return nil }))
}

// What encoding/json accepts and is within the limits is never refused, and a text that is
// read has what the limits say.
func FuzzRead(f *testing.F) {
	for _, text := range []string{`{"a":[1,"\\\"",{}]}`, ` [[[[[`, `"` + strings.Repeat("x", 30), `}`, "\x1f\x8b", `[1,2,3,4,5,6,7,8,9,10,11,12]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, err := Read(strings.NewReader(string(text)), nil, limits)
		pieces, err2 := Read(iotest.HalfReader(strings.NewReader(string(text))), nil, limits)
		require.Equal(t, err == nil, err2 == nil)
		require.Equal(t, whole, pieces)
		if err == nil {
			require.LessOrEqual(t, len(whole), limits.Bytes)
			return
		}
		var e *Error
		require.ErrorAs(t, err, &e)
		if e.TooMuch == "" && len(text) <= limits.Bytes && len(text)-len(strings.TrimLeft(string(text), " \t\r\n")) <= maxBlanks {
			require.False(t, json.Valid(text), "valid JSON is refused")
		}
	})
}
