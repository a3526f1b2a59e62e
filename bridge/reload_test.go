package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/limit"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	"akash-provider-web/testserver/fake"
)

// writeConfig writes a file of settings, and replaces the one that was there as a whole,
// like Kubernetes.
func writeConfig(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}

// reload asks the bridge to read its settings again, and waits until its log says more often
// than before what came of it.
func (p *process) reload(t *testing.T, outcome string) {
	t.Helper()
	before := strings.Count(p.stderr.String(), outcome)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	require.Eventually(t, func() bool { return strings.Count(p.stderr.String(), outcome) > before }, 10*time.Second, 5*time.Millisecond, "%s", p.stderr)
}

// mayCall reports whether pages of an origin may call.
func (p *process) mayCall(t *testing.T, origin string) bool {
	t.Helper()
	request, err := http.NewRequest("GET", p.URL+"/healthz", nil)
	require.NoError(t, err)
	request.Header.Set("Origin", origin)
	response, err := p.HTTP.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	return response.Header.Get("Access-Control-Allow-Origin") == origin
}

const (
	applied = "the settings were reloaded"
	refused = "the changed settings cannot be used"
)

// An operator adds an origin, makes a mistake, and moves to another chain node, while a page
// follows a log. The page does not notice.
func TestSettingsAreReloadedWithoutDroppingAStream(t *testing.T) {
	server := startFake(t, fake.Options{LogRate: 50})
	other := startFake(t, fake.Options{Seed: 2}) // another chain, with another provider
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	base := "allow-private-networks: true\nchain-rpc: [" + server.Ready().ChainRPC + "]\n"
	writeConfig(t, file, base)
	w := &world{process: start(t, "--config", file), fake: server.Ready()}
	logs, err := w.Open(t.Context(), pathLogs, w.to("Authorization", "Bearer "+w.fake.JWT), &leasev1.ServiceLogsRequest{LeaseId: w.lease(), Follow: true})
	require.NoError(t, err)
	next := func() {
		t.Helper()
		_, err := logs.Next()
		require.NoError(t, err)
	}
	next()

	assert.True(t, w.mayCall(t, "http://localhost:1"))
	writeConfig(t, file, base+"allow-origin:\n  - https://a.example\n  - https://*.b.example\n")
	w.reload(t, applied)
	assert.True(t, w.mayCall(t, "https://a.example"))
	assert.True(t, w.mayCall(t, "https://x.b.example"))
	assert.False(t, w.mayCall(t, "http://localhost:1"))
	next()

	writeConfig(t, file, base+"allow-origin: [https://c.example]\nmax-streams: none\n")
	w.reload(t, refused)
	assert.Contains(t, w.stderr.String(), file+`:4: max-streams: \"none\": want a whole number`)
	assert.True(t, w.mayCall(t, "https://a.example"), "nothing of a file with a mistake applies")
	assert.False(t, w.mayCall(t, "https://c.example"))
	next()

	writeConfig(t, file, base+"max-streams: 1\nlisten: 127.0.0.1:1\nlog-format: json\n")
	w.reload(t, applied)
	assert.Contains(t, w.stderr.String(), `a restart; until then their old values apply" settings=log-format`, "the command line overrides listen")
	call := func(provider string) codes.Code {
		status, _, err := w.Call(t.Context(), pathGetStatus, http.Header{"Akash-Provider": {provider}}, &emptypb.Empty{})
		require.NoError(t, err)
		return status.Code()
	}
	assert.Equal(t, codes.ResourceExhausted, call(w.fake.Provider), "the stream is the only call that may be open")
	next()

	elsewhere := other.Ready()
	writeConfig(t, file, base)
	w.reload(t, applied)
	assert.Equal(t, codes.NotFound, call(elsewhere.Provider))
	writeConfig(t, file, "allow-private-networks: true\nchain-rpc: ["+elsewhere.ChainRPC+"]\n")
	w.reload(t, applied)
	assert.Equal(t, codes.OK, call(elsewhere.Provider))
	next()

	_, metrics := w.get(t, "/metrics")
	assert.Contains(t, metrics, `akash_bridge_config_reloads_total{outcome="applied"} 4`)
	assert.Contains(t, metrics, `akash_bridge_config_reloads_total{outcome="refused"} 1`)
}

// An operator replaces a key that has leaked.
func TestKeysOfCallersCanBeReplaced(t *testing.T) {
	const first, second = "0123456789abcdef", "fedcba9876543210"
	server := startFake(t, fake.Options{})
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	base := "allow-private-networks: true\nchain-rpc: [" + server.Ready().ChainRPC + "]\n"
	writeConfig(t, file, base+"caller-key: ["+first+"]\n")
	w := &world{process: start(t, "--config", file), fake: server.Ready()}
	call := func(key string) codes.Code {
		status, _, err := w.Call(t.Context(), pathGetStatus, w.to("Akash-Bridge-Key", key), &emptypb.Empty{})
		require.NoError(t, err)
		return status.Code()
	}
	assert.Equal(t, codes.OK, call(first))
	assert.Equal(t, codes.PermissionDenied, call(second))

	writeConfig(t, file, base+"caller-key: ["+second+"]\n")
	w.reload(t, applied)
	assert.Equal(t, codes.PermissionDenied, call(first))
	assert.Equal(t, codes.OK, call(second))

	writeConfig(t, file, base+"allow-origin: ['*']\n")
	w.reload(t, refused)
	assert.Equal(t, codes.PermissionDenied, call(first), "a file that lost its keys does not open the bridge")
	assert.Equal(t, codes.OK, call(second))
	assert.False(t, w.mayCall(t, "https://a.example"), "and nothing else of it applies")
	assert.NotContains(t, w.stderr.String(), second)
}

// SIGHUP is what closes a terminal, and ends programs that do not handle it.
func TestSIGHUPWithoutAFileReloadsTheCertificate(t *testing.T) {
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	writeCertificate(t, "localhost", certFile, keyFile)
	p := start(t, "--tls-cert", certFile, "--tls-key", keyFile)
	writeCertificate(t, "bridge.example", certFile, keyFile)
	p.reload(t, "the certificate was reloaded")
}

// A config map of Kubernetes is a link to a link, of which the second one is replaced.
func TestAFileThatChangesIsReloaded(t *testing.T) {
	dir := t.TempDir()
	version := func(name, text string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		writeConfig(t, filepath.Join(dir, name, "bridge.yaml"), text)
		require.NoError(t, os.Symlink(name, filepath.Join(dir, "..data.new")))
		require.NoError(t, os.Rename(filepath.Join(dir, "..data.new"), filepath.Join(dir, "..data")))
	}
	version("1", "max-streams: 1\n")
	file := filepath.Join(dir, "bridge.yaml")
	require.NoError(t, os.Symlink("..data/bridge.yaml", file))

	reread := func() (*config, error) { return parseConfig([]string{"--config", file}, nil, io.Discard) }
	c, err := reread()
	require.NoError(t, err)
	var logged bytes.Buffer
	s, err := newServer(t.Context(), c, dependencies{}, slog.New(slog.NewTextHandler(&logged, nil)))
	require.NoError(t, err)
	defer s.statuses.Close()
	s.reread = reread
	r := s.startReloads(nil)
	r.stop() // the test polls
	r.poll()
	assert.Empty(t, logged.String(), "nothing has changed")

	version("2", "max-streams: 2\n")
	r.poll()
	assert.Contains(t, logged.String(), `msg="the settings were reloaded" changed=max-streams`)
	for range 2 {
		call, err := s.limits.Admit(limit.Caller{})
		require.NoError(t, err, "the new limit applies")
		defer call.Release()
	}

	logged.Reset()
	require.NoError(t, os.Remove(filepath.Join(dir, "..data")))
	r.poll()
	assert.Empty(t, logged.String(), "a file that is being replaced is no change")
	version("3", "max-streams: x\n")
	r.poll()
	r.poll()
	assert.Equal(t, 1, strings.Count(logged.String(), refused), "a mistake is reported once")
}
