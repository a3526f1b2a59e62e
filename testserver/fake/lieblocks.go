package fake

import (
	"crypto/ed25519"
	"math"
	"slices"
	"sync"
	"time"

	"akash-provider-web/testserver/fake/comet"
)

// fork is a chain of forged blocks beside the true one, in which the forged records are
// the state.
type fork struct {
	// set is the validator set of the fork's blocks; nil is the true one.
	set func(l *liar, height int64, set comet.Validators) comet.Validators
	// header changes a header before it is signed.
	header func(l *liar, h *comet.Header)
	// sign signs a header.
	sign func(l *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit
	// after changes a block after it was signed.
	after func(l *liar, b, truth *block)
}

// forkDepth is the number of blocks before the start of a lie that the fork replaces.
const forkDepth = 4

// forger makes and keeps forged blocks.
type forger struct {
	liar *liar
	from int64 // the first height of the fork
	own  []comet.Validator

	mu     sync.Mutex
	states map[int64]*state
	blocks map[int64]*block
}

func newForger(l *liar, v view) *forger {
	f := &forger{
		liar: l, from: max(v.first()+1, v.height()-forkDepth),
		states: map[int64]*state{}, blocks: map[int64]*block{},
	}
	for i := range powers {
		secret := derive(v.chain.seed, "forger", i)
		f.own = append(f.own, comet.Validator{Key: ed25519.NewKeyFromSeed(secret[:]), Power: powers[i]})
	}
	return f
}

// view returns the blocks with forged records, and the fork if there is one.
func (f *forger) view(v view) view {
	f.mu.Lock()
	defer f.mu.Unlock()
	lied := view{chain: v.chain, base: v.base, blocks: make([]*block, len(v.blocks)), sets: v.sets}
	if fork := f.liar.fork; fork != nil && fork.set != nil {
		lied.sets = func(height int64) comet.Validators {
			set := v.validators(height)
			if height >= f.from {
				set = fork.set(f.liar, height, set)
			}
			return set
		}
	}
	for i, b := range v.blocks {
		lied.blocks[i] = f.block(v, lied, b)
	}
	return lied
}

// block returns the block that the liar has instead of a true one.
func (f *forger) block(v, lied view, truth *block) *block {
	height := truth.Header.Height
	if made, ok := f.blocks[height]; ok {
		return made
	}
	made := &block{}
	*made = *truth
	made.state = f.state(truth)
	if f.liar.fork == nil || height < f.from {
		made.proof = truth.state
	}
	if f.liar.fork != nil && height >= f.from {
		f.forge(v, lied, made, truth)
	}
	f.blocks[height] = made
	delete(f.blocks, height-2*keptBlocks)
	return made
}

// forge makes a block of the fork.
func (f *forger) forge(v, lied view, made, truth *block) {
	l, how := f.liar, f.liar.fork
	h := &made.Header
	if before := f.blocks[h.Height-1]; before != nil && h.Height > f.from {
		h.LastBlockID, h.LastCommit, h.App = before.Header.ID(), before.Commit.Hash(), before.state.app
		made.LastCommit = &before.Commit
	} else if before := v.block(h.Height - 1); before != nil {
		h.App = f.state(before).app
	}
	made.Validators = lied.validators(h.Height)
	if how.set != nil {
		h.Validators, h.NextValidators = made.Validators.Hash(), lied.validators(h.Height+1).Hash()
		h.ProposerAddress = made.Validators[made.Validators.Proposer(h.Height)].Address()
	}
	if how.header != nil {
		how.header(l, h)
	}
	made.Commit = how.sign(l, h, made.Validators, truth)
	if how.after != nil {
		how.after(l, made, truth)
	}
}

// state returns the state with the forgery after a true block.
func (f *forger) state(truth *block) *state {
	height := truth.Header.Height
	if made, ok := f.states[height]; ok {
		return made
	}
	made := truth.state
	if r, changes := f.liar.apply(truth.state.records); len(changes) > 0 {
		made = truth.state.next(height, r, changes)
	}
	f.states[height] = made
	delete(f.states, height-2*keptBlocks)
	return made
}

// signAll signs with all keys of the set as for a true block.
func signAll(_ *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
	return comet.Sign(h, 0, set, honestVote(h.Height, len(set), truth.voted))
}

// signShare returns a function that signs with part of the power, numerator of three. The
// others' votes have a flag.
func signShare(numerator int64, others comet.Flag) func(*liar, *comet.Header, comet.Validators, *block) comet.Commit {
	return func(_ *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
		members, ok := set.Subset(set.Power() * numerator / 3)
		if !ok {
			panic("no validators have this share of the power") // cannot happen with powers
		}
		return comet.Sign(h, 0, set, func(i int, _ comet.Validator) comet.Vote {
			vote := comet.Vote{Flag: others, Time: at(truth, i)}
			if members[i] {
				vote.Flag = comet.FlagCommit
			}
			return vote
		})
	}
}

func at(truth *block, i int) time.Time {
	return truth.voted.UTC().Add(time.Duration(i) * time.Microsecond)
}

// signWith signs with the keys of other validators, in the places of the set's.
func signWith(other func(l *liar, i int) ed25519.PrivateKey) func(*liar, *comet.Header, comet.Validators, *block) comet.Commit {
	return func(l *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
		c := signAll(l, h, set, truth)
		for i, s := range c.Signatures {
			if s.Flag == comet.FlagCommit {
				message := comet.SignBytes(h.ChainID, h.Height, c.Round, &c.BlockID, s.Time)
				c.Signatures[i].Signature = ed25519.Sign(other(l, i), message)
			}
		}
		return c
	}
}

// signAs signs what a header's fields are said to be.
func signAs(change func(l *liar, h *comet.Header, round *int32)) func(*liar, *comet.Header, comet.Validators, *block) comet.Commit {
	return func(l *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
		c := signAll(l, h, set, truth)
		said, round := *h, c.Round
		change(l, &said, &round)
		for i, s := range c.Signatures {
			if s.Flag == comet.FlagCommit {
				message := comet.SignBytes(said.ChainID, said.Height, round, &c.BlockID, s.Time)
				c.Signatures[i].Signature = ed25519.Sign(set[i].Key, message)
			}
		}
		return c
	}
}

// changed returns a function that signs truly and changes the signatures.
func changed(change func(c *comet.Commit, set comet.Validators, truth *block)) func(*liar, *comet.Header, comet.Validators, *block) comet.Commit {
	return func(l *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
		c := signAll(l, h, set, truth)
		change(&c, set, truth)
		return c
	}
}

// thirdOf leaves only the signatures of one third of the power.
func thirdOf(change func(c *comet.Commit, set comet.Validators, signed map[int]bool)) func(*liar, *comet.Header, comet.Validators, *block) comet.Commit {
	return func(l *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
		c := signShare(1, comet.FlagAbsent)(l, h, set, truth)
		members, _ := set.Subset(set.Power() / 3)
		change(&c, set, members)
		return c
	}
}

// blockLies have the forged records as the state of forged blocks, with valid proofs.
var blockLies = map[ChainLie]lie{
	"header-not-hashed": {
		text: "a header has the forged state, and the identifier and signatures of the true one", records: everything,
		fork: &fork{sign: func(_ *liar, _ *comet.Header, _ comet.Validators, truth *block) comet.Commit { return truth.Commit }},
	},
	"header-rehashed": {
		text: "a header has the forged state and its hash, and the signatures of the true one", records: everything,
		fork: &fork{sign: func(_ *liar, h *comet.Header, _ comet.Validators, truth *block) comet.Commit {
			c := truth.Commit
			c.BlockID = h.ID()
			return c
		}},
	},
	"header-unsigned": {
		text: "nobody has signed", records: everything,
		fork: &fork{sign: func(_ *liar, h *comet.Header, set comet.Validators, _ *block) comet.Commit {
			return comet.Sign(h, 0, set, func(int, comet.Validator) comet.Vote { return comet.Vote{Flag: comet.FlagAbsent} })
		}},
	},
	"commit-empty": {
		text: "a commit has no signatures", records: everything,
		fork: &fork{sign: changed(func(c *comet.Commit, _ comet.Validators, _ *block) { c.Signatures = nil })},
	},
	"commit-short": {
		text: "a commit has fewer signatures than there are validators", records: everything,
		fork: &fork{sign: changed(func(c *comet.Commit, _ comet.Validators, _ *block) { c.Signatures = c.Signatures[:1] })},
	},
	"commit-long": {
		text: "a commit has more signatures than there are validators", records: everything,
		fork: &fork{sign: signWithMore},
	},
	"signed-by-strangers": {
		text: "keys that nobody knows have signed, in the validators' names", records: everything,
		fork: &fork{sign: signWith(func(l *liar, i int) ed25519.PrivateKey { return l.forger.own[i].Key })},
	},
	"signed-by-one": {
		text: "one validator has signed for all", records: everything,
		fork: &fork{sign: signWith(func(l *liar, _ int) ed25519.PrivateKey { return l.node.chain.now().validators(l.since)[0].Key })},
	},
	"signed-by-third":      {text: "one third of the power has signed", records: everything, fork: &fork{sign: signShare(1, comet.FlagAbsent)}},
	"signed-by-two-thirds": {text: "exactly two thirds of the power have signed", records: everything, fork: &fork{sign: signShare(2, comet.FlagAbsent)}},
	"nil-votes": {
		text: "exactly two thirds of the power have signed, and the others voted for no block", records: everything,
		fork: &fork{sign: signShare(2, comet.FlagNil)},
	},
	"nil-votes-as-commit": {
		text: "votes for no block have the flag of votes for it", records: everything,
		fork: &fork{sign: func(_ *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
			c := comet.Sign(h, 0, set, func(i int, _ comet.Validator) comet.Vote { return comet.Vote{Flag: comet.FlagNil, Time: at(truth, i)} })
			for i := range c.Signatures {
				c.Signatures[i].Flag = comet.FlagCommit
			}
			return c
		}},
	},
	"all-nil": {
		text: "all validators voted for no block", records: everything,
		fork: &fork{sign: func(_ *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
			return comet.Sign(h, 0, set, func(i int, _ comet.Validator) comet.Vote { return comet.Vote{Flag: comet.FlagNil, Time: at(truth, i)} })
		}},
	},
	"unknown-flags": {
		text: "signatures have flags that do not exist", records: everything,
		fork: &fork{sign: changed(func(c *comet.Commit, _ comet.Validators, _ *block) {
			for i := range c.Signatures {
				c.Signatures[i].Flag = 9
			}
		})},
	},
	"absent-with-signature": {
		text: "absent votes have signatures of strangers", records: everything,
		fork: &fork{sign: changed(func(c *comet.Commit, _ comet.Validators, _ *block) {
			for i := range c.Signatures {
				c.Signatures[i].Flag = comet.FlagAbsent
			}
		})},
	},
	"duplicate-signatures": {
		text: "one third of the power has signed, many times", records: everything,
		fork: &fork{sign: thirdOf(func(c *comet.Commit, _ comet.Validators, signed map[int]bool) {
			var copied []comet.Signature
			for i := range signed {
				copied = append(copied, c.Signatures[i])
			}
			for i := range c.Signatures {
				if !signed[i] {
					c.Signatures[i] = copied[i%len(copied)]
				}
			}
		})},
	},
	"signatures-in-others-names": {
		text: "the signatures of one third of the power are repeated in the names of the others", records: everything,
		fork: &fork{sign: thirdOf(func(c *comet.Commit, set comet.Validators, signed map[int]bool) {
			var copied []comet.Signature
			for i := range signed {
				copied = append(copied, c.Signatures[i])
			}
			for i, v := range set {
				if !signed[i] {
					c.Signatures[i] = copied[i%len(copied)]
					c.Signatures[i].Address = v.Address()
				}
			}
		})},
	},
	"signatures-of-other-height": {
		text: "the signatures are those of another height", records: everything,
		fork: &fork{sign: signAs(func(_ *liar, h *comet.Header, _ *int32) { h.Height-- })},
	},
	"signatures-of-other-round": {
		text: "the signatures are those of another round", records: everything,
		fork: &fork{sign: signAs(func(_ *liar, _ *comet.Header, round *int32) { *round++ })},
	},
	"signatures-of-other-chain": {
		text: "the signatures are for another chain", records: everything,
		fork: &fork{sign: signAs(func(_ *liar, h *comet.Header, _ *int32) { h.ChainID = "sandbox-01" })},
	},
	"signatures-of-other-time": {
		text: "the signatures' times are not those that were signed", records: everything,
		fork: &fork{sign: changed(func(c *comet.Commit, _ comet.Validators, _ *block) {
			for i := range c.Signatures {
				c.Signatures[i].Time = c.Signatures[i].Time.Add(time.Second)
			}
		})},
	},
	"signatures-truncated": {
		text: "signatures are half as long", records: everything,
		fork: &fork{sign: changed(func(c *comet.Commit, _ comet.Validators, _ *block) {
			for i, s := range c.Signatures {
				c.Signatures[i].Signature = s.Signature[:len(s.Signature)/2]
			}
		})},
	},
	"signatures-empty": {
		text: "votes for the block have no signatures", records: everything,
		fork: &fork{sign: changed(func(c *comet.Commit, _ comet.Validators, _ *block) {
			for i := range c.Signatures {
				c.Signatures[i].Signature = nil
			}
		})},
	},
	"signatures-zero": {
		text: "signatures are all zeros", records: everything,
		fork: &fork{sign: changed(func(c *comet.Commit, _ comet.Validators, _ *block) {
			for i := range c.Signatures {
				c.Signatures[i].Signature = make([]byte, ed25519.SignatureSize)
			}
		})},
	},
	"commit-of-other-height": {
		text: "a commit says that it is of another height", records: everything,
		fork: &fork{sign: changed(func(c *comet.Commit, _ comet.Validators, _ *block) { c.Height++ })},
	},
	"header-of-other-height": {
		text: "headers are those of seven blocks before the ones that were asked for", records: everything,
		blocks: func(_ *liar, v view) view {
			shifted := v
			shifted.blocks = slices.Clone(v.blocks)
			for i := len(v.blocks) - 1; i >= 7; i-- {
				before := *v.blocks[i-7]
				before.state, before.proof = v.blocks[i].state, v.blocks[i].proof
				shifted.blocks[i] = &before
			}
			return shifted
		},
	},
	"header-of-other-chain": {
		text: "headers are of another chain that has the same validators", records: everything,
		fork: &fork{header: func(_ *liar, h *comet.Header) { h.ChainID = "sandbox-01" }, sign: signAll},
	},
	"header-changed-after": {
		text: "a header's state is changed after all have signed the true one", records: everything,
		fork: &fork{
			sign: func(_ *liar, _ *comet.Header, _ comet.Validators, truth *block) comet.Commit { return truth.Commit },
			after: func(_ *liar, b, truth *block) {
				app := b.Header.App
				b.Header = truth.Header
				b.Header.App = app
			},
		},
	},
	"clock-ahead": {
		text: "headers are of an hour from now, and all have signed them", records: everything, collusion: true,
		fork: &fork{header: func(_ *liar, h *comet.Header) { h.Time = h.Time.Add(time.Hour) }, sign: signAll},
	},
	"clock-behind": {
		text: "headers are of an hour ago, and all have signed them", records: everything, collusion: true,
		fork: &fork{header: func(_ *liar, h *comet.Header) { h.Time = h.Time.Add(-time.Hour) }, sign: signAll},
	},
	"equivocation": {
		text: "all validators have signed the forged blocks, too", records: everything, collusion: true,
		fork: &fork{sign: signAll},
	},
	"height-frozen": {
		text:    "the latest block is one of the oldest, when the provider was at the impostor's host and the stolen certificate was valid",
		records: forgery{stolen: true},
		blocks: func(l *liar, v view) view {
			old := l.node.chain.now()
			old.blocks = old.blocks[:min(oldest+1, len(old.blocks))]
			return old
		},
	},
	"height-far-ahead": {
		text: "heights are a million higher than they are", records: everything,
		fork: &fork{
			header: func(_ *liar, h *comet.Header) { h.Height += aheadBy },
			sign: func(_ *liar, h *comet.Header, _ comet.Validators, truth *block) comet.Commit {
				c := truth.Commit
				c.Height, c.BlockID = h.Height, h.ID()
				return c
			},
		},
		blocks: func(_ *liar, v view) view {
			v.base += aheadBy
			return v
		},
	},
}

// oldest is the position of the block that lies about old states use.
const oldest = 2

// aheadBy is how far the heights of height-far-ahead are ahead.
const aheadBy = 1_000_000

// signWithMore signs with the set and many strangers.
func signWithMore(l *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
	all := slices.Concat(set, l.forger.own, l.forger.own, l.forger.own)
	c := comet.Sign(h, 0, all, func(i int, _ comet.Validator) comet.Vote {
		vote := comet.Vote{Flag: comet.FlagCommit, Time: at(truth, i)}
		if i < len(set) {
			vote.Flag = comet.FlagAbsent
		}
		return vote
	})
	return c
}

// setLies forge the validator set.
var setLies = map[ChainLie]lie{
	"set-swapped": {
		text: "the validators are the forger's own, and all have signed", records: everything,
		fork: &fork{sign: signAll, set: ownSet},
	},
	"set-swapped-and-named": {
		text: "a header with the true signatures names the forger's own validators as the next, who sign from then on", records: everything,
		fork: &fork{
			set: func(l *liar, height int64, set comet.Validators) comet.Validators {
				if height == l.forger.from {
					return set
				}
				return ownSet(l, height, set)
			},
			sign: func(l *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
				if h.Height == l.forger.from {
					c := truth.Commit
					c.BlockID = h.ID()
					return c
				}
				return signAll(l, h, set, truth)
			},
		},
	},
	"set-shown-swapped": {
		text: "the forger's own validators have signed, and headers name the true ones", records: everything,
		fork: &fork{set: ownSet, sign: signAll, header: func(l *liar, h *comet.Header) {
			h.Validators = l.node.chain.now().validators(h.Height).Hash()
		}},
	},
	"set-third-and-strangers": {
		text: "the set is one third of the power and strangers, and all have signed", records: everything,
		fork: &fork{sign: signAll, set: func(l *liar, _ int64, set comet.Validators) comet.Validators {
			members, _ := set.Subset(set.Power() / 3)
			all := slices.Clone(l.forger.own)
			for i := range members {
				all = append(all, set[i])
			}
			return comet.NewValidators(all)
		}},
	},
	"set-former": {
		text: "the validators of long ago, who have left, have signed for themselves", records: everything, collusion: true,
		fork: &fork{sign: signAll, set: func(l *liar, _ int64, _ comet.Validators) comet.Validators {
			v := l.node.chain.now()
			return v.validators(v.first())
		}},
	},
	"set-empty": {
		text: "there are no validators", records: everything,
		fork: &fork{sign: signAll},
		result: func(_ *liar, method string, result map[string]any) {
			if method == "validators" {
				result["validators"], result["count"], result["total"] = []any{}, "0", "0"
			}
		},
	},
	"set-of-duplicates": {
		text: "the set is one true validator, ten times", records: everything,
		fork: &fork{sign: signAll, set: func(_ *liar, _ int64, set comet.Validators) comet.Validators {
			return slices.Repeat(set[:1], len(set))
		}},
	},
	"powers-inflated": {
		text: "one third of the power has signed, and is given as more than it has", records: everything,
		fork: &fork{sign: signShare(1, comet.FlagAbsent)}, result: repower(func(signed bool, power int64) int64 {
			if signed {
				return 100 * power
			}
			return power
		}),
	},
	"powers-inflated-and-hashed": {
		text: "one third of the power has signed, and headers name a set in which it has more", records: everything,
		fork: &fork{
			set: func(_ *liar, _ int64, set comet.Validators) comet.Validators {
				members, _ := set.Subset(set.Power() / 3)
				all := slices.Clone(set)
				for i := range members {
					all[i].Power *= 100
				}
				return all
			},
			sign: func(_ *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
				return comet.Sign(h, 0, set, func(i int, v comet.Validator) comet.Vote {
					vote := comet.Vote{Flag: comet.FlagAbsent}
					if v.Power > 50*powers[len(powers)-1] && v.Power%100 == 0 {
						vote = comet.Vote{Flag: comet.FlagCommit, Time: at(truth, i)}
					}
					return vote
				})
			},
		},
	},
	"powers-negative": {
		text: "those who have not signed have negative power", records: everything,
		fork: &fork{sign: signShare(1, comet.FlagAbsent)}, result: repower(func(signed bool, power int64) int64 {
			if signed {
				return power
			}
			return -power
		}),
	},
	"powers-negative-and-hashed": {
		text: "headers name a set in which those who have not signed have negative power", records: everything,
		fork: &fork{set: scaled(-1), sign: signFirst},
	},
	"powers-zero": {
		text: "headers name a set in which those who have not signed have no power", records: everything,
		fork: &fork{set: scaled(0), sign: signFirst},
	},
	"powers-overflow": {
		text: "headers name a set whose power overflows 64 bits", records: everything,
		fork: &fork{
			set: func(_ *liar, _ int64, set comet.Validators) comet.Validators {
				all := slices.Clone(set)
				for i := range all {
					all[i].Power = math.MaxInt64
				}
				return all
			},
			sign: signFirst,
		},
	},
	"addresses-swapped": {
		text: "validators have the addresses of others", records: everything,
		fork: &fork{sign: signShare(1, comet.FlagAbsent)},
		result: func(_ *liar, method string, result map[string]any) {
			if all, ok := result["validators"].([]any); ok && method == "validators" {
				for _, v := range all[1:] {
					v.(map[string]any)["address"] = all[0].(map[string]any)["address"]
				}
			}
		},
	},
	"keys-of-other-type": {
		text: "validators have keys of another type, and no one has signed with them", records: everything,
		fork: &fork{sign: signShare(1, comet.FlagCommit)},
		result: func(_ *liar, method string, result map[string]any) {
			if all, ok := result["validators"].([]any); ok && method == "validators" {
				for _, v := range all {
					v.(map[string]any)["pub_key"] = map[string]any{"type": "tendermint/PubKeySecp256k1", "value": make([]byte, 33)}
				}
			}
		},
	},
	"set-without-end": {
		text: "there are a million validators, on pages without end", records: everything,
		result: func(_ *liar, method string, result map[string]any) {
			if method == "validators" {
				result["total"] = "1000000"
			}
		},
	},
	"set-never-complete": {
		text: "one validator more is promised than there are", records: everything,
		result: func(_ *liar, method string, result map[string]any) {
			if method == "validators" {
				result["total"] = addTo(result["total"], 1)
			}
		},
	},
	"set-huge": {
		text: "a page has fifty thousand validators", records: everything,
		result: func(_ *liar, method string, result map[string]any) {
			if all, ok := result["validators"].([]any); ok && method == "validators" {
				result["validators"] = slices.Repeat(all, 50_000/max(1, len(all)))
				result["count"], result["total"] = "50000", "50000"
			}
		},
	},
}

func ownSet(l *liar, _ int64, _ comet.Validators) comet.Validators {
	return comet.NewValidators(l.forger.own)
}

// scaled returns a set in which all but the first have their power times a factor.
func scaled(factor int64) func(*liar, int64, comet.Validators) comet.Validators {
	return func(_ *liar, _ int64, set comet.Validators) comet.Validators {
		all := slices.Clone(set)
		for i := range all[1:] {
			all[i+1].Power *= factor
		}
		return all
	}
}

// signFirst signs with the first validator only.
func signFirst(_ *liar, h *comet.Header, set comet.Validators, truth *block) comet.Commit {
	return comet.Sign(h, 0, set, func(i int, _ comet.Validator) comet.Vote {
		if i > 0 {
			return comet.Vote{Flag: comet.FlagAbsent}
		}
		return comet.Vote{Flag: comet.FlagCommit, Time: at(truth, i)}
	})
}

// repower changes the powers that are shown.
func repower(change func(signed bool, power int64) int64) func(*liar, string, map[string]any) {
	return func(l *liar, method string, result map[string]any) {
		all, ok := result["validators"].([]any)
		if !ok || method != "validators" {
			return
		}
		set := l.node.chain.now().validators(l.since)
		members, _ := set.Subset(set.Power() / 3)
		for i, v := range all {
			if i < len(set) {
				v.(map[string]any)["voting_power"] = comet.Int(change(members[i], set[i].Power))
			}
		}
	}
}
