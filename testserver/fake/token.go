package fake

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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

// leaseAccess is the claim "leases" of AEP-64.
type leaseAccess struct {
	Access      string             `json:"access"`
	Scope       []string           `json:"scope,omitempty"`
	Permissions []leasePermissions `json:"permissions,omitempty"`
}

// leasePermissions is what a token grants at one provider.
type leasePermissions struct {
	Provider    string                  `json:"provider"`
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
