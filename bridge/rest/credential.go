package rest

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
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
		c.claims, c.problem = readClaims(payload), claimsProblem(payload)
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

// claims are the claims of a token (AEP-64) that explain a refusal.
type claims struct {
	Issuer    string   `json:"iss"`
	IssuedAt  *instant `json:"iat"`
	NotBefore *instant `json:"nbf"`
	Expires   *instant `json:"exp"`
	Leases    struct {
		Access      string       `json:"access"`
		Scope       []string     `json:"scope"`
		Permissions []permission `json:"permissions"`
	} `json:"leases"`
}

// permission is what a granular token grants at one provider.
type permission struct {
	Provider    string   `json:"provider"`
	Access      string   `json:"access"`
	Scope       []string `json:"scope"`
	Deployments []struct {
		Scope []string `json:"scope"`
	} `json:"deployments"`
}

// instant is a NumericDate (RFC 7519 section 2).
type instant struct{ time.Time }

func (i *instant) UnmarshalJSON(data []byte) error {
	var seconds float64
	if err := json.Unmarshal(data, &seconds); err != nil {
		return err
	}
	const horizon = 1 << 40 // some 35,000 years, so that no claim overflows
	i.Time = time.Unix(int64(min(max(seconds, -horizon), horizon)), 0).UTC()
	return nil
}

// readPayload returns the JSON of the claims of "Bearer <token>", or nil.
func readPayload(authorization string) []byte {
	scheme, token, _ := strings.Cut(authorization, " ")
	parts := strings.Split(strings.TrimSpace(token), ".")
	if !strings.EqualFold(scheme, "Bearer") || len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	return payload
}

// readClaims decodes claims as far as possible, or returns nil.
func readClaims(payload []byte) *claims {
	var c claims
	var mismatch *json.UnmarshalTypeError
	if err := json.Unmarshal(payload, &c); err != nil && !errors.As(err, &mismatch) {
		return nil
	}
	return &c
}

// grants reports whether the token has the scope in any of its permissions for provider.
// Deployments' numbers are not checked, so true only means that the scope is not missing.
func (c *claims) grants(scope, provider string) bool {
	switch c.Leases.Access {
	case "full":
		return true
	case "scoped":
		return slices.Contains(c.Leases.Scope, scope)
	}
	for _, p := range c.Leases.Permissions {
		if p.Provider != provider {
			continue
		}
		if p.Access == "full" || slices.Contains(p.Scope, scope) {
			return true
		}
		for _, d := range p.Deployments {
			if slices.Contains(d.Scope, scope) {
				return true
			}
		}
	}
	return false
}

// names reports whether the token has any permission for provider.
func (c *claims) names(provider string) bool {
	return c.Leases.Access != "granular" ||
		slices.ContainsFunc(c.Leases.Permissions, func(p permission) bool { return p.Provider == provider })
}
