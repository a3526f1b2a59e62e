// Package rpcerror defines the bridge's errors: a gRPC code, a machine-readable
// reason, and a message for people.
package rpcerror

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
)

// Reason says more precisely than a gRPC code what went wrong. It reaches the client
// in the akash-error trailer, so a released value never changes.
type Reason string

// Reasons, grouped by their origin.
const (
	// The caller's request.
	ReasonMalformedAddress  Reason = "malformedAddress"
	ReasonMalformedMetadata Reason = "malformedMetadata"
	ReasonNotAllowed        Reason = "notAllowed"

	// The bridge itself.
	ReasonBridgeBusy       Reason = "bridgeBusy"
	ReasonBridgeStopping   Reason = "bridgeStopping"
	ReasonTooManyCalls     Reason = "tooManyCalls"
	ReasonBridgeKeyRefused Reason = "bridgeKeyRefused"

	// The chain.
	ReasonUnknownProvider   Reason = "unknownProvider"
	ReasonChainUnavailable  Reason = "chainUnavailable"
	ReasonChainDisagreement Reason = "chainDisagreement"

	// Connecting to the provider.
	ReasonHostNotFound        Reason = "hostNotFound"
	ReasonDestinationRefused  Reason = "destinationRefused"
	ReasonProviderUnreachable Reason = "providerUnreachable"
	ReasonProviderProtocol    Reason = "providerProtocol"
	ReasonProviderGone        Reason = "providerGone"
	ReasonProviderFailed      Reason = "providerFailed"
	ReasonRequestRefused      Reason = "requestRefused"
	ReasonClusterUnavailable  Reason = "clusterUnavailable"

	// The provider's certificate (proto/akash-provider-api.md, section 4.2).
	ReasonExpired             Reason = "expired"
	ReasonNotYetValid         Reason = "notYetValid"
	ReasonWrongOwner          Reason = "wrongOwner"
	ReasonUnknownCertificate  Reason = "unknownCertificate"
	ReasonRevoked             Reason = "revoked"
	ReasonFingerprintMismatch Reason = "fingerprintMismatch"
	ReasonNotSelfSigned       Reason = "notSelfSigned"

	// The caller's credential, as the provider judged it (proto/akash-provider-api.md, section 2.7).
	ReasonCredentialMissing     Reason = "credentialMissing"
	ReasonTokenExpired          Reason = "tokenExpired"
	ReasonTokenNotYetValid      Reason = "tokenNotYetValid"
	ReasonTokenInvalid          Reason = "tokenInvalid"
	ReasonTokenUnsupported      Reason = "tokenUnsupported"
	ReasonScopeMissing          Reason = "scopeMissing"
	ReasonAmbiguousCredentials  Reason = "ambiguousCredentials"
	ReasonCertificateNotOnChain Reason = "certificateNotOnChain"
	ReasonWrongTenant           Reason = "wrongTenant"

	// The lease.
	ReasonUnknownLease    Reason = "unknownLease"
	ReasonUnknownService  Reason = "unknownService"
	ReasonNoRunningPods   Reason = "noRunningPods"
	ReasonPodStarting     Reason = "podStarting"
	ReasonLogNotResumable Reason = "logNotResumable"
	ReasonManifestRefused Reason = "manifestRefused"
	ReasonShellBroken     Reason = "shellBroken"
	ReasonCommandNotFound Reason = "commandNotFound"
	ReasonOutcomeUnknown  Reason = "outcomeUnknown"
	ReasonNotImplemented  Reason = "notImplemented"
)

// OfChain reports whether the chain could not be asked, or did not answer.
func (r Reason) OfChain() bool {
	return r == ReasonChainUnavailable || r == ReasonChainDisagreement
}

// OfAnswer reports whether a provider's answer could not be used, or broke off.
func (r Reason) OfAnswer() bool {
	return r == ReasonProviderProtocol || r == ReasonProviderGone
}

// Error is the error of a failed call. Its text never contains a secret.
type Error struct {
	Code     codes.Code
	Reason   Reason
	Provider string // bech32 address, or "" if not known
	Message  string // what happened and what to do, without the provider's address
	Err      error  // the cause, for errors.Is and the log; not sent to the caller
	// RetryAfter is when the call, which had no effect, may be tried again; 0 says
	// nothing about it.
	RetryAfter time.Duration
}

// New returns an Error with a formatted message. A %w verb sets the cause.
func New(code codes.Code, reason Reason, format string, args ...any) *Error {
	text := fmt.Errorf(format, args...)
	return &Error{Code: code, Reason: reason, Message: text.Error(), Err: errors.Unwrap(text)}
}

// Error returns the message that is sent to the client, which names the provider.
func (e *Error) Error() string {
	if e.Provider == "" {
		return e.Message
	}
	return "provider " + e.Provider + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// About returns err as an Error that names provider; an error of another kind
// becomes one with the given code.
func About(provider string, code codes.Code, err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: code, Message: err.Error(), Err: err}
	}
	named := *e
	named.Provider = provider
	return &named
}

// AskLater returns the error of a call for which provider is not asked before wait has
// passed, because its answers to the same question could not be used so many times in a row.
// last is why the last one could not.
func AskLater(provider string, times int, last error, wait time.Duration) *Error {
	why, reason := last.Error(), ReasonProviderProtocol
	var known *Error
	if errors.As(last, &known) {
		why, reason = known.Message, known.Reason
	}
	wait = max(wait.Round(time.Millisecond), time.Millisecond)
	return &Error{
		Code: codes.Unavailable, Reason: reason, Provider: provider, RetryAfter: wait,
		Message: fmt.Sprintf("it failed %d times in a row, the last time because %s; it is asked again in %s", times, why, wait),
	}
}
