package light

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The hash of a block of the Akash chain is the one that the chain has for it.
func TestHashOfABlockOfAkash(t *testing.T) {
	text, err := os.ReadFile("testdata/akashnet-2.28742282.json")
	require.NoError(t, err)
	var block struct {
		BlockID BlockID `json:"block_id"`
		Header  Header  `json:"header"`
	}
	require.NoError(t, json.Unmarshal(text, &block))
	require.NoError(t, block.Header.check())
	assert.Equal(t, block.BlockID.Hash, block.Header.Hash())
}

// answer is a block as the RPC of a node returns it.
type answer struct {
	Commit     json.RawMessage `json:"commit"`
	Validators json.RawMessage `json:"validators"`
}

func (a answer) block() (*Block, error) {
	s, err := DecodeCommit(a.Commit)
	if err != nil {
		return nil, err
	}
	page, _, err := DecodeValidators(a.Validators)
	if err != nil {
		return nil, err
	}
	set, err := NewValidatorSet(page)
	if err != nil {
		return nil, err
	}
	return NewBlock(s, set)
}

// question is a verification that CometBFT's light client made: testserver/trust writes
// them.
type question struct {
	Name    string        `json:"name"`
	Trusted answer        `json:"trusted"`
	Next    answer        `json:"next"`
	Period  time.Duration `json:"period"`
	Now     time.Time     `json:"now"`
	Verdict string        `json:"verdict"`
}

func questions(t testing.TB) []question {
	file, err := os.Open("testdata/verdicts.json.gz")
	require.NoError(t, err)
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	require.NoError(t, err)
	var all []question
	require.NoError(t, json.NewDecoder(unpacked).Decode(&all))
	require.NotEmpty(t, all)
	return all
}

func TestVerdictsAreCometBFTs(t *testing.T) {
	count := map[string]int{}
	for _, q := range questions(t) {
		assert.Equal(t, q.Verdict, verdict(q), q.Name)
		count[q.Verdict]++
	}
	for _, v := range []string{"accepted", "distant", "expired", "invalid"} {
		assert.NotZero(t, count[v], v)
	}
}

func verdict(q question) string {
	trusted, err := q.Trusted.block()
	if err != nil {
		return "invalid"
	}
	next, err := q.Next.block()
	if err != nil {
		return "invalid"
	}
	err = Verify(trusted, next, q.Period, q.Now)
	var expired *ExpiredError
	switch {
	case err == nil:
		return "accepted"
	case errors.As(err, &expired):
		return "expired"
	case errors.Is(err, ErrNotEnoughTrust):
		return "distant"
	}
	return "invalid"
}

func TestUnsupportedValidators(t *testing.T) {
	key := make([]byte, 33)
	_, err := NewValidatorSet([]Validator{{PubKey: PubKey{"tendermint/PubKeySecp256k1", key}, VotingPower: 1}})
	assert.ErrorContains(t, err, "only tendermint/PubKeyEd25519 is supported")

	_, err = NewValidatorSet(nil)
	assert.ErrorContains(t, err, "0 validators")
	_, err = NewValidatorSet(make([]Validator, maxValidators+1))
	assert.ErrorContains(t, err, "1001 validators")
}

func TestMalformedAnswers(t *testing.T) {
	for _, text := range []string{``, `null`, `{}`, `[]`, `{"signed_header":{}}`, `{"signed_header":{"header":{}}}`, `{"signed_header":{"header":{"height":"x"},"commit":{}}}`} {
		_, err := DecodeCommit([]byte(text))
		assert.Error(t, err, text)
	}
	for _, text := range []string{``, `null`, `{}`, `{"validators":[]}`, `{"validators":[{}],"total":"0"}`, `{"validators":[{}],"total":"1001"}`, `{"validators":[{},{}],"total":"1"}`} {
		_, _, err := DecodeValidators([]byte(text))
		assert.Error(t, err, text)
	}
}

func FuzzBlock(f *testing.F) {
	for _, q := range questions(f) {
		f.Add([]byte(q.Next.Commit), []byte(q.Next.Validators))
	}
	trusted, err := questions(f)[0].Trusted.block()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, commit, validators []byte) {
		next, err := answer{commit, validators}.block()
		if err != nil {
			return
		}
		_ = Verify(trusted, next, DefaultPeriod, trusted.Header.Time.Add(time.Hour))
	})
}
