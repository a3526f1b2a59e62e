// Conformance runs the bridge under connectrpc's conformance suite
// (testserver/conformance). It uses akash-provider-bridge's edge, relay and
// transport, with one of the suite's own gRPC servers as the provider.
//
//	conformance PROGRAM
//
// PROGRAM is referenceserver or grpcserver. The suite's runner starts this command,
// writes to its stdin which server it wants, and reads the server's address from its
// stdout. PROGRAM gets the same request, except that its protocol is always native
// gRPC. SIGTERM ends both.
//
// The command is below bridge because its tests use packages in bridge/internal.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want the suite's server as the only argument, got %d arguments", len(args))
	}
	b, err := readMessage(os.Stdin)
	if err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	var request serverRequest
	if err := request.unmarshal(b); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	upstream, stop, err := startUpstream(args[0], request.receiveLimit)
	if err != nil {
		return err
	}
	defer stop()
	provider, stop, err := startTLSProxy(upstream)
	if err != nil {
		return err
	}
	defer stop()
	bridge, err := newBridge(provider)
	if err != nil {
		return err
	}
	defer bridge.Close()
	return serve(ctx, bridge, &request, func(response serverResponse) error {
		return writeMessage(os.Stdout, response.marshal())
	})
}
