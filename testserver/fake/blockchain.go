package fake

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"sync"
	"time"

	providerv1beta4 "akash-provider-web/proto/akash/provider/v1beta4"
	"akash-provider-web/testserver/fake/comet"
)

const (
	// chainID is the name of Akash's main network.
	chainID = "akashnet-2"
	// blockTime is the time between blocks.
	blockTime = 6 * time.Second
	// startHeight is the height at the start.
	startHeight = 20_000_000
	// keptBlocks is the number of blocks, and states, that are kept besides those before
	// the start.
	keptBlocks = 600
	// maxCatchUp is the number of blocks made at once. A chain that nobody has asked for
	// longer has a pause in its past.
	maxCatchUp = 100
	// DefaultChainHistory is the default number of blocks before the start.
	DefaultChainHistory = 20
	maxChainHistory     = 10_000
)

// rotation is the number of blocks after which another validator is replaced.
const rotation = 5

// powers are the validators' powers. Some of them add up to exactly one third of all, and
// some to two thirds.
var powers = []int64{2_900_000, 1_700_000, 1_100_000, 900_000, 700_000, 600_000, 500_000, 300_000, 200_000, 100_000}

// blockchain makes the blocks of a ledger, when somebody asks: one every six seconds of
// the clock, and two at once when the ledger has changed, so that a change can be proven
// at the latest height but one without waiting.
type blockchain struct {
	id      string
	seed    uint64
	ledger  *ledger
	genesis time.Time
	history int
	kept    int // blocks from after the start
	// former is what the chain has of a provider in the first half of its past: another
	// host, and a certificate that is revoked from then on. nil is nothing.
	former *former
	// resume is the last block of the chain before a restart, and keep is told each new
	// last block; nil for a chain that nobody stores.
	resume *keptBlock
	keep   func(keptBlock)

	mu     sync.Mutex
	blocks []*block // without gaps
	sets   map[int64]comet.Validators
}

// block is a block with the state after it.
type block struct {
	comet.Block
	voted time.Time
	state *state
	proof *state // that proofs are about, in a lie; nil is state
}

func newBlockchain(seed uint64, l *ledger, genesis time.Time, history int) *blockchain {
	return &blockchain{id: chainID, seed: seed, ledger: l, genesis: genesis, history: history, kept: keptBlocks, sets: map[int64]comet.Validators{}}
}

// view is what the chain has at a time: the kept blocks.
type view struct {
	chain  *blockchain
	base   int64 // the height of the first block
	blocks []*block
	sets   func(height int64) comet.Validators // of a lie; nil is the chain's
}

// now makes the blocks that are due and returns the chain.
func (b *blockchain) now() view {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	var known *block
	if len(b.blocks) == 0 {
		b.begin()
	} else {
		known = b.last()
	}
	voted := b.last().voted
	if late := now.Sub(voted); late > maxCatchUp*blockTime {
		voted = now.Add(-maxCatchUp * blockTime)
	}
	for voted = voted.Add(blockTime); !voted.After(now); voted = voted.Add(blockTime) {
		b.append(voted, b.last().state.records, nil)
	}
	if b.ledger.changed() {
		r, changes := b.ledger.take()
		for range 2 {
			b.append(latest(now, b.last().voted.Add(time.Millisecond)), r, changes)
			changes = nil
		}
	}
	if b.keep != nil && b.last() != known {
		b.keep(b.last().kept())
	}
	if extra := len(b.blocks) - b.kept - b.history; extra > 0 {
		b.blocks = slices.Clone(b.blocks[extra:])
	}
	return view{chain: b, base: b.blocks[0].Header.Height, blocks: b.blocks}
}

// keptBlock is what has to be known of a block to make the one after it.
type keptBlock struct {
	Height   int64         `json:"height"`
	ID       comet.BlockID `json:"id"`
	Commit   []byte        `json:"commit"`
	App      []byte        `json:"app"`
	NextTime time.Time     `json:"nextTime"`
	Voted    time.Time     `json:"voted"`
}

func (b *block) kept() keptBlock {
	return keptBlock{
		Height: b.Header.Height, ID: b.Header.ID(), Commit: b.Commit.Hash(), App: b.state.app,
		NextTime: b.Commit.MedianTime(b.Validators), Voted: b.voted,
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (b *blockchain) last() *block { return b.blocks[len(b.blocks)-1] }

// begin makes the oldest block and those up to the start, or the block after the one to
// resume from.
func (b *blockchain) begin() {
	if k := b.resume; k != nil {
		r, changes := b.ledger.take()
		header := b.header(k.Height+1, k.NextTime, k.ID, k.Commit, k.App)
		voted := latest(k.Voted.Add(time.Millisecond), time.Now())
		b.add(header, nil, voted, newState(k.Height+1).next(k.Height+1, r, changes))
		b.append(voted.Add(time.Millisecond), r, nil) // which proves the state after it
		return
	}
	height := int64(startHeight - b.history)
	voted := b.genesis.Add(-time.Duration(b.history) * blockTime)
	r, changes := b.ledger.take()
	state := newState(height)
	header := b.header(height, voted.Add(-blockTime), comet.BlockID{
		Hash:  b.hash("block before", height),
		Parts: comet.PartSetHeader{Total: 1, Hash: b.hash("parts before", height)},
	}, b.hash("commit before", height), b.hash("state before", height))
	before, since := r, []change(nil)
	if b.former != nil {
		var then []change
		before, then, since = b.former.apply(r)
		changes = append(changes, then...)
	}
	b.add(header, nil, voted, state.next(height, before, changes))
	for i := range b.history {
		voted = voted.Add(blockTime)
		switch {
		case i < b.history/2:
			b.append(voted, before, nil)
		case i == b.history/2:
			b.append(voted, r, since)
		default:
			b.append(voted, r, nil)
		}
	}
}

// former is what a provider's records were once.
type former struct {
	provider    *providerv1beta4.Provider
	certificate chainCertificate
}

// apply returns the records of that time, the changes that lead to them, and those that
// lead back.
func (f *former) apply(now records) (then records, there, back []change) {
	then = now.clone()
	for _, p := range now.providers {
		if p.GetOwner() == f.provider.GetOwner() {
			back = append(back, providerChange(p))
		}
	}
	for _, c := range now.certificates {
		if compareCertificates(c, f.certificate) == 0 {
			back = append(back, certificateChanges(c)...)
		}
	}
	then.register(f.provider)
	then.publish(f.certificate)
	return then, append(certificateChanges(f.certificate), providerChange(f.provider)), back
}

// append makes the block after the last one.
func (b *blockchain) append(voted time.Time, r records, changes []change) {
	before := b.last()
	height := before.Header.Height + 1
	header := b.header(height, before.Commit.MedianTime(before.Validators), before.Header.ID(), before.Commit.Hash(), before.state.app)
	b.add(header, &before.Commit, voted, before.state.next(height, r, changes))
}

func (b *blockchain) add(h comet.Header, last *comet.Commit, voted time.Time, after *state) {
	set := b.validators(h.Height)
	made := &block{voted: voted, state: after}
	made.Block = comet.Block{
		Header:     h,
		LastCommit: last,
		Validators: set,
		Commit:     comet.Sign(&h, 0, set, honestVote(h.Height, len(set), voted)),
	}
	b.blocks = append(b.blocks, made)
}

// honestVote returns how the validators of a block vote: nearly all for it, a small one
// not at all, and sometimes another one, which was late, for none.
func honestVote(height int64, n int, voted time.Time) func(int, comet.Validator) comet.Vote {
	return func(i int, _ comet.Validator) comet.Vote {
		vote := comet.Vote{Flag: comet.FlagCommit, Time: voted.UTC().Add(time.Duration(i-n) * 11 * time.Microsecond)}
		switch {
		case i == n-1-int(height%3):
			vote.Flag = comet.FlagAbsent
		case i == n-4 && height%4 == 0:
			vote.Flag = comet.FlagNil
		}
		return vote
	}
}

// header returns a block's header.
func (b *blockchain) header(height int64, at time.Time, last comet.BlockID, commit, app []byte) comet.Header {
	set := b.validators(height)
	return comet.Header{
		ChainID:         b.id,
		Height:          height,
		Time:            at.UTC(),
		LastBlockID:     last,
		LastCommit:      commit,
		Data:            comet.Empty,
		Validators:      set.Hash(),
		NextValidators:  b.validators(height + 1).Hash(),
		Consensus:       b.hash("consensus parameters"),
		App:             app,
		LastResults:     comet.Empty,
		Evidence:        comet.Empty,
		ProposerAddress: set[set.Proposer(height)].Address(),
	}
}

func (b *blockchain) hash(labels ...any) []byte {
	sum := derive(b.seed, labels...)
	return sum[:]
}

// validators returns the validator set of a height, which depends on nothing else. Every
// few blocks another validator is replaced by one with the same power.
func (b *blockchain) validators(height int64) comet.Validators {
	epoch := height / rotation
	if set, ok := b.sets[epoch]; ok {
		return set
	}
	all := make([]comet.Validator, len(powers))
	for i, power := range powers {
		generation := (epoch + int64(i)) / int64(len(powers))
		secret := derive(b.seed, "validator", i, generation)
		all[i] = comet.Validator{Key: ed25519.NewKeyFromSeed(secret[:]), Power: power}
	}
	if len(b.sets) > 2*keptBlocks/rotation {
		clear(b.sets)
	}
	b.sets[epoch] = comet.NewValidators(all)
	return b.sets[epoch]
}

func (v view) first() int64 { return v.base }

func (v view) latest() *block { return v.blocks[len(v.blocks)-1] }

func (v view) height() int64 { return v.base + int64(len(v.blocks)) - 1 }

// block returns the block of a height, nil if there is none.
func (v view) block(height int64) *block {
	if height < v.first() || height > v.height() {
		return nil
	}
	return v.blocks[height-v.first()]
}

// validators returns the validator set of a height.
func (v view) validators(height int64) comet.Validators {
	if v.sets != nil {
		return v.sets(height)
	}
	v.chain.mu.Lock()
	defer v.chain.mu.Unlock()
	return v.chain.validators(height)
}

// heightError returns the error for a height that the chain does not have, in the words of
// CometBFT, which clients look for.
func (v view) heightError(height, latest int64) error {
	switch {
	case height <= 0:
		return fmt.Errorf("height must be greater than 0, but got %d", height)
	case height > latest:
		return fmt.Errorf("height %d must be less than or equal to the current blockchain height %d", height, latest)
	case height < v.first():
		return fmt.Errorf("height %d is not available, lowest height is %d", height, v.first())
	}
	return nil
}
