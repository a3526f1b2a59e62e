package fake

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// DefaultVersion is the default of Options.ProviderVersion: a future release. It serves
// LeaseRPC, which no release does yet, so it must also accept an authorization header on a
// unary call (v0.16.0 and later).
const DefaultVersion = "0.16.0"

// version is a provider's release, with what that release does and does not do.
// Pre-releases behave like the release that they precede: every relevant change came with
// the first candidate.
type version struct {
	text string // as /version reports it, such as "v0.14.1"
	core [3]int
}

// parseVersion reads a version such as "0.14.0" or "v0.16.0-rc3".
func parseVersion(text string) (version, error) {
	bare := strings.TrimPrefix(text, "v")
	core, _, _ := strings.Cut(bare, "-")
	parts := strings.Split(core, ".")
	v := version{text: "v" + bare}
	if len(parts) != len(v.core) {
		return version{}, fmt.Errorf("provider version %q: want a version such as 0.14.0", text)
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return version{}, fmt.Errorf("provider version %q: want a version such as 0.14.0", text)
		}
		v.core[i] = n
	}
	return v, nil
}

// parseVersions reads versions separated by commas.
func parseVersions(text string) (all []version, err error) {
	for one := range strings.SplitSeq(text, ",") {
		v, err := parseVersion(strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// atLeast reports whether v is this release, a candidate for it, or later.
func (v version) atLeast(major, minor, patch int) bool {
	for i, want := range [3]int{major, minor, patch} {
		if v.core[i] != want {
			return v.core[i] > want
		}
	}
	return true
}

// servesGRPC: there is a gRPC port since v0.5.0.
func (v version) servesGRPC() bool { return v.atLeast(0, 5, 0) }

// negotiatesALPN: v0.7.0 to v0.8.4 pin a grpc-go that, given GetConfigForClient,
// answers no ALPN on the gRPC port (proto/akash-provider-api.md, section 1.3).
func (v version) negotiatesALPN() bool { return !v.atLeast(0, 7, 0) || v.atLeast(0, 9, 0) }

// diesOfAuthorization: one authorization value on a unary gRPC call crashes the process
// from v0.7.0 until v0.16.0-rc0 (proto/akash-provider-api.md, section 1.4).
func (v version) diesOfAuthorization() bool { return v.atLeast(0, 7, 0) && !v.atLeast(0, 16, 0) }

// authenticatesUnary: the interceptor of unary gRPC calls checks tokens correctly since
// v0.16.0-rc0, on every method.
func (v version) authenticatesUnary() bool { return v.atLeast(0, 16, 0) }

// readsTokens: JWT came with v0.7.0; client certificates moved into the TLS
// handshake with it.
func (v version) readsTokens() bool { return v.atLeast(0, 7, 0) }

// readsADR36: tokens signed as ADR-036 messages are accepted since v0.10.0.
func (v version) readsADR36() bool { return v.atLeast(0, 10, 0) }

// plainErrors: since v0.11.2 refusals and cluster errors have the status codes
// of the table in proto/akash-provider-api.md, section 2.7; before, most are 500.
func (v version) plainErrors() bool { return v.atLeast(0, 11, 2) }

// reportsNodeNames: /status has named nodes with allocatable and available since
// v0.5.0; before, a flat list of what is available.
func (v version) reportsNodeNames() bool { return v.atLeast(0, 5, 0) }

// reportsPlainNumbers: before v0.4.0 /status has amounts in the chain's form,
// {"units":{"val":"100"}}, and lists nodes directly. The only source is console's parser;
// the version is a guess.
func (v version) reportsPlainNumbers() bool { return v.atLeast(0, 4, 0) }

// servesCA: a certificate of a public authority is served by name since v0.7.0.
func (v version) servesCA() bool { return v.atLeast(0, 7, 0) }

// reportsCapacity: ResourcePair.capacity came with v0.6.8.
func (v version) reportsCapacity() bool { return v.atLeast(0, 6, 8) }

// reportsReclamation: reclamation_window and leased_ip came in 2026 (v0.14).
func (v version) reportsReclamation() bool { return v.atLeast(0, 14, 0) }

// signsInventory: the AEP-86 alphas, from v0.13.0-a0 on, serve InventoryService.
func (v version) signsInventory() bool {
	return v.atLeast(0, 13, 0) && alpha.MatchString(v.text)
}

// alpha matches the alphas of AEP-86.
var alpha = regexp.MustCompile(`-a[0-9]+$`)

// attests: leases attest themselves since v0.15.0 (proto/akash-provider-api.md, section
// 2.12).
func (v version) attests() bool { return v.atLeast(0, 15, 0) }

// screensBids: ProviderRPC has a BidScreening method, without a body, since v0.10.6.
func (v version) screensBids() bool { return v.atLeast(0, 10, 6) }
