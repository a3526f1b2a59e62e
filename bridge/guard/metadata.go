package guard

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Metadata is the allowlist of headers that are forwarded between a client and a
// provider. It is an allowlist because browsers add headers on their own, and proxies
// in front of the bridge add more.
type Metadata struct {
	names    map[string]bool
	prefixes []string
	// usual caches the decision for the names of common headers, in canonical form.
	usual map[string]bool
}

// relayed are the request headers that are forwarded by default: those of gRPC itself
// and those for tracing. Names ending in -bin are forwarded too, since only gRPC uses
// them. grpc-timeout is not, because the relay sets its own.
var relayed = []string{
	"grpc-encoding", "grpc-accept-encoding",
	"traceparent", "tracestate", "x-request-id", "x-correlation-id",
}

// withheld are the headers that are never forwarded, whatever the allowlist says. They
// belong to the browser, to the connection, or to the bridge.
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

// withheldPrefixes are prefixes of further withheld headers.
var withheldPrefixes = []string{"access-control-", "akash-", "proxy-", "sec-", "x-forwarded-"}

// NewMetadata returns the default allowlist extended by patterns: header names, or
// prefixes of names followed by "*", such as "x-tenant-*".
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
			return nil, fmt.Errorf("%q is neither a header name nor the beginning of one followed by *", pattern)
		case wild:
			m.prefixes = append(m.prefixes, prefix)
		case isWithheld(name):
			return nil, fmt.Errorf("%q is never forwarded to a provider", pattern)
		default:
			m.names[name] = true
		}
	}
	m.usual = make(map[string]bool)
	for _, name := range commonNames() {
		m.usual[http.CanonicalHeaderKey(name)] = m.forwarded(name)
	}
	return m, nil
}

// commonNames lists headers that browsers and gRPC-Web clients send.
func commonNames() []string {
	return slices.Concat(relayed, slices.Collect(maps.Keys(withheld)), []string{
		"akash-provider", "akash-tls", "akash-check-version", "akash-heartbeat", "akash-warm", "sec-ch-ua", "sec-ch-ua-mobile",
		"sec-ch-ua-platform", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site",
	})
}

// Upstream returns the headers of a client's request that are forwarded to the
// provider. The authorization header is not among them: whether it may be sent depends
// on the call and on the provider.
func (m *Metadata) Upstream(request http.Header) http.Header {
	out := http.Header{}
	for key, values := range request {
		forwarded, known := m.usual[key]
		if known && forwarded || !known && m.forwarded(strings.ToLower(key)) {
			out[key] = values
		}
	}
	return out
}

// Downstream reports whether a response header (not a trailer) of a provider is
// forwarded to the client. A provider must not be able to set cookies, clear storage
// or change policies on the bridge's origin, and browsers gain new headers of that
// kind every year. So only headers on the allowlist are forwarded, and x- headers,
// which have no effect on browsers.
func (m *Metadata) Downstream(name string) bool {
	if ok, cached := m.usual[name]; cached {
		return ok // those that begin with x- are all withheld
	}
	name = strings.ToLower(name)
	return m.forwarded(name) || strings.HasPrefix(name, "x-") && !isWithheld(name)
}

func (m *Metadata) forwarded(name string) bool {
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

// isHeaderName reports whether name is not empty and has only the characters that gRPC
// allows in a header's name.
func isHeaderName(name string) bool {
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return name != ""
}
