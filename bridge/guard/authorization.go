package guard

import (
	"strings"

	"golang.org/x/mod/semver"
)

// providerService answers in public and never needs a token.
const providerService = "akash.provider.v1.ProviderRPC"

// MayAuthorize reports whether an authorization header may go to the gRPC port
// of a provider of this version ("" where it is unknown), on a call of service.
//
// One such header on a unary call ends the whole process of a provider before
// v0.16.0-rc0: its interceptor reads the second of one values. Streams reach no
// interceptor. ProviderRPC is public, so no version gets a token with it.
func MayAuthorize(service string, unary bool, version string) bool {
	if service == providerService {
		return false
	}
	return !unary || readsOneToken(version)
}

// readsOneToken reports whether version is known to survive the header: every
// release from v0.16.0 and its release candidates, which carry the fix, but not
// its other pre-releases.
func readsOneToken(version string) bool {
	v := "v" + strings.TrimPrefix(version, "v")
	if !semver.IsValid(v) {
		return false
	}
	if semver.Compare(v, "v0.16.0") >= 0 {
		return true
	}
	return strings.HasPrefix(semver.Canonical(v), "v0.16.0-rc")
}
