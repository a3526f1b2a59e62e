package iavl

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// grow returns the trees of some versions that set and remove entries.
func grow() []Tree {
	r := rand.New(rand.NewPCG(1, 2))
	var t Tree
	var all []Tree
	for version := int64(1); version <= 50; version++ {
		for range 10 {
			key := fmt.Appendf(nil, "key %03d", r.IntN(150))
			if r.IntN(3) == 0 {
				t = t.Delete(version, key)
			} else {
				t = t.Set(version, key, fmt.Appendf(nil, "value %d", r.IntN(1000)))
			}
		}
		t.Hash()
		all = append(all, t)
	}
	return all
}

// The roots are those that cosmos/iavl v1.2.6 calculates for the same operations.
func TestHashes(t *testing.T) {
	trees := grow()
	for version, want := range map[int]string{
		1:  "eb39ba33fba6d0841a36af2d1d80345a8737c7119f2923f5febaca42d9b2205b",
		10: "8767df0aa389390477ee487667df4f5853f154fae88fa96942c80f2b01df6eee",
		50: "8000aa4b1481e16880b9a19300505cb0402faf4ea068b110bfbeaabae1851351",
	} {
		assert.Equal(t, want, hex.EncodeToString(trees[version-1].Hash()), "version %d", version)
	}
	assert.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hex.EncodeToString(Tree{}.Hash()))
}

// Every entry of every version is proven by a path to the root, and every other key by
// neighbors.
func TestProofs(t *testing.T) {
	for _, tree := range grow() {
		keys := tree.Keys()
		require.EqualValues(t, len(keys), tree.Len())
		for i, key := range keys {
			proof, ok := tree.Prove(key)
			require.True(t, ok)
			require.NotNil(t, proof.Exist)
			value, _ := tree.Get(key)
			assert.Equal(t, value, proof.Exist.Value)
			assert.Equal(t, tree.Hash(), proof.Exist.Root())

			after := append(key[:len(key):len(key)], '!')
			proof, ok = tree.Prove(after)
			require.True(t, ok)
			require.NotNil(t, proof.NonExist)
			assert.Equal(t, key, proof.NonExist.Left.Key)
			if i+1 < len(keys) {
				assert.Equal(t, keys[i+1], proof.NonExist.Right.Key)
			} else {
				assert.Nil(t, proof.NonExist.Right)
			}
		}
		proof, ok := tree.Prove([]byte("a"))
		require.True(t, ok)
		assert.Nil(t, proof.NonExist.Left)
	}
	_, ok := Tree{}.Prove([]byte("a"))
	assert.False(t, ok)
}
