package fake

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is the name of an injected fault. A fault is given as NAME or NAME=DURATION.
type Fault string

// The faults of a provider.
const (
	FaultSlowConnect Fault = "slow-connect"
	FaultRefuse      Fault = "refuse"
	FaultHangAccept  Fault = "hang-accept"
	FaultGRPCHang    Fault = "grpc-hang-accept"
	FaultGRPCSlow    Fault = "grpc-slow-connect"
	FaultRESTHang    Fault = "rest-hang-accept"
	FaultHangHeaders Fault = "hang-headers"
	FaultFreeze      Fault = "freeze"
	FaultTLS12       Fault = "tls12"
	FaultGoAway      Fault = "goaway-pings"
	FaultGarbage     Fault = "garbage-frames"
	FaultNonsense    Fault = "garbage-message"
	FaultOversized   Fault = "oversized-message"
	FaultNoCluster   Fault = "no-cluster"
	FaultPartial     Fault = "partial-first"
	FaultKubeDown    Fault = "kube-down"
	FaultNoPods      Fault = "no-pods"
	FaultQuoteReplay Fault = "quote-replay"
	FaultRestart     Fault = "restart-failure"
	FaultRepeat      Fault = "events-repeat"
	FaultOddFrames   Fault = "odd-frames"
	FaultClose1011   Fault = "close-1011"
	FaultClose1013   Fault = "close-1013"

	FaultShellLate    Fault = "shell-late-frames"
	FaultShellFailure Fault = "shell-failure"
	FaultShellDrop    Fault = "shell-drop"
	FaultShellBare    Fault = "shell-bare"

	FaultCertExpired     Fault = "cert-expired"
	FaultCertNotYetValid Fault = "cert-not-yet-valid"
	FaultCertForeign     Fault = "cert-foreign"
	FaultCertRevoked     Fault = "cert-revoked"
	FaultCertAbsent      Fault = "cert-absent"
	FaultCertOtherKey    Fault = "cert-other-key"
	FaultCertNotSelf     Fault = "cert-not-self-signed"
	FaultCertSwap        Fault = "cert-swap"
)

// The faults of the chain node.
const (
	FaultChainSlow      Fault = "chain-slow"
	FaultChainDown      Fault = "chain-down"
	FaultChain500       Fault = "chain-500"
	FaultChainPaginated Fault = "chain-paginated"
	FaultChainOld       Fault = "chain-v1beta3"
	FaultChainSyncing   Fault = "chain-syncing"
	FaultChainGarbage   Fault = "chain-garbage"
)

// faultText describes each fault, and its default duration if it has one.
var faultText = map[Fault]struct {
	text  string
	delay time.Duration
}{
	FaultSlowConnect: {"TLS handshakes start late", 2 * time.Second},
	FaultRefuse:      {"both ports refuse connections", 0},
	FaultHangAccept:  {"connections are accepted and never read", 0},
	FaultGRPCHang:    {"the gRPC port accepts connections and never reads them", 0},
	FaultGRPCSlow:    {"TLS handshakes of the gRPC port start late", 1200 * time.Millisecond},
	FaultRESTHang:    {"the REST port accepts connections and never reads them", 0},
	FaultHangHeaders: {"answers stop after their headers", 0},
	FaultFreeze:      {"connections stay open and go silent", 0},
	FaultTLS12:       {"both ports speak TLS 1.2 only", 0},
	FaultGoAway:      {"a call gets GOAWAY ENHANCE_YOUR_CALM too_many_pings", 0},
	FaultGarbage:     {"the gRPC port speaks no HTTP/2 after the handshake", 0},
	FaultNonsense:    {"answers are well framed and undecodable", 0},
	FaultOversized:   {"a status is 8 MiB long", 0},
	FaultNoCluster:   {"a status lacks its cluster", 0},
	FaultPartial:     {"the first status of a stream lacks its cluster", 0},
	FaultKubeDown:    {"the provider does not reach its cluster", 0},
	FaultNoPods:      {"no pod of the lease is running", 0},
	FaultQuoteReplay: {"attestation quotes are for the nonce of the one before", 0},
	FaultRestart:     {"the last replica of a restart does not come back", 0},
	FaultRepeat:      {"WebSockets of events send the first event and close", 0},
	FaultOddFrames:   {"WebSockets begin with frames that are neither events nor lines", 0},
	FaultClose1011:   {"WebSockets close with 1011, an internal error, at once", 0},
	FaultClose1013:   {"WebSockets close with 1013, to be tried again later, at once", 0},

	FaultShellLate:    {"a shell sends frames after its result", 0},
	FaultShellFailure: {"a shell fails for reasons that the provider keeps to itself", 0},
	FaultShellDrop:    {"a shell's connection breaks with the first output, or at its end", 0},
	FaultShellBare:    {"containers have a shell and no other program", 0},

	FaultCertExpired:     {"the certificate has expired", 0},
	FaultCertNotYetValid: {"the certificate is valid from tomorrow on", 0},
	FaultCertForeign:     {"the certificate is another account's, valid on the chain", 0},
	FaultCertRevoked:     {"the certificate is revoked on the chain", 0},
	FaultCertAbsent:      {"the certificate is not on the chain", 0},
	FaultCertOtherKey:    {"the certificate has the serial of the chain's, and another key", 0},
	FaultCertNotSelf:     {"the certificate is signed by another", 0},
	FaultCertSwap:        {"every connection gets a new certificate, each on the chain", 0},

	FaultChainSlow:      {"the chain node answers late", 3 * time.Second},
	FaultChainDown:      {"the chain node refuses connections", 0},
	FaultChain500:       {"the chain node answers 502 with HTML", 0},
	FaultChainPaginated: {"the chain node gives one entry a page", 0},
	FaultChainOld:       {"the chain is older than v1.0: v1beta3 queries only", 0},
	FaultChainSyncing:   {"the chain node is catching up", 0},
	FaultChainGarbage:   {"the chain node answers JSON that makes no sense", 0},
}

// FaultHelp lists the faults, one per line.
func FaultHelp() string {
	names := make([]Fault, 0, len(faultText))
	for name := range faultText {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		f := faultText[name]
		fmt.Fprintf(&b, "  %-22s%s", name, f.text)
		if f.delay > 0 {
			fmt.Fprintf(&b, " (%s, or =DURATION)", f.delay)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// parseFault parses NAME or NAME=DURATION.
func parseFault(text string) (Fault, time.Duration, error) {
	name, value, timed := strings.Cut(text, "=")
	known, ok := faultText[Fault(name)]
	if !ok {
		return "", 0, fmt.Errorf("unknown fault %q; the faults are:\n%s", name, FaultHelp())
	}
	if !timed {
		return Fault(name), known.delay, nil
	}
	if known.delay == 0 {
		return "", 0, fmt.Errorf("fault %s takes no duration", name)
	}
	delay, err := time.ParseDuration(value)
	if err != nil || delay <= 0 {
		return "", 0, fmt.Errorf("fault %s: want a duration such as 500ms, not %q", name, value)
	}
	return Fault(name), delay, nil
}

// onChain reports whether f is a fault of the chain node.
func (f Fault) onChain() bool { return strings.HasPrefix(string(f), "chain-") }

// certificate returns the kind of certificate that f selects, or "".
func (f Fault) certificate() CertificateKind {
	switch f {
	case FaultCertExpired:
		return CertExpired
	case FaultCertNotYetValid:
		return CertNotYetValid
	case FaultCertForeign:
		return CertWrongCN
	case FaultCertRevoked:
		return CertRevoked
	case FaultCertAbsent:
		return CertAbsent
	case FaultCertOtherKey:
		return CertOtherKey
	case FaultCertNotSelf:
		return CertNotSelfSigned
	}
	return ""
}

// faults is the set of active faults.
type faults struct {
	mu  sync.Mutex
	set map[Fault]time.Duration
}

// has reports whether a fault is active.
func (f *faults) has(name Fault) bool {
	_, ok := f.delay(name)
	return ok
}

// delay returns the duration of an active fault.
func (f *faults) delay(name Fault) (time.Duration, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.set[name]
	return d, ok
}

func (f *faults) put(name Fault, delay time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.set == nil {
		f.set = map[Fault]time.Duration{}
	}
	f.set[name] = delay
}

func (f *faults) remove(name Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.set, name)
}

// names returns the active faults, sorted.
func (f *faults) names() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]Fault, 0, len(f.set))
	for name := range f.set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
