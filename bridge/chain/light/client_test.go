package light

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testChain = "test-1"
	blockTime = 6 * time.Second
)

// testValidators is a set whose member i has the key of number first+i.
func testValidators(first, n int) ([]Validator, map[string]ed25519.PrivateKey) {
	var all []Validator
	keys := map[string]ed25519.PrivateKey{}
	for i := range n {
		seed := sha256.Sum256(fmt.Append(nil, first+i))
		key := ed25519.NewKeyFromSeed(seed[:])
		public := key.Public().(ed25519.PublicKey)
		address := sha256.Sum256(public)
		all = append(all, Validator{address[:addressSize], PubKey{keyEd25519, public}, 10})
		keys[string(address[:addressSize])] = key
	}
	return all, keys
}

// testBlocks are the blocks of a chain of four validators, one of which is replaced
// every `every` blocks. A name makes the app hashes differ.
type testBlocks struct {
	began time.Time
	every int
	name  string
}

// set returns the validators of a height.
func (c testBlocks) set(height int64) ([]Validator, map[string]ed25519.PrivateKey) {
	return testValidators(int(height)/c.every, 4)
}

func (c testBlocks) time(height int64) time.Time {
	return c.began.Add(time.Duration(height) * blockTime).UTC()
}

// made are the headers that tests have made, since signatures take long under the race
// detector.
var made sync.Map

// signedHeader returns the header of a height and its commit, which the caller may change.
func (c testBlocks) signedHeader(height int64) *SignedHeader {
	type key struct {
		testBlocks
		height int64
	}
	known, ok := made.Load(key{c, height})
	if !ok {
		known, _ = made.LoadOrStore(key{c, height}, c.makeHeader(height))
	}
	signed := *known.(*SignedHeader)
	signed.Commit.Signatures = slices.Clone(signed.Commit.Signatures)
	return &signed
}

func (c testBlocks) makeHeader(height int64) *SignedHeader {
	validators, keys := c.set(height)
	set, err := NewValidatorSet(validators)
	next, _ := c.set(height + 1)
	nextSet, nextErr := NewValidatorSet(next)
	if err := errors.Join(err, nextErr); err != nil {
		panic(err)
	}
	app := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(c.name), uint64(height)))
	h := Header{
		Version: Version{Block: blockProtocol}, ChainID: testChain, Height: height, Time: c.time(height),
		ValidatorsHash: set.Hash(), NextValidatorsHash: nextSet.Hash(), AppHash: app[:], ProposerAddress: validators[0].Address,
	}
	return sign(h, set, keys)
}

// sign has all validators sign a header.
func sign(h Header, set *ValidatorSet, keys map[string]ed25519.PrivateKey) *SignedHeader {
	parts := sha256.Sum256(h.Hash())
	c := Commit{Height: h.Height, BlockID: BlockID{h.Hash(), PartSetHeader{1, parts[:]}}}
	for _, v := range set.validators {
		s := CommitSig{Flag: FlagAbsent}
		if key := keys[string(v.Address)]; key != nil {
			at := h.Time.Add(time.Second)
			s = CommitSig{FlagCommit, v.Address, at, ed25519.Sign(key, c.signBytes(h.ChainID, at))}
		}
		c.Signatures = append(c.Signatures, s)
	}
	return &SignedHeader{h, c}
}

// testSource is a node. Its fields are set before it is used, or under mu.
type testSource struct {
	name   string
	chain  testBlocks
	lag    int64
	ahead  int64 // blocks that the others do not have yet
	claims int64 // its latest height; 0 for the truth
	down   bool
	delay  time.Duration
	// bend changes a header that it returns.
	bend func(*SignedHeader)

	mu    sync.Mutex
	asked []int64 // heights
	sets  int     // how often it was asked for validators
}

func (s *testSource) Name() string { return s.name }

func (s *testSource) wait(ctx context.Context) error {
	if s.down {
		return errors.New(s.name + ": connection refused")
	}
	timer := time.NewTimer(s.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *testSource) height() int64 { return int64(time.Since(s.chain.began)/blockTime) - s.lag }

func (s *testSource) Latest(ctx context.Context) (Tip, error) {
	if err := s.wait(ctx); err != nil || s.claims != 0 {
		return Tip{s.claims, time.Now()}, err
	}
	height := s.height() + s.ahead
	return Tip{height, s.chain.time(height)}, nil
}

func (s *testSource) SignedHeader(ctx context.Context, height int64) (*SignedHeader, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.asked = append(s.asked, height)
	s.mu.Unlock()
	if height > s.height()+s.ahead {
		return nil, fmt.Errorf("%s: no block %d", s.name, height)
	}
	signed := s.chain.signedHeader(height)
	if s.bend != nil {
		s.bend(signed)
	}
	return signed, nil
}

func (s *testSource) Validators(ctx context.Context, height int64) ([]Validator, error) {
	s.mu.Lock()
	s.sets++
	s.mu.Unlock()
	validators, _ := s.chain.set(height)
	return validators, s.wait(ctx)
}

// world is a chain, its nodes and a light client, in a time of its own.
type world struct {
	*Client
	t        *testing.T
	chain    testBlocks
	nodes    []*testSource
	mu       sync.Mutex
	rejected []string // names
}

// inWorld runs a test with a client that trusts the block of height 10, and has n nodes.
func inWorld(t *testing.T, n int, every int, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, chain: testBlocks{time.Now(), every, ""}}
		for i := range n {
			w.nodes = append(w.nodes, &testSource{name: string(rune('a' + i)), chain: w.chain})
		}
		time.Sleep(20 * blockTime)
		w.start("")
		test(w)
	})
}

func (w *world) start(file string) {
	w.t.Helper()
	require.NoError(w.t, w.open(Trust{10, w.chain.signedHeader(10).Header.Hash(), DefaultPeriod}, file))
}

func (w *world) open(trust Trust, file string) (err error) {
	w.Client, err = New(Options{
		Trust: trust, File: file,
		Rejected: func(s Source, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.rejected = append(w.rejected, s.Name()+": "+err.Error())
		},
		SaveFailed: func(err error) { w.t.Error(err) },
	})
	return err
}

func (w *world) refresh(needed int) (*Header, error) {
	var sources []Source
	for _, n := range w.nodes {
		sources = append(sources, n)
	}
	return w.Refresh(w.t.Context(), sources, needed)
}

func (w *world) requireHeight(needed int, height int64) {
	w.t.Helper()
	h, err := w.refresh(needed)
	require.NoError(w.t, err)
	require.Equal(w.t, height, h.Height)
	require.Equal(w.t, w.chain.signedHeader(height).Header.Hash(), h.Hash())
}

func TestRefreshFollowsTheChain(t *testing.T) {
	inWorld(t, 2, 1000, func(w *world) {
		w.requireHeight(2, 20)
		time.Sleep(24 * time.Hour)
		w.requireHeight(2, 20+24*600)
		assert.Empty(t, w.rejected)
		time.Sleep(time.Hour)
		before := len(w.nodes[0].asked)
		w.requireHeight(2, 20+25*600)
		assert.Equal(t, 1, len(w.nodes[0].asked)-before, "one header is enough where the validators are the same")
	})
}

// Where all validators have changed, headers in between are verified.
func TestRefreshVerifiesHeadersInBetween(t *testing.T) {
	inWorld(t, 1, 10, func(w *world) {
		w.requireHeight(1, 20)
		time.Sleep(200 * blockTime)
		w.requireHeight(1, 220)
		assert.Greater(t, len(w.nodes[0].asked), 5)
		assert.Less(t, len(w.nodes[0].asked), 50)
	})
}

func TestHeadersInBetweenAreBounded(t *testing.T) {
	inWorld(t, 1, 1, func(w *world) {
		time.Sleep(400 * blockTime)
		_, err := w.refresh(1)
		assert.ErrorContains(t, err, "more than 128 headers")
		assert.LessOrEqual(t, len(w.nodes[0].asked), maxFetched+2)
	})
}

// forge is a header that a node has signed by validators of its own.
func forge(s *SignedHeader) {
	validators, keys := testValidators(1_000_000, 4)
	set, _ := NewValidatorSet(validators)
	h := s.Header
	h.ValidatorsHash, h.AppHash = set.Hash(), make([]byte, 32)
	*s = *sign(h, set, keys)
}

func TestLyingNodesAreRejected(t *testing.T) {
	for name, bend := range map[string]func(*SignedHeader){
		"validators of its own": forge,
		"another app hash":      func(s *SignedHeader) { s.Header.AppHash = make([]byte, 32) },
		"another app hash with its commit": func(s *SignedHeader) {
			s.Header.AppHash = make([]byte, 32)
			s.Commit.BlockID.Hash = s.Header.Hash()
		},
		"a signature of its own": func(s *SignedHeader) { s.Commit.Signatures[0].Signature = make([]byte, 64) },
		"a third of the power": func(s *SignedHeader) {
			for i := range 3 {
				s.Commit.Signatures[i] = CommitSig{Flag: FlagAbsent}
			}
		},
		"another chain":  func(s *SignedHeader) { s.Header.ChainID = "other-1" },
		"another height": func(s *SignedHeader) { s.Header.Height--; s.Commit.Height-- },
		"a time ahead": func(s *SignedHeader) {
			s.Header.Time = s.Header.Time.Add(time.Hour)
			s.Commit.BlockID.Hash = s.Header.Hash()
		},
	} {
		t.Run(name, func(t *testing.T) {
			for liar := range 3 {
				inWorld(t, 3, 1000, func(w *world) {
					w.requireHeight(2, 20)
					w.nodes[liar].bend = bend
					time.Sleep(10 * blockTime)
					w.requireHeight(2, 30)
					assert.Nil(t, w.Fork())
					switch name {
					case "a time ahead":
						return // it may be this clock that is wrong
					case "a signature of its own", "a third of the power":
						if len(w.rejected) == 0 {
							return // it has the right header, and another node had the right commit
						}
					}
					require.Len(t, w.rejected, 1, w.rejected)
					assert.True(t, strings.HasPrefix(w.rejected[0], w.nodes[liar].name+": "), w.rejected[0])
				})
			}
			inWorld(t, 1, 1000, func(w *world) {
				w.requireHeight(1, 20)
				w.nodes[0].bend = bend
				time.Sleep(10 * blockTime)
				_, err := w.refresh(1)
				require.Error(t, err)
				h, err := w.Header()
				require.NoError(t, err)
				assert.EqualValues(t, 20, h.Height)
			})
		})
	}
}

// A node cannot keep the client from new blocks by claiming a height, whatever is needed:
// not for longer than some seconds.
func TestClaimedHeights(t *testing.T) {
	for _, claims := range []int64{1, 11, 19, 21, 30, 1 << 62} {
		for needed := 1; needed <= 2; needed++ {
			inWorld(t, 3, 1000, func(w *world) {
				w.nodes[0].claims = claims
				for range 30 {
					h, err := w.refresh(needed)
					require.NoError(t, err)
					assert.LessOrEqual(t, time.Since(h.Time), recent+blockTime, "%d", claims)
					time.Sleep(blockTime)
				}
			})
		}
	}
}

// A node that is ahead of the others with a forged block, which stolen keys signed, is not
// believed before the others have the block, too.
func TestAForkAheadOfTheOthers(t *testing.T) {
	for _, ahead := range []int64{1, 5, 100} {
		inWorld(t, 3, 1000, func(w *world) {
			w.requireHeight(1, 20)
			// Times of blocks that nobody has yet are in the future here, and need not be.
			w.nodes[0].ahead, w.nodes[0].chain.name = ahead, "fork"
			for range 50 {
				h, err := w.refresh(1)
				if err != nil {
					require.ErrorAs(t, err, new(*ForkError))
					return
				}
				require.Equal(t, w.chain.signedHeader(h.Height).Header.Hash(), h.Hash())
				time.Sleep(time.Second)
			}
			t.Fatal("the fork was not seen")
		})
	}
}

// As many nodes as are needed must have the same header.
func TestNodesThatAreNeeded(t *testing.T) {
	inWorld(t, 3, 1000, func(w *world) {
		w.nodes[0].down = true
		w.requireHeight(2, 20)
		_, err := w.refresh(3)
		require.ErrorContains(t, err, "2 of 3 nodes")
		assert.ErrorContains(t, err, "a: connection refused")

		// One node is a little behind: the newest block that all have is compared.
		w.nodes[0].down, w.nodes[0].lag = false, 2
		time.Sleep(10 * blockTime)
		w.requireHeight(2, 28)
		// It is far behind: the others go on without it.
		w.nodes[0].lag = 15
		time.Sleep(10 * blockTime)
		w.requireHeight(2, 40)
		// Two are needed, and two are far behind: their newest block is old, and all have
		// it.
		w.nodes[1].lag = 12
		time.Sleep(10 * blockTime)
		h, err := w.refresh(2)
		require.NoError(t, err)
		assert.EqualValues(t, 40, h.Height)
		assert.Empty(t, w.rejected)
	})
}

// A node that hangs delays a refresh by a second at most.
func TestSlowNodes(t *testing.T) {
	inWorld(t, 3, 1000, func(w *world) {
		w.nodes[2].delay = time.Hour
		began := time.Now()
		w.requireHeight(2, 20)
		assert.LessOrEqual(t, time.Since(began), 2*grace)
	})
}

// If validators sign two headers of one height, nothing is believed any more, also not
// after a restart, until the operator decides anew.
func TestAForkEndsTrust(t *testing.T) {
	inWorld(t, 3, 1000, func(w *world) {
		file := filepath.Join(t.TempDir(), "trust.json")
		w.start(file)
		w.requireHeight(2, 20)
		w.nodes[2].chain.name = "fork"
		time.Sleep(blockTime)

		_, err := w.refresh(2)
		var fork *ForkError
		require.ErrorAs(t, err, &fork)
		assert.EqualValues(t, 21, fork.Height)
		assert.EqualValues(t, 20, fork.Trusted)
		assert.Contains(t, fork.Nodes, "c")
		assert.NotEqual(t, fork.Hashes[0], fork.Hashes[1])
		assert.ErrorContains(t, err, "c has "+w.nodes[2].chain.signedHeader(21).Header.Hash().String())

		for range 2 {
			_, err = w.refresh(2)
			assert.ErrorAs(t, err, new(*ForkError))
			_, err = w.Header()
			assert.ErrorAs(t, err, new(*ForkError))
			assert.Equal(t, fork, w.Fork())
			w.nodes[2].chain.name = ""
			w.start(file)
		}
		// Another trusted header is a new decision.
		require.NoError(t, w.open(Trust{21, w.chain.signedHeader(21).Header.Hash(), DefaultPeriod}, file))
		time.Sleep(blockTime)
		w.requireHeight(2, 22)
	})
}

func TestTrustRunsOut(t *testing.T) {
	inWorld(t, 2, 1_000_000, func(w *world) {
		w.requireHeight(2, 20)
		time.Sleep(DefaultPeriod - time.Hour)
		_, err := w.refresh(2)
		require.NoError(t, err)
		time.Sleep(DefaultPeriod + time.Hour)
		_, err = w.refresh(2)
		var expired *ExpiredError
		require.ErrorAs(t, err, &expired)
		assert.Equal(t, DefaultPeriod, expired.Period)
		_, err = w.Header()
		assert.ErrorAs(t, err, &expired)
	})
	inWorld(t, 2, 1_000_000, func(w *world) { // before it is used for the first time
		time.Sleep(DefaultPeriod)
		_, err := w.refresh(2)
		assert.ErrorAs(t, err, new(*ExpiredError))
	})
}

// A client that takes the place of another, as when its nodes change, goes on from there:
// the header that both began with may be too old by now.
func TestContinue(t *testing.T) {
	inWorld(t, 2, 1_000_000, func(w *world) {
		for range 3 {
			w.requireHeight(2, w.nodes[0].height())
			time.Sleep(DefaultPeriod / 2)
		}
		old := w.Client
		w.start("")
		_, err := w.refresh(2)
		require.ErrorAs(t, err, new(*ExpiredError))
		w.start("")
		w.Continue(old)
		w.requireHeight(2, w.nodes[0].height())

		w.nodes[1].chain.name = "fork"
		time.Sleep(blockTime)
		_, err = w.refresh(2)
		require.ErrorAs(t, err, new(*ForkError))
		forked := w.Client
		w.start("")
		w.Continue(forked)
		_, err = w.Header()
		assert.ErrorAs(t, err, new(*ForkError))

		require.NoError(t, w.open(Trust{11, w.chain.signedHeader(11).Header.Hash(), DefaultPeriod}, ""))
		w.Continue(forked)
		h, err := w.Header()
		require.NoError(t, err)
		assert.Nil(t, h, "the operator has decided anew")
	})
}

func TestTheTrustedHeaderIsTheOperators(t *testing.T) {
	inWorld(t, 3, 1000, func(w *world) {
		for _, n := range w.nodes[:2] {
			n.bend = forge
		}
		w.requireHeight(1, 20)
		assert.GreaterOrEqual(t, len(w.rejected), 2)
		w.start("")
		_, err := w.refresh(2)
		assert.ErrorContains(t, err, "1 of 3 nodes have a valid header")

		wrong := sha256.Sum256(nil)
		require.NoError(t, w.open(Trust{10, wrong[:], DefaultPeriod}, ""))
		_, err = w.refresh(1)
		require.ErrorContains(t, err, "no node has the trusted header")
		assert.ErrorContains(t, err, "the node or the trusted hash is wrong")
	})
}

func TestTheFileKeepsTrust(t *testing.T) {
	inWorld(t, 2, 1000, func(w *world) {
		file := filepath.Join(t.TempDir(), "trust.json")
		w.start(file)
		assert.NoFileExists(t, file)
		w.requireHeight(2, 20)
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode())

		// It goes on from there, with or without the trust it began with.
		for _, n := range w.nodes {
			n.asked = nil
		}
		require.NoError(t, w.open(Trust{}, file))
		h, err := w.Header()
		require.NoError(t, err)
		assert.EqualValues(t, 20, h.Height)
		assert.EqualValues(t, 10, w.Trust().Height)
		w.start(file)
		time.Sleep(blockTime)
		w.requireHeight(2, 21)
		assert.NotContains(t, w.nodes[0].asked, int64(10))
		entries, err := os.ReadDir(filepath.Dir(file))
		require.NoError(t, err)
		assert.Len(t, entries, 1, "no temporary files are left")

		// Another trust replaces it.
		require.NoError(t, w.open(Trust{12, w.chain.signedHeader(12).Header.Hash(), DefaultPeriod}, file))
		h, err = w.Header()
		require.NoError(t, err)
		assert.Nil(t, h)
		time.Sleep(blockTime)
		w.requireHeight(2, 22)
		require.NoError(t, w.open(Trust{}, file))
		assert.EqualValues(t, 12, w.Trust().Height)
	})
}

func TestDamagedFiles(t *testing.T) {
	inWorld(t, 2, 1000, func(w *world) {
		file := filepath.Join(t.TempDir(), "trust.json")
		require.ErrorContains(t, w.open(Trust{}, file), "no trusted header is given")
		w.start(file)
		w.requireHeight(2, 20)
		good, err := os.ReadFile(file)
		require.NoError(t, err)
		for name, text := range map[string]string{
			"empty": "", "not JSON": "x", "cut off": string(good[:len(good)/2]), "of nothing": "{}",
			"without validators":          strings.Replace(string(good), `"validators":`, `"x":`, 1),
			"with validators of another":  strings.Replace(string(good), `"voting_power":"10"`, `"voting_power":"11"`, 1),
			"too large":                   strings.Repeat(" ", maxStored) + string(good),
			"with a trust that is no one": strings.Replace(string(good), `"trust":"10:`, `"trust":"x:`, 1),
		} {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			err := w.open(Trust{}, file)
			require.ErrorContains(t, err, file, name)
		}
		w.Client = nil
	})
	_, err := New(Options{File: t.TempDir()})
	assert.Error(t, err)
}

func TestParseTrust(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	for text, want := range map[string]time.Duration{
		"":      DefaultPeriod,
		":7d":   7 * 24 * time.Hour,
		":100h": 100 * time.Hour,
	} {
		trust, err := ParseTrust("5:" + hash + text)
		require.NoError(t, err)
		assert.EqualValues(t, 5, trust.Height)
		assert.Equal(t, strings.ToUpper(hash), trust.Hash.String())
		assert.Equal(t, want, trust.Period)
		again, err := ParseTrust(trust.String())
		require.NoError(t, err)
		assert.Equal(t, trust, again)
	}
	for _, bad := range []string{"", "5", "0:" + hash, "-5:" + hash, "x:" + hash, "5:" + hash[2:], "5:zz" + hash[2:], "5:" + hash + ":", "5:" + hash + ":0d",
		"5:" + hash + ":21d", "5:" + hash + ":1m", "5:" + hash + ":-5h", "5:" + hash + ":999999999999d", "5:" + hash + ":7d:x"} {
		_, err := ParseTrust(bad)
		assert.Error(t, err, bad)
	}
}

func FuzzParseTrust(f *testing.F) {
	f.Add("5:" + strings.Repeat("ab", 32) + ":7d")
	f.Fuzz(func(t *testing.T, text string) {
		trust, err := ParseTrust(text)
		if err != nil {
			return
		}
		if again, err := ParseTrust(trust.String()); err != nil || again.String() != trust.String() {
			t.Errorf("%q is %s, which is %s, %v", text, trust, again, err)
		}
	})
}

func FuzzStored(f *testing.F) {
	chain := testBlocks{time.Unix(1_800_000_000, 0), 1000, ""}
	validators, _ := chain.set(5)
	text, err := json.Marshal(stored{"5:" + strings.Repeat("ab", 32), chain.signedHeader(5).Header, validators, nil})
	require.NoError(f, err)
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var s stored
		if json.Unmarshal(text, &s) == nil {
			_, _ = s.block()
		}
	})
}

// A header of a chain with as many validators as Akash has.
func BenchmarkVerify(b *testing.B) {
	validators, keys := testValidators(0, 100)
	set, err := NewValidatorSet(validators)
	require.NoError(b, err)
	header := func(height int64) *Block {
		h := Header{
			Version: Version{Block: blockProtocol}, ChainID: testChain, Height: height, Time: time.Unix(1_800_000_000+6*height, 0).UTC(),
			ValidatorsHash: set.Hash(), NextValidatorsHash: set.Hash(), ProposerAddress: validators[0].Address,
		}
		block, err := NewBlock(sign(h, set, keys), set)
		require.NoError(b, err)
		return block
	}
	trusted := header(1)
	for name, block := range map[string]*Block{"adjacent": header(2), "skipping": header(1000)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := Verify(trusted, block, DefaultPeriod, time.Unix(1_800_010_000, 0)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
