//go:build js

package browser

import (
	"syscall/js"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// evaluate returns the value of a JavaScript expression.
func evaluate(expression string) js.Value { return js.Global().Call("eval", "("+expression+")") }

func TestExceptionsAreErrors(t *testing.T) {
	thrower := evaluate(`{
		error() { throw new TypeError("no such provider"); },
		text() { throw "plain words"; },
		nothing() { throw undefined; },
		nameless() { throw { code: 7 }; },
	}`)
	for method, want := range map[string]string{
		"error": "no such provider", "text": "plain words", "nothing": "<undefined>", "nameless": "<object>",
	} {
		_, err := call(thrower, method)
		var thrown Error
		require.ErrorAs(t, err, &thrown, method)
		assert.Equal(t, want, err.Error())

		_, err = invoke(thrower.Get(method))
		require.ErrorAs(t, err, &thrown, method)
		assert.Equal(t, want, err.Error())
	}
	_, err := call(thrower, "error")
	assert.Equal(t, "TypeError", err.(Error).Reason.Get("name").String(), "the exception itself is kept")
}

func TestWhatIsReturnedIsPassedOn(t *testing.T) {
	sum, err := call(evaluate(`{ base: 40, add(n) { return this.base + n; } }`), "add", 2)
	require.NoError(t, err)
	assert.Equal(t, 42, sum.Int())
	sum, err = invoke(evaluate(`(a, b) => a + b`), "a", "b")
	require.NoError(t, err)
	assert.Equal(t, "ab", sum.String())
}

// A mistake in Go is not an exception of JavaScript's, and is not hidden as one.
func TestPanicsOfGoGoOn(t *testing.T) {
	assert.PanicsWithValue(t, "a mistake", func() {
		var err error
		defer catch(&err)
		panic("a mistake")
	})
}

func TestBytesAreCopied(t *testing.T) {
	b := []byte{0, 1, 254, 255}
	array := arrayOf(b)
	assert.True(t, array.InstanceOf(uint8Array))
	assert.Equal(t, b, bytesOf(array))
	array.SetIndex(0, 9)
	assert.Equal(t, byte(0), b[0], "what JavaScript writes")
	back := bytesOf(array)
	b[1] = 8
	assert.Equal(t, []byte{9, 1, 254, 255}, back)
	assert.Empty(t, bytesOf(arrayOf(nil)))
}
