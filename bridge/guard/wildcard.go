package guard

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// wildcard allows the origins that have one label before a domain, as in
// https://*.app.example.
type wildcard struct {
	scheme string // with "://"
	suffix string // of the host, from its first dot, and the port
}

// newWildcard parses an origin whose leftmost label is "*". It refuses domains below which
// anybody can register a name, such as https://*.com and https://*.co.uk.
func newWildcard(text string) (wildcard, error) {
	scheme, host, _ := strings.Cut(text, "://")
	rest, ok := strings.CutPrefix(host, "*.")
	if !ok || strings.Contains(rest, "*") {
		return wildcard{}, fmt.Errorf("%q is not an origin: a * stands for the whole leftmost label, as in https://*.app.example, or alone for all origins", text)
	}
	u, err := parseOrigin(scheme + "://" + rest)
	if err != nil {
		return wildcard{}, fmt.Errorf("%q is not an origin: want scheme://*.domain[:port], such as https://*.app.example", text)
	}
	domain := strings.ToLower(u.Hostname())
	if _, err := netip.ParseAddr(domain); err == nil {
		return wildcard{}, fmt.Errorf("%q is not an origin: an address has no subdomains", text)
	}
	if domain != "localhost" {
		suffix, icann := publicsuffix.PublicSuffix(domain)
		if domain == suffix && (icann || !strings.Contains(suffix, ".")) {
			return wildcard{}, fmt.Errorf("%q would allow everybody who registers a domain below %s; want a domain of your own, such as https://*.app.example", text, domain)
		}
	}
	return wildcard{scheme: u.Scheme + "://", suffix: "." + strings.TrimPrefix(serialize(u), u.Scheme+"://")}, nil
}

// matches reports whether an origin in lower case is one of the wildcard's.
func (w wildcard) matches(origin string) bool {
	label, ok := strings.CutPrefix(origin, w.scheme)
	if !ok {
		return false
	}
	label, ok = strings.CutSuffix(label, w.suffix)
	return ok && label != "" && strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// SharedSuffix returns the domain of a wildcard origin if anybody can get a subdomain of it
// from the company that owns it, such as vercel.app. The list of these is
// https://publicsuffix.org, in its section of private domains.
func SharedSuffix(origin string) (domain string, shared bool) {
	if !strings.Contains(origin, "*.") {
		return "", false
	}
	u, err := url.Parse(strings.Replace(origin, "*.", "", 1))
	if err != nil {
		return "", false
	}
	domain = strings.ToLower(u.Hostname())
	suffix, icann := publicsuffix.PublicSuffix(domain)
	return domain, domain == suffix && !icann && strings.Contains(domain, ".")
}
