package trust

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the cases that the bridge's own tests verify")

// The cases in the testdata of the bridge's packages, which its tests verify without
// CometBFT and the SDK, are those that this module makes, with today's verdicts.
func TestFixtures(t *testing.T) {
	var questions []*question
	r := rand.New(rand.NewPCG(1, 5))
	g := generate(r, 6, 3, 1)
	for i, lie := range lies {
		for _, to := range []int{1, 2 + i%3} {
			q := &question{
				Name: lie.name, Trusted: rpcAnswer(t, g.blocks[0]), Next: rpcAnswer(t, lie.make(g, 0, to)),
				Period: 24 * time.Hour, Now: genesis.Add(time.Hour),
			}
			if lie.name == "a time ahead" {
				q.Now, q.Period = genesis.Add(100*24*time.Hour-10*time.Second), 200*24*time.Hour
			}
			ask(t, q)
			questions = append(questions, q)
		}
	}
	late := *questions[0]
	late.Name, late.Now = "honest, but the trusted header is too old", genesis.Add(24*time.Hour)
	ask(t, &late)
	compare(t, "../../bridge/chain/light/testdata/verdicts.json.gz", append(questions, &late))

	var claims []*claim
	r = rand.New(rand.NewPCG(1, 6))
	s := newState(t, r, 6, 30, 2)
	for _, tampering := range tamperings {
		for range 4 {
			store := s.stores[r.IntN(len(s.stores))].Name()
			c := s.query(t, len(s.hashes), store, s.anyKey(r, store))
			c.Name = tampering.name
			tampering.do(t, r, s, c)
			judge(t, c)
			claims = append(claims, c)
		}
	}
	compare(t, "../../bridge/chain/proof/testdata/verdicts.json.gz", claims)
}

func compare(t *testing.T, name string, cases any) {
	t.Helper()
	want, err := json.Marshal(cases)
	require.NoError(t, err)
	if *update {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		require.NoError(t, err)
		_, err = w.Write(want)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.NoError(t, os.WriteFile(name, packed.Bytes(), 0o644))
	}
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	require.NoError(t, err)
	got, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "%s is not what this module makes: run go test -run TestFixtures -update", name)
}
