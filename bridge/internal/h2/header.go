package h2

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// newResponse returns the answer with the given header block.
func newResponse(r *http.Request, fields []hpack.HeaderField) (*http.Response, error) {
	status := 0
	for _, f := range fields {
		if f.Name == ":status" {
			status, _ = strconv.Atoi(f.Value)
		}
	}
	if status < 200 || status > 999 {
		return nil, errProtocol
	}
	return &http.Response{
		Status:        strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode:    status,
		Proto:         "HTTP/2.0",
		ProtoMajor:    2,
		Header:        toHeader(fields),
		ContentLength: -1,
		Request:       r,
	}, nil
}

// toHeader returns fields as an http.Header, without pseudo-headers and without fields
// that describe a connection, which HTTP/2 forbids (RFC 9113, section 8.2.2) and which must
// not be passed on.
func toHeader(fields []hpack.HeaderField) http.Header {
	h := make(http.Header, len(fields))
	values := make([]string, 0, len(fields)) // one allocation for all single values
	for _, f := range fields {
		if f.IsPseudo() || connectionSpecific(f.Name) && f.Name != "content-length" {
			continue
		}
		key := canonical(f.Name)
		if old, ok := h[key]; ok {
			h[key] = append(old, f.Value)
			continue
		}
		values = append(values, f.Value)
		h[key] = values[len(values)-1 : len(values) : len(values)]
	}
	return h
}

// lower returns a canonical header name in lower case. The names in every gRPC request
// take no allocation.
func lower(name string) string {
	switch name {
	case "Content-Type":
		return "content-type"
	case "Te":
		return "te"
	case "User-Agent":
		return "user-agent"
	case "Grpc-Timeout":
		return "grpc-timeout"
	case "Authorization":
		return "authorization"
	}
	return strings.ToLower(name)
}

// canonical returns the canonical form of a header name. The names in every gRPC
// answer take no allocation.
func canonical(name string) string {
	switch name {
	case "content-type":
		return "Content-Type"
	case "grpc-status":
		return "Grpc-Status"
	case "grpc-message":
		return "Grpc-Message"
	case "grpc-encoding":
		return "Grpc-Encoding"
	case "grpc-accept-encoding":
		return "Grpc-Accept-Encoding"
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}
