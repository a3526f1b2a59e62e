// Testserver is a fake Akash provider, or many, with a fake chain node, for tests and demos
// of the bridge. When it is ready, it prints one line of JSON with all addresses.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"akash-provider-web/testserver/fake"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "testserver:", err)
		os.Exit(1)
	}
}

// maxReplicas bounds --replicas.
const maxReplicas = 100

// list is a flag that may be repeated.
type list []string

func (l *list) String() string { return fmt.Sprint(*l) }

func (l *list) Set(text string) error {
	*l = append(*l, text)
	return nil
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o fake.Options
	flags := flag.NewFlagSet("testserver", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.REST, "rest", "127.0.0.1:0", "`address` of the REST gateway; port 0 picks one")
	flags.StringVar(&o.GRPC, "grpc", "127.0.0.1:0", "`address` of the gRPC gateway; port 0 picks the REST port + 1")
	flags.StringVar(&o.Chain, "chain", "127.0.0.1:0", "`address` of the chain node's RPC; port 0 picks one")
	flags.StringVar(&o.Control, "control", "127.0.0.1:0", "`address` of the API for tests; port 0 picks one")
	flags.StringVar(&o.ProviderVersion, "provider-version", fake.DefaultVersion, "behave as this `version` of the provider; of several,\nseparated by commas, each provider takes the next in turn")
	dialect := flags.String("lease-rpc", string(fake.DialectAEP37), "LeaseRPC `dialect`: aep37, none, sdk or sdk-full")
	tee := flags.String("tee", "", "trusted execution `environment` of the lease: snp, tdx, snp-gpu or tdx-gpu; none by default")
	replicas := flags.Uint("replicas", 0, "how many replicas each service has; 0 is 3 of web and 2 of db")
	flags.IntVar(&o.LogLines, "log-lines", fake.DefaultLogLines, "lines of history, over all replicas together")
	flags.IntVar(&o.LogRate, "log-rate", 0, "lines a second while somebody follows, over all replicas together")
	flags.IntVar(&o.LogBytes, "log-bytes", fake.DefaultLogBytes, "length of a line in `bytes`, about")
	flags.IntVar(&o.LogChunk, "log-chunk", 0, "length of the pieces of log in a gRPC message in `bytes`, about;\n1 is a message a line, 0 a mixture")
	flags.Uint64Var(&o.Seed, "seed", 1, "decides addresses, status and logs")
	flags.IntVar(&o.Providers, "providers", 1, "how many providers to be")
	flags.IntVar(&o.ChainNodes, "chain-nodes", 1, "how many nodes the chain has; --chain is the address of the first")
	var lies list
	flags.Var(&lies, "chain-lie", "`NODE:LIE`, a lie that a node of the chain tells, such as 2:forged-host; may be repeated")
	flags.BoolVar(&o.Impostor, "impostor", false, "run a provider that has the first one's address and another key, to which lies\nlead; --chain-lie implies it")
	flags.IntVar(&o.ChainHistory, "chain-history", fake.DefaultChainHistory, "how many blocks the chain has from before the start")
	flags.DurationVar(&o.PingInterval, "ping-interval", fake.DefaultPingInterval, "how often a WebSocket is pinged")
	flags.StringVar(&o.State, "state", "", "`folder` that keeps addresses, certificates and logs, so that a testserver that\nwas killed and is started again is the same")
	flags.BoolVar(&o.CA, "ca", false, "serve a certificate of an authority's on the REST port, by name")
	flags.BoolVar(&o.Shell, "shell", false, "run the commands sent to the lease's shell, on this machine and as this user;\nonly with a --rest address of the loopback interface")
	var faults list
	flags.Var(&faults, "fault", "`NAME` or NAME=DURATION of something that goes wrong; may be repeated")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "Usage: testserver [flags]")
		flags.PrintDefaults()
		fmt.Fprintf(stderr, "\nFaults:\n%s\nLies of chain nodes:\n%s", fake.FaultHelp(), fake.ChainLieHelp())
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	o.TEE = fake.TEE(*tee)
	o.LeaseRPC = fake.Dialect(*dialect)
	o.Faults = faults
	o.ChainLies = lies
	if *replicas > maxReplicas {
		return fmt.Errorf("replicas %d: want 0 to %d", *replicas, maxReplicas)
	}
	if *replicas > 0 {
		for _, s := range fake.DefaultServices {
			s.Replicas = int(*replicas)
			o.Services = append(o.Services, s)
		}
	}

	server, err := fake.Start(ctx, o)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(server.Ready()); err != nil {
		return errors.Join(err, server.Close())
	}
	<-ctx.Done()
	return server.Close()
}
