package guard

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
)

// Origins decides which web pages may call the bridge. Pages of the bridge's own
// origin always may.
type Origins struct {
	// Refused, if set, is called with the origin of a request that Admits or Check refuses, quoted
	// and shortened. It must not be changed while requests are checked.
	Refused func(origin string)

	rules atomic.Pointer[originRules]
}

// originRules are the origins that are allowed.
type originRules struct {
	any       bool
	localhost bool
	exact     map[string]bool
	wildcards []wildcard
}

// NewOrigins returns Origins that allow the listed ones, each in the form of the
// Origin header (RFC 6454, section 6.2): "https://app.example",
// "http://localhost:5173", "null" for pages with an opaque origin, or "*" for every
// page. In "https://*.app.example" the * stands for exactly one label. An empty list
// allows pages served from localhost on any port.
func NewOrigins(allowed []string) (*Origins, error) {
	o := &Origins{}
	return o, o.Set(allowed)
}

// Set replaces the list of those that are allowed, as for [NewOrigins]. If it returns an
// error, the old list stays in use. It may be called concurrently with the other methods.
func (o *Origins) Set(allowed []string) error {
	rules := &originRules{localhost: len(allowed) == 0, exact: map[string]bool{}}
	for _, text := range allowed {
		switch {
		case text == "*":
			rules.any = true
		case text == "null":
			rules.exact[text] = true
		case strings.Contains(text, "*"):
			w, err := newWildcard(text)
			if err != nil {
				return err
			}
			rules.wildcards = append(rules.wildcards, w)
		default:
			u, err := parseOrigin(text)
			if err != nil {
				return err
			}
			rules.exact[serialize(u)] = true
		}
	}
	o.rules.Store(rules)
	return nil
}

// parseOrigin parses an origin that an operator allows.
func parseOrigin(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") ||
		strings.TrimSuffix(text, "/") != u.Scheme+"://"+u.Host {
		return nil, fmt.Errorf("%q is not an origin: want scheme://host[:port], such as https://app.example", text)
	}
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r > '~' }) {
		return nil, fmt.Errorf("%q is not an origin as browsers send it: want its name in ASCII, such as https://xn--bcher-kva.example", text)
	}
	return u, nil
}

// Allows reports whether r may call. A request without an Origin header is allowed: it
// comes from no web page, since browsers send the header with every POST and every
// WebSocket.
func (o *Origins) Allows(r *http.Request) bool {
	rules := o.rules.Load()
	values := r.Header.Values("Origin")
	if len(values) == 0 || rules.any {
		return true
	}
	if len(values) > 1 {
		return false
	}
	origin := strings.ToLower(values[0])
	if rules.exact[origin] || slices.ContainsFunc(rules.wildcards, func(w wildcard) bool { return w.matches(origin) }) {
		return true
	}
	u, err := url.Parse(values[0])
	if err != nil || u.Host == "" {
		return false
	}
	// Only hosts are compared: behind a proxy that terminates TLS, the bridge cannot
	// know the scheme of its own pages.
	if strings.EqualFold(u.Host, r.Host) {
		return true
	}
	return rules.localhost && isLocalhost(u.Hostname())
}

// Admits reports whether r may call, as Allows does. It reports one that may not to Refused.
func (o *Origins) Admits(r *http.Request) bool {
	if o.Allows(r) {
		return true
	}
	if o.Refused != nil {
		o.Refused(quote(r.Header.Get("Origin")))
	}
	return false
}

// Check reports whether r may call, as Admits does. It answers a call that may not.
func (o *Origins) Check(w http.ResponseWriter, r *http.Request) bool {
	if o.Admits(r) {
		return true
	}
	w.Header().Add("Vary", "Origin")
	http.Error(w, "This bridge does not serve pages of the origin "+quote(r.Header.Get("Origin"))+
		". Its operator can allow them: --allow-origin.", http.StatusForbidden)
	return false
}

// quote shortens and quotes a header's value for an error message.
func quote(value string) string {
	if len(value) > 100 {
		value = value[:100] + "…"
	}
	return `"` + strings.Map(printable, value) + `"`
}

func printable(r rune) rune {
	if r < ' ' || r > '~' && r != '…' {
		return '?'
	}
	return r
}

// serialize formats an origin as browsers do: in lower case, without the default port.
func serialize(u *url.URL) string {
	host := strings.ToLower(u.Host)
	port := u.Port()
	if (u.Scheme == "http" && port == "80") || (u.Scheme == "https" && port == "443") {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}

// isLocalhost reports whether host is the browser's own machine: a loopback address,
// or a name reserved for it (RFC 6761, section 6.3).
func isLocalhost(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
