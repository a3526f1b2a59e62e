// Package trust decides whether a certificate belongs to a provider. The root of trust
// is the Akash chain, where providers publish self-signed certificates under their
// address. A certificate by a public CA proves the host name only. The package knows
// nothing about connections.
package trust

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/rpcerror"
)

// Basis says why a certificate was accepted.
type Basis string

// The possible bases of a decision.
const (
	ByCA    Basis = "ca"    // a public CA certifies the host name
	ByChain Basis = "chain" // the provider published it on the chain
	ByPin   Basis = "pin"   // the caller pinned it
	ByNone  Basis = "none"  // the caller asked for no verification
)

// How a decision that does not rest on the chain is known. The others have the trust of
// the chain's answer.
const (
	KnownByOperator chain.Trust = "operator" // the bridge's operator named the host
	KnownByPin      chain.Trust = "pin"
	KnownByNobody   chain.Trust = "none"
)

// decisionLifetime bounds how long a decision is valid. A revoked certificate is
// refused after it.
const decisionLifetime = 30 * time.Minute

// maxDecisions bounds the cached decisions.
const maxDecisions = 10_000

// Policy says which certificates are acceptable.
type Policy struct {
	// Address is the provider's bech32 address.
	Address string
	// ServerName is the host name of the connection.
	ServerName string
	// Insecure accepts any certificate.
	Insecure bool
	// PinSHA256, if not nil, accepts only the certificate with this SHA-256
	// fingerprint, even if it has expired: the server has proved that it has the key
	// that the caller expects.
	PinSHA256 []byte
	// HostIsProviders reports whether ServerName is the provider's host according to
	// the chain or the bridge's operator, and how that is known; nil means yes. A CA
	// certifies a host name only, so its certificate proves nothing about a host that
	// the caller chose. The function is called only if a CA does certify the host.
	HostIsProviders func(context.Context) (known chain.Trust, ok bool, err error)
}

// Decision is an accepted certificate.
type Decision struct {
	Basis Basis
	// Trust says how what the decision rests on is known: the certificate on the chain,
	// or whose host it is that a CA certifies. It is "" if that was the caller's
	// business, because the policy has no HostIsProviders.
	Trust chain.Trust
	// Until is when the decision expires.
	Until time.Time
}

// Certificates looks up the certificate that owner published under a decimal serial
// number. [*chain.Client] implements it.
type Certificates interface {
	Certificate(ctx context.Context, owner, serial string) (chain.Certificate, error)
}

// Options configure a Verifier.
type Options struct {
	// Chain looks up certificates; nil means that there is no chain.
	Chain Certificates
	// Roots are the public CAs; nil means the system's.
	Roots *x509.CertPool
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Decided, if set, is called for each certificate that only the chain can verify,
	// with whether the decision was cached.
	Decided func(cached bool)
}

// Verifier makes decisions. Its methods may be called concurrently.
type Verifier struct {
	chain   Certificates
	roots   *x509.CertPool
	now     func() time.Time
	decided func(cached bool)

	mu        sync.Mutex
	decisions map[cacheKey]Decision                // by chain
	clients   map[[sha256.Size]byte]clientDecision // by the certificate's fingerprint
}

// cacheKey identifies the provider and the certificate that a decision is about.
type cacheKey struct {
	address     string
	fingerprint [sha256.Size]byte
}

// New returns a Verifier.
func New(o Options) *Verifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Decided == nil {
		o.Decided = func(bool) {}
	}
	return &Verifier{chain: o.Chain, roots: o.Roots, now: o.Now, decided: o.Decided, decisions: make(map[cacheKey]Decision), clients: make(map[[sha256.Size]byte]clientDecision)}
}

// Decide decides about the certificate chain that a server presented, leaf first.
// Errors are *rpcerror.Error. A refusal has the code FAILED_PRECONDITION and a reason.
func (v *Verifier) Decide(ctx context.Context, certs []*x509.Certificate, p Policy) (Decision, error) {
	now := v.now()
	until := now.Add(decisionLifetime)
	if p.Insecure {
		return Decision{ByNone, KnownByNobody, until}, nil
	}
	if len(certs) == 0 {
		return Decision{}, refuse(rpcerror.ReasonUnknownCertificate, "the server presented no certificate")
	}
	leaf := certs[0]
	fingerprint := sha256.Sum256(leaf.Raw)

	if p.PinSHA256 != nil {
		if string(p.PinSHA256) != string(fingerprint[:]) {
			return Decision{}, refuse(rpcerror.ReasonFingerprintMismatch,
				"the server's certificate has the SHA-256 fingerprint %x, not the pinned one; pin the new one if the provider changed it, and connect no further if it did not", fingerprint)
		}
		return Decision{ByPin, KnownByPin, until}, nil
	}
	if !v.verifiedByCA(certs, p.ServerName, now) {
		return v.decideByChain(ctx, leaf, fingerprint, p, now)
	}
	var known chain.Trust
	if p.HostIsProviders != nil {
		var ok bool
		var err error
		switch known, ok, err = p.HostIsProviders(ctx); {
		case err != nil:
			return Decision{}, err
		case !ok:
			return Decision{}, refuse(rpcerror.ReasonNotSelfSigned,
				"the server's certificate is from a public CA for the host %q, which is not the host in the provider's record; use that host, or pin the certificate", p.ServerName)
		}
	}
	return Decision{ByCA, known, earlier(until, leaf.NotAfter)}, nil
}

// verifiedByCA reports whether a public CA certifies the host name.
func (v *Verifier) verifiedByCA(certs []*x509.Certificate, serverName string, now time.Time) bool {
	if serverName == "" {
		return false
	}
	intermediates := x509.NewCertPool()
	for _, c := range certs[1:] {
		intermediates.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{
		DNSName:       serverName,
		Roots:         v.roots,
		Intermediates: intermediates,
		CurrentTime:   now,
	})
	return err == nil
}

// decideByChain decides as described in proto/akash-provider-api.md, section 4.2.
// Unlike the provider's own Go client, it also checks that the certificate belongs to
// this provider.
func (v *Verifier) decideByChain(ctx context.Context, leaf *x509.Certificate, fingerprint [sha256.Size]byte, p Policy, now time.Time) (Decision, error) {
	switch {
	case now.After(leaf.NotAfter):
		return Decision{}, refuse(rpcerror.ReasonExpired,
			"the server's certificate expired on %s; the provider must publish a new one", date(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return Decision{}, refuse(rpcerror.ReasonNotYetValid,
			"the server's certificate is valid only from %s; wait, or check the bridge's clock", date(leaf.NotBefore))
	case !selfSigned(leaf):
		return Decision{}, refuse(rpcerror.ReasonNotSelfSigned,
			"the server's certificate is neither from a public CA for the host %q nor self-signed; the host may not be the provider's", p.ServerName)
	case leaf.Subject.CommonName != p.Address:
		return Decision{}, refuse(rpcerror.ReasonWrongOwner,
			"the server's certificate belongs to %q; the host may be another provider's", clip(leaf.Subject.CommonName))
	}

	key := cacheKey{p.Address, fingerprint}
	d, cached := v.cached(key, now)
	v.decided(cached)
	if cached {
		return d, nil
	}
	if v.chain == nil {
		return Decision{}, rpcerror.New(codes.Unavailable, rpcerror.ReasonChainUnavailable,
			"the server's certificate is self-signed and there is no chain to verify it with; the bridge needs --chain-rpc or --chain-rest, or the caller must pin the certificate")
	}
	serial := leaf.SerialNumber.String() // decimal, as the chain writes it
	published, err := v.chain.Certificate(ctx, p.Address, serial)
	if err != nil {
		return Decision{}, err
	}
	switch published.State {
	case chain.Valid:
	case chain.Revoked:
		return Decision{}, refuse(rpcerror.ReasonRevoked,
			"the server's certificate (serial number %s) was revoked on the chain; the provider must serve its new one", serial)
	default:
		return Decision{}, refuse(rpcerror.ReasonUnknownCertificate,
			"the server's certificate (serial number %s) is not on the chain; the provider must publish it, or the host is not the provider's", serial)
	}
	block, _ := pem.Decode(published.PEM)
	if block == nil || sha256.Sum256(block.Bytes) != fingerprint {
		return Decision{}, refuse(rpcerror.ReasonFingerprintMismatch,
			"the server's certificate (serial number %s) is not the one that the provider published under this number; someone may be posing as the provider", serial)
	}
	d = Decision{ByChain, published.Trust, earlier(now.Add(decisionLifetime), leaf.NotAfter)}
	v.cache(key, d, now)
	return d, nil
}

// selfSigned reports whether the certificate is signed with its own key. x509's
// CheckSignatureFrom cannot be used: it requires the key usages of a CA, which these
// certificates lack.
func selfSigned(c *x509.Certificate) bool {
	return string(c.RawIssuer) == string(c.RawSubject) &&
		c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func (v *Verifier) cached(key cacheKey, now time.Time) (Decision, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	d, ok := v.decisions[key]
	return d, ok && now.Before(d.Until)
}

func (v *Verifier) cache(key cacheKey, d Decision, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.decisions) >= maxDecisions {
		for s, d := range v.decisions {
			if !now.Before(d.Until) || len(v.decisions) >= maxDecisions {
				delete(v.decisions, s)
			}
		}
	}
	v.decisions[key] = d
}

func refuse(reason rpcerror.Reason, format string, args ...any) error {
	return rpcerror.New(codes.FailedPrecondition, reason, format, args...)
}

// IsRefusal reports whether err says that a certificate was refused, rather than that
// it could not be verified.
func IsRefusal(err error) bool {
	var f *rpcerror.Error
	return errors.As(err, &f) && f.Code == codes.FailedPrecondition
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// clip shortens a name from an untrusted certificate.
func clip(name string) string {
	const limit = 100
	if len(name) > limit {
		return name[:limit] + "…"
	}
	return name
}
