package guard

import "net/netip"

// A block is a range of addresses that no provider can have.
type block struct {
	prefix netip.Prefix
	kind   string
}

// blocks are the non-global ranges of the IANA special-purpose registries (RFC 6890),
// and one of a cloud's.
var blocks = []block{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network, RFC 1122"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private, RFC 1918"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT, RFC 6598"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback, RFC 1122"},
	{netip.MustParsePrefix("168.63.129.16/32"), "cloud metadata, Azure's platform address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local and cloud metadata, RFC 3927"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private, RFC 1918"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments, RFC 6890"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation, RFC 5737"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relays, RFC 7526"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private, RFC 1918"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarks, RFC 2544"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation, RFC 5737"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation, RFC 5737"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast, RFC 5771"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved and broadcast, RFC 1112"},

	{netip.MustParsePrefix("::/128"), "unspecified, RFC 4291"},
	{netip.MustParsePrefix("::1/128"), "loopback, RFC 4291"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64, RFC 8215"},
	{netip.MustParsePrefix("2001::/23"), "protocol assignments and Teredo, RFC 2928 and RFC 4380"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation, RFC 3849"},
	{netip.MustParsePrefix("3fff::/20"), "documentation, RFC 9637"},
	{netip.MustParsePrefix("fc00::/7"), "private, RFC 4193"},
	{netip.MustParsePrefix("fe80::/10"), "link-local, RFC 4291"},
	{netip.MustParsePrefix("fec0::/10"), "site-local, RFC 3879"},
	{netip.MustParsePrefix("ff00::/8"), "multicast, RFC 4291"},
}

var (
	// globalUnicast contains all public IPv6 addresses (RFC 4291, section 2.4, and
	// its IANA registry). Addresses outside are refused without a more specific
	// reason.
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 section 2.1
	sixToFour     = netip.MustParsePrefix("2002::/16")    // RFC 3056 section 2
)

// public reports whether addr is an address on the Internet.
func public(addr netip.Addr) bool {
	return kind(addr) == ""
}

// kind returns why addr is not public, or "" if it is.
func kind(addr netip.Addr) string {
	if !addr.IsValid() {
		return "no address"
	}
	if addr.Zone() != "" {
		return "bound to a network interface"
	}
	if v4, ok := embedded(addr); ok {
		return kind(v4)
	}
	for _, b := range blocks {
		if b.prefix.Contains(addr) {
			return b.kind
		}
	}
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return "not global unicast, RFC 4291"
	}
	return ""
}

// embedded returns the IPv4 address that packets to addr are finally delivered to, if
// addr contains one.
func embedded(addr netip.Addr) (netip.Addr, bool) {
	b := addr.As16()
	switch {
	case addr.Is4():
		return addr, false
	case addr.Is4In6(): // RFC 4291 section 2.5.5.2
		return addr.Unmap(), true
	case nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214 section 6.1
		return netip.AddrFrom4([4]byte(b[12:16])), true
	}
	return addr, false
}
