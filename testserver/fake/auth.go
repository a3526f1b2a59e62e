package fake

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	certv1 "akash-provider-web/proto/akash/cert/v1"
)

// A provider's texts for refused callers (proto/akash-provider-api.md, section 2.7).
const (
	messageUnauthorized  = "unauthorized access"
	messageInvalidHeader = "invalid authorization header"
	messageInvalidToken  = "JWT is invalid"
	messageInvalidClaims = "JWT has invalid claims"
	messageAmbiguous     = "auth: ambiguous authentication. may not use mTLS and JWT at the same time"
	messageUnknown       = "unknown error while processing JWT"
)

// refusal is the answer to a refused caller.
type refusal struct {
	status  int
	message string
	plain   bool // an empty text, as in versions without tokens
}

// caller is the account that a request comes from, and what its token or certificate
// permits. The zero value is an unauthenticated caller.
type caller struct {
	owner  string
	access leaseAccess
}

// may reports whether the caller has the permission scope for a lease. With scope ""
// it only checks the access to the lease.
func (c caller) may(l Lease, scope string) bool {
	return c.owner == l.Owner && c.access.allows(l, scope)
}

// allows reports whether a token's claim permits a scope for a lease.
func (a leaseAccess) allows(l Lease, scope string) bool {
	switch a.Access {
	case accessFull:
		return true
	case accessScoped:
		return scope == "" || slices.Contains(a.Scope, scope)
	case accessGranular:
		for _, p := range a.Permissions {
			if string(p.Provider) == l.Provider && p.allows(l, scope) {
				return true
			}
		}
	}
	return false
}

// allows reports whether the permissions for the lease's provider include a scope. It
// ignores services in permissions, as all gateways do.
func (p leasePermissions) allows(l Lease, scope string) bool {
	switch p.Access {
	case accessFull:
		return true
	case accessScoped:
		return scope == "" || slices.Contains(p.Scope, scope)
	case accessGranular:
		for _, d := range p.Deployments {
			if d.DSeq == l.DSeq && covers(d.GSeq, l.GSeq) && covers(d.OSeq, l.OSeq) &&
				(scope == "" || slices.Contains(d.Scope, scope)) {
				return true
			}
		}
	}
	return false
}

// covers reports whether a sequence number in a token matches a requested one. 0
// matches all: a token may omit it, and a manifest is for all groups.
func covers(granted, asked uint32) bool { return granted == 0 || asked == 0 || granted == asked }

// reaches reports whether the caller's token is for this provider.
func (c caller) reaches(provider string) bool {
	switch c.access.Access {
	case accessFull, accessScoped:
		return true
	}
	return slices.ContainsFunc(c.access.Permissions, func(p leasePermissions) bool { return string(p.Provider) == provider })
}

// authenticateRequest returns the caller of a REST request.
func (p *provider) authenticateRequest(r *http.Request) (caller, *refusal) {
	var certificates []*x509.Certificate
	if r.TLS != nil {
		certificates = r.TLS.PeerCertificates
	}
	return p.authenticate(certificates, r.Header.Get("Authorization"))
}

// authenticateCall returns the caller of a gRPC call.
func (p *provider) authenticateCall(ctx context.Context) (caller, *refusal) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) > 1 {
		return caller{}, &refusal{status: http.StatusBadRequest, message: messageInvalidHeader}
	}
	return p.authenticate(peerCertificates(ctx), strings.Join(values, ""))
}

// peerCertificates returns the client certificates of a gRPC call.
func peerCertificates(ctx context.Context) []*x509.Certificate {
	from, _ := peer.FromContext(ctx)
	if from == nil {
		return nil
	}
	info, ok := from.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return nil
	}
	return info.State.PeerCertificates
}

// authenticate returns the account identified by a client certificate or a token, or
// an unauthenticated caller.
func (p *provider) authenticate(certificates []*x509.Certificate, header string) (caller, *refusal) {
	if !p.version.readsTokens() {
		return p.authenticateByCertificate(certificates)
	}
	token, err := bearer(header)
	if err != nil {
		return caller{}, p.refuse(http.StatusBadRequest, messageInvalidHeader, err)
	}
	var who caller
	if len(certificates) == 1 {
		// The handshake has verified it.
		name := certificates[0].Subject.CommonName
		if !isAddress(name) {
			return caller{}, &refusal{status: http.StatusInternalServerError, message: messageUnknown}
		}
		who = caller{owner: name, access: leaseAccess{Access: accessFull}}
	}
	if token == "" {
		return who, nil
	}
	if who.owner != "" {
		return caller{}, p.refuse(http.StatusBadRequest, messageAmbiguous, errors.New(messageAmbiguous))
	}
	who, err = p.readToken(token)
	switch {
	case err == nil:
		return who, nil
	case errors.Is(err, jwt.ErrTokenInvalidClaims):
		// This also applies to a token that has only expired: jwt joins both errors,
		// and the gateway checks for this one first.
		return caller{}, p.refuse(http.StatusBadRequest, messageInvalidClaims, err)
	default:
		return caller{}, p.refuse(http.StatusUnauthorized, messageInvalidToken, err)
	}
}

// refuse returns a refusal in the words of this release. Before v0.11.2 all refusals
// were server errors.
func (p *provider) refuse(status int, message string, detail error) *refusal {
	if p.version.plainErrors() {
		return &refusal{status: status, message: message}
	}
	return &refusal{status: http.StatusInternalServerError, message: messageUnknown + ". " + detail.Error()}
}

// authenticateByCertificate is authenticate for versions without tokens, which
// verified client certificates after the handshake.
func (p *provider) authenticateByCertificate(certificates []*x509.Certificate) (caller, *refusal) {
	if len(certificates) == 0 {
		return caller{}, nil
	}
	raw := make([][]byte, len(certificates))
	for i, c := range certificates {
		raw[i] = c.Raw
	}
	if err := p.verifyClient(raw); err != nil {
		return caller{}, &refusal{status: http.StatusUnauthorized, message: err.Error(), plain: true}
	}
	return caller{owner: certificates[0].Subject.CommonName, access: leaseAccess{Access: accessFull}}, nil
}

// bearer returns the token in an Authorization header, or "" if there is no header.
func bearer(header string) (string, error) {
	if header == "" {
		return "", nil
	}
	fields := strings.Fields(header)
	if len(fields) != 2 || !strings.EqualFold(fields[0], "bearer") {
		return "", errors.New(messageInvalidHeader)
	}
	return fields[1], nil
}

// readToken verifies a token and returns its account.
func (p *provider) readToken(text string) (caller, error) {
	methods := []string{algES256K}
	if p.version.readsADR36() {
		methods = append(methods, algADR36)
	}
	var c tokenClaims
	_, err := jwt.ParseWithClaims(text, &c, func(t *jwt.Token) (any, error) {
		key := p.ledger.publicKey(c.Issuer)
		if key == nil {
			return nil, fmt.Errorf("account %q has no public key", c.Issuer)
		}
		if t.Method.Alg() == algADR36 {
			return signer{address: c.Issuer, public: key}, nil
		}
		return key, nil
	}, jwt.WithValidMethods(methods), jwt.WithTimeFunc(func() time.Time {
		return time.Now().Add(time.Duration(p.ahead.Load()))
	}))
	if err != nil {
		return caller{}, err
	}
	return caller{owner: c.Issuer, access: c.Leases}, nil
}

// writeRefusal answers with a refusal.
func writeRefusal(w http.ResponseWriter, r *refusal) {
	if r.plain {
		http.Error(w, "", r.status)
		return
	}
	body, err := json.Marshal(map[string]string{"message": r.message})
	if err != nil {
		panic(err) // cannot happen for a map of strings
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.status)
	w.Write(body)
}

// verifyClient accepts a client certificate that is on the chain
// (proto/akash-provider-api.md, section 3.1). In a handshake an error becomes the
// alert bad_certificate.
func (p *provider) verifyClient(raw [][]byte) error {
	if len(raw) == 0 {
		return nil
	}
	if len(raw) != 1 {
		return fmt.Errorf("tls: invalid number of certificates: %d", len(raw))
	}
	leaf, err := x509.ParseCertificate(raw[0])
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	owner := leaf.Subject.CommonName
	switch {
	case !isAddress(owner):
		return errors.New("tls: certificate name is not an address")
	case leaf.Issuer.CommonName != owner:
		return errors.New("tls: certificate is not self-signed")
	}
	record := p.ledger.certificate(owner, leaf.SerialNumber.String())
	if record == nil || record.GetState() != certv1.State_valid {
		return errors.New("tls: certificate is not valid on the chain")
	}
	pubkey, _ := pem.Decode(record.GetPubkey())
	public, err := x509.ParsePKIXPublicKey(pubkey.Bytes)
	if err != nil {
		return fmt.Errorf("tls: key on the chain: %w", err)
	}
	if key, ok := public.(*ecdsa.PublicKey); !ok || !key.Equal(leaf.PublicKey) {
		return errors.New("tls: certificate has another key than the chain")
	}
	if err := leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(record.GetCert())
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots:       roots,
		CurrentTime: time.Now(),
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	return nil
}
