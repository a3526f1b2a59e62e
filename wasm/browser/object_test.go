//go:build js

package browser

import (
	"syscall/js"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/wasm/client"
	"akash-provider-web/wasm/grpcweb"
)

// sign returns a function that a page could give as getToken.
func sign(source string) Function { return Function{evaluate(source)} }

func TestTextOfAPromise(t *testing.T) {
	text, err := sign(`async (provider) => "token for " + provider`).Text(&client.Scope{}, "akash1x")
	require.NoError(t, err)
	assert.Equal(t, "token for akash1x", text)

	text, err = sign(`() => "at once"`).Text(&client.Scope{})
	require.NoError(t, err, "a function need not return a promise")
	assert.Equal(t, "at once", text)

	_, err = sign(`async () => { throw new Error("the wallet is locked"); }`).Text(&client.Scope{})
	assert.EqualError(t, err, "the wallet is locked")
	_, err = sign(`() => { throw new Error("no wallet"); }`).Text(&client.Scope{})
	assert.EqualError(t, err, "no wallet")
	_, err = sign(`async () => 7`).Text(&client.Scope{})
	assert.ErrorIs(t, err, errNotText)
	assert.Zero(t, Waiting())
}

// A call that is cancelled does not wait for a wallet that never answers, and what the
// wallet says later reaches nobody.
func TestAwaitEndsWithItsScope(t *testing.T) {
	scope := &client.Scope{}
	asked := make(chan func(js.Value), 1)
	wait := js.FuncOf(func(js.Value, []js.Value) any {
		return promise.New(js.FuncOf(func(_ js.Value, args []js.Value) any {
			resolve := args[0]
			asked <- func(v js.Value) { resolve.Invoke(v) }
			return nil
		}))
	})
	defer wait.Release()
	ended := make(chan error)
	go func() {
		_, err := Function{wait.Value}.Text(scope)
		ended <- err
	}()
	answer := <-asked
	scope.End(&grpcweb.Status{})
	assert.ErrorIs(t, <-ended, errStopped)
	assert.Zero(t, Waiting(), "promises that are still waited for")
	answer(js.ValueOf("too late"))

	text, err := sign(`async () => "next"`).Text(&client.Scope{})
	require.NoError(t, err)
	assert.Equal(t, "next", text, "the late answer is not taken for another's")
	_, err = sign(`async () => "unheard"`).Text(scope)
	assert.ErrorIs(t, err, errStopped, "a scope that has ended")
	assert.Zero(t, Waiting())
}

func TestPublishedFunctionsAreCalled(t *testing.T) {
	var got Arguments
	Publish("testBridge", map[string]func(Arguments) any{
		"open": func(a Arguments) any { got = a; return a.Number(1) + 1 },
		"name": func(a Arguments) any { return "<" + a.Text(0) + ">" },
		"none": func(Arguments) any { return nil },
	})
	defer js.Global().Delete("testBridge")

	assert.Equal(t, 42, evaluate(`testBridge.open("akash1x", 41, true, () => "called", null)`).Int())
	assert.Equal(t, "akash1x", got.Text(0))
	assert.True(t, got.Flag(2))
	text, err := got.Function(3).Text(&client.Scope{})
	require.NoError(t, err)
	assert.Equal(t, "called", text)
	_, ok := got.Optional(3)
	assert.True(t, ok)
	_, ok = got.Optional(4)
	assert.False(t, ok, "null is no function")
	assert.Equal(t, "<x>", evaluate(`testBridge.name("x")`).String())
	assert.True(t, evaluate(`testBridge.none() === null`).Bool())
}

// What a page's callback throws must not end the program: it goes to the console.
func TestThrowingCallbackGoesToTheConsole(t *testing.T) {
	said := evaluate(`(() => {
		const said = [], { error, warn } = console;
		console.error = (text) => said.push("error " + text);
		console.warn = (text) => said.push("warn " + text);
		said.restore = () => Object.assign(console, { error, warn });
		return said;
	})()`)
	defer said.Call("restore")
	sign(`() => { throw new Error("the page's own"); }`).Call()
	Warn("a token of full access")
	assert.Equal(t, "error the page's own,warn a token of full access", said.Call("join").String())
}

func TestGlobalStrings(t *testing.T) {
	js.Global().Set("testName", "worker")
	defer js.Global().Delete("testName")
	assert.Equal(t, "worker", Global("testName"))
	assert.Empty(t, Global("testNoSuchName"))
	js.Global().Set("testName", 7)
	assert.Empty(t, Global("testName"), "a number")
}
