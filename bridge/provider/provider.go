// Package provider turns an address into a reachable, verified, pooled
// connection, and says which protocol to speak on it. It knows nothing of HTTP
// from browsers.
package provider

import (
	"context"
	"crypto/tls"
	"net/http"

	"golang.org/x/mod/semver"
)

// Method is how a provider is spoken to.
type Method string

// The two methods, as the akash-method response header spells them.
const (
	GRPC Method = "grpc"
	REST Method = "rest"
)

// TLSMode is what a caller asks of a provider's certificate.
type TLSMode struct {
	// Insecure accepts any certificate.
	Insecure bool
	// PinSHA256 accepts only the certificate with this SHA-256 fingerprint
	// (32 bytes); nil asks for verification against the chain or a public CA.
	PinSHA256 []byte
}

// Request says which provider a call is for and how it may be reached.
type Request struct {
	// Address is the provider's bech32 address.
	Address string
	// HostURI replaces the chain's record, such as https://host:8443.
	HostURI string
	TLS     TLSMode
	// CheckVersion asks the provider's version before a protocol is chosen.
	CheckVersion bool
	// Service is the gRPC service of the call, such as
	// akash.provider.v1.ProviderRPC. It decides which dialect is needed.
	Service string
	// GRPCOnly says that no REST gateway answers the call, so that a gRPC port is
	// waited for which is slow.
	GRPCOnly bool
	// ClientCertificate is presented to the provider (mTLS); connections that
	// carry one are never shared with other certificates.
	ClientCertificate *tls.Certificate
}

// Endpoint is a provider that answered and whose certificate was accepted.
type Endpoint struct {
	Method Method
	// Addr is the host:port that answered.
	Addr string
	// Version is the provider's own word, such as "v0.14.1"; "" if not asked or
	// not told.
	Version string
	// Verified says what the certificate was accepted for: "chain", "ca", "pin"
	// or "none".
	Verified string
	// HostURI is the REST gateway, for the REST adapter.
	HostURI string
	// Stale says that the address was found in an old chain record, since the
	// chain does not answer.
	Stale bool
	// Client tells of the request's client certificate; nil if there is none.
	Client *Client
	// Transport sends requests to this provider only: HTTP/2 to Addr where
	// Method is GRPC, HTTP/1.1 to the REST gateway where it is REST.
	// The connection behind it is pooled; a failed one is forgotten, so that the
	// next Reach finds the way anew.
	Transport http.RoundTripper
}

// A Reacher finds the way to a provider. Its errors are *rpcerror.Error.
type Reacher interface {
	Reach(ctx context.Context, r Request) (*Endpoint, error)
}

// KnowsTokens tells whether the provider reads tokens, as it does since v0.7.0, or
// may: its version is not known.
func (e *Endpoint) KnowsTokens() bool {
	v := canonical(e.Version)
	return v == "" || semver.Compare(v, firstTokens) >= 0
}

// AuthorizationSafe tells whether the provider is known to survive authorization
// metadata on a unary gRPC call; see the function of this name.
func (e *Endpoint) AuthorizationSafe() bool { return AuthorizationSafe(e.Version) }
