package proof

import (
	"compress/gzip"
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// claim is an answer and what it is said to prove, with the verdict of the Cosmos SDK:
// testserver/trust writes them.
type claim struct {
	Name    string `json:"name"`
	Ops     []Op   `json:"ops"`
	AppHash []byte `json:"app_hash"`
	Store   string `json:"store"`
	Key     []byte `json:"key"`
	Value   []byte `json:"value"` // nil claims absence
	Holds   bool   `json:"holds"`
}

func (c *claim) verify() error {
	if c.Value == nil {
		return Absence(c.Ops, c.AppHash, c.Store, c.Key)
	}
	return Membership(c.Ops, c.AppHash, c.Store, c.Key, c.Value)
}

func claims(t testing.TB) []claim {
	file, err := os.Open("testdata/verdicts.json.gz")
	require.NoError(t, err)
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	require.NoError(t, err)
	var all []claim
	require.NoError(t, json.NewDecoder(unpacked).Decode(&all))
	require.NotEmpty(t, all)
	return all
}

func TestVerdictsAreTheSDKs(t *testing.T) {
	present, absent, refused := 0, 0, 0
	for _, c := range claims(t) {
		err := c.verify()
		assert.Equal(t, c.Holds, err == nil, "%s: %v", c.Name, err)
		switch {
		case err != nil:
			refused++
		case c.Value == nil:
			absent++
		default:
			present++
		}
	}
	assert.NotZero(t, present)
	assert.NotZero(t, absent)
	assert.NotZero(t, refused)
}

const address = "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"

func TestKeys(t *testing.T) {
	raw := "\xdf\x4c\x8c\x39\xf2\xcc\xbb\x4b\xc5\xec\xf5\x1d\x23\xf5\xb0\xf6\xad\x07\xcd\xe5"
	key, err := ProviderKey(address)
	require.NoError(t, err)
	assert.Equal(t, "\x01\x14"+raw, string(key))

	for serial, end := range map[string]string{
		"1795177602491491899": "\x08\x18\xe9\xc0\x84\xa9\x3e\x26\x3b",
		"1":                   "\x01\x01",
		"256":                 "\x02\x01\x00",
		"0":                   "", // the chain leaves out even its length
		new(big.Int).Lsh(big.NewInt(1), 8*40-1).String(): "\x28\x80" + strings.Repeat("\x00", 39),
	} {
		key, err := CertificateKey(CertificateValid, address, serial)
		require.NoError(t, err)
		assert.Equal(t, "\x11\x01\x14"+raw+end, string(key), serial)
		key, err = CertificateKey(CertificateRevoked, address, serial)
		require.NoError(t, err)
		assert.Equal(t, "\x11\x02\x14"+raw+end, string(key), serial)
	}
	for _, serial := range []string{"", "-1", "x", "1.5", "0x10", new(big.Int).Lsh(big.NewInt(1), 8*40).String(), strings.Repeat("9", 1000)} {
		_, err := CertificateKey(CertificateValid, address, serial)
		assert.Error(t, err, serial)
	}
	for _, bad := range []string{"", "akash1", "cosmos1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv", address + "q"} {
		_, err := ProviderKey(bad)
		assert.Error(t, err, bad)
		_, err = CertificateKey(CertificateValid, bad, "1")
		assert.Error(t, err, bad)
	}
}

func TestValues(t *testing.T) {
	p, err := DecodeProvider([]byte("\x0a\x03abc\x12\x05https\x1a\x02\x0a\x00"))
	require.NoError(t, err)
	assert.Equal(t, Provider{"abc", "https"}, p)
	c, err := DecodeCertificate([]byte("\x10\x02\x1a\x03PEM\x22\x03key"))
	require.NoError(t, err)
	assert.Equal(t, Certificate{CertificateRevoked, []byte("PEM")}, c)

	for _, bad := range []string{"\x0a", "\x0a\x05abc", "\x08\x01", "\x12\x05http", "\x00"} {
		_, err := DecodeProvider([]byte(bad))
		assert.Error(t, err, "%q", bad)
	}
	for _, bad := range []string{"", "\x10\x00", "\x10\x03", "\x1a\x03PEM", "\x10\x01\x1a\x09PEM", "\x12\x00"} {
		_, err := DecodeCertificate([]byte(bad))
		assert.Error(t, err, "%q", bad)
	}
}

func TestLimits(t *testing.T) {
	for _, c := range claims(t) {
		if !c.Holds || c.Value == nil {
			continue
		}
		assert.ErrorContains(t, Membership(c.Ops, c.AppHash, c.Store, c.Key, make([]byte, maxValue+1)), "bytes")
		c.Ops[0].Data = append(c.Ops[0].Data, make([]byte, maxProof)...)
		assert.ErrorContains(t, c.verify(), "bytes")
		return
	}
	t.Fatal("no claim holds")
}

func FuzzProof(f *testing.F) {
	var seed claim
	for _, c := range claims(f) {
		if len(c.Ops) != 2 {
			continue
		}
		f.Add(c.Ops[0].Data, c.Ops[1].Data, c.Value == nil)
		if c.Holds && c.Value != nil {
			seed = c
		}
	}
	f.Fuzz(func(t *testing.T, inStore, ofStores []byte, absent bool) {
		c := seed
		c.Ops = []Op{{OpIAVL, c.Key, inStore}, {OpSimple, []byte(c.Store), ofStores}}
		if absent {
			c.Value = nil
		}
		if err := c.verify(); err == nil && absent {
			t.Error("the absence of a key that is there was proven")
		}
	})
}

func FuzzValues(f *testing.F) {
	f.Add([]byte("\x0a\x03abc\x12\x05https\x1a\x02\x0a\x00"))
	f.Add([]byte("\x10\x02\x1a\x03PEM\x22\x03key"))
	f.Add([]byte("\x0a\x0a\x0a\x01a\x10\x07\x18\x01\x20\x01\x32\x00\x10\x01\x1a\x07\x0a\x01u\x12\x0211\x20\x09"))
	f.Fuzz(func(t *testing.T, value []byte) {
		_, _ = DecodeProvider(value)
		_, _ = DecodeCertificate(value)
		_, _ = DecodeLease(value)
	})
}

func BenchmarkMembership(b *testing.B) {
	for _, c := range claims(b) {
		if !c.Holds || c.Value == nil {
			continue
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := c.verify(); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
}

func BenchmarkAbsence(b *testing.B) {
	for _, c := range claims(b) {
		if !c.Holds || c.Value != nil {
			continue
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := c.verify(); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
}

// The keys are those that LeasePrimaryKeyCodec of node v2.1.0 encodes.
func TestLeaseKeys(t *testing.T) {
	id := LeaseID{Owner: address, DSeq: 0x0102030405060708, GSeq: 1, OSeq: 2, BSeq: 3, Provider: address}
	key, err := LeaseKey(id)
	require.NoError(t, err)
	assert.Equal(t, "\x13\x02"+address+"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x01\x00\x00\x00\x02"+address+"\x00\x00\x00\x00\x03", string(key))
	again, err := LeaseKey(id)
	require.NoError(t, err)
	assert.Equal(t, key, again)
	id.Provider = "akash1other"
	_, err = LeaseKey(id)
	require.ErrorIs(t, err, errAddress)
}

func TestDecodeLease(t *testing.T) {
	l, err := DecodeLease([]byte("\x0a\x0e\x0a\x01a\x10\x07\x18\x01\x20\x02\x2a\x01p\x30\x03\x10\x04\x1a\x07\x0a\x01u\x12\x0211\x20\x09\x28\x0a"))
	require.NoError(t, err)
	assert.Equal(t, Lease{ID: LeaseID{Owner: "a", DSeq: 7, GSeq: 1, OSeq: 2, Provider: "p", BSeq: 3}, State: LeaseReclaiming, Denom: "u", Amount: "11", CreatedAt: 9, ClosedOn: 10}, l)
	for _, bad := range []string{"", "\x10\x00", "\x10\x05", "\x0a\x05\x0a", "\x10\x01\x0a\x02\x08\x01"} {
		_, err := DecodeLease([]byte(bad))
		require.ErrorIs(t, err, errLease, "%q", bad)
	}
}
