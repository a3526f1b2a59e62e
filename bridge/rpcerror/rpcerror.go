// Package rpcerror is the error that every room of the bridge speaks: a gRPC code
// for the caller's program, a reason to branch on, and a sentence for a person.
package rpcerror

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
)

// Reason names what went wrong more closely than a gRPC code can. It reaches the
// page in the akash-error trailer, so a value, once released, does not change.
type Reason string

// Reasons, by the room that finds them.
const (
	// The caller's request.
	ReasonMalformedAddress  Reason = "malformedAddress"
	ReasonMalformedMetadata Reason = "malformedMetadata"
	ReasonNotAllowed        Reason = "notAllowed"

	// The bridge itself.
	ReasonBridgeBusy     Reason = "bridgeBusy"
	ReasonBridgeStopping Reason = "bridgeStopping"

	// The chain.
	ReasonUnknownProvider  Reason = "unknownProvider"
	ReasonChainUnavailable Reason = "chainUnavailable"

	// The way to the provider.
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
	ReasonManifestRefused Reason = "manifestRefused"
	ReasonOutcomeUnknown  Reason = "outcomeUnknown"
	ReasonNotImplemented  Reason = "notImplemented"
)

// Error is a failed call, told to the caller. Its text never holds a secret.
type Error struct {
	Code     codes.Code
	Reason   Reason
	Provider string // bech32 address, or "" where it is not known
	Message  string // what happened and what to do, without the provider's address
	Err      error  // the cause, for errors.Is and the log; not told to the caller
}

// New returns an Error with a formatted message. A %w verb sets the cause.
func New(code codes.Code, reason Reason, format string, args ...any) *Error {
	text := fmt.Errorf(format, args...)
	return &Error{Code: code, Reason: reason, Message: text.Error(), Err: errors.Unwrap(text)}
}

// Error returns the sentence that reaches the page, naming the provider.
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
