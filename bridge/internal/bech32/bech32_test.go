package bech32

import (
	"encoding/hex"
	"testing"

	"github.com/btcsuite/btcd/btcutil/bech32"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecode(t *testing.T) {
	decoded, err := Decode("akash", "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv")
	require.NoError(t, err)
	assert.Equal(t, "df4c8c39f2ccbb4bc5ecf51d23f5b0f6ad07cde5", hex.EncodeToString(decoded))

	for _, n := range []int{1, 19, 20, 21, 32, 255} {
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(i*7 + n)
		}
		text, err := bech32.EncodeFromBase256("akash", want)
		require.NoError(t, err)
		got, err := Decode("akash", text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
	}

	_, err = Decode("akash", "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynw")
	assert.ErrorIs(t, err, ErrChecksum)
	for _, bad := range []string{
		"", "akash", "akash1", "akash1qqqqqq", "cosmos1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv",
		"AKASH1MAXGCW0JEJA5H30V75WJ8ADS76KS0N0988DYNV", "akash1\x00", "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dyn",
	} {
		_, err := Decode("akash", bad)
		assert.ErrorIs(t, err, ErrForm, bad)
	}
}

// Bits that pad the last byte are zero, so that bytes have only one text.
func TestPadding(t *testing.T) {
	text, err := bech32.Encode("akash", []byte{1, 1}) // 10 bits: a byte and 01
	require.NoError(t, err)
	_, err = Decode("akash", text)
	assert.ErrorIs(t, err, ErrForm)
}

func FuzzDecode(f *testing.F) {
	f.Add("akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv")
	f.Add("akash1w3jhxap3rltrmq")
	f.Fuzz(func(t *testing.T, text string) {
		decoded, err := Decode("akash", text)
		if err != nil {
			return
		}
		again, err := bech32.EncodeFromBase256("akash", decoded)
		if err != nil || again != text {
			t.Errorf("%q decodes to %x, which is %q, %v", text, decoded, again, err)
		}
	})
}
