// Package trust decides whether a certificate belongs to a provider. The trust
// root of Akash is the chain, where providers publish self-signed certificates
// under their address; a public CA vouches for a host name. It knows nothing of
// connections.
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

// Basis is what a certificate was accepted for.
type Basis string

// The bases of a decision.
const (
	ByCA    Basis = "ca"    // a public CA vouches for the host name
	ByChain Basis = "chain" // the provider published it on the chain
	ByPin   Basis = "pin"   // the caller named it
	ByNone  Basis = "none"  // the caller asked for no verification
)

// decisionLifetime bounds how long a certificate is trusted without asking
// again: a revoked one stops working after it.
const decisionLifetime = 30 * time.Minute

// maxDecisions bounds the remembered decisions of the chain.
const maxDecisions = 10_000

// Policy says what a certificate is to be good for.
type Policy struct {
	// Address is the provider's bech32 address.
	Address string
	// ServerName is the host name that the provider was reached under.
	ServerName string
	// Insecure accepts any certificate.
	Insecure bool
	// PinSHA256, if not nil, accepts the certificate with this SHA-256
	// fingerprint and no other, whatever its dates: its holder has the key that
	// the caller meant.
	PinSHA256 []byte
	// HostIsProviders tells whether ServerName is the provider's host by the
	// word of the chain or of the bridge's operator; nil means yes. A CA vouches
	// for a name only, so for a host that a page chose its word counts for
	// nothing. It is asked only if a CA does vouch.
	HostIsProviders func(context.Context) (bool, error)
}

// Decision is an accepted certificate.
type Decision struct {
	Basis Basis
	// Until is when the decision must be taken again.
	Until time.Time
}

// Certificates looks up what owner published under a decimal serial number;
// [*chain.Client] does.
type Certificates interface {
	Certificate(ctx context.Context, owner, serial string) (chain.Certificate, error)
}

// Options configure a Verifier.
type Options struct {
	// Chain is asked for certificates; nil means there is no chain to ask.
	Chain Certificates
	// Roots are the public CAs; nil means the system's.
	Roots *x509.CertPool
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// Verifier takes decisions. Its methods may be called concurrently.
type Verifier struct {
	chain Certificates
	roots *x509.CertPool
	now   func() time.Time

	mu        sync.Mutex
	decisions map[subject]time.Time // certificates found on the chain, and until when that counts
}

// subject binds a remembered decision to the one certificate it was taken on.
type subject struct {
	address     string
	fingerprint [sha256.Size]byte
}

// New returns a Verifier.
func New(o Options) *Verifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Verifier{chain: o.Chain, roots: o.Roots, now: o.Now, decisions: make(map[subject]time.Time)}
}

// Decide judges the certificates that a server presented, its own first. Errors
// are *rpcerror.Error: a refusal is FAILED_PRECONDITION with its own reason.
func (v *Verifier) Decide(ctx context.Context, certs []*x509.Certificate, p Policy) (Decision, error) {
	now := v.now()
	until := now.Add(decisionLifetime)
	if p.Insecure {
		return Decision{ByNone, until}, nil
	}
	if len(certs) == 0 {
		return Decision{}, refuse(rpcerror.ReasonUnknownCertificate, "the server showed no certificate")
	}
	leaf := certs[0]
	fingerprint := sha256.Sum256(leaf.Raw)

	if p.PinSHA256 != nil {
		if string(p.PinSHA256) != string(fingerprint[:]) {
			return Decision{}, refuse(rpcerror.ReasonFingerprintMismatch,
				"the server's certificate has the SHA-256 fingerprint %x, not the pinned one; pin the new one if the provider changed it, and connect no further if it did not", fingerprint)
		}
		return Decision{ByPin, until}, nil
	}
	if !v.vouched(certs, p.ServerName, now) {
		return v.decideByChain(ctx, leaf, fingerprint, p, now)
	}
	if p.HostIsProviders != nil {
		switch its, err := p.HostIsProviders(ctx); {
		case err != nil:
			return Decision{}, err
		case !its:
			return Decision{}, refuse(rpcerror.ReasonNotSelfSigned,
				"the server's certificate is a public CA's for the host %q, which is not the provider's host by its record; use the host of the record, or pin the certificate", p.ServerName)
		}
	}
	return Decision{ByCA, earlier(until, leaf.NotAfter)}, nil
}

// vouched tells whether a public CA vouches for the certificate and host name.
func (v *Verifier) vouched(certs []*x509.Certificate, serverName string, now time.Time) bool {
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

// decideByChain follows proto/akash-provider-api.md, section 4.2, and compares what the provider's
// own Go client leaves out: that the certificate is this provider's.
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

	who := subject{p.Address, fingerprint}
	if until, ok := v.remembered(who, now); ok {
		return Decision{ByChain, until}, nil
	}
	if v.chain == nil {
		return Decision{}, rpcerror.New(codes.Unavailable, rpcerror.ReasonChainUnavailable,
			"the server's certificate is self-signed and there is no chain to ask about it; the bridge needs --chain-rpc, or the caller must pin the certificate")
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
	until := earlier(now.Add(decisionLifetime), leaf.NotAfter)
	v.remember(who, until, now)
	return Decision{ByChain, until}, nil
}

// selfSigned tells whether the certificate was signed with its own key. The
// usual check, x509's CheckSignatureFrom, wants a CA's key usages, which these
// certificates do not have.
func selfSigned(c *x509.Certificate) bool {
	return string(c.RawIssuer) == string(c.RawSubject) &&
		c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func (v *Verifier) remembered(who subject, now time.Time) (time.Time, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	until, ok := v.decisions[who]
	return until, ok && now.Before(until)
}

func (v *Verifier) remember(who subject, until, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.decisions) >= maxDecisions {
		for s, until := range v.decisions {
			if !now.Before(until) || len(v.decisions) >= maxDecisions {
				delete(v.decisions, s)
			}
		}
	}
	v.decisions[who] = until
}

func refuse(reason rpcerror.Reason, format string, args ...any) error {
	return rpcerror.New(codes.FailedPrecondition, reason, format, args...)
}

// IsRefusal tells whether err says that a certificate was judged and refused,
// rather than that it could not be judged.
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

// clip shortens a name that a stranger wrote.
func clip(name string) string {
	const limit = 100
	if len(name) > limit {
		return name[:limit] + "…"
	}
	return name
}
