package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"akash-provider-web/bridge/access"
	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/chain/light"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/internal/settings"
	"akash-provider-web/bridge/limit"
	"akash-provider-web/bridge/provider"
)

// config has the settings of the command line, the environment and the file.
type config struct {
	flags       *settings.Set
	file        string
	checkOnly   bool
	healthcheck bool
	showVersion bool

	listen        string
	metricsListen string
	pprof         bool
	otlpEndpoint  string
	traces        bool // otlpEndpoint is set, or a variable of OpenTelemetry
	tlsCert       string
	tlsKey        string

	chainRPC    []string
	chainREST   []string
	chainQuorum int    // 0 for the default
	chainID     string // "" for the chain of most nodes
	chainTrust  string // HEIGHT:HASH[:PERIOD]; "" for none
	trustFile   string
	providers   map[string]string // host URIs by address
	grpcPorts   []uint16

	allowOrigins         []string
	allowInsecure        bool
	allowHostOverride    bool
	allowPrivateNetworks bool
	forwardHeaders       []string
	consoleProxy         bool
	callerKeys           []string
	oidcIssuer           string
	oidcAudience         string

	maxStreams          int
	maxStreamsPerCaller int
	maxCallRate         int
	trustedProxies      []string
	drainDelay          time.Duration
	drainTimeout        time.Duration
	logFormat           string
}

// defaultMaxStreams limits a bridge to a few hundred megabytes, at about 30 KB per
// stream.
const defaultMaxStreams = 10_000

// Defaults of other limits, and of the shutdown. Kubernetes kills what has not ended 30
// seconds after SIGTERM.
const (
	defaultMaxCallRate  = 100
	defaultDrainDelay   = 5 * time.Second
	defaultDrainTimeout = 25 * time.Second
)

// rateBurst is how many seconds' worth of calls a caller may begin at once: a page that
// lists all providers asks hundreds of them.
const rateBurst = 10

// defaultChainRPC are public nodes, used by default. They are of different operators, all
// in Akash's own list (github.com/akash-network/net, mainnet/meta.json, in June 2026):
// Akash Network, Polkachu, ecostake, Allnodes and Cosmonaut Stakes.
var defaultChainRPC = []string{
	"https://rpc.akashnet.net:443",
	"https://akash-rpc.polkachu.com:443",
	"https://rpc-akash.ecostake.com:443",
	"https://akash-rpc.publicnode.com:443",
	"https://akash-mainnet-rpc.cosmonautstakes.com:443",
}

// defaultChainID is the chain of defaultChainRPC.
const defaultChainID = "akashnet-2"

const (
	program   = "akash-provider-bridge"
	envPrefix = "AKASH_BRIDGE_"
)

const usageHead = `Usage: akash-provider-bridge [flags]

Lets web pages call Akash providers: accepts gRPC-Web calls, looks the provider up on
the chain, verifies its certificate and relays the call over the provider's protocol.

Examples:
  For pages on your own machine:
    akash-provider-bridge
  For the pages of an app, with its own certificate:
    akash-provider-bridge --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem \
      --allow-origin https://app.example.com
  With a file of settings, checked first:
    akash-provider-bridge --config bridge.yaml --check && akash-provider-bridge --config bridge.yaml

Each flag is also an environment variable, such as AKASH_BRIDGE_ALLOW_ORIGIN for
--allow-origin, with commas between repeated values, and a key in the file of --config:

  allow-origin:
    - https://app.example.com
    - https://*.preview.example.com
  max-streams: 5000

A flag overrides the environment, which overrides the file. The file is read again when
it changes and on SIGHUP.

`

// usageError is an error in the settings.
type usageError struct{ error }

// define defines the settings. A new one is also described in bridge/README.md.
func (c *config) define(flags *settings.Set) {
	flags.Group("Listening")
	flags.StringVar(&c.listen, "listen", "127.0.0.1:8080", "`ADDRESS` to serve on; port 0 picks a free one")
	flags.StringVar(&c.tlsCert, "tls-cert", "", "PEM `FILE` with the certificate chain to serve HTTPS and HTTP/2 with; a file that\nchanges is loaded again")
	flags.StringVar(&c.tlsKey, "tls-key", "", "PEM `FILE` with its key")
	flags.StringVar(&c.metricsListen, "metrics-listen", "", "`ADDRESS` to serve /metrics on, instead of --listen")
	flags.BoolVar(&c.pprof, "pprof", false, "serve profiles for go tool pprof at /debug/pprof on --metrics-listen")

	flags.Group("Chain and providers")
	flags.List("chain-rpc", "CometBFT RPC `URL` of a chain node; repeatable, the first ones are asked first\n(default "+strings.Join(defaultChainRPC, ",\n")+")", func(v string) error {
		c.chainRPC = append(c.chainRPC, v)
		_, err := chain.New(chain.Options{Nodes: []string{v}})
		return err
	})
	flags.List("chain-rest", "Cosmos REST API `URL` of a chain node; repeatable, asked after those of --chain-rpc", func(v string) error {
		c.chainREST = append(c.chainREST, v)
		_, err := chain.New(chain.Options{RESTNodes: []string{v}})
		return err
	})
	flags.IntVar(&c.chainQuorum, "chain-quorum", 0, "`NUMBER` of chain nodes that must give the same answer before it is believed;\n0 means 2, and 1 if there is one node or with --chain-trust, where it is about blocks")
	flags.StringVar(&c.chainID, "chain-id", "", "`ID` of the chain; nodes of another one are not asked\n(default "+defaultChainID+" for the default nodes, otherwise the chain of most nodes)")
	flags.StringVar(&c.chainTrust, "chain-trust", "", "`HEIGHT:HASH[:PERIOD]` of a block that you trust: the chain's answers are then proven\nfrom it. REST nodes cannot prove theirs and are not asked. PERIOD, default 14d, is how\nlong a block is trusted, and must be shorter than validators' stakes stay bonded")
	flags.StringVar(&c.trustFile, "chain-trust-file", "", "`FILE` that keeps the newest verified block, from which the bridge goes on when it\nstarts again")
	flags.List("provider", "`ADDRESS=HOST_URI` of a provider, used instead of the chain's record; repeatable", func(v string) error {
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
	flags.List("grpc-port", "`PORT` of providers' gRPC service; repeatable, the first is tried first\n(default 8444, the host URI's own, 8443, the host URI's own + 1)", func(v string) error {
		port, err := strconv.ParseUint(v, 10, 16)
		if err != nil || port == 0 {
			return errors.New("want a port number, 1 to 65535")
		}
		c.grpcPorts = append(c.grpcPorts, uint16(port))
		return nil
	})
	flags.BoolVar(&c.allowPrivateNetworks, "allow-private-networks", false, "connect to providers on loopback, private and link-local addresses")

	flags.Group("Callers")
	flags.List("allow-origin", "`ORIGIN` of pages that may call, such as https://app.example, https://*.app.example\nfor the subdomains, or * for all; repeatable; the bridge's own pages always may\n(default pages on localhost)", func(v string) error {
		c.allowOrigins = append(c.allowOrigins, v)
		_, err := guard.NewOrigins([]string{v})
		return err
	})
	flags.BoolVar(&c.allowInsecure, "allow-insecure", false, "let callers skip the verification of a provider's certificate (akash-tls: insecure)")
	flags.BoolVar(&c.allowHostOverride, "allow-host-override", false, "let callers choose a provider's host (akash-host-uri)")
	flags.List("forward-header", "`NAME` of a request header to forward to providers, or PREFIX*, such as x-tenant-*;\nrepeatable; headers of gRPC, tracing headers and names ending in -bin always are", func(v string) error {
		c.forwardHeaders = append(c.forwardHeaders, v)
		_, err := guard.NewMetadata([]string{v})
		return err
	})
	flags.BoolVar(&c.consoleProxy, "console-proxy", true, "serve the protocol of Akash Console's provider proxy to the same pages, at / and\n/provider-proxy; --console-proxy=false turns it off")
	flags.List("caller-key", "`KEY` that lets callers use the bridge, in the header akash-bridge-key; repeatable;\nwithout a key and --oidc-issuer everybody may", func(v string) error {
		c.callerKeys = append(c.callerKeys, v)
		return access.CheckKey(v)
	})
	flags.StringVar(&c.oidcIssuer, "oidc-issuer", "", "`URL` of an OpenID Connect issuer, whose ID tokens in akash-bridge-key let callers use\nthe bridge, too")
	flags.StringVar(&c.oidcAudience, "oidc-audience", "", "`NAME` that the aud claim of those tokens must have")

	flags.Group("Limits")
	flags.IntVar(&c.maxStreams, "max-streams", defaultMaxStreams, "`NUMBER` of calls that may be open at once; more are refused")
	flags.IntVar(&c.maxStreamsPerCaller, "max-streams-per-caller", 0, "`NUMBER` of calls that one IP address may have open at once\n(default as many as are still free, so that no caller shuts out the others)")
	flags.IntVar(&c.maxCallRate, "max-call-rate", defaultMaxCallRate, "`NUMBER` of calls a second that one IP address, other than 127.0.0.1 and ::1, may\nbegin, and ten times as many at once; 0 for any")
	flags.List("trusted-proxy", "`ADDRESS` or network of a proxy whose Forwarded or X-Forwarded-For header says who\ncalls, such as 10.0.0.0/8; repeatable", func(v string) error {
		c.trustedProxies = append(c.trustedProxies, v)
		_, err := limit.NewProxies([]string{v})
		return err
	})

	flags.Group("Shutdown")
	flags.DurationVar(&c.drainDelay, "drain-delay", defaultDrainDelay, "`TIME` after SIGTERM during which /readyz fails and calls are still served, so that\na load balancer notices; skipped if nothing has asked /readyz and no call is open")
	flags.DurationVar(&c.drainTimeout, "drain-timeout", defaultDrainTimeout, "`TIME` after SIGTERM or SIGINT after which calls that have not ended are cut off")

	flags.Group("Log")
	flags.StringVar(&c.logFormat, "log-format", "text", "`FORMAT` of the log on standard error: text or json")

	flags.Group("Traces")
	flags.StringVar(&c.otlpEndpoint, "otlp-endpoint", "", "`URL` of an OpenTelemetry collector to send traces to with OTLP over HTTP, such as\nhttp://127.0.0.1:4318; OTEL_EXPORTER_OTLP_ENDPOINT and the other OTEL_* variables\nof OpenTelemetry are read, too (default no traces)")

	flags.Group("Settings")
	flags.File(&c.file, "config", "YAML `FILE` with settings, whose keys are the names of these flags")
	flags.Command(&c.checkOnly, "check", "check the settings and the files that they name, print them without secrets, and exit")
	flags.Command(&c.healthcheck, "healthcheck", "ask the bridge that listens on --listen whether it is alive, and exit with 0 or 1")
	flags.Command(&c.showVersion, "version", "print the version and exit")

	flags.Ignore("AKASH_BRIDGE_BINARY") // with which the npm package's test helpers find the program
	flags.Secret(redactURL, "chain-rpc", "chain-rest", "otlp-endpoint")
	flags.Secret(func(string) string { return "…" }, "caller-key")
	// What reloads.apply changes.
	flags.Reloadable("chain-rpc", "chain-rest", "chain-quorum", "chain-id", "chain-trust", "chain-trust-file", "allow-origin", "caller-key", "max-streams", "max-streams-per-caller", "max-call-rate")
}

// newFlags returns flags that set the settings in c.
func newFlags(c *config) *settings.Set {
	flags := settings.New(program, envPrefix)
	c.define(flags)
	return flags
}

// parseConfig reads the settings from the command line, the environment, which has the
// form of os.Environ, and the file that they name. It returns flag.ErrHelp after printing
// help to stdout. Its error names everything that is wrong.
func parseConfig(args, environ []string, stdout io.Writer) (*config, error) {
	c := &config{providers: map[string]string{}}
	c.flags = newFlags(c)
	c.flags.Spare(newFlags(&config{providers: map[string]string{}}))
	err := c.flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usageHead)
		c.flags.Help(stdout)
		return nil, err
	case err != nil:
		return nil, usageError{err}
	case c.showVersion:
		return c, nil
	}
	if err := c.flags.Load(environ); err != nil {
		return nil, usageError{err}
	}
	c.traces = c.otlpEndpoint != "" || asksForTraces(environ)
	if err := c.check(); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// redactURL returns a URL without the parts that may be secret.
func redactURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "…"
	}
	if plain := u.Scheme + "://" + u.Host; strings.TrimSuffix(text, "/") != plain {
		return plain + "/…"
	}
	return text
}

// chain returns the options of the chain, and whether the operator chose its nodes.
func (c *config) chain() (o chain.Options, chosen bool) {
	o = chain.Options{Nodes: c.chainRPC, RESTNodes: c.chainREST, Quorum: c.chainQuorum, ChainID: c.chainID}
	if c.proves() {
		o.Trust, o.TrustFile = new(light.Trust), c.trustFile
		if c.chainTrust != "" {
			*o.Trust, _ = light.ParseTrust(c.chainTrust) // checked before
		}
	}
	if len(o.Nodes)+len(o.RESTNodes) > 0 {
		return o, true
	}
	o.Nodes = defaultChainRPC
	o.ChainID = cmp.Or(o.ChainID, defaultChainID)
	return o, false
}

// limits returns the limits on calls.
func (c *config) limits() limit.Options {
	return limit.Options{
		Open:          c.maxStreams,
		OpenPerCaller: c.maxStreamsPerCaller,
		Rate:          float64(c.maxCallRate),
		Burst:         rateBurst * c.maxCallRate,
		Waiting:       maxWaiting,
	}
}

// proves reports whether answers of the chain are proven.
func (c *config) proves() bool { return c.chainTrust != "" || c.trustFile != "" }

// check validates what the flags' own parsers do not.
func (c *config) check() error {
	var wrong []error
	refuse := func(name, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%s%s", c.flags.Where(name), fmt.Sprintf(format, args...)))
	}
	switch {
	case c.tlsCert != "" && c.tlsKey == "":
		refuse("tls-cert", ": want --tls-key, too")
	case c.tlsCert == "" && c.tlsKey != "":
		refuse("tls-key", ": want --tls-cert, too")
	}
	o, _ := c.chain()
	nodes := len(o.Nodes) + len(o.RESTNodes)
	if c.proves() {
		nodes = len(o.Nodes)
	}
	if c.chainTrust != "" {
		if _, err := light.ParseTrust(c.chainTrust); err != nil {
			refuse("chain-trust", " is %q: %v", c.chainTrust, err)
		}
	}
	if c.proves() && nodes == 0 {
		name := "chain-trust"
		if c.chainTrust == "" {
			name = "chain-trust-file"
		}
		refuse(name, ": want --chain-rpc, too, because the REST APIs of --chain-rest cannot prove answers")
	} else if c.chainQuorum < 0 || c.chainQuorum > nodes {
		refuse("chain-quorum", " is %d: want at least 1, and at most %d, the number of chain nodes", c.chainQuorum, nodes)
	}
	if (c.oidcIssuer == "") != (c.oidcAudience == "") {
		return errors.New("--oidc-issuer and --oidc-audience must be used together")
	}
	if c.oidcIssuer != "" {
		if err := access.CheckIssuer(c.oidcIssuer); err != nil {
			return fmt.Errorf("--oidc-issuer is %q: %w", c.oidcIssuer, err)
		}
	}
	if c.maxStreams < 1 {
		refuse("max-streams", " is %d: want at least 1", c.maxStreams)
	}
	if c.maxStreamsPerCaller < 0 || c.maxCallRate < 0 {
		return errors.New("--max-streams-per-caller and --max-call-rate must not be negative")
	}
	if c.drainDelay < 0 || c.drainTimeout < 0 {
		return errors.New("--drain-delay and --drain-timeout must not be negative")
	}
	if c.logFormat != "text" && c.logFormat != "json" {
		refuse("log-format", " is %q: want text or json", c.logFormat)
	}
	if !isAddress(c.listen) {
		refuse("listen", " is %q: want host:port, such as 127.0.0.1:8080", c.listen)
	}
	if c.metricsListen != "" && !isAddress(c.metricsListen) {
		refuse("metrics-listen", " is %q: want host:port, such as 127.0.0.1:8080", c.metricsListen)
	}
	if u, err := url.Parse(c.otlpEndpoint); c.otlpEndpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		refuse("otlp-endpoint", ": want a URL such as http://127.0.0.1:4318")
	}
	if c.pprof && c.metricsListen == "" {
		refuse("pprof", ": want --metrics-listen, too: profiles are not served to callers")
	}
	return errors.Join(wrong...)
}

// isAddress reports whether a text has the form of an address to listen on. It does not
// look up names.
func isAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	_, err = net.LookupPort("tcp", port) // of a number, or in /etc/services
	return err == nil && port != ""
}

// asksForTraces reports whether OpenTelemetry's variables name a collector
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
func asksForTraces(environ []string) bool {
	named := false
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":
			named = named || value != ""
		case "OTEL_SDK_DISABLED":
			if strings.EqualFold(value, "true") {
				return false
			}
		case "OTEL_TRACES_EXPORTER":
			if value == "none" {
				return false
			}
		}
	}
	return named
}

// isLoopback reports whether an address to listen on can be reached from this machine only.
func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// warnings returns what is allowed but rarely meant.
func (c *config) warnings() []string {
	var warnings []string
	warn := func(names string, text string) {
		warnings = append(warnings, names+": "+text)
	}
	if slices.Contains(c.allowOrigins, "*") {
		if c.allowInsecure {
			warn("--allow-insecure with --allow-origin *", "any web page can have the bridge send credentials to a provider whose certificate is not verified; name the origins")
		}
		if c.allowHostOverride {
			warn("--allow-host-override with --allow-origin *", "any web page can have the bridge connect to hosts of its choice; name the origins")
		}
	}
	if c.allowHostOverride && c.allowPrivateNetworks {
		warn("--allow-host-override with --allow-private-networks", "callers can have the bridge connect to this machine and its network")
	}
	if c.metricsListen == "" && !isLoopback(c.listen) {
		warn("--listen "+c.listen, "everybody can read /metrics; set --metrics-listen to an address of your own network")
	}
	if c.pprof && !isLoopback(c.metricsListen) {
		warn("--pprof with --metrics-listen "+c.metricsListen, "whoever reaches it can slow the bridge down with profiles")
	}
	if o, _ := c.chain(); !c.proves() && c.quorum() > operators(slices.Concat(o.Nodes, o.RESTNodes)) {
		warn("--chain-rpc, --chain-rest", fmt.Sprintf("the nodes are of fewer operators than must agree (%d), so one that lies may be believed; name nodes of others", c.quorum()))
	}
	for _, origin := range c.allowOrigins {
		if suffix, ok := guard.SharedSuffix(origin); ok {
			warn("--allow-origin "+origin, "anybody can get a subdomain of "+suffix+", and its pages may then call")
		}
	}
	return warnings
}

// quorum returns how many chain nodes must agree.
func (c *config) quorum() int {
	o, _ := c.chain()
	if c.chainQuorum == 0 {
		return min(2, len(o.Nodes)+len(o.RESTNodes))
	}
	return c.chainQuorum
}

// operators returns of how many operators the nodes with these URLs may be at most. Those
// below one registered domain are of one.
func operators(nodes []string) int {
	known := map[string]bool{}
	for _, text := range nodes {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		operator := u.Host
		// Names such as node.svc.cluster.local are not registered.
		suffix, icann := publicsuffix.PublicSuffix(u.Hostname())
		if domain, err := publicsuffix.EffectiveTLDPlusOne(u.Hostname()); err == nil && (icann || strings.Contains(suffix, ".")) {
			operator = domain
		}
		known[operator] = true
	}
	return len(known)
}
