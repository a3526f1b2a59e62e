package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestDefaults(t *testing.T) {
	c, err := parseConfig(nil, environment(nil), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:8080", c.listen)
	nodes, rest, chosen := c.nodes()
	assert.Equal(t, defaultChainRPC, nodes)
	assert.Empty(t, rest)
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
		"AKASH_BRIDGE_METRICS_LISTEN":         "127.0.0.1:2",
		"AKASH_BRIDGE_LOG_FORMAT":             "json",
	}), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, &config{
		listen: "127.0.0.1:1", metricsListen: "127.0.0.1:2", tlsCert: "c.pem", tlsKey: "k.pem",
		chainRPC:     []string{"http://a:1", "http://b:2"},
		chainREST:    []string{"http://c:3"},
		providers:    map[string]string{someProvider: "https://p.example:8443"},
		grpcPorts:    []uint16{8444, 9444},
		allowOrigins: []string{"https://a.example", "https://b.example"}, allowInsecure: true,
		allowHostOverride: true, allowPrivateNetworks: true,
		forwardHeaders: []string{"x-a", "x-b-*"},
		maxStreams:     7, logFormat: "json",
	}, c)
}

// An operator who names a node by its REST API means that node, and no public ones.
func TestChainRESTReplacesTheDefaultNodes(t *testing.T) {
	c, err := parseConfig([]string{"--chain-rest", "https://a.example"}, environment(nil), io.Discard)
	require.NoError(t, err)
	rpc, rest, chosen := c.nodes()
	assert.Empty(t, rpc)
	assert.Equal(t, []string{"https://a.example"}, rest)
	assert.True(t, chosen)
}

func TestTheCommandLineOverridesTheEnvironment(t *testing.T) {
	c, err := parseConfig([]string{"--grpc-port", "1", "--grpc-port=2"},
		environment(map[string]string{"AKASH_BRIDGE_GRPC_PORT": "3"}), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, []uint16{1, 2}, c.grpcPorts)
}

func TestHelpListsEveryFlag(t *testing.T) {
	var help bytes.Buffer
	_, err := parseConfig([]string{"--help"}, environment(nil), &help)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, name := range []string{"listen", "chain-rpc", "chain-rest", "provider", "allow-origin", "allow-insecure", "allow-host-override",
		"allow-private-networks", "grpc-port", "tls-cert", "tls-key", "max-streams", "metrics-listen", "log-format", "forward-header", "console-proxy"} {
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
		{args: []string{"--allow-origin", "example.com"}, text: "not an origin"},
		{args: []string{"--allow-origin", "https://example.com/path"}, text: "not an origin"},
		{args: []string{"--grpc-port", "0"}, text: "1 to 65535"},
		{args: []string{"--grpc-port", "65536"}, text: "1 to 65535"},
		{args: []string{"--grpc-port", ","}, text: "empty"},
		{args: []string{"--listen", "8080"}, text: "host:port"},
		{args: []string{"--metrics-listen", "localhost:http:1"}, text: "host:port"},
		{args: []string{"--max-streams", "0"}, text: "--max-streams"},
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

func TestExitCodeOfAUsageError(t *testing.T) {
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
	out, err = exec.Command(binary, "--help").CombinedOutput()
	assert.NoError(t, err, string(out))
}
