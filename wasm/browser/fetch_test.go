//go:build js

package browser

import (
	"io"
	"strings"
	"syscall/js"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/wasm/client"
	"akash-provider-web/wasm/grpcweb"
)

// A bridge is a Node HTTP server. Events says what it saw: a line for each.
type bridge struct {
	url    string
	events chan string
	server js.Value
}

// startBridge starts a server whose handler is JavaScript, and puts the function
// request in place, which npm/src/transport/request.ts makes with Node's own fetch.
func startBridge(t *testing.T, handler string) *bridge {
	t.Helper()
	installRequest(t)
	b := &bridge{events: make(chan string, 100)}
	event := js.FuncOf(func(_ js.Value, args []js.Value) any {
		b.events <- args[0].String()
		return nil
	})
	listening := js.FuncOf(func(js.Value, []js.Value) any {
		b.events <- "listening"
		return nil
	})
	serve := evaluate(`(event) => require("node:http").createServer((request, response) => {
		const body = [];
		request.on("data", (piece) => body.push(piece));
		request.on("end", () => (` + handler + `)(request, response, Buffer.concat(body), event));
		response.on("close", () => event(response.writableFinished ? "answered" : "left"));
	})`)
	b.server = serve.Invoke(event)
	b.server.Call("listen", 0, "127.0.0.1", listening)
	require.Equal(t, "listening", <-b.events)
	b.url = "http://127.0.0.1:" + js.Global().Call("String", b.server.Call("address").Get("port")).String()
	t.Cleanup(func() {
		b.server.Call("closeAllConnections")
		b.server.Call("close")
		assert.Zero(t, Waiting(), "what is still waited for")
	})
	return b
}

// installRequest puts the real function request on the global object.
func installRequest(t *testing.T) {
	t.Helper()
	if js.Global().Get("request").Type() == js.TypeFunction {
		return
	}
	made, err := invoke(evaluate(`() => {
		const source = require("node:child_process").execFileSync(
			"../../npm/node_modules/.bin/esbuild",
			["../../npm/src/transport/request.ts", "--bundle", "--format=cjs", "--target=es2022"],
			{ encoding: "utf8" });
		const module = { exports: {} };
		new Function("module", "exports", source)(module, module.exports);
		return module.exports.makeRequest((url, init) => fetch(url, init));
	}`))
	require.NoError(t, err, "building request.ts: run make build first")
	js.Global().Set("request", made)
}

func TestUnaryAnswerComesWhole(t *testing.T) {
	b := startBridge(t, `(request, response, body) => {
		response.writeHead(200, { "content-type": "application/grpc-web+proto", "akash-method": "grpc" });
		response.end(request.method + " " + request.url + " " + request.headers["akash-provider"] + " " + body);
	}`)
	response, err := Fetch{}.Open(&client.Scope{}, &client.Request{
		URL:    b.url + "/akash.provider.v1.ProviderRPC/GetStatus",
		Header: grpcweb.Fields{{Name: "akash-provider", Value: "akash1x: with a colon"}},
		Body:   []byte("\x00héllo"),
		Whole:  true,
	})
	require.NoError(t, err)
	assert.Equal(t, 200, response.Status())
	assert.Equal(t, "grpc", response.Header("akash-method"))
	assert.Empty(t, response.Header("akash-endpoint"), "absent")
	piece, err := response.Read(&client.Scope{})
	require.NoError(t, err)
	assert.Equal(t, "POST /akash.provider.v1.ProviderRPC/GetStatus akash1x: with a colon \x00héllo", string(piece))
	piece, err = response.Read(&client.Scope{})
	require.NoError(t, err)
	assert.Nil(t, piece, "the end")
	assert.Equal(t, "answered", <-b.events)
}

func TestStreamIsReadPieceByPiece(t *testing.T) {
	b := startBridge(t, `(request, response, body, event) => {
		response.writeHead(200, { "content-type": "application/grpc-web+proto" });
		for (let i = 0; i < 1000; i++) response.write("line " + i + "\n");
		response.end();
	}`)
	scope := &client.Scope{}
	response, err := Fetch{}.Open(scope, &client.Request{URL: b.url, Streams: true})
	require.NoError(t, err)
	var got strings.Builder
	for {
		piece, err := response.Read(scope)
		require.NoError(t, err)
		if piece == nil {
			break
		}
		got.Write(piece)
	}
	assert.Equal(t, 1000, strings.Count(got.String(), "\n"))
	assert.True(t, strings.HasSuffix(got.String(), "line 999\n"))
	response.Close() // after its end it aborts nothing
	assert.Equal(t, "answered", <-b.events)
}

// Leaving a stream ends it at the bridge, too.
func TestCloseLeavesTheBridge(t *testing.T) {
	b := startBridge(t, `(request, response) => {
		response.writeHead(200, { "content-type": "application/grpc-web+proto" });
		response.write("a line\n");
	}`)
	scope := &client.Scope{}
	response, err := Fetch{}.Open(scope, &client.Request{URL: b.url, Streams: true})
	require.NoError(t, err)
	piece, err := response.Read(scope)
	require.NoError(t, err)
	assert.Equal(t, "a line\n", string(piece))

	read := make(chan error)
	go func() {
		_, err := response.Read(scope)
		read <- err
	}()
	scope.End(&grpcweb.Status{})
	assert.ErrorIs(t, <-read, errStopped, "a read that waits")
	response.Close()
	response.Close() // twice, as its interface allows
	assert.Equal(t, "left", <-b.events)
}

func TestScopeEndsBeforeTheHeadersCome(t *testing.T) {
	b := startBridge(t, `(request, response, body, event) => event("asked")`)
	scope := &client.Scope{}
	go func() {
		assert.Equal(t, "asked", <-b.events)
		scope.End(&grpcweb.Status{})
	}()
	_, err := Fetch{}.Open(scope, &client.Request{URL: b.url, Whole: true})
	assert.ErrorIs(t, err, errStopped)
	assert.Equal(t, "left", <-b.events)
}

func TestWhatGoesWrongHasItsReason(t *testing.T) {
	b := startBridge(t, `(request, response) => {
		if (request.url === "/away") return response.writeHead(302, { location: "/" }).end();
		response.writeHead(200, { "content-type": "application/grpc-web+proto" });
		response.write("half");
		setImmediate(() => response.destroy());
	}`)
	for name, request := range map[string]*client.Request{
		"no such scheme":    {URL: "nowhere:", Whole: true},
		"refused":           {URL: "http://127.0.0.1:1", Whole: true},
		"redirected":        {URL: b.url + "/away", Whole: true},
		"a header not sent": {URL: b.url, Header: grpcweb.Fields{{Name: "bad name", Value: "x"}}, Whole: true},
	} {
		_, err := Fetch{}.Open(&client.Scope{}, request)
		require.Error(t, err, name)
		assert.NotEmpty(t, err.Error(), name)
	}

	scope := &client.Scope{}
	response, err := Fetch{}.Open(scope, &client.Request{URL: b.url, Whole: true})
	require.NoError(t, err, "the headers came")
	piece, err := response.Read(scope)
	require.NoError(t, err)
	assert.Equal(t, "half", string(piece))
	_, err = response.Read(scope)
	require.Error(t, err, "the rest did not")
	assert.NotErrorIs(t, err, io.EOF)
	response.Close()
}
