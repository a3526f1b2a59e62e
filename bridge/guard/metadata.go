package guard

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Metadata is the allow-list of headers that travel between a page and a
// provider. Nothing travels because nobody thought of it: a browser adds headers
// by itself, and proxies in front of the bridge add more.
type Metadata struct {
	names    map[string]bool
	prefixes []string
	// usual says of names that come with every call, in canonical form, whether they
	// travel.
	usual map[string]bool
}

// relayed are the request headers that travel by default: what gRPC itself needs,
// and what ties the traces of several machines together. Names ending in -bin
// travel as well, since only gRPC uses them. grpc-timeout does not: the relay
// writes its own.
var relayed = []string{
	"grpc-encoding", "grpc-accept-encoding",
	"traceparent", "tracestate", "x-request-id", "x-correlation-id",
}

// withheld are headers that no allow-list makes travel: they belong to the
// browser, to the connection, or to the bridge.
var withheld = map[string]bool{
	"accept": true, "accept-charset": true, "accept-encoding": true, "accept-language": true,
	"alt-svc": true, "authorization": true, "cache-control": true, "connection": true,
	"content-encoding": true, "content-length": true, "content-type": true, "cookie": true,
	"date": true, "dnt": true, "expect": true, "forwarded": true, "grpc-message": true,
	"grpc-status": true, "grpc-timeout": true, "host": true, "http2-settings": true,
	"keep-alive": true, "location": true, "origin": true, "pragma": true, "priority": true,
	"referer": true, "refresh": true, "server": true, "set-cookie": true, "te": true,
	"trailer": true, "transfer-encoding": true, "upgrade": true, "user-agent": true,
	"vary": true, "via": true, "www-authenticate": true, "x-content-type-options": true,
	"x-frame-options": true, "x-grpc-web": true, "x-real-ip": true, "x-user-agent": true,
}

// withheldPrefixes are families of such headers.
var withheldPrefixes = []string{"access-control-", "akash-", "proxy-", "sec-", "x-forwarded-"}

// NewMetadata returns the default allow-list widened by patterns: header names,
// or beginnings of names followed by "*", such as "x-tenant-*".
func NewMetadata(patterns []string) (*Metadata, error) {
	m := &Metadata{names: map[string]bool{}}
	for _, name := range relayed {
		m.names[name] = true
	}
	for _, pattern := range patterns {
		name := strings.ToLower(pattern)
		prefix, wild := strings.CutSuffix(name, "*")
		switch {
		case !isHeaderName(prefix):
			return nil, fmt.Errorf("%q is not a header name, nor the beginning of one followed by *", pattern)
		case wild:
			m.prefixes = append(m.prefixes, prefix)
		case isWithheld(name):
			return nil, fmt.Errorf("%q never goes to a provider", pattern)
		default:
			m.names[name] = true
		}
	}
	m.usual = make(map[string]bool)
	for _, name := range usual() {
		m.usual[http.CanonicalHeaderKey(name)] = m.travels(name)
	}
	return m, nil
}

// usual lists names of headers that browsers and gRPC-Web clients send.
func usual() []string {
	return slices.Concat(relayed, slices.Collect(maps.Keys(withheld)), []string{
		"akash-provider", "akash-tls", "akash-check-version", "akash-heartbeat", "sec-ch-ua", "sec-ch-ua-mobile",
		"sec-ch-ua-platform", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site",
	})
}

// Upstream returns the headers of a page's request that go to the provider. The
// authorization header is not among them: whether it may go depends on the call
// and on the provider.
func (m *Metadata) Upstream(request http.Header) http.Header {
	out := http.Header{}
	for key, values := range request {
		travels, known := m.usual[key]
		if known && travels || !known && m.travels(strings.ToLower(key)) {
			out[key] = values
		}
	}
	return out
}

// Downstream reports whether a provider's response header (not: trailer) goes to
// the page. A provider must not be able to set cookies, clear storage or change
// policies on the bridge's origin, and browsers learn new such headers every
// year; so beside the allow-list only x- headers travel, which mean nothing to
// browsers that other headers do not already say.
func (m *Metadata) Downstream(name string) bool {
	if travels, known := m.usual[name]; known {
		return travels // none of them begins with x- but what is withheld
	}
	name = strings.ToLower(name)
	return m.travels(name) || strings.HasPrefix(name, "x-") && !isWithheld(name)
}

func (m *Metadata) travels(name string) bool {
	if isWithheld(name) {
		return false
	}
	if m.names[name] || strings.HasSuffix(name, "-bin") {
		return true
	}
	for _, prefix := range m.prefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func isWithheld(name string) bool {
	if withheld[name] {
		return true
	}
	for _, prefix := range withheldPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// isHeaderName reports whether name has only the characters that gRPC allows in
// the name of a header, and at least one.
func isHeaderName(name string) bool {
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return name != ""
}
