package relay_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"akash-provider-web/bridge/grpcweb"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/internal/grpcwebtest"
	"akash-provider-web/bridge/relay"
)

// A bridge in small: package grpcweb speaks with the page, the relay runs the call, and
// Accept decides where it goes. Here a function answers it, as package rest does for
// providers without gRPC.
func ExampleHandler() {
	origins, _ := guard.NewOrigins(nil)
	greet := relay.Func(func(_ context.Context, request []byte, a *relay.Answer) error {
		return a.Send(append([]byte("hello "), request...))
	})
	handler := &relay.Handler{Accept: func(*http.Request, relay.Protocol) (*relay.Call, error) {
		return &relay.Call{
			Provider: "akash1example",
			Route:    func(context.Context) (*relay.Route, error) { return &relay.Route{Upstream: greet}, nil },
		}, nil
	}}
	server := httptest.NewServer(grpcweb.Handler(handler, grpcweb.Options{Origins: origins}))
	defer server.Close()

	client := grpcwebtest.Client{URL: server.URL, HTTP: server.Client()}
	stream, err := client.OpenRaw(context.Background(), "/example.Greeter/Greet", nil, grpcwebtest.Frame(0, []byte("page")))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	messages, err := stream.Rest()
	fmt.Printf("%s %v %v\n", messages[0], stream.Code(), err)
	// Output: hello page OK <nil>
}
