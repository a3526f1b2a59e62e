package trust_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trust"
)

// published is a chain with at most one certificate, that counts questions.
type published struct {
	certificate chain.Certificate
	err         error
	asked       int
}

func (p *published) Certificate(_ context.Context, owner, serial string) (chain.Certificate, error) {
	p.asked++
	return p.certificate, p.err
}

// clientLeaf is a client certificate, changed as asked.
func clientLeaf(t *testing.T, key *ecdsa.PrivateKey, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := template(address)
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return leaf
}

func TestClientCertificates(t *testing.T) {
	key := newKey(t)
	ours, theirs := clientLeaf(t, key, nil), clientLeaf(t, newKey(t), nil)
	asPEM := func(c *x509.Certificate) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	for _, test := range []struct {
		name    string
		leaf    *x509.Certificate
		chain   *published
		state   trust.ClientState
		refused bool
		says    string
	}{
		{"good", ours, &published{certificate: chain.Certificate{State: chain.Valid, PEM: asPEM(ours)}}, trust.ClientGood, false, "try again"},
		{"made again with the same key", clientLeaf(t, key, func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Hour) }),
			&published{certificate: chain.Certificate{State: chain.Valid, PEM: asPEM(ours)}}, trust.ClientGood, false, "try again"},
		{"another's key", theirs, &published{certificate: chain.Certificate{State: chain.Valid, PEM: asPEM(ours)}}, trust.ClientOtherKey, true, "another key"},
		{"revoked", ours, &published{certificate: chain.Certificate{State: chain.Revoked, PEM: asPEM(ours)}}, trust.ClientRevoked, true, "was revoked on the chain"},
		{"unknown, or very new", ours, &published{}, trust.ClientAbsent, false, "not on the chain: " + address},
		{"the chain is away", ours, &published{err: errors.New("away")}, trust.ClientUnknown, false, "the chain does not answer"},
		{"nonsense on the chain", ours, &published{certificate: chain.Certificate{State: chain.Valid, PEM: []byte("x")}}, trust.ClientUnknown, false, ""},
		{"expired", clientLeaf(t, key, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), &published{}, trust.ClientExpired, true, "expired at 2027-01-15T11:59:00Z"},
		{"not yet valid", clientLeaf(t, key, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }), &published{}, trust.ClientNotYetValid, true, "valid from 2027-01-15T12:01:00Z on"},
		// The provider's clock may be some seconds behind or ahead of this one.
		{"expired a moment ago", clientLeaf(t, key, func(c *x509.Certificate) { c.NotAfter = now.Add(-10 * time.Second) }),
			&published{certificate: chain.Certificate{State: chain.Valid, PEM: asPEM(ours)}}, trust.ClientGood, false, ""},
		{"no account's", clientLeaf(t, key, func(c *x509.Certificate) { c.Subject.CommonName = "tenant" }), &published{}, trust.ClientUnnamed, false, "Akash address"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := trust.New(trust.Options{Chain: test.chain, Now: func() time.Time { return now }})
			s := v.Client(t.Context(), test.leaf)
			assert.Equal(t, test.state, s)
			assert.Equal(t, test.refused, s.Refused())
			err := trust.ClientRefusal(s, test.leaf)
			assert.Equal(t, codes.Unauthenticated, err.Code)
			assert.Equal(t, rpcerror.ReasonCertificateNotOnChain, err.Reason)
			assert.Contains(t, err.Error(), test.says)
		})
	}
	s := trust.New(trust.Options{Now: func() time.Time { return now }}).Client(t.Context(), ours)
	assert.Equal(t, trust.ClientUnknown, s, "there is no chain")
}

// The chain is not asked again for each call, and a refusal is looked at anew.
func TestAClientCertificatesStateIsRemembered(t *testing.T) {
	ours := clientLeaf(t, newKey(t), nil)
	at := now
	p := &published{err: errors.New("away")}
	v := trust.New(trust.Options{Chain: p, Now: func() time.Time { return at }})
	for range 3 {
		assert.Equal(t, trust.ClientUnknown, v.Client(t.Context(), ours))
	}
	assert.Equal(t, 1, p.asked)
	at = at.Add(2 * time.Minute)
	p.err, p.certificate = nil, chain.Certificate{State: chain.Revoked}
	for range 3 {
		assert.Equal(t, trust.ClientRevoked, v.Client(t.Context(), ours))
	}
	assert.Equal(t, 4, p.asked)
}
