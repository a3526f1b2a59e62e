//go:build js

// The client of akash-provider-web as a WebAssembly module. It publishes its functions
// as the object akashProviderWeb on the global object, and exports reserve and feed
// for the data of streams, which is exchanged in memory. npm/src/engine/wasm-engine.ts
// is the JavaScript side of both.
package main

import (
	"akash-provider-web/wasm/browser"
	"akash-provider-web/wasm/client"
	"akash-provider-web/wasm/grpcweb"
)

// module is the state of this instance of the program. JavaScript refers to calls and
// streams by number.
var module = struct {
	client  client.Client
	calls   map[uint32]*client.Scope
	streams map[uint32]*client.Stream
	last    uint32 // the last number used
}{
	client: client.Client{
		Transport: browser.Fetch{},
		Clock:     browser.Clock{},
		Random:    browser.Random,
		Origin:    browser.Global("origin"),
		Warn:      browser.Warn,
	},
	calls:   make(map[uint32]*client.Scope),
	streams: make(map[uint32]*client.Stream),
}

func main() {
	browser.Publish("akashProviderWeb", map[string]func(browser.Arguments) any{
		"call":            call,
		"cancel":          cancel,
		"open":            open,
		"connect":         connect,
		"switchTransport": switchTransport,
		"setHeartbeat":    setHeartbeat,
		"hurry":           hurry,
		"pending":         pending,
		"finish":          finish,
		"close":           closeStream,
	})
	select {}
}

// call(method, options, getToken, settle) starts a unary call and returns its number.
// settle(text) is called once with the result as JSON.
func call(args browser.Arguments) any {
	module.last++
	id := module.last
	scope := &client.Scope{}
	module.calls[id] = scope
	method, options, settle := args.Text(0), readCall(args), args.Function(3)
	do(func() {
		result := module.client.Do(scope, method, options)
		delete(module.calls, id)
		settle.Call(string(result))
	})
	return id
}

// cancel(id, code, message) ends a call that has not ended.
func cancel(args browser.Arguments) any {
	if scope := module.calls[uint32(args.Number(0))]; scope != nil {
		scope.End(cause(args))
	}
	return nil
}

// open(method, options, getToken, waits) creates a stream and returns its number. The
// stream must be closed. waits(text, ms) is called with a failure as JSON whenever the
// stream is to connect again after it, and with how long it waits before that.
func open(args browser.Arguments) any {
	module.last++
	stream, waits := module.client.NewStream(args.Text(0), readCall(args)), args.Function(3)
	stream.OnRetry = func(failure *client.RPCError) { waits.Call(string(failure.JSON()), stream.Wait) }
	module.streams[module.last] = stream
	return module.last
}

// streamOf returns the stream whose number is the first argument, or nil. It is not
// inlined, which makes the module smaller.
//
//go:noinline
func streamOf(args browser.Arguments) *client.Stream {
	return module.streams[uint32(args.Number(0))]
}

// connect(id, settle) connects a stream. settle(text, reader) is called once: with the
// error as JSON and null, or with information about the connection as JSON and the
// body's reader.
func connect(args browser.Arguments) any {
	stream, settle := streamOf(args), args.Function(1)
	do(func() {
		response, failure := stream.Connect()
		if failure != nil {
			settle.Call(string(failure.JSON()), nil)
			return
		}
		settle.Call(string(stream.Trace()), response.(*browser.Response).Reader())
	})
	return nil
}

// pending() returns the number of open calls and streams, and of promises, timers and
// requests that they wait for. It is 0 when everything has ended.
func pending(browser.Arguments) any {
	return len(module.calls) + len(module.streams) + browser.Waiting()
}

// switchTransport(id, transport) ends a stream's connection at the next finish, and sets
// the transport of the one that follows it.
func switchTransport(args browser.Arguments) any {
	if stream := streamOf(args); stream != nil {
		stream.SwitchTransport(args.Text(1))
	}
	return nil
}

// setHeartbeat(id, ms) sets how often a stream's next connection asks for heartbeats.
func setHeartbeat(args browser.Arguments) any {
	if stream := streamOf(args); stream != nil {
		stream.SetHeartbeat(args.Number(1))
	}
	return nil
}

// hurry(id) ends a stream's wait before its next connection.
func hurry(args browser.Arguments) any {
	if stream := streamOf(args); stream != nil {
		stream.Hurry()
	}
	return nil
}

// finish(id, broke, stalled) reports that the body of a stream's connection has ended:
// completely, with the error text broke, or because no more data arrived. It returns
// JSON:
// {"status":"again"} to connect again, {"status":"end"}, or an error.
func finish(args browser.Arguments) any {
	stream := streamOf(args)
	if stream == nil {
		return `{"status":"end"}`
	}
	again, failure := stream.Finish(args.Text(1), args.Flag(2))
	switch {
	case again:
		return `{"status":"again"}`
	case failure != nil:
		return string(failure.JSON())
	}
	return `{"status":"end"}`
}

// close(id, code, message) ends a stream and removes it.
func closeStream(args browser.Arguments) any {
	id := uint32(args.Number(0))
	if stream := module.streams[id]; stream != nil {
		delete(module.streams, id)
		stream.Close(cause(args))
	}
	return nil
}

// cause returns the status that arguments 1 and 2 give as the reason for ending a
// call.
func cause(args browser.Arguments) *grpcweb.Status {
	return grpcweb.Error(grpcweb.Code(args.Number(1)), args.Text(2))
}
