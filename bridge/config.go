package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
)

// config has the settings of the command line and the environment.
type config struct {
	listen        string
	metricsListen string
	tlsCert       string
	tlsKey        string

	chainRPC  []string
	chainREST []string
	providers map[string]string // host URIs by address
	grpcPorts []uint16

	allowOrigins         []string
	allowInsecure        bool
	allowHostOverride    bool
	allowPrivateNetworks bool
	forwardHeaders       []string
	consoleProxy         bool

	maxStreams int
	logFormat  string
}

// defaultMaxStreams limits a bridge to a few hundred megabytes, at about 30 KB per
// stream.
const defaultMaxStreams = 10_000

// defaultChainRPC are public nodes, used by default.
var defaultChainRPC = []string{"https://rpc.akashnet.net:443", "https://akash-rpc.polkachu.com:443"}

const envPrefix = "AKASH_BRIDGE_"

const usageHead = `Usage: akash-provider-bridge [flags]

Lets web pages call Akash providers: accepts gRPC-Web calls, looks the provider up on
the chain, verifies its certificate and relays the call over the provider's protocol.

Flags (each can also be set as an environment variable, such as
AKASH_BRIDGE_ALLOW_ORIGIN for --allow-origin, with commas between repeated values):

`

// usageError is an error in the command line.
type usageError struct{ error }

// parseConfig parses the command line, and the environment for flags that are not on
// it. It returns flag.ErrHelp after printing help to stdout.
func parseConfig(args []string, getenv func(string) string, stdout io.Writer) (*config, error) {
	c := &config{providers: map[string]string{}}
	flags := flag.NewFlagSet("akash-provider-bridge", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.listen, "listen", "127.0.0.1:8080", "`ADDRESS` to serve on; port 0 picks a free one")
	list(flags, "chain-rpc", "CometBFT RPC `URL` of a chain node; repeatable, the first that answers is used\n(default "+strings.Join(defaultChainRPC, ", ")+")", func(v string) error {
		c.chainRPC = append(c.chainRPC, v)
		_, err := chain.New(chain.Options{Nodes: []string{v}})
		return err
	})
	list(flags, "chain-rest", "Cosmos REST API `URL` of a chain node; repeatable, asked after those of --chain-rpc", func(v string) error {
		c.chainREST = append(c.chainREST, v)
		_, err := chain.New(chain.Options{RESTNodes: []string{v}})
		return err
	})
	list(flags, "provider", "`ADDRESS=HOST_URI` of a provider, used instead of the chain's record; repeatable", func(v string) error {
		address, uri, ok := strings.Cut(v, "=")
		if !ok {
			return errors.New("want ADDRESS=HOST_URI, such as akash1…=https://provider.example:8443")
		}
		if err := provider.CheckAddress(address); err != nil {
			return err
		}
		c.providers[address] = uri
		_, err := guard.ParseHostURI(uri)
		return err
	})
	list(flags, "grpc-port", "`PORT` of providers' gRPC service; repeatable, the first is tried first\n(default 8444, the host URI's own, 8443, the host URI's own + 1)", func(v string) error {
		port, err := strconv.ParseUint(v, 10, 16)
		if err != nil || port == 0 {
			return errors.New("want a port number, 1 to 65535")
		}
		c.grpcPorts = append(c.grpcPorts, uint16(port))
		return nil
	})
	list(flags, "allow-origin", "`ORIGIN` of pages that may call, such as https://app.example, or * for all;\nrepeatable; the bridge's own pages always may (default pages on localhost)", func(v string) error {
		c.allowOrigins = append(c.allowOrigins, v)
		_, err := guard.NewOrigins([]string{v})
		return err
	})
	flags.BoolVar(&c.allowInsecure, "allow-insecure", false, "let callers skip the verification of a provider's certificate (akash-tls: insecure)")
	flags.BoolVar(&c.allowHostOverride, "allow-host-override", false, "let callers choose a provider's host (akash-host-uri)")
	flags.BoolVar(&c.allowPrivateNetworks, "allow-private-networks", false, "connect to providers on loopback, private and link-local addresses")
	list(flags, "forward-header", "`NAME` of a request header to forward to providers, or PREFIX*, such as x-tenant-*;\nrepeatable; headers of gRPC, tracing headers and names ending in -bin always are", func(v string) error {
		c.forwardHeaders = append(c.forwardHeaders, v)
		_, err := guard.NewMetadata([]string{v})
		return err
	})
	flags.BoolVar(&c.consoleProxy, "console-proxy", true, "serve the protocol of Akash Console's provider proxy to the same pages, at / and\n/provider-proxy; --console-proxy=false turns it off")
	flags.StringVar(&c.tlsCert, "tls-cert", "", "PEM `FILE` with the certificate chain to serve HTTPS and HTTP/2 with")
	flags.StringVar(&c.tlsKey, "tls-key", "", "PEM `FILE` with its key")
	flags.IntVar(&c.maxStreams, "max-streams", defaultMaxStreams, "`NUMBER` of calls that may be open at once; more are refused")
	flags.StringVar(&c.metricsListen, "metrics-listen", "", "`ADDRESS` to serve /metrics on, instead of --listen")
	flags.StringVar(&c.logFormat, "log-format", "text", "`FORMAT` of the log on standard error: text or json")

	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			printHelp(stdout, flags)
			return nil, flag.ErrHelp
		}
		return nil, usageError{err}
	}
	if flags.NArg() > 0 {
		return nil, usageError{fmt.Errorf("unexpected argument %q", flags.Arg(0))}
	}
	if err := fromEnvironment(flags, getenv); err != nil {
		return nil, usageError{err}
	}
	if err := c.check(); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// printHelp prints the flags in the form --name.
func printHelp(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprint(w, usageHead)
	flags.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(w, "  --%s", f.Name)
		if value != "" {
			fmt.Fprintf(w, " %s", value)
		}
		fmt.Fprintf(w, "\n        %s", strings.ReplaceAll(usage, "\n", "\n        "))
		if f.DefValue != "" && f.DefValue != "false" {
			fmt.Fprintf(w, " (default %s)", f.DefValue)
		}
		fmt.Fprintln(w)
	})
}

// nodes returns the chain nodes, by RPC and by REST, and whether the operator chose
// them.
func (c *config) nodes() (rpc, rest []string, chosen bool) {
	if len(c.chainRPC)+len(c.chainREST) > 0 {
		return c.chainRPC, c.chainREST, true
	}
	return defaultChainRPC, nil, false
}

// check validates what the flags' own parsers do not.
func (c *config) check() error {
	if (c.tlsCert == "") != (c.tlsKey == "") {
		return errors.New("--tls-cert and --tls-key must be used together")
	}
	if c.maxStreams < 1 {
		return fmt.Errorf("--max-streams is %d: want at least 1", c.maxStreams)
	}
	if c.logFormat != "text" && c.logFormat != "json" {
		return fmt.Errorf("--log-format is %q: want text or json", c.logFormat)
	}
	for name, address := range map[string]string{"listen": c.listen, "metrics-listen": c.metricsListen} {
		if name == "metrics-listen" && address == "" {
			continue
		}
		if _, err := net.ResolveTCPAddr("tcp", address); err != nil {
			return fmt.Errorf("--%s is %q: want host:port, such as 127.0.0.1:8080", name, address)
		}
	}
	return nil
}

// list defines a repeatable flag, whose values may also be separated by commas.
func list(flags *flag.FlagSet, name, usage string, add func(string) error) {
	flags.Func(name, usage, func(values string) error {
		for value := range strings.SplitSeq(values, ",") {
			if value = strings.TrimSpace(value); value == "" {
				return errors.New("a value is empty")
			}
			if err := add(value); err != nil {
				return err
			}
		}
		return nil
	})
}

// fromEnvironment sets flags that the command line does not set.
func fromEnvironment(flags *flag.FlagSet, getenv func(string) string) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var failed error
	flags.VisitAll(func(f *flag.Flag) {
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := getenv(name)
		if value == "" || given[f.Name] || failed != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = fmt.Errorf("invalid value %q for %s: %w", value, name, err)
		}
	})
	return failed
}
