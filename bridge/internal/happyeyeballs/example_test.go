package happyeyeballs_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"akash-provider-web/bridge/internal/happyeyeballs"
)

// A host that has two addresses is reached by the one that answers.
func ExampleFirst() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	addresses := []string{"127.0.0.1:1", listener.Addr().String()}
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
	conn, errs := happyeyeballs.First(context.Background(), 250*time.Millisecond, addresses, dial, func(c net.Conn) { c.Close() })
	if errs != nil {
		fmt.Println(errs)
		return
	}
	defer conn.Close()
	fmt.Println(conn.RemoteAddr().String() == addresses[1])
	// Output: true
}
