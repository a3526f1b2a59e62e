package trust_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trust"
)

// only is a chain with one certificate, which it has under every serial number.
type only struct{ published chain.Certificate }

func (o only) Certificate(context.Context, string, string) (chain.Certificate, error) {
	return o.published, nil
}

// fixedCertificate returns a certificate as a provider publishes it, the same in each process,
// which mutants of it are compared with.
func fixedCertificate(f *testing.F) []byte {
	f.Helper()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	require.NoError(f, err)
	c := template(address)
	// Without a source of randomness the signature is deterministic (RFC 6979).
	der, err := x509.CreateCertificate(nil, c, c, key.Public(), key)
	require.NoError(f, err)
	return der
}

// Only the certificate that the chain has is accepted, whatever a server presents, and
// only the bytes that are pinned.
func FuzzDecide(f *testing.F) {
	good := fixedCertificate(f)
	f.Add(good, []byte(nil), true)
	f.Add(good, good, false)
	real, err := os.ReadFile("testdata/provider.cert.pem")
	require.NoError(f, err)
	block, _ := pem.Decode(real)
	f.Add(block.Bytes, good, true)
	longer := bytes.Clone(good)
	f.Add(append(longer, 0), good, true)
	f.Add([]byte{0x30, 0x80}, good, true)
	f.Fuzz(func(t *testing.T, leaf, second []byte, revoked bool) {
		certs, err := x509.ParseCertificates(leaf)
		if err != nil || len(certs) == 0 {
			return
		}
		if more, err := x509.ParseCertificates(second); err == nil {
			certs = append(certs, more...)
		}
		state := chain.Valid
		if revoked {
			state = chain.Revoked
		}
		v := trust.New(trust.Options{
			Chain: only{chain.Certificate{State: state, PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good})}},
			Roots: x509.NewCertPool(),
			Now:   func() time.Time { return now },
		})
		check := func(p trust.Policy, allowed bool) {
			decision, err := v.Decide(t.Context(), certs, p)
			if err == nil {
				require.True(t, allowed, "accepted by %s", decision.Basis)
				return
			}
			var known *rpcerror.Error
			require.ErrorAs(t, err, &known)
			require.True(t, trust.IsRefusal(err))
			require.NotEmpty(t, known.Reason)
		}
		same := bytes.Equal(certs[0].Raw, good)
		check(trust.Policy{Address: address, ServerName: host}, same && !revoked)
		check(trust.Policy{Address: stranger, ServerName: host}, false)
		pin := sha256.Sum256(good)
		check(trust.Policy{Address: address, PinSHA256: pin[:]}, same)
	})
}

// The chain's own certificate, and its serial number, may be anything.
func FuzzPublished(f *testing.F) {
	good := fixedCertificate(f)
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good}))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Add(good)
	f.Fuzz(func(t *testing.T, text []byte) {
		leaf, err := x509.ParseCertificate(good)
		require.NoError(t, err)
		require.Equal(t, big.NewInt(1795177602491491899), leaf.SerialNumber)
		v := trust.New(trust.Options{Chain: only{chain.Certificate{State: chain.Valid, PEM: text}}, Roots: x509.NewCertPool(), Now: func() time.Time { return now }})
		_, err = v.Decide(t.Context(), []*x509.Certificate{leaf}, trust.Policy{Address: address, ServerName: host})
		block, _ := pem.Decode(text)
		require.Equal(t, block != nil && bytes.Equal(good, block.Bytes), err == nil)
	})
}
