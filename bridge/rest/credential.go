package rest

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"strings"
)

// A credential authenticates the owner of a call: a token (AEP-64), a client certificate,
// or nothing. It lives as long as the call.
type credential struct {
	// authorization is the header's value, which is sent only to the provider.
	authorization string
	// claims are the token's claims, unverified. They are only used to explain a provider's
	// refusal. Nil if there is no token or it cannot be decoded.
	claims *claims
	// problem describes why providers refuse the token's claims at any time; "" if no
	// reason is known.
	problem     string
	certificate *x509.Certificate
}

func newCredential(authorization string, certificate *tls.Certificate) *credential {
	c := &credential{authorization: authorization}
	if payload := readPayload(authorization); payload != nil {
		c.claims, c.problem = readClaims(payload)
	}
	if certificate != nil {
		c.certificate = certificate.Leaf
		if c.certificate == nil && len(certificate.Certificate) > 0 {
			c.certificate, _ = x509.ParseCertificate(certificate.Certificate[0])
		}
		if c.certificate == nil {
			c.certificate = new(x509.Certificate) // present, but unreadable
		}
	}
	return c
}

// ambiguous reports whether there are two credentials, which all providers refuse.
func (c *credential) ambiguous() bool { return c.authorization != "" && c.certificate != nil }

// owner returns the credential's account, or "" if unknown.
func (c *credential) owner() string {
	switch {
	case c.claims != nil:
		return c.claims.Issuer
	case c.certificate != nil:
		return c.certificate.Subject.CommonName
	}
	return ""
}

// sum returns a hash that identifies the credential.
func (c *credential) sum() [32]byte {
	h := sha256.New()
	h.Write([]byte(c.authorization))
	if c.certificate != nil {
		h.Write([]byte{0}) // which header values cannot contain
		h.Write(c.certificate.Raw)
	}
	return [32]byte(h.Sum(nil))
}

// scrub removes the credential from a provider's text.
func (c *credential) scrub(text string) string {
	for field := range strings.FieldsSeq(c.authorization) {
		if len(field) > len("Bearer") {
			text = strings.ReplaceAll(text, field, "…")
		}
	}
	return text
}
