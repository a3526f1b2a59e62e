package trust

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/rpcerror"
)

// ClientState is what this clock and the chain say of a client certificate, which
// providers judge by the same two (proto/akash-provider-api.md, section 3.1).
type ClientState int

// The states of a client certificate.
const (
	ClientUnknown     ClientState = iota // the chain did not answer
	ClientGood                           // the chain has it, and its dates are right
	ClientExpired                        //
	ClientNotYetValid                    //
	ClientRevoked                        // on the chain
	ClientOtherKey                       // the chain has another key under its serial number
	ClientAbsent                         // the chain has none of this serial number
	ClientUnnamed                        // it does not name an account
)

const (
	// clientLeeway is how far this clock may be off the provider's before it decides
	// about a client certificate. Within it the provider does.
	clientLeeway = 30 * time.Second
	// clientLifetime is how long a client certificate's state is remembered that does
	// not refuse it.
	clientLifetime = time.Minute
)

// Refused reports whether every provider refuses the certificate. One that the
// chain does not have may have been published a moment ago, in a block that this
// bridge's node has yet to see.
func (s ClientState) Refused() bool {
	switch s {
	case ClientExpired, ClientNotYetValid, ClientRevoked, ClientOtherKey:
		return true
	}
	return false
}

// ClientDates returns ClientExpired or ClientNotYetValid where a client certificate
// is so beyond doubt, and the remembered state otherwise, if there is one.
func (v *Verifier) ClientDates(leaf *x509.Certificate) (s ClientState, known bool) {
	now := v.now()
	switch {
	case now.After(leaf.NotAfter.Add(clientLeeway)):
		return ClientExpired, true
	case now.Before(leaf.NotBefore.Add(-clientLeeway)):
		return ClientNotYetValid, true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	last, ok := v.clients[sha256.Sum256(leaf.Raw)]
	return last.state, ok && now.Before(last.until)
}

// Client finds out what the clock and the chain say of a client certificate.
func (v *Verifier) Client(ctx context.Context, leaf *x509.Certificate) ClientState {
	if s, known := v.ClientDates(leaf); known {
		return s
	}
	s := v.askClient(ctx, leaf)
	// A refusal is not remembered: its owner may be about to mend it.
	if now := v.now(); !s.Refused() && s != ClientAbsent && ctx.Err() == nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		for key, last := range v.clients {
			if len(v.clients) < maxDecisions && now.Before(last.until) {
				break
			}
			delete(v.clients, key)
		}
		v.clients[sha256.Sum256(leaf.Raw)] = clientDecision{s, now.Add(clientLifetime)}
	}
	return s
}

// clientDecision is a remembered state, and until when it counts.
type clientDecision struct {
	state ClientState
	until time.Time
}

func (v *Verifier) askClient(ctx context.Context, leaf *x509.Certificate) ClientState {
	owner := leaf.Subject.CommonName
	if !strings.HasPrefix(owner, "akash1") || leaf.Issuer.CommonName != owner {
		return ClientUnnamed
	}
	if v.chain == nil {
		return ClientUnknown
	}
	published, err := v.chain.Certificate(ctx, owner, leaf.SerialNumber.String())
	if err != nil {
		return ClientUnknown
	}
	switch published.State {
	case chain.Revoked:
		return ClientRevoked
	case chain.Absent:
		return ClientAbsent
	}
	block, _ := pem.Decode(published.PEM)
	if block == nil {
		return ClientUnknown
	}
	theirs, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return ClientUnknown
	}
	if key, ok := theirs.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !key.Equal(leaf.PublicKey) {
		return ClientOtherKey
	}
	return ClientGood
}

// ClientRefusal is the error of a call whose client certificate is refused, by a
// provider or for one: why, as far as its state tells, and what to do.
func ClientRefusal(s ClientState, leaf *x509.Certificate) *rpcerror.Error {
	refusal := func(format string, args ...any) *rpcerror.Error {
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonCertificateNotOnChain, format, args...)
	}
	const anew = "publish a new one on the chain and use that"
	serial := "?"
	if leaf.SerialNumber != nil {
		serial = leaf.SerialNumber.String()
	}
	switch s {
	case ClientExpired:
		return refusal("the client certificate expired at %s: %s", date(leaf.NotAfter), anew)
	case ClientNotYetValid:
		return refusal("the client certificate is valid from %s on: wait, or set the clock that is wrong", date(leaf.NotBefore))
	case ClientRevoked:
		return refusal("the client certificate (serial number %s) was revoked on the chain: %s", serial, anew)
	case ClientOtherKey:
		return refusal("the client certificate has the serial number of one on the chain (%s) and another key: use the pair that was published", serial)
	case ClientAbsent:
		return refusal("it refuses the client certificate, which is not on the chain: %s has published none with the serial number %s; publish it, then try again", clip(leaf.Subject.CommonName), serial)
	case ClientUnnamed:
		return refusal("it refuses the client certificate: its subject and its issuer must both be the Akash address of its owner, and are %q and %q", clip(leaf.Subject.CommonName), clip(leaf.Issuer.CommonName))
	case ClientGood:
		return refusal("it refuses the client certificate, though the chain has it as valid: one that was published a moment ago reaches the provider's node late; try again in some seconds")
	}
	return refusal("it refuses the client certificate, and the chain does not answer that could tell why: check that the certificate is published and neither expired nor revoked")
}
