package grpcweb_test

import (
	"fmt"

	"akash-provider-web/wasm/grpcweb"
)

// A response arrives in pieces of any size. Its last frame holds the trailers.
func ExampleDecoder() {
	body := append(grpcweb.AppendHeader(nil, 5), "hello"...)
	body = append(body, 0x80, 0, 0, 0, 16)
	body = append(body, "grpc-status: 0\r\n"...)

	var d grpcweb.Decoder
	for len(body) > 0 {
		n := min(4, len(body))
		d.Write(body[:n])
		body = body[n:]
		for {
			message, ok := d.Next()
			if !ok {
				break
			}
			fmt.Printf("%s\n", message)
		}
	}
	fmt.Println("ended:", d.Ended(), "error:", d.End(nil))
	// Output:
	// hello
	// ended: true error: <nil>
}
