package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	"akash-provider-web/testserver/fake"
)

var (
	everyLie = flag.Bool("every-lie", false, "tell each lie of a chain node in every setting, and print what came of it")
	onlyLie  = flag.String("lie", "", "with -every-lie, the only one to tell")
)

// setting is how the bridge is set up while a node lies.
type setting struct {
	name string
	// nodes is their number, and liar the one that lies, from 1 on.
	nodes, liar int
	rest        bool // over the REST API
	proof       bool
	// hijacked is set if the provider's name leads to the impostor, so that its certificate
	// is all that tells them apart.
	hijacked bool
}

// suffices reports whether the honest nodes are enough to serve users.
func (s setting) suffices(l fake.ChainLieInfo) bool {
	if l.Collusion && s.proof {
		return false // the chain itself has forked, and nothing is believed
	}
	return !s.hijacked && s.nodes > 1
}

// allSettings returns all settings.
func allSettings() []setting {
	var all []setting
	for _, s := range []setting{
		{name: "one liar of three", nodes: 3, liar: 1},
		{name: "one liar of three, asked last", nodes: 3, liar: 3},
		{name: "one liar of three, over REST", nodes: 3, liar: 1, rest: true},
		{name: "proof, the only node", nodes: 1, liar: 1, proof: true},
		{name: "proof, the first node", nodes: 2, liar: 1, proof: true},
		{name: "proof, the second node", nodes: 2, liar: 2, proof: true},
		{name: "proof, one liar of three", nodes: 3, liar: 1, proof: true},
	} {
		hijacked := s
		hijacked.hijacked = true
		hijacked.name += ", hijacked host"
		all = append(all, s, hijacked)
	}
	return all
}

// outcome is what came of a lie.
type outcome struct {
	lie     fake.ChainLieInfo
	setting setting
	visits  fake.Visits // at the impostor
	code    codes.Code
	reason  string
	trust   string
	took    time.Duration
}

// believed reports whether the impostor got credentials, or was called at all although the
// chain does not have its host.
func (o outcome) believed() bool {
	return o.visits.Tokens > 0 || !o.setting.hijacked && o.visits.Connections > 0
}

func (o outcome) served() bool { return o.code == codes.OK && o.visits.Connections == 0 }

func (o outcome) String() string {
	what := "refused: " + o.reason
	switch {
	case o.believed():
		what = fmt.Sprintf("BELIEVED: %+v", o.visits)
	case o.served():
		what = "served, " + o.trust
	case o.setting.suffices(o.lie):
		what = "NOT SERVED: " + o.reason
	}
	return fmt.Sprintf("%-30s %-44s %5.1f s  %s", o.lie.Name, o.setting.name, o.took.Seconds(), what)
}

// liars is how many fakes are lied with at a time.
const liars = 4

// A node of the chain that lies sends no token to the impostor, and stops nobody while the
// honest nodes are enough. With -every-lie each lie is told in every setting, else every
// sixth in one.
func TestLiesOfChainNodes(t *testing.T) {
	type run struct {
		lie     fake.ChainLieInfo
		setting setting
	}
	var runs []run
	all := allSettings()
	for i, lie := range fake.ChainLies() {
		if *onlyLie != "" && *onlyLie != string(lie.Name) {
			continue
		}
		for j, s := range all {
			// A light client with no other node must believe validators who collude.
			inherent := lie.Collusion && s.proof && s.nodes == 1
			if (*everyLie || i%6 == 0 && j == i/6%len(all)) && !inherent {
				runs = append(runs, run{lie, s})
			}
		}
	}
	todo := make(chan run)
	var mu sync.Mutex
	var outcomes []outcome
	var workers sync.WaitGroup
	for range liars {
		workers.Go(func() {
			// A chain whose record is hijacked is another one: a node may prove what was
			// so some seconds ago.
			servers := map[bool]*fake.Server{}
			for _, hijacked := range []bool{false, true} {
				server, err := fake.Start(context.Background(), fake.Options{
					LogLines: 10, Providers: 2, ChainNodes: 3, Impostor: true, ChainHistory: 60,
				})
				if !assert.NoError(t, err) {
					return
				}
				defer server.Close()
				if !assert.NoError(t, server.Hijack(hijacked)) {
					return
				}
				servers[hijacked] = server
			}
			for r := range todo {
				o := lie(t, servers[r.setting.hijacked], r.lie, r.setting)
				mu.Lock()
				outcomes = append(outcomes, o)
				mu.Unlock()
			}
		})
	}
	for _, r := range runs {
		todo <- r
	}
	close(todo)
	workers.Wait()
	report(t, outcomes)
}

// lie makes a node lie and a page call its provider with a token.
func lie(t *testing.T, server *fake.Server, l fake.ChainLieInfo, s setting) (o outcome) {
	ready := server.Ready()
	trust := blockToTrust(t, ready.ChainRPC)
	require.NoError(t, server.SetChainLie(s.liar, l.Name))
	before := impostorVisits(t, server)
	var args []string
	api := "--chain-rpc"
	if s.rest {
		api = "--chain-rest"
	}
	for _, node := range ready.ChainNodes[:s.nodes] {
		args = append(args, api, node.URL)
	}
	if s.proof {
		args = append(args, "--chain-trust", trust)
	}
	bridge := startProcess(t, append(args, "--allow-private-networks")...)
	header := http.Header{
		"Akash-Provider": {ready.Provider}, "Authorization": {"Bearer " + ready.JWT}, "Grpc-Timeout": {"20S"},
	}
	w := &world{process: bridge, fake: ready}
	begin := time.Now()
	stream, _, err := bridge.Call(context.Background(), pathLogs, header, &leasev1.ServiceLogsRequest{LeaseId: w.lease()})
	o = outcome{lie: l, setting: s, took: time.Since(begin), code: codes.Unknown}
	if assert.NoError(t, err, "%s, %s: %s", l.Name, s.name, bridge.stderr) {
		o.code, o.reason, o.trust = stream.Code(), stream.Message(), stream.Header.Get("Akash-Trust")
	}
	bridge.HTTP.CloseIdleConnections()
	bridge.end(t)
	require.NoError(t, server.SetChainLie(s.liar, ""))
	after := impostorVisits(t, server)
	o.visits = fake.Visits{
		Connections: after.Connections - before.Connections - knocks,
		Requests:    after.Requests - before.Requests,
		Tokens:      after.Tokens - before.Tokens,
	}
	return o
}

// knocks is how many connections impostorVisits makes itself.
const knocks = 2

// impostorVisits returns what has reached the impostor. It connects first, since the system may
// hold connections that were made before.
func impostorVisits(t *testing.T, server *fake.Server) fake.Visits {
	impostor := server.Ready().Impostor
	for _, address := range []string{impostor.REST, impostor.GRPC} {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		conn.Close()
	}
	v, err := server.Visits()
	require.NoError(t, err)
	return v
}

// blockToTrust returns one of the oldest blocks of an honest node, as --chain-trust wants it.
func blockToTrust(t *testing.T, node string) string {
	get := func(route string, result any) {
		response, err := http.Get(node + route)
		require.NoError(t, err)
		defer response.Body.Close()
		require.NoError(t, json.NewDecoder(response.Body).Decode(&struct{ Result any }{result}))
	}
	var status struct {
		SyncInfo struct {
			Height int64 `json:"earliest_block_height,string"`
		} `json:"sync_info"`
	}
	get("/status", &status)
	var commit struct {
		SignedHeader struct {
			Commit struct {
				BlockID struct{ Hash string } `json:"block_id"`
			}
		} `json:"signed_header"`
	}
	height := status.SyncInfo.Height + 1
	get(fmt.Sprintf("/commit?height=%d", height), &commit)
	return fmt.Sprintf("%d:%s", height, commit.SignedHeader.Commit.BlockID.Hash)
}

// report prints the outcomes, and fails where a lie was believed or stopped users for no
// reason.
func report(t *testing.T, outcomes []outcome) {
	t.Helper()
	slices.SortFunc(outcomes, func(a, b outcome) int { return strings.Compare(a.String(), b.String()) })
	var believed, served, sufficient int
	lies := map[fake.ChainLie]bool{}
	slowest := map[string]time.Duration{}
	for _, o := range outcomes {
		lies[o.lie.Name] = true
		if o.believed() {
			believed++
		}
		if o.setting.suffices(o.lie) {
			sufficient++
			if o.served() {
				served++
			}
		}
		slowest[o.setting.name] = max(slowest[o.setting.name], o.took)
		if *everyLie {
			fmt.Println(o)
		}
		assert.False(t, o.believed(), o)
		if o.setting.suffices(o.lie) {
			assert.True(t, o.served(), o)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(slowest)) {
		t.Logf("%-46s slowest call %.1f s", name, slowest[name].Seconds())
	}
	t.Logf("%d lies told in %d runs: %d believed; where honest nodes are enough, %d of %d calls were served",
		len(lies), len(outcomes), believed, served, sufficient)
}
