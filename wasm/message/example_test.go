package message_test

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/wasm/message"
)

// A table says how a message becomes the object that a page gets.
func ExampleAppendJSON() {
	wire, err := proto.Marshal(&providerv1.Status{
		Cluster:         &providerv1.ClusterStatus{Leases: &providerv1.Leases{Active: 3}},
		PublicHostnames: []string{"provider.example"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := message.AppendJSON(nil, message.Status, wire)
	fmt.Println(string(text), err)
	// Output: {"errors":[],"cluster":{"leases":{"active":3}},"publicHostnames":["provider.example"]} <nil>
}
