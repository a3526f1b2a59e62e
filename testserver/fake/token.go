package fake

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/golang-jwt/jwt/v5"
)

// JWT algorithms of AEP-64.
const (
	algES256K = "ES256K"
	algADR36  = "ES256KADR36"
)

func init() {
	jwt.RegisterSigningMethod(algES256K, func() jwt.SigningMethod { return es256k{} })
	jwt.RegisterSigningMethod(algADR36, func() jwt.SigningMethod { return adr36{} })
}

// es256k signs the SHA-256 of a token's text on secp256k1, 64 bytes r‖s (RFC 8812).
// Its key is a *secp256k1.PrivateKey, to verify a *secp256k1.PublicKey.
type es256k struct{}

// Alg implements jwt.SigningMethod.
func (es256k) Alg() string { return algES256K }

// Sign implements jwt.SigningMethod.
func (es256k) Sign(text string, key any) ([]byte, error) {
	private, ok := key.(*secp256k1.PrivateKey)
	if !ok {
		return nil, jwt.ErrInvalidKeyType
	}
	return signSecp256k1(private, []byte(text)), nil
}

// Verify implements jwt.SigningMethod.
func (es256k) Verify(text string, signature []byte, key any) error {
	public, ok := key.(*secp256k1.PublicKey)
	if !ok {
		return jwt.ErrInvalidKeyType
	}
	return verifySecp256k1(public, []byte(text), signature)
}

// signer is the key of a token signed as an ADR-036 message, which names its
// signer.
type signer struct {
	address string
	private *secp256k1.PrivateKey
	public  *secp256k1.PublicKey
}

// adr36 signs the Amino sign-doc of a MsgSignData that holds a token's text, as
// wallets' signArbitrary does. Its key is a signer.
type adr36 struct{}

// Alg implements jwt.SigningMethod.
func (adr36) Alg() string { return algADR36 }

// Sign implements jwt.SigningMethod.
func (adr36) Sign(text string, key any) ([]byte, error) {
	by, ok := key.(signer)
	if !ok || by.private == nil {
		return nil, jwt.ErrInvalidKeyType
	}
	return signSecp256k1(by.private, signDoc(by.address, text)), nil
}

// Verify implements jwt.SigningMethod.
func (adr36) Verify(text string, signature []byte, key any) error {
	by, ok := key.(signer)
	if !ok || by.public == nil {
		return jwt.ErrInvalidKeyType
	}
	return verifySecp256k1(by.public, signDoc(by.address, text), signature)
}

// signDoc is the Amino sign-doc of ADR-036, keys sorted.
func signDoc(address, text string) []byte {
	return fmt.Appendf(nil, `{"account_number":"0","chain_id":"","fee":{"amount":[],"gas":"0"},"memo":"",`+
		`"msgs":[{"type":"sign/MsgSignData","value":{"data":%q,"signer":%q}}],"sequence":"0"}`,
		base64.StdEncoding.EncodeToString([]byte(text)), address)
}

// signSecp256k1 returns r‖s, with a low s.
func signSecp256k1(key *secp256k1.PrivateKey, message []byte) []byte {
	sum := sha256.Sum256(message)
	signature := ecdsa.Sign(key, sum[:])
	r, s := signature.R(), signature.S()
	rb, sb := r.Bytes(), s.Bytes()
	return append(rb[:], sb[:]...)
}

var errSignature = errors.New("signature does not verify")

// verifySecp256k1 checks r‖s; a high s is refused, as Cosmos does.
func verifySecp256k1(key *secp256k1.PublicKey, message, signature []byte) error {
	if len(signature) != 64 {
		return errSignature
	}
	var r, s secp256k1.ModNScalar
	if r.SetByteSlice(signature[:32]) || s.SetByteSlice(signature[32:]) || s.IsOverHalfOrder() {
		return errSignature
	}
	sum := sha256.Sum256(message)
	if !ecdsa.NewSignature(&r, &s).Verify(sum[:], key) {
		return errSignature
	}
	return nil
}

// backdate is how far a fresh token's nbf lies in the past: providers allow no
// leeway for clocks.
const backdate = 10 * time.Second

// What a token may grant.
const (
	accessFull     = "full"
	accessScoped   = "scoped"
	accessGranular = "granular"
)

// Scopes that this fake's routes ask for.
const (
	scopeSendManifest = "send-manifest"
	scopeGetManifest  = "get-manifest"
	scopeLogs         = "logs"
	scopeEvents       = "events"
	scopeStatus       = "status"
	scopeRestart      = "restart"
	scopeShell        = "shell"
	scopeAttestation  = "attestation"
)

// scopes are all that a provider knows; a token that names another is refused.
var scopes = []string{
	scopeSendManifest, scopeGetManifest, scopeLogs, scopeShell, scopeEvents, scopeStatus, scopeRestart,
	"hostname-migrate", "ip-migrate", scopeAttestation,
}

// leaseAccess is the claim "leases" of AEP-64.
type leaseAccess struct {
	Access      string             `json:"access"`
	Scope       []string           `json:"scope,omitempty"`
	Permissions []leasePermissions `json:"permissions,omitempty"`
}

// claimedAddress is an address in a token. One that is none makes the token unreadable,
// as for the type that providers read it in; an empty one only makes it invalid.
type claimedAddress string

// UnmarshalJSON implements json.Unmarshaler.
func (a *claimedAddress) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if text != "" && !isAddress(text) {
		return fmt.Errorf("invalid address %q", text)
	}
	*a = claimedAddress(text)
	return nil
}

// leasePermissions is what a token grants at one provider.
type leasePermissions struct {
	Provider    claimedAddress          `json:"provider"`
	Access      string                  `json:"access"`
	Scope       []string                `json:"scope,omitempty"`
	Deployments []deploymentPermissions `json:"deployments,omitempty"`
}

// deploymentPermissions is what a token grants for one deployment.
type deploymentPermissions struct {
	DSeq     uint64   `json:"dseq"`
	GSeq     uint32   `json:"gseq,omitempty"`
	OSeq     uint32   `json:"oseq,omitempty"`
	Scope    []string `json:"scope,omitempty"`
	Services []string `json:"services,omitempty"`
}

// fullAt grants everything at one provider and nothing elsewhere.
func fullAt(provider string) leaseAccess {
	return leaseAccess{
		Access:      accessGranular,
		Permissions: []leasePermissions{{Provider: claimedAddress(provider), Access: accessFull}},
	}
}

// tokenClaims are what a provider reads in a token.
type tokenClaims struct {
	jwt.RegisteredClaims
	Version string      `json:"version"`
	Leases  leaseAccess `json:"leases"`
}

// Validate implements jwt.ClaimsValidator.
func (c *tokenClaims) Validate() error {
	switch {
	case !isAddress(c.Issuer):
		return errors.New("invalid issuer")
	case c.IssuedAt == nil:
		return errors.New("missing issued at")
	case c.NotBefore == nil:
		return errors.New("missing not before")
	case c.ExpiresAt == nil:
		return errors.New("missing expiration time")
	case c.Version != "v1":
		return errors.New("invalid version")
	}
	return c.Leases.validate()
}

// validate refuses a claim that grants nothing, or in two ways.
func (a leaseAccess) validate() error {
	switch a.Access {
	case accessFull:
		if len(a.Permissions) > 0 || len(a.Scope) > 0 {
			return errors.New("full access with permissions or scope")
		}
	case accessScoped:
		if a.Permissions != nil {
			return errors.New("scoped access with permissions")
		}
		return validateScope(a.Scope)
	case accessGranular:
		if len(a.Permissions) == 0 {
			return errors.New("granular access without permissions")
		}
		seen := map[claimedAddress]bool{}
		for _, p := range a.Permissions {
			if p.Provider == "" || seen[p.Provider] {
				return fmt.Errorf("invalid or duplicate provider %q", p.Provider)
			}
			seen[p.Provider] = true
			if err := p.validate(); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("invalid access type %q", a.Access)
	}
	return nil
}

func (p leasePermissions) validate() error {
	switch p.Access {
	case accessFull:
		if len(p.Deployments) > 0 || len(p.Scope) > 0 {
			return errors.New("permission with full access and deployments or scope")
		}
	case accessScoped:
		if p.Deployments != nil {
			return errors.New("permission with scoped access and deployments")
		}
		return validateScope(p.Scope)
	case accessGranular:
		if p.Scope != nil || len(p.Deployments) == 0 {
			return errors.New("permission with granular access needs deployments and no scope")
		}
		for _, d := range p.Deployments {
			if err := d.validate(); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("invalid access type %q", p.Access)
	}
	return nil
}

func (d deploymentPermissions) validate() error {
	switch {
	case d.DSeq == 0:
		return errors.New("dseq must be set")
	case d.OSeq > 0 && d.GSeq == 0:
		return errors.New("gseq must be set if oseq is")
	case len(d.Services) == 0:
		return errors.New("empty services")
	}
	seen := map[string]bool{}
	for _, name := range d.Services {
		if seen[name] {
			return fmt.Errorf("duplicate service %q", name)
		}
		seen[name] = true
	}
	return validateScope(d.Scope)
}

func validateScope(names []string) error {
	if len(names) == 0 {
		return errors.New("scope must be set")
	}
	seen := map[string]bool{}
	for _, name := range names {
		if !slices.Contains(scopes, name) || seen[name] {
			return fmt.Errorf("invalid or duplicate scope %q", name)
		}
		seen[name] = true
	}
	return nil
}

// claims returns the claims of a token that account a issues now.
func claims(a account, now time.Time, life time.Duration, access leaseAccess) jwt.MapClaims {
	var leases any
	// A map, so that tests can alter any part of it.
	text, _ := json.Marshal(access)
	json.Unmarshal(text, &leases)
	return jwt.MapClaims{
		"iss":     a.address,
		"iat":     now.Add(-backdate).Unix(),
		"nbf":     now.Add(-backdate).Unix(),
		"exp":     now.Add(life).Unix(),
		"version": "v1",
		"leases":  leases,
	}
}

// sign returns a token.
func sign(a account, alg string, c jwt.MapClaims) (string, error) {
	var key any = a.key
	if alg == algADR36 {
		key = signer{address: a.address, private: a.key}
	}
	method := jwt.GetSigningMethod(alg)
	if method == nil {
		return "", fmt.Errorf("unknown algorithm %q", alg)
	}
	return jwt.NewWithClaims(method, c).SignedString(key)
}
