package guard

import (
	"context"
	"net/netip"
	"strings"
	"syscall"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// Destinations decides where the bridge may connect. Host URIs come from the chain or
// from a caller, so anyone can choose them. Without this check, an attacker could make
// the bridge connect to services on its own machine and network (server-side request
// forgery).
//
// The zero value allows public destinations only.
type Destinations struct {
	// AllowPrivate allows every destination (--allow-private-networks).
	AllowPrivate bool
}

// Host checks a host name before it is resolved. It refuses IP addresses, names of a
// single label, and names with a suffix reserved for local use. The error is an
// *rpcerror.Error.
func (d Destinations) Host(host string) error {
	if d.AllowPrivate {
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if looksLikeAddress(name) {
		return refused("the host %q is an IP address; providers are reached by name, unless the bridge runs with --allow-private-networks", host)
	}
	if !strings.Contains(name, ".") {
		return refused("the host %q is a name of the bridge's own network; that needs --allow-private-networks", host)
	}
	for _, suffix := range localSuffixes {
		if strings.HasSuffix(name, suffix) {
			return refused("the host %q ends in %s, a name of the bridge's own network; that needs --allow-private-networks", host, suffix)
		}
	}
	return nil
}

// HostURI checks the host and the port of a host URI. The error is an *rpcerror.Error.
func (d Destinations) HostURI(uri HostURI) error {
	if err := d.Host(uri.Host); err != nil {
		return err
	}
	return d.Port(uri.Port)
}

// Addr checks an IP address. The error is an *rpcerror.Error.
func (d Destinations) Addr(addr netip.Addr) error {
	if d.AllowPrivate || public(addr) {
		return nil
	}
	return refused("the address %s is not public (%s); connecting there needs --allow-private-networks", addr, kind(addr))
}

// Control is a [net.Dialer.ControlContext]. It checks the address and port of the socket after
// DNS resolution, so a DNS answer that changes after an earlier check (DNS rebinding)
// has no effect. The error is an *rpcerror.Error.
func (d Destinations) Control(_ context.Context, network, address string, _ syscall.RawConn) error {
	switch network {
	case "tcp4", "tcp6":
	default:
		return refused("the network %q is not TCP", network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return refused("the address %q is malformed", address)
	}
	if err := d.Addr(to.Addr()); err != nil {
		return err
	}
	return d.Port(to.Port())
}

// DNSName returns the name to look up for host. Public names are looked up as they are:
// with a search list, as containers have, the resolver could answer with a service of the
// bridge's own network (RFC 1535).
func (d Destinations) DNSName(host string) string {
	if d.AllowPrivate || strings.HasSuffix(host, ".") {
		return host
	}
	return host + "."
}

func refused(format string, args ...any) error {
	return rpcerror.New(codes.PermissionDenied, rpcerror.ReasonDestinationRefused, format, args...)
}

// looksLikeAddress reports whether a resolver may take name for an IP address: a
// literal, or a name whose last label is a number, such as 2130706433 or 0x7f.1
// (https://url.spec.whatwg.org/#ends-in-a-number-checker).
func looksLikeAddress(name string) bool {
	if strings.ContainsAny(name, ":[]%") {
		return true
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if digits, hex := strings.CutPrefix(last, "0x"); hex {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// localSuffixes are the suffixes of names that do not exist in public DNS.
var localSuffixes = []string{
	".local",                                                          // multicast DNS, RFC 6762
	".localhost",                                                      // loopback, RFC 6761 section 6.3
	".internal",                                                       // private use, ICANN resolution 2024.07.29.06; cloud metadata services
	".home.arpa",                                                      // home networks, RFC 8375
	".localdomain", ".lan", ".home", ".corp", ".intranet", ".private", // in use, RFC 6762 appendix G
}
