package trust_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trust"
)

const (
	address  = "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"
	stranger = "akash1rk090a6mq9gvm0h6ljf8kz8mrxglwwxsk4srxh"
	host     = "provider.example.com"
)

var now = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// template is a certificate as Akash's tools create it (proto/akash-provider-api.md,
// section 4.1).
func template(owner string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1795177602491491899),
		Subject: pkix.Name{CommonName: owner, ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{2, 23, 133, 2, 6}, Value: "v0.0.1"},
		}},
		NotBefore:                   now.Add(-24 * time.Hour),
		NotAfter:                    now.Add(364 * 24 * time.Hour),
		KeyUsage:                    x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment,
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid:       true,
		DNSNames:                    []string{host},
		PermittedDNSDomains:         []string{host},
		PermittedDNSDomainsCritical: true,
	}
}

// sign signs c with the key of parent, or with its own key if parent is nil.
func sign(t *testing.T, c, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	require.NoError(t, err)
	signed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return signed
}

func selfSigned(t *testing.T, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := template(address)
	if change != nil {
		change(c)
	}
	key := newKey(t)
	return sign(t, c, nil, key, key)
}

// ledger is a chain with certificates.
type ledger struct {
	published map[string]chain.Certificate // by owner/serial
	err       error
	asked     int
}

func (l *ledger) Certificate(_ context.Context, owner, serial string) (chain.Certificate, error) {
	l.asked++
	return l.published[owner+"/"+serial], l.err
}

func (l *ledger) publish(c *x509.Certificate, state chain.State) {
	if l.published == nil {
		l.published = make(map[string]chain.Certificate)
	}
	l.published[c.Subject.CommonName+"/"+c.SerialNumber.String()] = chain.Certificate{
		State: state,
		Trust: "quorum=2/3",
		PEM:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}),
	}
}

// authority is a public CA.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(10 * 365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return &authority{sign(t, c, nil, key, key), key}
}

func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *authority) issue(t *testing.T, name string, notAfter time.Time) *x509.Certificate {
	t.Helper()
	return sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: notAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, newKey(t), a.key)
}

func newVerifier(l *ledger, roots *x509.CertPool, clock func() time.Time) *trust.Verifier {
	if roots == nil {
		roots = x509.NewCertPool() // no CAs, not even the system's
	}
	if clock == nil {
		clock = func() time.Time { return now }
	}
	o := trust.Options{Roots: roots, Now: clock}
	if l != nil {
		o.Chain = l
	}
	return trust.New(o)
}

var policy = trust.Policy{Address: address, ServerName: host}

func TestAPublishedCertificateIsAccepted(t *testing.T) {
	cert := selfSigned(t, nil)
	l := &ledger{}
	l.publish(cert, chain.Valid)
	v := newVerifier(l, nil, nil)
	d, err := v.Decide(t.Context(), []*x509.Certificate{cert}, policy)
	require.NoError(t, err)
	assert.Equal(t, trust.ByChain, d.Basis)
	assert.EqualValues(t, "quorum=2/3", d.Trust)
	again, err := v.Decide(t.Context(), []*x509.Certificate{cert}, policy)
	require.NoError(t, err)
	assert.Equal(t, d, again, "the cached decision is another one")
	assert.Equal(t, now.Add(30*time.Minute), d.Until)
}

// The fixture was made by Akash's own tools.
func TestARealProvidersCertificateIsAccepted(t *testing.T) {
	text, err := os.ReadFile("testdata/provider.cert.pem")
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	l := &ledger{}
	l.publish(cert, chain.Valid)
	d, err := newVerifier(l, nil, nil).Decide(t.Context(), []*x509.Certificate{cert}, policy)
	require.NoError(t, err)
	assert.Equal(t, trust.ByChain, d.Basis)
}

func TestRefusalsHaveReasons(t *testing.T) {
	good := selfSigned(t, nil)
	changed := func(change func(*x509.Certificate)) *x509.Certificate { return selfSigned(t, change) }
	anotherCA := newAuthority(t)
	for _, c := range []struct {
		name   string
		cert   *x509.Certificate
		state  chain.State
		reason rpcerror.Reason
		says   string
	}{
		{"expired", changed(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }), chain.Valid, rpcerror.ReasonExpired, "2027-01-15T11:59:59Z"},
		{"not yet valid", changed(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }), chain.Valid, rpcerror.ReasonNotYetValid, "2027-01-15T12:00:01Z"},
		{"another account's", changed(func(c *x509.Certificate) { c.Subject.CommonName = stranger }), chain.Valid, rpcerror.ReasonWrongOwner, stranger},
		{"not on the chain", changed(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(7) }), chain.Absent, rpcerror.ReasonUnknownCertificate, "serial number 7"},
		{"revoked", changed(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(8) }), chain.Revoked, rpcerror.ReasonRevoked, "serial number 8"},
		{"same number, another key", selfSigned(t, nil), chain.Absent, rpcerror.ReasonFingerprintMismatch, "posing"},
		{"from a CA of no standing", anotherCA.issue(t, host, now.Add(time.Hour)), chain.Absent, rpcerror.ReasonNotSelfSigned, host},
		{"signed by another under the same name", sign(t, template(address), template(address), newKey(t), newKey(t)), chain.Valid, rpcerror.ReasonNotSelfSigned, host},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &ledger{}
			l.publish(good, chain.Valid)
			if c.state != chain.Absent {
				l.publish(c.cert, c.state)
			}
			_, err := newVerifier(l, nil, nil).Decide(t.Context(), []*x509.Certificate{c.cert}, policy)
			var f *rpcerror.Error
			require.ErrorAs(t, err, &f)
			assert.Equal(t, codes.FailedPrecondition, f.Code)
			assert.Equal(t, c.reason, f.Reason)
			assert.Contains(t, f.Message, c.says)
			assert.True(t, trust.IsRefusal(err))
		})
	}
}

func TestAServerWithoutACertificateIsRefused(t *testing.T) {
	_, err := newVerifier(&ledger{}, nil, nil).Decide(t.Context(), nil, policy)
	assert.True(t, trust.IsRefusal(err))
}

func TestACertificateByAPublicCAIsAccepted(t *testing.T) {
	ca := newAuthority(t)
	v := newVerifier(nil, ca.roots(), nil)

	d, err := v.Decide(t.Context(), []*x509.Certificate{ca.issue(t, host, now.Add(time.Hour))}, policy)
	require.NoError(t, err)
	assert.Equal(t, trust.ByCA, d.Basis)
	assert.Equal(t, now.Add(30*time.Minute), d.Until)

	d, err = v.Decide(t.Context(), []*x509.Certificate{ca.issue(t, host, now.Add(time.Minute))}, policy)
	require.NoError(t, err)
	assert.Equal(t, now.Add(time.Minute), d.Until, "the decision must not outlive the certificate")

	_, err = v.Decide(t.Context(), []*x509.Certificate{ca.issue(t, "other.example.com", now.Add(time.Hour))}, policy)
	assert.True(t, trust.IsRefusal(err), "a CA's certificate for another host name")

	_, err = v.Decide(t.Context(), []*x509.Certificate{ca.issue(t, host, now.Add(-time.Minute))}, policy)
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f)
	assert.Equal(t, rpcerror.ReasonExpired, f.Reason)
}

// Anyone can get a CA's certificate for a host of their own. It proves nothing about
// the provider.
func TestACertificateByACAIsRefusedForAnotherHost(t *testing.T) {
	ca := newAuthority(t)
	v := newVerifier(&ledger{}, ca.roots(), nil)
	certs := []*x509.Certificate{ca.issue(t, host, now.Add(time.Hour))}

	p := policy
	p.HostIsProviders = func(context.Context) (chain.Trust, bool, error) { return chain.OneNode, false, nil }
	_, err := v.Decide(t.Context(), certs, p)
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f)
	assert.Equal(t, rpcerror.ReasonNotSelfSigned, f.Reason)

	p.HostIsProviders = func(context.Context) (chain.Trust, bool, error) { return "quorum=2/3", true, nil }
	d, err := v.Decide(t.Context(), certs, p)
	require.NoError(t, err)
	assert.Equal(t, trust.ByCA, d.Basis)
	assert.EqualValues(t, "quorum=2/3", d.Trust)

	p.HostIsProviders = func(context.Context) (chain.Trust, bool, error) { return "", false, context.DeadlineExceeded }
	_, err = v.Decide(t.Context(), certs, p)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAPinAcceptsOneCertificateOnly(t *testing.T) {
	cert := selfSigned(t, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) })
	print := sha256.Sum256(cert.Raw)
	v := newVerifier(nil, nil, nil)

	p := policy
	p.PinSHA256 = print[:]
	d, err := v.Decide(t.Context(), []*x509.Certificate{cert}, p)
	require.NoError(t, err)
	assert.Equal(t, trust.ByPin, d.Basis)

	for _, pin := range [][]byte{make([]byte, sha256.Size), {}, print[:31]} {
		p.PinSHA256 = pin
		_, err = v.Decide(t.Context(), []*x509.Certificate{cert}, p)
		var f *rpcerror.Error
		require.ErrorAs(t, err, &f)
		assert.Equal(t, rpcerror.ReasonFingerprintMismatch, f.Reason)
	}
}

func TestInsecureAcceptsAnyCertificate(t *testing.T) {
	p := policy
	p.Insecure = true
	d, err := newVerifier(nil, nil, nil).Decide(t.Context(), nil, p)
	require.NoError(t, err)
	assert.Equal(t, trust.ByNone, d.Basis)
}

func TestSelfSignedCertificatesNeedAChain(t *testing.T) {
	_, err := newVerifier(nil, nil, nil).Decide(t.Context(), []*x509.Certificate{selfSigned(t, nil)}, policy)
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f)
	assert.Equal(t, codes.Unavailable, f.Code)
	assert.Equal(t, rpcerror.ReasonChainUnavailable, f.Reason)
	assert.False(t, trust.IsRefusal(err))
}

func TestARevokedCertificateIsRefusedWithinHalfAnHour(t *testing.T) {
	cert := selfSigned(t, nil)
	other := selfSigned(t, func(c *x509.Certificate) { c.Subject.CommonName = stranger })
	l := &ledger{}
	l.publish(cert, chain.Valid)
	l.publish(other, chain.Valid)
	at := now
	v := newVerifier(l, nil, func() time.Time { return at })
	decide := func() error {
		_, err := v.Decide(t.Context(), []*x509.Certificate{cert}, policy)
		return err
	}
	require.NoError(t, decide())
	l.publish(cert, chain.Revoked)
	at = now.Add(29 * time.Minute)
	require.NoError(t, decide())
	assert.Equal(t, 1, l.asked, "the decision is cached")

	// It is cached for this certificate and this provider only.
	_, err := v.Decide(t.Context(), []*x509.Certificate{cert}, trust.Policy{Address: stranger, ServerName: host})
	assert.True(t, trust.IsRefusal(err))
	_, err = v.Decide(t.Context(), []*x509.Certificate{other}, policy)
	assert.True(t, trust.IsRefusal(err))

	at = now.Add(30 * time.Minute)
	assert.True(t, trust.IsRefusal(decide()))

	// Refusals are not cached: a certificate that is published again is accepted at
	// once.
	l.publish(cert, chain.Valid)
	assert.NoError(t, decide())
}

func TestAnUnavailableChainIsNotARefusal(t *testing.T) {
	l := &ledger{err: rpcerror.New(codes.Unavailable, rpcerror.ReasonChainUnavailable, "down")}
	_, err := newVerifier(l, nil, nil).Decide(t.Context(), []*x509.Certificate{selfSigned(t, nil)}, policy)
	require.Error(t, err)
	assert.False(t, trust.IsRefusal(err))
}

func TestMalformedDataOnTheChainIsRefused(t *testing.T) {
	cert := selfSigned(t, nil)
	l := &ledger{}
	l.publish(cert, chain.Valid)
	l.published[address+"/"+cert.SerialNumber.String()] = chain.Certificate{State: chain.Valid, PEM: []byte("nonsense")}
	_, err := newVerifier(l, nil, nil).Decide(t.Context(), []*x509.Certificate{cert}, policy)
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f)
	assert.Equal(t, rpcerror.ReasonFingerprintMismatch, f.Reason)
}
