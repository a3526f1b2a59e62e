//go:build js

// Conformance puts the client's transport before connectrpc's conformance suite
// (testserver/conformance, whose client/akash.ts is the other side): packages grpcweb
// and browser, without package client's methods. Messages pass through as bytes.
//
// It is built for that suite only. It stays below wasm because it needs js build tags
// and what checks wasm for them: go vet and staticcheck with GOOS=js.
package main

import (
	"encoding/base64"
	"encoding/json"

	"akash-provider-web/wasm/browser"
	"akash-provider-web/wasm/client"
	"akash-provider-web/wasm/grpcweb"
)

// A request is what JavaScript asks for, as JSON.
type request struct {
	URL     string         `json:"url"`
	Headers grpcweb.Fields `json:"headers"`
	Message []byte         `json:"message"`
	// Timeout is the call's deadline, in milliseconds; none if absent.
	Timeout *int `json:"timeout"`
	// Unary says that the call has one answer.
	Unary bool `json:"unary"`
}

// An outcome is how a call ended, as JSON.
type outcome struct {
	Headers  grpcweb.Fields `json:"headers"`
	Trailers grpcweb.Fields `json:"trailers"`
	Code     grpcweb.Code   `json:"code"`
	Message  string         `json:"message"`
}

// calls are those under way, by their numbers.
var (
	calls = make(map[int]*client.Scope)
	last  int
)

func main() {
	browser.Publish("conformance", map[string]func(browser.Arguments) any{
		"call":   call,
		"cancel": cancel,
	})
	select {}
}

// call(request, receive, settle) starts a call and returns its number.
// receive(message) is called with each message as base64, and settle(outcome)
// once, at the end.
func call(args browser.Arguments) any {
	var r request
	if err := json.Unmarshal([]byte(args.Text(0)), &r); err != nil {
		panic(err)
	}
	receive, settle := args.Function(1), args.Function(2)
	last++
	id, scope := last, &client.Scope{}
	calls[id] = scope
	x := exchange{scope: scope, unary: r.Unary, receive: func(message []byte) {
		receive.Call(base64.StdEncoding.EncodeToString(message))
	}}
	go func() {
		end := x.run(&r)
		delete(calls, id)
		text, err := json.Marshal(end)
		if err != nil {
			panic(err)
		}
		settle.Call(string(text))
	}()
	return id
}

// cancel(id) ends a call, if it still goes on.
func cancel(args browser.Arguments) any {
	if scope := calls[args.Number(0)]; scope != nil {
		scope.End(grpcweb.Error(grpcweb.Canceled, "the caller ended the call"))
	}
	return nil
}
