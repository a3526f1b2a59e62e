package limit

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Caller is who makes a request, as far as the bridge can tell.
type Caller struct {
	// Address is the caller's IP address: that of the connection, or what a trusted
	// proxy says. It is invalid if neither is known.
	Address netip.Addr
	// Origin is the origin of the page that calls, or "" for a program.
	Origin string
}

// Bits of an address that identify a caller. One host can have all addresses of an IPv6
// network of 64 bits.
const ipv6Network = 64

// network returns the network that the caller's limits apply to.
func (c Caller) network() netip.Addr {
	if c.Address.Is6() {
		prefix, _ := c.Address.Prefix(ipv6Network)
		return prefix.Addr()
	}
	return c.Address
}

// local reports whether the address is one that programs on the bridge's own machine use
// unless told otherwise: proxies before it, and the operator's own.
func local(address netip.Addr) bool {
	return address == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || address == netip.IPv6Loopback()
}

type callerKey struct{}

// With returns a context that has the caller, for Of.
func (c Caller) With(ctx context.Context) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// Of returns the caller that With has put into the context, or the zero Caller.
func Of(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Proxies are the proxies before the bridge that are trusted to say who calls.
type Proxies struct {
	prefixes []netip.Prefix
}

// NewProxies returns Proxies with the listed addresses and networks, such as "10.0.0.7",
// "10.0.0.0/8" or "2001:db8::/32". An empty list trusts no proxy.
func NewProxies(list []string) (*Proxies, error) {
	p := &Proxies{}
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var address netip.Addr
			if address, err = netip.ParseAddr(text); err == nil && address.Zone() == "" {
				prefix, err = address.Unmap().Prefix(address.Unmap().BitLen())
			}
		}
		if err != nil || !prefix.IsValid() {
			return nil, fmt.Errorf("%q is not an IP address or network: want one such as 10.0.0.7 or 10.0.0.0/8", text)
		}
		p.prefixes = append(p.prefixes, prefix.Masked())
	}
	return p, nil
}

func (p *Proxies) trusts(address netip.Addr) bool {
	for _, prefix := range p.prefixes {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// Caller returns who makes the request. A connection from a trusted proxy is its
// client's: the last address in Forwarded (RFC 7239, section 5.2), or else in
// X-Forwarded-For, that is not a trusted proxy's. Anybody else's headers are ignored.
func (p *Proxies) Caller(r *http.Request) Caller {
	c := Caller{Address: parseAddress(r.RemoteAddr), Origin: r.Header.Get("Origin")}
	if len(p.prefixes) == 0 || !p.trusts(c.Address) {
		return c
	}
	hops := forwarded(r.Header)
	for i := len(hops) - 1; i >= 0; i-- {
		address := parseAddress(hops[i])
		if !address.IsValid() {
			break // "unknown", or nonsense: the proxy is the last that is known
		}
		c.Address = address
		if !p.trusts(address) {
			break
		}
	}
	return c
}

// Network returns the network whose limits a connection from address counts for. It is not
// valid for a trusted proxy, or a program on the bridge's own machine.
func (p *Proxies) Network(address net.Addr) netip.Addr {
	peer := parseAddress(address.String())
	if local(peer) || p.trusts(peer) {
		return netip.Addr{}
	}
	return Caller{Address: peer}.network()
}

// Forwards reports whether the request came through a proxy that is not trusted.
func (p *Proxies) Forwards(r *http.Request) bool {
	return (r.Header["X-Forwarded-For"] != nil || r.Header["Forwarded"] != nil) && !p.trusts(parseAddress(r.RemoteAddr))
}

// maxHops bounds the proxies that a request is traced through.
const maxHops = 32

// forwarded returns the addresses that a request was forwarded for, the nearest last.
func forwarded(h http.Header) []string {
	var hops []string
	if values := h["Forwarded"]; len(values) > 0 {
		for _, value := range values {
			for element := range strings.SplitSeq(value, ",") {
				hops = append(hops, forParameter(element))
			}
		}
	} else {
		for _, value := range h["X-Forwarded-For"] {
			for address := range strings.SplitSeq(value, ",") {
				hops = append(hops, address)
			}
		}
	}
	return hops[max(0, len(hops)-maxHops):]
}

// forParameter returns the parameter "for" of an element of Forwarded, or "".
func forParameter(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// parseAddress parses an address with or without a port; an IPv6 address may stand in
// brackets. The result is invalid if text is something else.
func parseAddress(text string) netip.Addr {
	text = strings.TrimSpace(text)
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone("")
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text, _ = strings.CutSuffix(inner, "]")
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap().WithZone("")
}
