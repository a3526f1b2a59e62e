package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	"akash-provider-web/testserver/fake"
)

// asTestserver is the environment variable that makes the test binary run as testserver.
const asTestserver = "TEST_AS_TESTSERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asTestserver) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// When it is ready, the testserver prints one line with all addresses. It ends with its
// context and leaves no file behind.
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

// An invalid command line is refused before anything is served.
func TestMalformedFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--fault", "flood"}, `unknown fault "flood"`},
		{[]string{"--lease-rpc", "grpc"}, "want aep37, none, sdk or sdk-full"},
		{[]string{"--log-lines", "-1"}, "log lines -1"},
		{[]string{"--providers", "-1"}, "providers -1"},
		{[]string{"--replicas", "101"}, "replicas 101: want 0 to 100"},
		{[]string{"--chain-nodes", "-1"}, "chain nodes -1: want 1 to 100"},
		{[]string{"--chain-lie", "forged-host"}, "want NODE:LIE, such as 2:forged-host"},
		{[]string{"--chain-lie", "2:forged-host"}, "no chain node 2: want 1 to 1"},
		{[]string{"--chain-lie", "1:white"}, `unknown lie "white"; the lies are:`},
		{[]string{"serve"}, `unexpected argument "serve"`},
		{[]string{"--rest", "nowhere"}, "nowhere"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := run(ctx, c.args, io.Discard, io.Discard)
		assert.ErrorContains(t, err, c.want, c.args)
	}
}

// The ready line of a chain with several nodes says which one lies, and where lies lead.
func TestReadyLineOfALiar(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--chain-nodes", "2", "--chain-lie", "2:forged-host"}, writer, io.Discard)
	}()
	line, err := bufio.NewReader(reader).ReadBytes('\n')
	require.NoError(t, err)
	var ready fake.Ready
	require.NoError(t, json.Unmarshal(line, &ready))
	require.Len(t, ready.ChainNodes, 2)
	assert.Equal(t, ready.ChainRPC, ready.ChainNodes[0].URL)
	assert.Empty(t, ready.ChainNodes[0].Lie)
	assert.EqualValues(t, "forged-host", ready.ChainNodes[1].Lie)
	assert.Equal(t, ready.Provider, ready.Impostor.Provider)
	assert.NotEqual(t, ready.HostURI, ready.Impostor.HostURI)
	cancel()
	require.NoError(t, <-ended)
}

// Help names every fault and every lie.
func TestHelp(t *testing.T) {
	var help bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"--help"}, io.Discard, &help))
	assert.Contains(t, help.String(), "chain-v1beta3")
	assert.Contains(t, help.String(), "slow-connect")
	assert.Contains(t, help.String(), "signed-by-two-thirds")
}

// A testserver that is killed while a log is followed has every line that the follower
// received when it is started again.
func TestKilled(t *testing.T) {
	folder := t.TempDir()
	begin := func() (*exec.Cmd, fake.Ready) {
		program := exec.CommandContext(t.Context(), os.Args[0], "--state", folder, "--log-rate", "2000", "--log-chunk", "1")
		program.Env = append(os.Environ(), asTestserver+"=1")
		stdout, err := program.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, program.Start())
		line, err := bufio.NewReader(stdout).ReadBytes('\n')
		require.NoError(t, err)
		var ready fake.Ready
		require.NoError(t, json.Unmarshal(line, &ready))
		return program, ready
	}
	var before fake.Ready
	for round := range 3 {
		program, ready := begin()
		if round > 0 {
			assert.Equal(t, before.Endpoints, ready.Endpoints)
			assert.Equal(t, before.CertSHA256, ready.CertSHA256)
		}
		before = ready
		conn, err := grpc.NewClient(ready.GRPC, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})))
		require.NoError(t, err)
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+ready.JWT)
		stream, err := leasev1.NewLeaseRPCClient(conn).ServiceLogs(ctx, &leasev1.ServiceLogsRequest{
			LeaseId: &marketv1.LeaseID{
				Owner: ready.Lease.Owner, Dseq: ready.Lease.DSeq, Gseq: ready.Lease.GSeq, Oseq: ready.Lease.OSeq,
				Provider: ready.Lease.Provider,
			},
			Filter: &leasev1.ServiceFilter{Name: "db", Replicas: []uint32{1}},
			Follow: true,
		})
		require.NoError(t, err)
		var seen []byte
		for n := 0; ; n++ {
			message, err := stream.Recv()
			if n >= 100 && err != nil {
				break
			}
			require.NoError(t, err)
			for _, log := range message.GetServices() {
				seen = append(seen, log.GetLogs()...)
			}
			if n == 100 {
				require.NoError(t, program.Process.Kill())
			}
		}
		require.Error(t, program.Wait())
		require.NoError(t, conn.Close())

		again, ready := begin()
		response, err := http.Get(ready.Control + "/log?service=db&replica=1")
		require.NoError(t, err)
		log, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		http.DefaultClient.CloseIdleConnections()
		assert.True(t, bytes.HasPrefix(log, seen), "the log has not what was seen")
		require.NoError(t, again.Process.Kill())
		require.Error(t, again.Wait())
	}
}
