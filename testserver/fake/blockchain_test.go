package fake

import (
	"cmp"
	"crypto/ed25519"
	"math/big"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	certv1 "akash-provider-web/proto/akash/cert/v1"
	"akash-provider-web/testserver/fake/comet"
)

// newTestChain returns a chain of one provider with one certificate.
func newTestChain(t *testing.T) (*blockchain, account, *certificate) {
	t.Helper()
	l := newLedger()
	owner := newAccount(1, "provider")
	l.open(owner, true)
	l.register(providerRecord(owner.address, "https://provider.example.com:8443"))
	now := time.Now()
	c, err := newCertificate(certificateSpec{
		commonName: owner.address, key: certificateKey(1, "provider"), serial: big.NewInt(now.UnixNano()),
		notBefore: now, notAfter: now.Add(time.Hour),
	})
	require.NoError(t, err)
	l.publish(owner.address, c, certv1.State_valid)
	return newBlockchain(1, l, now, 20), owner, c
}

// Each block names the one before, has a commit that more than two thirds of the power
// have signed for it, and is not of the future.
func TestBlocksAreLinkedAndSigned(t *testing.T) {
	chain, _, _ := newTestChain(t)
	v := chain.now()
	require.EqualValues(t, startHeight, v.height())
	require.EqualValues(t, startHeight-20, v.first())
	sets := map[string]bool{}
	for i, b := range v.blocks {
		set := v.validators(b.Header.Height)
		sets[string(set.Hash())] = true
		assert.Equal(t, set.Hash(), b.Header.Validators)
		assert.Equal(t, v.validators(b.Header.Height+1).Hash(), b.Header.NextValidators)
		id := b.Header.ID()
		var signed int64
		for j, s := range b.Commit.Signatures {
			voted := &id
			switch s.Flag {
			case comet.FlagAbsent:
				continue
			case comet.FlagNil:
				voted = nil
			case comet.FlagCommit:
				signed += set[j].Power
			}
			message := comet.SignBytes(chainID, b.Header.Height, 0, voted, s.Time)
			require.True(t, ed25519.Verify(set[j].PublicKey(), message, s.Signature))
		}
		assert.Greater(t, 3*signed, 2*set.Power())
		if i == 0 {
			continue
		}
		before := v.blocks[i-1]
		assert.Equal(t, before.Header.Height+1, b.Header.Height)
		assert.Equal(t, before.Header.ID(), b.Header.LastBlockID)
		assert.Equal(t, before.Commit.Hash(), b.Header.LastCommit)
		assert.Equal(t, before.state.app, b.Header.App)
		assert.InDelta(t, blockTime, b.Header.Time.Sub(before.Header.Time), float64(time.Millisecond))
	}
	assert.Len(t, sets, 5, "a validator is replaced every few blocks")
	assert.False(t, v.latest().Header.Time.After(time.Now()))
}

// Blocks come with the clock, and at once when a record changes: then the latest header
// proves the change. The state before it remains.
func TestChangeIsProvenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain, owner, c := newTestChain(t)
		before := chain.now()
		assert.Equal(t, before.height(), chain.now().height())
		time.Sleep(2*blockTime + time.Second)
		assert.Equal(t, before.height()+2, chain.now().height())

		chain.ledger.publish(owner.address, c, certv1.State_revoked)
		v := chain.now()
		assert.Equal(t, before.height()+4, v.height())
		valid := certificateStoreKey(certv1.State_valid, owner.address, c.spec.serial)
		revoked := certificateStoreKey(certv1.State_revoked, owner.address, c.spec.serial)
		for _, at := range []struct {
			height     int64
			has, lacks []byte
		}{
			{v.height() - 1, revoked, valid},
			{v.height() - 2, valid, revoked},
		} {
			state, app := v.block(at.height).state, v.block(at.height+1).Header.App
			for _, key := range [][]byte{at.has, at.lacks} {
				entry, ok := state.tree(storeCert).Prove(key)
				require.True(t, ok)
				store := comet.ProveStore(state.roots(), storeCert)
				assert.Equal(t, app, store.Root())
				if slices.Equal(key, at.has) {
					assert.Equal(t, store.Value, entry.Exist.Root())
				} else {
					assert.Nil(t, entry.Exist)
					assert.Equal(t, store.Value, cmp.Or(entry.NonExist.Left, entry.NonExist.Right).Root())
				}
			}
		}
	})
}

// A chain that nobody has asked for does not make all blocks that it missed, and does not
// keep all that it has made.
func TestChainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain, _, _ := newTestChain(t)
		chain.kept = maxCatchUp
		before := chain.now()
		time.Sleep(24 * time.Hour)
		v := chain.now()
		assert.EqualValues(t, before.height()+maxCatchUp, v.height())
		assert.WithinDuration(t, time.Now(), v.latest().Header.Time, 2*blockTime)
		time.Sleep(maxCatchUp * blockTime / 2)
		v = chain.now()
		assert.Len(t, v.blocks, maxCatchUp+20)
		require.ErrorContains(t, v.heightError(startHeight, v.height()), "is not available, lowest height is")
	})
}
