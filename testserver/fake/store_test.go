package fake_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	"akash-provider-web/testserver/fake"
)

// A provider that is restarted with its folder has the same addresses, keys,
// certificates, chain records, replicas and logs.
func TestStateOutlivesTheProvider(t *testing.T) {
	folder := t.TempDir()
	options := fake.Options{Seed: 3, LogLines: 50, State: folder}
	first, err := fake.Start(t.Context(), options)
	require.NoError(t, err)
	before := first.Ready()
	c := browser(t)
	post := func(path string, body string) {
		response, text := fetch(t, c, http.MethodPost, before.Control+path, body)
		require.Equal(t, http.StatusOK, response.StatusCode, text)
	}
	post("/write?service=web&replica=1", "same\nsame\nno utf-8: \xff\n")
	post("/grow?service=web", "")
	post("/write?service=web&replica=3", "I am new\n")
	post("/end?service=db&replica=0", "")
	post("/certificate?kind=valid", "")
	_, logs := fetch(t, c, http.MethodGet, before.Control+"/logs", "")
	_, state := fetch(t, c, http.MethodGet, before.Control+"/state", "")
	var block signedHeader
	rpc(t, first, "/commit", &block)
	require.NoError(t, first.Close())
	c.CloseIdleConnections()

	// A line that was being written when the provider was killed was sent to nobody.
	log, err := os.OpenFile(filepath.Join(folder, "log.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = log.WriteString(`{"service":"web","replica":0,"gener`)
	require.NoError(t, err)
	require.NoError(t, log.Close())

	for range 2 {
		again, err := fake.Start(t.Context(), options)
		require.NoError(t, err)
		after := again.Ready()
		assert.Equal(t, before.Endpoints, after.Endpoints)
		assert.Equal(t, before.ChainRPC, after.ChainRPC)
		assert.Equal(t, before.Control, after.Control)
		assert.Equal(t, before.Lease, after.Lease)
		_, text := fetch(t, c, http.MethodGet, after.Control+"/logs", "")
		assert.JSONEq(t, logs, text)
		_, text = fetch(t, c, http.MethodGet, after.Control+"/state", "")
		assert.JSONEq(t, state, text)
		// The chain goes on after the last block that anybody has seen.
		known := block.SignedHeader.Commit.BlockID.Hash
		height, err := strconv.Atoi(block.SignedHeader.Header.Height)
		require.NoError(t, err)
		rpc(t, again, fmt.Sprintf("/commit?height=%d", height+1), &block)
		assert.Equal(t, known, block.SignedHeader.Header.LastBlockID.Hash)
		rpc(t, again, "/commit", &block)
		require.NoError(t, again.Close())
		c.CloseIdleConnections()
	}
}

// A client certificate is valid before and after a restart.
func TestStateKeepsClientCertificates(t *testing.T) {
	options := fake.Options{State: t.TempDir()}
	first, err := fake.Start(t.Context(), options)
	require.NoError(t, err)
	certificate, err := os.ReadFile(first.Ready().ClientCertFile)
	require.NoError(t, err)
	require.NoError(t, first.Close())

	again := start(t, options)
	same, err := os.ReadFile(again.Ready().ClientCertFile)
	require.NoError(t, err)
	assert.Equal(t, certificate, same)
}

// A folder of another provider is not changed.
func TestStateOfAnother(t *testing.T) {
	folder := t.TempDir()
	first, err := fake.Start(t.Context(), fake.Options{Seed: 1, State: folder})
	require.NoError(t, err)
	require.NoError(t, first.Close())
	_, err = fake.Start(context.Background(), fake.Options{Seed: 2, State: folder})
	require.ErrorContains(t, err, "is of seed 1, not 2")
	_, err = fake.Start(context.Background(), fake.Options{State: folder, Providers: 2})
	require.ErrorContains(t, err, "want one")
}

// The rate at which lines are written can be changed, including to 0.
func TestRate(t *testing.T) {
	s := start(t, fake.Options{LogRate: 1000})
	client := leasev1.NewLeaseRPCClient(dial(t, s))
	stream, err := client.ServiceLogs(authorized(t, s), &leasev1.ServiceLogsRequest{LeaseId: leaseID(s), Follow: true})
	require.NoError(t, err)
	lines := func() (n int64) {
		var logs []fake.Log
		control(t, s, http.MethodGet, "/logs", "", &logs)
		for _, log := range logs {
			n += log.Lines
		}
		return n
	}
	rate := func(n string) { control(t, s, http.MethodPost, "/rate?lines="+n, "", nil) }
	eventually(t, "lines at the first rate", func() bool { return lines() > 0 })
	rate("0")
	still := lines()
	_, err = stream.Recv()
	require.NoError(t, err)
	assert.Equal(t, still, lines())
	rate("500")
	eventually(t, "lines at the second rate", func() bool { return lines() > still })
	response, _ := fetch(t, browser(t), http.MethodPost, s.Ready().Control+"/rate?lines=-1", "")
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
}
