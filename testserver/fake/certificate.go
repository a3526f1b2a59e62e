package fake

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// PEM block types required by the chain (proto/akash-provider-api.md, section 4.2).
const (
	pemCertificate = "CERTIFICATE"
	pemPublicKey   = "EC PUBLIC KEY"
	pemPrivateKey  = "PRIVATE KEY"
)

// oidVersion is the additional name that Akash puts beside the common name.
var oidVersion = asn1.ObjectIdentifier{2, 23, 133, 2, 6}

// certificateSpec describes a certificate to create.
type certificateSpec struct {
	commonName string
	key        *ecdsa.PrivateKey
	serial     *big.Int
	notBefore  time.Time
	notAfter   time.Time
	// domains and addresses make it a server certificate.
	domains   []string
	addresses []net.IP
	// issuer signs it; nil makes it self-signed, as Akash certificates are.
	issuer *certificate
}

// certificate is an X.509 certificate with its key, in the forms needed for TLS and
// the chain.
type certificate struct {
	spec     certificateSpec
	leaf     *x509.Certificate
	tls      tls.Certificate
	pem      []byte // CERTIFICATE block
	pubkey   []byte // EC PUBLIC KEY block
	keyPEM   []byte // PRIVATE KEY block, PKCS #8
	sha256   string // hex fingerprint of the DER form
	decimals string // serial number in the chain's notation
}

// newCertificate creates a certificate like those of Akash's own tools
// (proto/akash-provider-api.md, section 4.1).
func newCertificate(spec certificateSpec) (*certificate, error) {
	template := &x509.Certificate{
		SerialNumber: spec.serial,
		Subject: pkix.Name{
			CommonName: spec.commonName,
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: oidVersion, Value: "v0.0.1"}},
		},
		NotBefore: spec.notBefore,
		NotAfter:  spec.notAfter,
		// No digitalSignature: Akash certificates have never had it.
		KeyUsage:              x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if len(spec.domains) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		template.DNSNames = spec.domains
		template.IPAddresses = spec.addresses
		template.PermittedDNSDomains = spec.domains
		template.PermittedDNSDomainsCritical = true
	}
	parent, signer := template, spec.key
	if spec.issuer != nil {
		parent, signer = spec.issuer.leaf, spec.issuer.spec.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, spec.key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("sign certificate for %s: %w", spec.commonName, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read certificate back: %w", err)
	}
	return packCertificate(spec, leaf)
}

// readCertificate returns an existing certificate from its PEM forms.
func readCertificate(pair keptPair) (*certificate, error) {
	read, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return nil, err
	}
	key, ok := read.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key of type %T", read.PrivateKey)
	}
	leaf := read.Leaf
	return packCertificate(certificateSpec{
		commonName: leaf.Subject.CommonName,
		key:        key,
		serial:     leaf.SerialNumber,
		notBefore:  leaf.NotBefore,
		notAfter:   leaf.NotAfter,
		domains:    leaf.DNSNames,
		addresses:  leaf.IPAddresses,
	}, leaf)
}

// packCertificate converts a signed certificate to all its forms.
func packCertificate(spec certificateSpec, leaf *x509.Certificate) (*certificate, error) {
	public, err := x509.MarshalPKIXPublicKey(spec.key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(spec.key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	der := leaf.Raw
	sum := sha256.Sum256(der)
	return &certificate{
		spec:     spec,
		leaf:     leaf,
		tls:      tls.Certificate{Certificate: [][]byte{der}, PrivateKey: spec.key, Leaf: leaf},
		pem:      pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der}),
		pubkey:   pem.EncodeToMemory(&pem.Block{Type: pemPublicKey, Bytes: public}),
		keyPEM:   pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: private}),
		sha256:   hex.EncodeToString(sum[:]),
		decimals: spec.serial.String(),
	}, nil
}

// hostName is the name in every provider's host URI.
const hostName = "localhost"

// authority is a certificate authority that clients can be configured to trust.
type authority struct {
	pem    []byte
	server tls.Certificate // for hostName
}

// newAuthority creates an authority and a certificate for hostName issued by it.
func newAuthority(seed uint64) (*authority, error) {
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber:          big.NewInt(now.UnixNano()),
		Subject:               pkix.Name{CommonName: "Fake Authority"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	rootKey := certificateKey(seed, "authority")
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return nil, fmt.Errorf("sign authority: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano() + 1),
		Subject:      pkix.Name{CommonName: hostName},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(0, 3, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{hostName},
	}
	leafKey := certificateKey(seed, "authority", "leaf")
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, leafKey.Public(), rootKey)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of authority: %w", err)
	}
	return &authority{
		pem:    pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: rootDER}),
		server: tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey},
	}, nil
}
