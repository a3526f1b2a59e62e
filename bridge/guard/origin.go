package guard

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Origins says which web pages may call the bridge. A page of the bridge's own
// origin always may.
type Origins struct {
	any       bool
	localhost bool
	exact     map[string]bool
}

// NewOrigins allows the origins listed, each as a browser writes it in its Origin
// header (RFC 6454, section 6.2): "https://app.example", "http://localhost:5173",
// "null" for pages without one, or "*" for every page. An empty list allows pages
// served from localhost on any port.
func NewOrigins(allowed []string) (*Origins, error) {
	o := &Origins{localhost: len(allowed) == 0, exact: map[string]bool{}}
	for _, text := range allowed {
		switch text {
		case "*":
			o.any = true
			continue
		case "null":
			o.exact[text] = true
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") ||
			strings.TrimSuffix(text, "/") != u.Scheme+"://"+u.Host {
			return nil, fmt.Errorf("%q is not an origin: want scheme://host[:port], such as https://app.example", text)
		}
		o.exact[serialize(u)] = true
	}
	return o, nil
}

// Allows reports whether whoever sent r may call. A request without an Origin
// header comes from no browser's page, since browsers send one with every POST
// and every WebSocket, and is allowed.
func (o *Origins) Allows(r *http.Request) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 || o.any {
		return true
	}
	if len(values) > 1 {
		return false
	}
	if o.exact[strings.ToLower(values[0])] {
		return true
	}
	u, err := url.Parse(values[0])
	if err != nil || u.Host == "" {
		return false
	}
	// Only hosts are compared: behind a proxy that ends TLS, the bridge cannot
	// know the scheme its own pages were served with.
	if strings.EqualFold(u.Host, r.Host) {
		return true
	}
	return o.localhost && isLocalhost(u.Hostname())
}

// serialize writes an origin as browsers do: lower case, without the port that
// the scheme implies.
func serialize(u *url.URL) string {
	host := strings.ToLower(u.Host)
	port := u.Port()
	if (u.Scheme == "http" && port == "80") || (u.Scheme == "https" && port == "443") {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}

// isLocalhost reports whether host can only mean the browser's own machine:
// a loopback address, or a name that RFC 6761 (section 6.3) reserves for it.
func isLocalhost(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
