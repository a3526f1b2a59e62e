// Conformance puts the bridge before connectrpc's conformance suite
// (testserver/conformance): the gRPC-Web edge, relay and transport are those of
// akash-provider-bridge, and one of the suite's own gRPC servers stands in for a
// provider.
//
//	conformance PROGRAM
//
// PROGRAM is referenceserver or grpcserver. The suite's driver starts this command,
// writes to its stdin which server it wants, and reads from its stdout where that
// server listens. PROGRAM gets the same request, except that it always speaks native
// gRPC. SIGTERM ends both.
//
// The command stays below bridge because its tests use packages under
// bridge/internal.
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
		return fmt.Errorf("reading what to serve: %w", err)
	}
	var request serverRequest
	if err := request.unmarshal(b); err != nil {
		return fmt.Errorf("reading what to serve: %w", err)
	}
	upstream, stop, err := startUpstream(args[0], request.receiveLimit)
	if err != nil {
		return err
	}
	defer stop()
	provider, stop, err := disguise(upstream)
	if err != nil {
		return err
	}
	defer stop()
	bridge, err := newBridge(provider)
	if err != nil {
		return err
	}
	defer bridge.Close()
	return serve(ctx, bridge, &request, func(where serverResponse) error {
		return writeMessage(os.Stdout, where.marshal())
	})
}
