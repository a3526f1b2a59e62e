// Command akash-provider-bridge lets web pages call Akash providers. It accepts
// gRPC-Web calls, looks the provider up on the chain, verifies its certificate and
// relays the call over the provider's protocol.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"google.golang.org/grpc/grpclog"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// gcPercent is the default for GOGC. The bridge's live heap is small, so with Go's own
// default, small calls spend a tenth of their CPU time on garbage collection.
const gcPercent = 200

func main() {
	// The grpc-web library logs errors of callers here, unstructured and unfiltered.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	err := run(untilSignal(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "akash-provider-bridge:", err)
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(os.Stderr, "Run with --help for its flags.")
		os.Exit(exitUsage)
	}
	os.Exit(exitFailed)
}

// errTerminated is the cause of a shutdown by SIGTERM, which process managers send, rather
// than by a person.
var errTerminated = errors.New("terminated")

// untilSignal returns a context that the first SIGINT or SIGTERM cancels. The second one
// ends the process at once.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		var cause error
		if <-signals == syscall.SIGTERM {
			cause = errTerminated
		}
		signal.Stop(signals)
		cancel(cause)
	}()
	return ctx
}

// run serves until ctx is canceled; if its cause is errTerminated, with the delay that
// gives load balancers time. Or it does what a flag such as --check asks for instead.
// environ has the form of os.Environ.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	c, err := parseConfig(args, environ, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case c.showVersion:
		return printVersion(stdout)
	case c.checkOnly:
		return checkConfig(c, stdout, stderr)
	case c.healthcheck:
		return checkHealth(ctx, c)
	}
	log := newLog(stderr, c.logFormat)
	for _, warning := range c.warnings() {
		log.Warn(warning)
	}
	d, err := c.connect(log)
	if err != nil {
		return err
	}
	defer d.close()
	exporter, endExport, err := c.newExporter(log)
	if err != nil {
		return err
	}
	defer endExport()
	d.exporter = exporter
	s, err := newServer(ctx, c, d, log)
	if err != nil {
		return err
	}
	s.reread = func() (*config, error) { return parseConfig(args, environ, io.Discard) }
	return s.run(stdout)
}
