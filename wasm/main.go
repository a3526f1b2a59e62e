//go:build js

// The client of akash-provider-web as a WebAssembly module. It publishes its
// functions as one object, akashProviderWeb, on the global object that it is
// given, and exports reserve and feed for the data of streams, which pass by
// memory. npm/src/engine/wasm-engine.ts is the other side of both.
package main

import (
	"akash-provider-web/wasm/browser"
	"akash-provider-web/wasm/client"
	"akash-provider-web/wasm/grpcweb"
)

// A module is what lives in one instance of the program. Calls and streams have
// numbers, by which JavaScript names them.
var module = struct {
	client  client.Client
	calls   map[uint32]*client.Scope
	streams map[uint32]*client.Stream
	last    uint32 // number given
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
		"pending":         pending,
		"finish":          finish,
		"close":           closeStream,
	})
	select {}
}

// call(method, options, getToken, settle) starts a call with one answer and returns its
// number. settle(text) is called once with the result as JSON.
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

// cancel(id, code, message) ends a call, if it still goes on.
func cancel(args browser.Arguments) any {
	if scope := module.calls[uint32(args.Number(0))]; scope != nil {
		scope.End(cause(args))
	}
	return nil
}

// open(method, options, getToken) makes a stream and returns its number. It must be
// closed.
func open(args browser.Arguments) any {
	module.last++
	module.streams[module.last] = module.client.NewStream(args.Text(0), readCall(args))
	return module.last
}

// connect(id, settle) connects a stream. settle(text, reader) is called once:
// with the failure as JSON and null, or with what is known of the connection and
// the body's reader.
func connect(args browser.Arguments) any {
	stream, settle := module.streams[uint32(args.Number(0))], args.Function(1)
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

// pending() returns how many calls and streams the module knows, and how many promises
// and timers they wait for: 0 when all is over.
func pending(browser.Arguments) any {
	return len(module.calls) + len(module.streams) + browser.Waiting()
}

// switchTransport(id, transport) has a stream's next connection go another way.
func switchTransport(args browser.Arguments) any {
	if stream := module.streams[uint32(args.Number(0))]; stream != nil {
		stream.SwitchTransport(args.Text(1))
	}
	return nil
}

// finish(id, broke, stalled) tells a stream that its connection's body has ended,
// or that it broke off with the error text, or that nothing came any more, and
// returns what that means as JSON:
// {"status":"again"} to connect again, {"status":"end"}, or a failure.
func finish(args browser.Arguments) any {
	stream := module.streams[uint32(args.Number(0))]
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

// close(id, code, message) ends a stream and forgets it.
func closeStream(args browser.Arguments) any {
	id := uint32(args.Number(0))
	if stream := module.streams[id]; stream != nil {
		delete(module.streams, id)
		stream.Close(cause(args))
	}
	return nil
}

// cause reads why JavaScript ends something, from arguments 1 and 2.
func cause(args browser.Arguments) *grpcweb.Status {
	return grpcweb.Error(grpcweb.Code(args.Number(1)), args.Text(2))
}
