// Package provider opens verified, pooled connections to providers, given their
// addresses, and determines which protocol to use. It knows nothing about HTTP from
// browsers.
package provider

import (
	"context"
	"crypto/tls"
	"net/http"

	"golang.org/x/mod/semver"
)

// Method is the protocol used with a provider.
type Method string

// The methods, as in the akash-method response header.
const (
	GRPC Method = "grpc"
	REST Method = "rest"
)

// TLSMode says how to verify a provider's certificate.
type TLSMode struct {
	// Insecure accepts any certificate.
	Insecure bool
	// PinSHA256 accepts only the certificate with this SHA-256 fingerprint (32
	// bytes); nil means verification with the chain or a public CA.
	PinSHA256 []byte
}

// Request says which provider to connect to, and how.
type Request struct {
	// Address is the provider's bech32 address.
	Address string
	// HostURI replaces the chain's record, such as https://host:8443.
	HostURI string
	TLS     TLSMode
	// CheckVersion requests the provider's version before a protocol is chosen.
	CheckVersion bool
	// Service is the gRPC service of the call, such as akash.provider.v1.ProviderRPC.
	// The protocol depends on it.
	Service string
	// SDKMethod is the method of the SDK's LeaseRPC, such as AttestationQuote, that
	// answers the call at a provider which has it; "" if none does.
	SDKMethod string
	// SDKLast says that SDKMethod is for providers whose REST gateway cannot be reached.
	SDKLast bool
	// RESTOnly says that the call uses the REST gateway, whatever its version. Reach then
	// opens no connection, which the endpoint's Transport does.
	RESTOnly bool
	// GRPCOnly says that the call cannot use the REST gateway, so a slow gRPC port is
	// waited for.
	GRPCOnly bool
	// Ahead says that the call's request may be sent before everything about the provider
	// is known, dropped, and sent again: it has no effect and carries no credentials.
	Ahead bool
	// ClientCertificate is presented to the provider (mTLS). Connections with a
	// client certificate are used only for requests with the same one.
	ClientCertificate *tls.Certificate
}

// Endpoint is a connection to a provider whose certificate was accepted.
type Endpoint struct {
	Method Method
	// Addr is the host:port that answered.
	Addr string
	// Version is the version that the provider reports, such as "v0.14.1"; "" if it
	// was not requested or not reported.
	Version string
	// Verified says how the certificate was verified: "chain", "ca", "pin" or "none".
	Verified string
	// Trust says how what Verified rests on is known: "proven", such as "quorum=2/3", or
	// "one-node" for the chain's answers, "operator" for a host that the operator named,
	// "pin" or "none".
	Trust string
	// SDK says that the provider is to be spoken to in the SDK's LeaseRPC, over gRPC.
	// REST is its REST gateway then, for a server that lists the method and does not
	// implement it, which NotImplemented remembers. If the gateway cannot be reached,
	// REST is nil and NoREST says why. Without SDK, all three are nil.
	SDK            bool
	REST           *Endpoint
	NoREST         error
	NotImplemented func()
	// HostURI is the address of the REST gateway.
	HostURI string
	// Stale says that the chain could not be queried and the record comes from an
	// expired cache entry.
	Stale bool
	// Client describes the request's client certificate; nil if there is none.
	Client *Client
	// Settle, if not nil, says that this is a connection to a port whose certificate was
	// accepted and which negotiated HTTP/2, and that nothing else is known yet. It returns
	// the endpoint of the call once everything is. What was sent over this one counts only
	// if that is an endpoint for gRPC, too. It is set only if the request has Ahead.
	Settle func(context.Context) (*Endpoint, error)
	// Transport sends requests to this provider only: HTTP/2 to Addr if Method is
	// GRPC, HTTP/1.1 to the REST gateway if it is REST. Its connections are pooled.
	// After a failure, the next Reach searches again.
	Transport http.RoundTripper
}

// A Reacher connects to providers. Its errors are *rpcerror.Error.
type Reacher interface {
	Reach(ctx context.Context, r Request) (*Endpoint, error)
}

// KnowsTokens reports whether the provider supports tokens, as since v0.7.0. It
// returns true if the version is unknown.
func (e *Endpoint) KnowsTokens() bool {
	v := canonical(e.Version)
	return v == "" || semver.Compare(v, firstTokens) >= 0
}

// AuthorizationSafe reports whether the provider certainly survives authorization
// metadata on a unary gRPC call; see the function of this name.
func (e *Endpoint) AuthorizationSafe() bool { return AuthorizationSafe(e.Version) }
