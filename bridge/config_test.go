package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/chain"
)

// environment returns variables in the form of os.Environ.
func environment(values map[string]string) []string {
	variables := []string{"PATH=/bin"}
	for name, value := range values {
		variables = append(variables, name+"="+value)
	}
	return variables
}

func TestDefaults(t *testing.T) {
	c, err := parseConfig(nil, environment(nil), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:8080", c.listen)
	o, chosen := c.chain()
	assert.Equal(t, chain.Options{Nodes: defaultChainRPC, ChainID: "akashnet-2"}, o)
	assert.False(t, chosen)
	assert.False(t, c.allowInsecure || c.allowHostOverride || c.allowPrivateNetworks)
	assert.True(t, c.consoleProxy)
}

const someProvider = "akash1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq7cdc78"

func TestEveryFlagHasAnEnvironmentVariable(t *testing.T) {
	c, err := parseConfig(nil, environment(map[string]string{
		"AKASH_BRIDGE_LISTEN":                 "127.0.0.1:1",
		"AKASH_BRIDGE_CHAIN_RPC":              "http://a:1, http://b:2",
		"AKASH_BRIDGE_CHAIN_REST":             "http://c:3",
		"AKASH_BRIDGE_CHAIN_QUORUM":           "2",
		"AKASH_BRIDGE_CHAIN_ID":               "sandbox-2",
		"AKASH_BRIDGE_PROVIDER":               someProvider + "=https://p.example:8443",
		"AKASH_BRIDGE_ALLOW_ORIGIN":           "https://a.example,https://b.example",
		"AKASH_BRIDGE_ALLOW_INSECURE":         "true",
		"AKASH_BRIDGE_ALLOW_HOST_OVERRIDE":    "1",
		"AKASH_BRIDGE_ALLOW_PRIVATE_NETWORKS": "true",
		"AKASH_BRIDGE_GRPC_PORT":              "8444,9444",
		"AKASH_BRIDGE_FORWARD_HEADER":         "x-a,x-b-*",
		"AKASH_BRIDGE_CONSOLE_PROXY":          "false",
		"AKASH_BRIDGE_TLS_CERT":               "c.pem",
		"AKASH_BRIDGE_TLS_KEY":                "k.pem",
		"AKASH_BRIDGE_MAX_STREAMS":            "7",
		"AKASH_BRIDGE_MAX_STREAMS_PER_CALLER": "6",
		"AKASH_BRIDGE_MAX_CALL_RATE":          "5",
		"AKASH_BRIDGE_TRUSTED_PROXY":          "10.0.0.0/8,::1",
		"AKASH_BRIDGE_DRAIN_DELAY":            "4s",
		"AKASH_BRIDGE_DRAIN_TIMEOUT":          "3m",
		"AKASH_BRIDGE_METRICS_LISTEN":         "127.0.0.1:2",
		"AKASH_BRIDGE_CHAIN_TRUST":            "5:" + strings.Repeat("a", 64),
		"AKASH_BRIDGE_CHAIN_TRUST_FILE":       "trust.json",
		"AKASH_BRIDGE_LOG_FORMAT":             "json",
	}), io.Discard)
	require.NoError(t, err)
	c.flags = nil
	assert.Equal(t, &config{
		listen: "127.0.0.1:1", metricsListen: "127.0.0.1:2", tlsCert: "c.pem", tlsKey: "k.pem",
		chainRPC:     []string{"http://a:1", "http://b:2"},
		chainREST:    []string{"http://c:3"},
		chainQuorum:  2,
		chainID:      "sandbox-2",
		chainTrust:   "5:" + strings.Repeat("a", 64),
		trustFile:    "trust.json",
		providers:    map[string]string{someProvider: "https://p.example:8443"},
		grpcPorts:    []uint16{8444, 9444},
		allowOrigins: []string{"https://a.example", "https://b.example"}, allowInsecure: true,
		allowHostOverride: true, allowPrivateNetworks: true,
		forwardHeaders: []string{"x-a", "x-b-*"},
		maxStreams:     7, maxStreamsPerCaller: 6, maxCallRate: 5, trustedProxies: []string{"10.0.0.0/8", "::1"},
		drainDelay: 4 * time.Second, drainTimeout: 3 * time.Minute, logFormat: "json",
	}, c)
}

// An operator who names a node by its REST API means that node, and no public ones.
func TestChainRESTReplacesTheDefaultNodes(t *testing.T) {
	c, err := parseConfig([]string{"--chain-rest", "https://a.example"}, environment(nil), io.Discard)
	require.NoError(t, err)
	o, chosen := c.chain()
	assert.Equal(t, chain.Options{RESTNodes: []string{"https://a.example"}}, o, "not the default nodes, nor their chain")
	assert.True(t, chosen)
}

func TestTheCommandLineOverridesTheEnvironment(t *testing.T) {
	c, err := parseConfig([]string{"--grpc-port", "1", "--grpc-port=2"},
		environment(map[string]string{"AKASH_BRIDGE_GRPC_PORT": "3"}), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, []uint16{1, 2}, c.grpcPorts)
}

func TestTheREADMEHasEveryFlag(t *testing.T) {
	var help bytes.Buffer
	_, err := parseConfig([]string{"--help"}, nil, &help)
	require.ErrorIs(t, err, flag.ErrHelp)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	flags := regexp.MustCompile(`(?m)^  (--[a-z-]+)`).FindAllStringSubmatch(help.String(), -1)
	assert.Greater(t, len(flags), 20)
	for _, match := range flags {
		assert.Regexp(t, `(?m)^\| .*`+"`"+match[1]+"[ `].* \\|$", string(readme))
	}
}

func TestHelpListsEveryFlag(t *testing.T) {
	var help bytes.Buffer
	_, err := parseConfig([]string{"--help"}, environment(nil), &help)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, name := range []string{"listen", "chain-rpc", "chain-rest", "chain-quorum", "chain-id", "chain-trust", "chain-trust-file", "provider", "allow-origin", "allow-insecure", "allow-host-override",
		"allow-private-networks", "grpc-port", "tls-cert", "tls-key", "max-streams", "max-streams-per-caller", "max-call-rate", "trusted-proxy", "drain-delay", "drain-timeout", "metrics-listen", "pprof", "log-format", "otlp-endpoint", "forward-header", "console-proxy", "caller-key", "oidc-issuer", "oidc-audience", "config", "check", "healthcheck", "version"} {
		assert.Contains(t, help.String(), "  --"+name)
	}
}

func TestErrorsNameTheFlag(t *testing.T) {
	for _, test := range []struct {
		args []string
		env  map[string]string
		text string
	}{
		{args: []string{"--nope"}, text: "nope"},
		{args: []string{"stray"}, text: "stray"},
		{args: []string{"--provider", "akash1abc=https://p.example"}, text: "not an Akash address"},
		{args: []string{"--provider", someProvider}, text: "ADDRESS=HOST_URI"},
		{args: []string{"--provider", someProvider + "=http://p.example"}, text: "https"},
		{args: []string{"--chain-rpc", "nonsense"}, text: "chain-rpc"},
		{args: []string{"--chain-rest", "nonsense"}, text: "chain-rest"},
		{args: []string{"--chain-quorum", "6"}, text: "at most 5"},
		{args: []string{"--chain-rpc", "https://a.example", "--chain-quorum", "2"}, text: "at most 1"},
		{args: []string{"--chain-quorum", "-1"}, text: "--chain-quorum"},
		{args: []string{"--chain-trust", "5"}, text: "want HEIGHT:HASH"},
		{args: []string{"--chain-trust", "0:" + strings.Repeat("a", 64)}, text: "height"},
		{args: []string{"--chain-trust", "5:abc"}, text: "64 hexadecimal digits"},
		{args: []string{"--chain-trust", "5:" + strings.Repeat("a", 64) + ":21d"}, text: "less than the 21 days"},
		{args: []string{"--chain-trust", "5:" + strings.Repeat("a", 64) + ":soon"}, text: "14d"},
		{args: []string{"--chain-rest", "https://a.example", "--chain-trust", "5:" + strings.Repeat("a", 64)}, text: "want --chain-rpc, too"},
		{args: []string{"--chain-rest", "https://a.example", "--chain-rest", "https://b.example", "--chain-rpc", "https://a.example", "--chain-quorum", "2", "--chain-trust", "5:" + strings.Repeat("a", 64)}, text: "at most 1"},
		{args: []string{"--allow-origin", "example.com"}, text: "not an origin"},
		{args: []string{"--allow-origin", "https://example.com/path"}, text: "not an origin"},
		{args: []string{"--grpc-port", "0"}, text: "1 to 65535"},
		{args: []string{"--grpc-port", "65536"}, text: "1 to 65535"},
		{args: []string{"--grpc-port", ","}, text: "empty"},
		{args: []string{"--listen", "8080"}, text: "host:port"},
		{args: []string{"--metrics-listen", "localhost:http:1"}, text: "host:port"},
		{args: []string{"--pprof"}, text: "want --metrics-listen"},
		{args: []string{"--max-streams", "0"}, text: "--max-streams"},
		{args: []string{"--caller-key", "short"}, text: "at least 16"},
		{args: []string{"--oidc-issuer", "https://a.example"}, text: "--oidc-audience"},
		{args: []string{"--oidc-issuer", "http://a.example", "--oidc-audience", "b"}, text: "--oidc-issuer"},
		{args: []string{"--log-format", "xml"}, text: "--log-format"},
		{args: []string{"--tls-cert", "c.pem"}, text: "--tls-key"},
		{args: []string{"--forward-header", "Cookie"}, text: "never"},
		{args: []string{"--forward-header", "*"}, text: "header name"},
		{env: map[string]string{"AKASH_BRIDGE_MAX_STREAMS": "many"}, text: "AKASH_BRIDGE_MAX_STREAMS"},
	} {
		_, err := parseConfig(test.args, environment(test.env), io.Discard)
		require.Error(t, err, test.args)
		assert.IsType(t, usageError{}, err)
		assert.Contains(t, err.Error(), test.text)
	}
}

func TestMistakesAreFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	require.NoError(t, os.WriteFile(file, []byte("listen: 8080\nallow-origin:\n  - https://*.co.uk\nmax-stream: 5\n"), 0o600))
	_, err := parseConfig(nil, environment(map[string]string{"AKASH_BRIDGE_CONFIG": file, "AKASH_BRIDGE_ALLOW_ORIGINS": "*"}), io.Discard)
	require.Error(t, err)
	assert.Equal(t, []string{
		"unknown environment variable AKASH_BRIDGE_ALLOW_ORIGINS; did you mean AKASH_BRIDGE_ALLOW_ORIGIN?",
		file + `:3: allow-origin: "https://*.co.uk" would allow everybody who registers a domain below co.uk; want a domain of your own, such as https://*.app.example`,
		file + `:4: unknown setting "max-stream"; did you mean max-streams?`,
	}, strings.Split(err.Error(), "\n"))

	require.NoError(t, os.WriteFile(file, []byte("listen: 8080\nlog-format: xml\n"), 0o600))
	_, err = parseConfig(nil, environment(map[string]string{"AKASH_BRIDGE_CONFIG": file, "AKASH_BRIDGE_MAX_STREAMS": "0"}), io.Discard)
	require.Error(t, err)
	for _, text := range []string{
		"AKASH_BRIDGE_MAX_STREAMS is 0: want at least 1",
		file + `:1: listen is "8080": want host:port`,
		file + `:2: log-format is "xml": want text or json`,
	} {
		assert.Contains(t, err.Error(), text, "all mistakes are reported together")
	}
}

func TestTheVariableOfTheTestHelpersIsNoMistake(t *testing.T) {
	_, err := parseConfig(nil, environment(map[string]string{"AKASH_BRIDGE_BINARY": "/usr/bin/akash-provider-bridge"}), io.Discard)
	assert.NoError(t, err)
}

func TestWhatIsRarelyMeantIsWarnedAbout(t *testing.T) {
	for args, want := range map[string]string{
		"--allow-insecure":                                                                                 "",
		"--allow-origin * --allow-private-networks":                                                        "",
		"--allow-origin https://*.app.example":                                                             "",
		"--allow-origin * --allow-insecure":                                                                "--allow-insecure with --allow-origin *",
		"--allow-origin https://a.example --allow-origin * --allow-host-override":                          "--allow-host-override with --allow-origin *",
		"--allow-host-override --allow-private-networks":                                                   "--allow-host-override with --allow-private-networks",
		"--listen :8080 --metrics-listen 127.0.0.1:9090":                                                   "",
		"--listen localhost:8080":                                                                          "",
		"--listen 0.0.0.0:8080":                                                                            "everybody can read /metrics",
		"--metrics-listen :9090 --pprof":                                                                   "can slow the bridge down",
		"--metrics-listen [::1]:9090 --pprof":                                                              "",
		"--chain-rpc https://rpc.example.com,https://rpc.example.org":                                      "",
		"--chain-rpc https://rpc.a.example":                                                                "",
		"--chain-rpc http://a.svc.cluster.local,http://b.svc.cluster.local":                                "",
		"--chain-rpc https://rpc.akashnet.net --chain-rest https://api.akashnet.net":                       "fewer operators",
		"--chain-rpc http://127.0.0.1:1,http://127.0.0.1:2":                                                "",
		"--chain-rpc https://rpc.example.com --chain-rest https://api.example.com":                         "fewer operators than must agree (2)",
		"--chain-rpc https://rpc.example.com,https://x.example.org,https://y.example.org --chain-quorum 3": "fewer operators than must agree (3)",
		"--allow-origin https://*.vercel.app":                                                              "anybody can get a subdomain of vercel.app",
	} {
		c, err := parseConfig(strings.Fields(args), nil, io.Discard)
		require.NoError(t, err, args)
		if want == "" {
			assert.Empty(t, c.warnings(), args)
			continue
		}
		if assert.Len(t, c.warnings(), 1, args) {
			assert.Contains(t, c.warnings()[0], want)
		}
	}
}

// checkOnly runs the bridge with --check.
func checkOnly(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	err = run(t.Context(), append([]string{"--check"}, args...), nil, &out, &errOut)
	return out.String(), errOut.String(), err
}

func TestCheckPrintsWhatWouldBeUsedWithoutSecrets(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, "bridge.example", certFile, keyFile)
	file := filepath.Join(dir, "bridge.yaml")
	require.NoError(t, os.WriteFile(file, []byte("allow-origin: ['*']\nchain-rpc: ['https://user:password@node.example/key']\n"), 0o600))
	stdout, stderr, err := checkOnly(t, "--config", file, "--tls-cert", certFile, "--tls-key", keyFile, "--allow-insecure")
	require.NoError(t, err)
	assert.Contains(t, stderr, "warning: --allow-insecure with --allow-origin *")
	assert.Contains(t, stdout, "listen: 127.0.0.1:8080 # default\n")
	assert.Contains(t, stdout, "allow-origin: # "+file+":1\n")
	assert.Contains(t, stdout, "- https://node.example/…\n")
	assert.NotContains(t, stdout, "password")
	assert.NotContains(t, stdout, "key\"")

	require.NoError(t, os.WriteFile(file, []byte(stdout), 0o600))
	again, _, err := checkOnly(t, "--config", file)
	require.NoError(t, err, "what it prints is a file of settings")
	defaults, _, err := checkOnly(t)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(defaults), 0o600))
	_, _, err = checkOnly(t, "--config", file)
	require.NoError(t, err, "also with the defaults")
	assert.Contains(t, again, "allow-insecure: true # "+file)
}

func TestCheckReadsTheCertificate(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, otherKey := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "other.pem")
	writeCertificate(t, "a.example", certFile, otherKey)
	writeCertificate(t, "a.example", certFile, keyFile)
	var usage usageError
	_, _, err := checkOnly(t, "--tls-cert", certFile, "--tls-key", otherKey)
	require.ErrorAs(t, err, &usage)
	assert.ErrorContains(t, err, "private key does not match public key")
	_, _, err = checkOnly(t, "--tls-cert", certFile, "--tls-key", filepath.Join(dir, "nowhere.pem"))
	require.ErrorAs(t, err, &usage)
	assert.ErrorContains(t, err, "nowhere.pem")
}

func TestAHealthCheckAsksTheBridge(t *testing.T) {
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	writeCertificate(t, "bridge.example", certFile, keyFile)
	for _, tls := range [][]string{nil, {"--tls-cert", certFile, "--tls-key", keyFile}} {
		p := start(t, tls...)
		_, address, _ := strings.Cut(p.URL, "://")
		args := append([]string{"--healthcheck", "--listen", address}, tls...)
		assert.NoError(t, run(t.Context(), args, nil, io.Discard, io.Discard))
		_, port, _ := strings.Cut(address, ":")
		args[2] = "0.0.0.0:" + port
		assert.NoError(t, run(t.Context(), args, nil, io.Discard, io.Discard))
		p.end(t)
		assert.ErrorContains(t, run(t.Context(), args, nil, io.Discard, io.Discard), "not alive")
	}
	assert.ErrorContains(t, run(t.Context(), []string{"--healthcheck", "--listen", "127.0.0.1:0"}, nil, io.Discard, io.Discard), "needs a port")
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"--version"}, []string{"AKASH_BRIDGE_UNKNOWN=1"}, &out, io.Discard))
	assert.Regexp(t, `^akash-provider-bridge \d+\.\d+\.\d+ \(commit .+, go1\..+, \w+/\w+\)\n$`, out.String())

	manifest, err := os.ReadFile("../npm/package.json")
	require.NoError(t, err)
	var of struct{ Version string }
	require.NoError(t, json.Unmarshal(manifest, &of))
	assert.Equal(t, of.Version, version)
}

func TestDurationsAreLoggedInMilliseconds(t *testing.T) {
	var logged bytes.Buffer
	newLog(&logged, "json").Info("x", "duration", 1500*time.Microsecond)
	assert.Contains(t, logged.String(), `"durationMs":1.5}`)
	logged.Reset()
	newLog(&logged, "text").Info("x", slog.Duration("duration", 2*time.Second))
	assert.Contains(t, logged.String(), "durationMs=2000\n")
	logged.Reset()
	newLog(&logged, "json").With("wait", time.Second, "who", "me").Info("x", "n", 1, "took", time.Millisecond, "what", "that")
	assert.Contains(t, logged.String(), `"msg":"x","waitMs":1000,"who":"me","n":1,"tookMs":1,"what":"that"}`)
}

func TestExitCodeOfAUsageError(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the command")
	}
	binary := filepath.Join(t.TempDir(), "akash-provider-bridge")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, args := range [][]string{{"--max-streams", "x"}, {"--tls-cert", os.DevNull, "--tls-key", os.DevNull}} {
		out, err = exec.Command(binary, args...).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		assert.Equal(t, exitUsage, exit.ExitCode(), string(out))
		assert.Contains(t, string(out), "--help")
	}
	check := exec.Command(binary, "--check")
	check.Env = append(os.Environ(), "AKASH_BRIDGE_TLS_CRET=c.pem")
	out, err = check.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, exitUsage, exit.ExitCode(), string(out))
	assert.Contains(t, string(out), "did you mean AKASH_BRIDGE_TLS_CERT?")
	out, err = exec.Command(binary, "--check").CombinedOutput()
	assert.NoError(t, err, string(out))
	out, err = exec.Command(binary, "--help").CombinedOutput()
	assert.NoError(t, err, string(out))
}
