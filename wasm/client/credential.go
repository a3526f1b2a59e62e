package client

import (
	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
	"akash-provider-web/wasm/token"
)

// Credentials authenticate a tenant: a token or a client certificate, or
// neither.
type Credentials struct {
	// Token returns a JWT. It is called before each attempt. If the provider refused a
	// token, Token is called with it, and should return another one.
	Token func(scope *Scope, refused string) (string, error)
	// Renewable says that Token may return a different token when called again.
	Renewable bool
	// CertPEM and KeyPEM are a client certificate and its key.
	CertPEM, KeyPEM string
}

// Reasons why a token is not sent. Package bridge/rpcerror uses the same ones for a
// provider's refusal.
const (
	tokenInvalid     = "tokenInvalid"
	tokenExpired     = "tokenExpired"
	tokenNotYetValid = "tokenNotYetValid"
	scopeMissing     = "scopeMissing"
)

// leeway is the tolerance for the page's clock when a token's dates are checked, in
// seconds. Within it the provider decides.
const leeway = 30

// carriesCredentials reports whether the call sends credentials to the provider.
func (c *Call) carriesCredentials() bool {
	return c.method.scope != "" && (c.Credentials.Token != nil || c.Credentials.CertPEM != "")
}

// token returns the token to send with an attempt, or "" for none.
func (c *Client) token(scope *Scope, call *Call) (string, *grpcweb.Status) {
	if call.method.scope == "" || call.Credentials.Token == nil {
		return "", nil
	}
	text, err := call.Credentials.Token(scope, call.refusedToken)
	if err != nil {
		return "", grpcweb.Error(grpcweb.Unauthenticated, "no token: "+err.Error())
	}
	call.lastToken = text
	return text, c.check(call, text)
}

// check returns an error if the provider is certain to refuse the token. The provider's own
// answer would only be "unauthorized", and it would have received the token by then.
func (c *Client) check(call *Call, text string) *grpcweb.Status {
	t, err := token.Read(text)
	if err != nil {
		return refuse(grpcweb.Unauthenticated, tokenInvalid, "the token cannot be sent: "+err.Error())
	}
	now := c.Clock.Now()
	byClock := ", and it is " + message.Time(now) + " by this page's clock: "
	switch {
	case now >= t.Expires+leeway:
		return refuse(grpcweb.Unauthenticated, tokenExpired,
			"the token expired at "+message.Time(t.Expires)+byClock+"sign a new one, or set the clock if that is wrong")
	case now < t.NotBefore-leeway:
		return refuse(grpcweb.Unauthenticated, tokenNotYetValid,
			"the token is valid from "+message.Time(t.NotBefore)+" on"+byClock+"set the clock that is wrong, or date nbf back some seconds")
	}
	use := token.Use{
		Scope:    call.method.scope,
		Provider: call.Provider,
		DSeq:     call.Lease.Lease.DSeq,
		GSeq:     call.Lease.Lease.GSeq,
		OSeq:     call.Lease.Lease.OSeq,
	}
	if call.method == sendManifest {
		use.GSeq, use.OSeq = 0, 0 // a manifest is for the whole deployment
	}
	switch t.Lacks(use) {
	case token.Provider:
		return refuse(grpcweb.PermissionDenied, scopeMissing,
			"the token grants nothing at this provider: name it in leases.permissions")
	case token.Scope:
		return refuse(grpcweb.PermissionDenied, scopeMissing, `the token lacks the scope "`+use.Scope+`"`)
	case token.Lease:
		return refuse(grpcweb.PermissionDenied, scopeMissing,
			`the token grants "`+use.Scope+`", but not on this lease: check the dseq that it names`)
	}
	if t.Full() && !c.warned {
		c.warned = true
		c.Warn("akash-provider-web: a token of full access goes to provider " + call.Provider +
			", which can use it at every other provider until " + message.Time(t.Expires) +
			": better name the provider in the token (leases.permissions)")
	}
	return nil
}

// refuse returns a status that was made by the client, with a reason.
func refuse(code grpcweb.Code, reason, text string) *grpcweb.Status {
	status := grpcweb.Error(code, text)
	status.Fields = grpcweb.Fields{{Name: reasonField, Value: reason}}
	return status
}

// retryWithNewToken reports whether to repeat a failed call with another token: once, if
// the provider refused the one that was sent. A refused call had no effect, so this also
// applies to methods with side effects.
func (c *Call) retryWithNewToken(f *RPCError) bool {
	if f.Code != grpcweb.Unauthenticated || !c.Credentials.Renewable || c.refusedToken != "" || !c.sent {
		return false
	}
	c.refusedToken = c.lastToken
	return true
}
