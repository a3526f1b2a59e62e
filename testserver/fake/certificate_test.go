package fake_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/testserver/fake"
)

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

// pemShape returns the types of the blocks in text.
func pemShape(t *testing.T, text []byte) (types []string) {
	t.Helper()
	for len(text) > 0 {
		block, rest := pem.Decode(text)
		require.NotNil(t, block)
		types, text = append(types, block.Type), rest
	}
	return types
}

// fingerprint returns the SHA-256 of a PEM certificate.
func fingerprint(t *testing.T, text []byte) string {
	t.Helper()
	block, _ := pem.Decode(text)
	require.NotNil(t, block)
	return digest(block.Bytes)
}

// served returns the certificate that the address serves.
func served(t *testing.T, address string) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", address, insecure())
	require.NoError(t, err)
	defer conn.Close()
	assert.EqualValues(t, tls.VersionTLS13, conn.ConnectionState().Version)
	return conn.ConnectionState().PeerCertificates[0]
}

// The certificate has the form of a real provider's, including the bytes of its
// extensions.
func TestCertificateShape(t *testing.T) {
	text, err := os.ReadFile("testdata/provider.cert.pem")
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	want, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)

	s := start(t, fake.Options{Seed: 7})
	for _, address := range []string{s.Ready().REST, s.Ready().GRPC} {
		got := served(t, address)
		assert.Equal(t, want.Extensions, got.Extensions)
		assert.Equal(t, want.SignatureAlgorithm, got.SignatureAlgorithm)
		assert.Equal(t, want.PublicKeyAlgorithm, got.PublicKeyAlgorithm)
		assert.Equal(t, want.Version, got.Version)
		assert.Equal(t, s.Ready().Provider, got.Subject.CommonName)
		assert.Equal(t, shape(want.Subject), shape(got.Subject))
		assert.Equal(t, got.RawSubject, got.RawIssuer)
		assert.Len(t, got.SerialNumber.String(), len(want.SerialNumber.String()))
		assert.NoError(t, got.CheckSignature(got.SignatureAlgorithm, got.RawTBSCertificate, got.Signature))
		assert.Equal(t, s.Ready().CertSHA256, digest(got.Raw))
	}
}

// shape returns a name without its common name.
func shape(name pkix.Name) (rest []pkix.AttributeTypeAndValue) {
	for _, one := range name.Names {
		if one.Type.String() != "2.5.4.3" {
			rest = append(rest, one)
		}
	}
	return rest
}

// TLS 1.2 is refused with the alert protocol_version.
func TestOldTLSIsRefused(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	config := insecure()
	config.MaxVersion = tls.VersionTLS12
	for _, address := range []string{s.Ready().REST, s.Ready().GRPC} {
		_, err := tls.Dial("tcp", address, config)
		require.ErrorContains(t, err, "protocol version")
	}
}

// REST negotiates no protocol even if one is offered; gRPC negotiates h2.
func TestALPN(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	negotiated := func(address string) string {
		config := insecure()
		config.NextProtos = []string{"h2", "http/1.1"}
		conn, err := tls.Dial("tcp", address, config)
		require.NoError(t, err)
		defer conn.Close()
		return conn.ConnectionState().NegotiatedProtocol
	}
	assert.Empty(t, negotiated(s.Ready().REST))
	assert.Equal(t, "h2", negotiated(s.Ready().GRPC))
}

// A certificate can be replaced by an invalid one at run time.
func TestCertificateKinds(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	first := served(t, s.Ready().GRPC)

	control(t, s, "POST", "/certificate?kind=expired", "", nil)
	assert.True(t, served(t, s.Ready().GRPC).NotAfter.Before(time.Now()))
	control(t, s, "POST", "/certificate?kind=notYetValid", "", nil)
	assert.True(t, served(t, s.Ready().REST).NotBefore.After(time.Now()))
	control(t, s, "POST", "/certificate?kind=wrongCN", "", nil)
	assert.NotEqual(t, s.Ready().Provider, served(t, s.Ready().GRPC).Subject.CommonName)
	control(t, s, "POST", "/certificate?kind=notSelfSigned", "", nil)
	signed := served(t, s.Ready().GRPC)
	assert.NotEqual(t, signed.RawIssuer, signed.RawSubject)

	control(t, s, "POST", "/certificate?kind=valid", "", nil)
	second := served(t, s.Ready().GRPC)
	assert.NotEqual(t, first.SerialNumber, second.SerialNumber)
	control(t, s, "POST", "/certificate?kind=otherKey", "", nil)
	third := served(t, s.Ready().GRPC)
	assert.Equal(t, second.SerialNumber, third.SerialNumber)
	assert.Equal(t, second.RawSubject, third.RawSubject)
	assert.NotEqual(t, second.RawSubjectPublicKeyInfo, third.RawSubjectPublicKeyInfo)
}
