package chain_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/rpcerror"
)

// A node of another chain, one that is out of step, and one whose clock or block is wrong
// are not asked, and the log says why, once.
func TestANodeThatIsOutOfStepIsNotAsked(t *testing.T) {
	for why, off := range map[string]*peer{
		`of the chain \"sandbox-2\", not of \"akashnet-2\"`: {chainID: "sandbox-2"},
		"its height is 985 and that of the others 1000":     {lag: 15},
		"its height is 9000 and that of the others 1000":    {lag: -8000, skew: -8000 * blockTime},
		"its latest block is 1h0m0s old":                    {skew: -time.Hour},
		"its latest block is 5m0s ahead of this machine's":  {skew: 5 * time.Minute},
	} {
		for name, chainID := range map[string]string{"configured": "akashnet-2", "learned": ""} {
			t.Run(why+" "+name, func(t *testing.T) {
				peers := map[string]*peer{"off": {chainID: off.chainID, lag: off.lag, skew: off.skew}}
				inFleet(t, chain.Options{Check: true, ChainID: chainID}, truth, "off b c", peers, func(t *testing.T, f *fleet) {
					f.Start()
					synctest.Wait()
					for range 3 {
						r, err := f.Provider(t.Context(), address)
						require.NoError(t, err)
						assert.EqualValues(t, "quorum=2/3", r.Trust)
						time.Sleep(10 * time.Minute)
					}
					assert.Zero(t, f.asked("off"))
					assert.Equal(t, 1, f.log.count("level=WARN", "left out", "node=https://off.example", why), f.log.text.String())
					assert.EqualValues(t, 2, f.metric("akash_bridge_chain_nodes_healthy", ""))
					require.NoError(t, f.Ready(t.Context()))

					f.set("off", func(p *peer) { *p = peer{chainID: "akashnet-2"} })
					time.Sleep(time.Minute)
					assert.Equal(t, 1, f.log.count("asked again", "off"))
					_, err := f.Certificate(t.Context(), address, "1")
					require.NoError(t, err)
					assert.Equal(t, 1, f.asked("off"))
				})
			})
		}
	}
}

// A node that reports a false height does not make the honest ones look wrong.
func TestAFalseHeightHarmsNobodyElse(t *testing.T) {
	for _, height := range []int64{1, 500, 5_000, 1 << 60} {
		inFleet(t, chain.Options{Check: true}, truth, "liar b c", map[string]*peer{"liar": {lag: firstHeight - height, skew: time.Duration(firstHeight-height) * blockTime}}, func(t *testing.T, f *fleet) {
			f.Start()
			synctest.Wait()
			r, err := f.Provider(t.Context(), address)
			require.NoError(t, err)
			assert.Equal(t, hostURI, r.HostURI)
			assert.Equal(t, 1, f.log.count("level=WARN"), f.log.text.String())
			assert.Equal(t, 1, f.log.count("level=WARN", "liar"))
		})
	}
}

// Nodes of two chains, and nobody says which is the right one: the error does.
func TestNodesOfTwoChains(t *testing.T) {
	peers := func() map[string]*peer { return map[string]*peer{"b": {chainID: "sandbox-2"}} }
	inFleet(t, chain.Options{Check: true}, truth, "a b", peers(), func(t *testing.T, f *fleet) {
		f.Start()
		synctest.Wait()
		_, err := f.Provider(t.Context(), address)
		e := errorOf(t, err)
		assert.Equal(t, rpcerror.ReasonChainUnavailable, e.Reason)
		assert.Contains(t, e.Error(), "set --chain-id")
		assert.ErrorContains(t, f.Ready(t.Context()), "set --chain-id")
		assert.Zero(t, f.asked("a")+f.asked("b"))
	})
	inFleet(t, chain.Options{Check: true, ChainID: "akashnet-2", Quorum: 1}, truth, "b a", peers(), func(t *testing.T, f *fleet) {
		f.Start()
		synctest.Wait()
		r, err := f.Provider(t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, chain.OneNode, r.Trust)
		assert.Zero(t, f.asked("b"))
	})
}

// The first call does not wait for the first check, but runs beside it, and does not
// believe a node that the check leaves out.
func TestTheFirstCallRunsBesideTheFirstCheck(t *testing.T) {
	slow := 200 * time.Millisecond
	// Two nodes of another chain, where the provider has another host.
	peers := map[string]*peer{"b": {delay: slow}, "c": {delay: slow}}
	for _, off := range []string{"off1", "off2"} {
		peers[off] = &peer{chainID: "sandbox-2", lie: otherHost, delay: slow}
	}
	inFleet(t, chain.Options{Check: true, ChainID: "akashnet-2"}, truth, "off1 off2 b c", peers, func(t *testing.T, f *fleet) {
		began := time.Now()
		r, err := f.Provider(t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, hostURI, r.HostURI)
		assert.Equal(t, 2*slow, time.Since(began), "two answers after the other two")
	})
	inFleet(t, chain.Options{Check: true, ChainID: "akashnet-2"}, truth, "b c off", map[string]*peer{"b": {delay: slow}, "c": {delay: slow}}, func(t *testing.T, f *fleet) {
		began := time.Now()
		_, err := f.Provider(t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, slow, time.Since(began))
	})
}

// Readiness needs as many healthy nodes as the quorum, and asks no more.
func TestReadinessNeedsAQuorum(t *testing.T) {
	inFleet(t, chain.Options{}, truth, "a b c", map[string]*peer{}, func(t *testing.T, f *fleet) {
		require.NoError(t, f.Ready(t.Context()))
		f.mu.Lock()
		assert.Equal(t, [3]int{1, 1, 0}, [3]int{f.peers["a"].checked, f.peers["b"].checked, f.peers["c"].checked})
		f.mu.Unlock()
		f.set("a", func(p *peer) { p.down = true })
		require.NoError(t, f.Ready(t.Context()))
		f.set("b", func(p *peer) { p.skew = -time.Hour })
		err := f.Ready(t.Context())
		for _, text := range []string{"1 of 3 chain nodes are ready, and 2 must agree", "https://a.example: connection refused", "https://b.example: left out, because its latest block is 1h0m0s old"} {
			assert.ErrorContains(t, err, text)
		}
		f.set("b", func(p *peer) { p.skew = 0 })
		require.NoError(t, f.Ready(t.Context()), "a node that has recovered is noticed at once")
	})
}

// A readiness check that the others have answered says nothing of a slow node.
func TestReadinessDoesNotMakeASlowNodeUnhealthy(t *testing.T) {
	peers := map[string]*peer{"slow": {delay: 2 * time.Second}}
	inFleet(t, chain.Options{Check: true}, truth, "slow b c", peers, func(t *testing.T, f *fleet) {
		f.Start()
		time.Sleep(5 * time.Second)
		assert.EqualValues(t, 3, f.metric("akash_bridge_chain_nodes_healthy", ""))
		require.NoError(t, f.Ready(t.Context()))
		synctest.Wait()
		assert.EqualValues(t, 3, f.metric("akash_bridge_chain_nodes_healthy", ""))
	})
}

// A chain that is being upgraded stands still for some minutes, and is still right.
func TestAChainThatPausesIsStillAsked(t *testing.T) {
	peers := map[string]*peer{}
	for _, name := range []string{"a", "b"} {
		peers[name] = &peer{skew: -12 * time.Minute}
	}
	inFleet(t, chain.Options{Check: true}, truth, "a b", peers, func(t *testing.T, f *fleet) {
		f.Start()
		synctest.Wait()
		_, err := f.Provider(t.Context(), address)
		require.NoError(t, err)
	})
}
