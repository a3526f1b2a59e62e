package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trust"
)

// maxWords is the maximum size of a provider's message in an error, in bytes.
const maxWords = 1 << 10

// The messages of a gateway's authentication (proto/akash-provider-api.md, section 2.7),
// which are the only way to distinguish failures.
const (
	textUnauthorized  = "unauthorized access"
	textInvalidHeader = "invalid authorization header"
	textInvalidToken  = "JWT is invalid"
	textExpiredToken  = "JWT is expired"
	textInvalidClaims = "JWT has invalid claims"
	textAmbiguous     = "ambiguous authentication"
	textTokenFailed   = "unknown error while processing JWT"
	textNoRoute       = "404 page not found"
)

// refusal returns the error for a response that is not a success, with the cause and what
// to do. scope is the token scope of the route.
func (g *gateway) refusal(resp *http.Response, body []byte, scope string) *rpcerror.Error {
	text := g.providerText(body)
	if scope != scopeNone {
		if e := g.unauthenticated(resp, text, scope); e != nil {
			return e
		}
	}
	e := g.statusError(resp.StatusCode, text, scope)
	e.Err = httpStatus(resp.StatusCode)
	return e
}

// httpStatus is the cause of an error that represents an HTTP status.
type httpStatus int

func (s httpStatus) Error() string { return fmt.Sprintf("HTTP status %d", int(s)) }

// statusOf returns the HTTP status that err represents, or 0.
func statusOf(err error) int {
	var s httpStatus
	errors.As(err, &s)
	return int(s)
}

// statusError returns the error for an HTTP status that is not a success, from the gateway
// or from a proxy in front of it. A 4xx status is never INTERNAL.
func (g *gateway) statusError(status int, text, scope string) *rpcerror.Error {
	refuses := func(code codes.Code) *rpcerror.Error {
		return rpcerror.New(code, rpcerror.ReasonRequestRefused, "it refuses the request (HTTP %d)%s", status, said(text))
	}
	switch status {
	case http.StatusNotFound, http.StatusGone:
		if text == textNoRoute || scope == scopeNone {
			return rpcerror.New(codes.Unimplemented, rpcerror.ReasonNotImplemented, "its REST gateway%s has no such route", g.named())
		}
		return rpcerror.New(codes.NotFound, rpcerror.ReasonUnknownLease, "it holds no such lease of this owner, or not yet its manifest%s", said(text))
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonRequestRefused, "it refuses the request%s", said(text))
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return refuses(codes.Unauthenticated)
	case http.StatusForbidden, http.StatusUnavailableForLegalReasons:
		return refuses(codes.PermissionDenied)
	case http.StatusMethodNotAllowed, http.StatusUpgradeRequired, http.StatusNotImplemented:
		return rpcerror.New(codes.Unimplemented, rpcerror.ReasonNotImplemented, "its REST gateway%s cannot do this (HTTP %d)%s", g.named(), status, said(text))
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderFailed, "it gave the request up (HTTP %d)%s", status, said(text))
	case http.StatusConflict:
		return refuses(codes.Aborted)
	case http.StatusPreconditionFailed, http.StatusPreconditionRequired, http.StatusFailedDependency, http.StatusLocked:
		return refuses(codes.FailedPrecondition)
	case http.StatusTooManyRequests:
		return rpcerror.New(codes.ResourceExhausted, rpcerror.ReasonProviderFailed, "it asks for fewer requests%s", said(text))
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonClusterUnavailable, "its Kubernetes cluster does not answer (HTTP %d)%s", status, said(text))
	}
	switch {
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol,
			"its REST gateway redirects (HTTP %d), which is not followed: a credential only goes to the host whose certificate was verified; the provider's record on the chain must have the address that answers", status)
	case status >= http.StatusInternalServerError:
		return rpcerror.New(codes.Internal, rpcerror.ReasonProviderFailed, "its REST gateway failed (HTTP %d)%s", status, said(text))
	case status >= http.StatusBadRequest:
		return refuses(codes.InvalidArgument)
	}
	return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "its REST gateway answered with HTTP %d%s", status, said(text))
}

// unauthenticated returns the error for a response that is about the credential, or nil.
func (g *gateway) unauthenticated(resp *http.Response, text, scope string) *rpcerror.Error {
	c := g.credential
	switch status := resp.StatusCode; {
	case strings.Contains(text, textAmbiguous):
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonAmbiguousCredentials, "the call carries both a token and a client certificate: send one")
	case strings.Contains(text, textInvalidHeader):
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "it cannot read the authorization header: send \"Bearer <token>\"")
	case strings.Contains(text, textTokenFailed) && c.authorization == "" && c.certificate != nil:
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonCertificateNotOnChain, "it cannot tell the owner of the client certificate: the common name must be an Akash address")
	case strings.Contains(text, textInvalidClaims), strings.Contains(text, textExpiredToken), strings.Contains(text, textTokenFailed):
		return g.claimsRefused(resp, text)
	case strings.Contains(text, textInvalidToken) && c.problem != "":
		// The provider reports claims of the wrong type like a bad signature.
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "it refuses the token: %s", c.problem)
	case strings.Contains(text, textInvalidToken):
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "it cannot verify the token's signature: sign it with the owner's key (ES256K or ES256KADR36), and with an account that has sent a transaction, so that the chain knows the key")
	case status != http.StatusUnauthorized:
		return nil
	case c.authorization == "" && c.certificate == nil:
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonCredentialMissing, "the call needs a credential of the lease's owner: %s", g.credentials())
	case c.authorization == "" && g.asked():
		// Before v0.7.0 the certificate is checked here, not in the handshake.
		return g.certificateRefused()
	case c.authorization == "":
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonCredentialMissing, "it did not ask for the client certificate, as where it serves a certificate of a public authority: use %s", g.instead())
	case text == "", !g.endpoint.KnowsTokens():
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonTokenUnsupported, "it%s does not know tokens (provider v0.7.0 and later do): use a client certificate", g.named())
	}
	return g.scopeMissing(scope)
}

// claimsRefused returns the error for a token whose claims a provider refused. The
// provider's message is the same for an expired token, one that is not yet valid and one
// with an unknown scope, so the token's own dates decide.
func (g *gateway) claimsRefused(resp *http.Response, text string) *rpcerror.Error {
	c := g.credential.claims
	if c == nil {
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "it cannot read the token: it is not a JWT")
	}
	// The provider's clock decided. Ours is used if the response has no date.
	now := time.Now().UTC()
	clock := "by the bridge's clock"
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		now, clock = date.UTC(), "by the provider's clock"
	}
	const format = time.RFC3339
	expires, expiring := date(c.Expires)
	notBefore, starting := date(c.NotBefore)
	_, issued := date(c.IssuedAt)
	switch {
	case !expiring || !starting || !issued:
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "it refuses the token: %s", g.credential.problem)
	case !expires.After(now), strings.Contains(text, "expired"):
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonTokenExpired, "the token expired at %s, and it is %s %s: sign a new one", expires.Format(format), now.Format(format), clock)
	case notBefore.After(now), strings.Contains(text, "not valid yet"):
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonTokenNotYetValid, "the token is valid from %s on, and it is %s %s: set the clock, or date nbf back some seconds", notBefore.Format(format), now.Format(format), clock)
	}
	if problem := g.credential.problem; problem != "" {
		return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "it refuses the token: %s", problem)
	}
	return rpcerror.New(codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "it refuses the token's claims, and nothing is wrong with them that shows: a provider%s knows only the scopes of its time", g.named())
}

// scopeMissing returns the error for a valid token that lacks a permission.
func (g *gateway) scopeMissing(scope string) *rpcerror.Error {
	c := g.credential.claims
	switch {
	case g.credential.certificate != nil:
		// A certificate grants everything on its owner's leases.
		return rpcerror.New(codes.PermissionDenied, rpcerror.ReasonWrongTenant, "the lease does not belong to %s, whose client certificate the call carries", words([]byte(g.credential.owner())))
	case c == nil:
		return rpcerror.New(codes.PermissionDenied, rpcerror.ReasonScopeMissing, "the token does not permit %q on this lease", scope)
	case !c.names(g.provider):
		return rpcerror.New(codes.PermissionDenied, rpcerror.ReasonScopeMissing, "the token grants nothing at this provider: name it in leases.permissions")
	case !c.grants(scope, g.provider):
		return rpcerror.New(codes.PermissionDenied, rpcerror.ReasonScopeMissing, "the token lacks the scope %q", scope)
	}
	return rpcerror.New(codes.PermissionDenied, rpcerror.ReasonScopeMissing, "the token grants %q, but not on this lease: check the dseq it names, and that the lease is its issuer's", scope)
}

// certificateRefused returns the error for a client certificate that the provider refused.
func (g *gateway) certificateRefused() *rpcerror.Error {
	if g.endpoint.Client == nil {
		return trust.ClientRefusal(trust.ClientUnknown, g.credential.certificate)
	}
	return g.endpoint.Client.Refused()
}

// asked reports whether the provider requested the client certificate. All do, unless known
// otherwise.
func (g *gateway) asked() bool { return g.endpoint.Client == nil || g.endpoint.Client.Asked() }

// instead says what to use if the provider requests no client certificate.
func (g *gateway) instead() string {
	if g.endpoint.KnowsTokens() {
		return "a token"
	}
	return "the host of its record on the chain, not one behind a proxy"
}

// credentials describes the credentials that a provider of this version accepts.
func (g *gateway) credentials() string {
	switch {
	case !g.endpoint.KnowsTokens():
		return "a client certificate"
	case g.endpoint.Version == "":
		return "a token (provider v0.7.0 and later) or a client certificate"
	}
	return "a token or a client certificate"
}

// named returns the provider's version as part of a sentence, or "".
func (g *gateway) named() string {
	if g.endpoint.Version == "" {
		return ""
	}
	return " (" + words([]byte(g.endpoint.Version)) + ")"
}

// said returns a provider's message as the end of a sentence, or "".
func said(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

// providerText returns the message in an error's body: of a JSON object, or the text
// itself. The credential is removed from it.
func (g *gateway) providerText(body []byte) string {
	var object struct {
		Message string `json:"message"`
	}
	text := string(body)
	if json.Unmarshal(body, &object) == nil && object.Message != "" {
		text = object.Message
	}
	return g.credential.words(text)
}

// words makes foreign text safe for an error: one line of valid UTF-8, at most maxWords
// long.
func words(text []byte) string {
	return oneLine(text[:min(len(text), maxWords)])
}

// words is the function of this name for text that may repeat the credential, which is
// removed. Characters that cannot be shown are removed before that: a provider could
// write them into the credential.
func (c *credential) words(text string) string {
	return words([]byte(c.scrub(oneLine([]byte(text)))))
}

// oneLine makes foreign text one line of valid UTF-8, without characters that cannot be
// shown.
func oneLine(text []byte) string {
	line := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(text), ""))
	return strings.TrimSpace(line)
}
