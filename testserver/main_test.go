package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Once ready, the testserver prints one line that says where everything is; it ends
// with its context and leaves no file behind.
func TestReadyLine(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"--seed", "7", "--provider-version", "0.14.0"}, writer, io.Discard) }()
	line, err := bufio.NewReader(reader).ReadBytes('\n')
	require.NoError(t, err)
	var ready map[string]any
	require.NoError(t, json.Unmarshal(line, &ready))
	for _, name := range []string{
		"provider", "hostUri", "rest", "grpc", "chainRpc", "lease", "services", "jwt", "expiredJwt",
		"clientCertFile", "clientKeyFile", "certSha256", "control",
	} {
		assert.NotEmpty(t, ready[name], name)
	}
	assert.NotContains(t, ready, "providers")
	_, err = os.Stat(ready["clientKeyFile"].(string))
	require.NoError(t, err)

	cancel()
	require.NoError(t, <-ended)
	_, err = os.Stat(ready["clientKeyFile"].(string))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// A command line that makes no sense is refused before anything is served.
func TestMalformedFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--fault", "flood"}, `unknown fault "flood"`},
		{[]string{"--lease-rpc", "grpc"}, "want aep37, none or sdk"},
		{[]string{"--log-lines", "-1"}, "log lines -1"},
		{[]string{"--providers", "-1"}, "providers -1"},
		{[]string{"serve"}, `unexpected argument "serve"`},
		{[]string{"--rest", "nowhere"}, "nowhere"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := run(ctx, c.args, io.Discard, io.Discard)
		assert.ErrorContains(t, err, c.want, c.args)
	}
}

// Help names every fault.
func TestHelp(t *testing.T) {
	var help bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"--help"}, io.Discard, &help))
	assert.Contains(t, help.String(), "chain-v1beta3")
	assert.Contains(t, help.String(), "slow-connect")
}
