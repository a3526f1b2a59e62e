package consoleproxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rest"
)

// message is what a client sends: the body of a request, or a message on a WebSocket.
type message struct {
	// Type is "ping" or "websocket" on a WebSocket.
	Type            string   `json:"type"`
	Method          string   `json:"method"`
	URL             string   `json:"url"`
	ProviderAddress string   `json:"providerAddress"`
	Auth            *auth    `json:"auth"`
	Body            string   `json:"body"`
	Timeout         *float64 `json:"timeout"` // milliseconds
	// Data is a message for the provider's WebSocket: in base64 if IsBase64, otherwise
	// the values of its bytes, as decimal numbers separated by commas.
	Data     string `json:"data"`
	IsBase64 bool   `json:"isBase64"`
}

// auth is a credential for the provider: a token, or a client certificate.
type auth struct {
	Type    string `json:"type"` // "jwt" or "mtls"
	Token   string `json:"token"`
	CertPEM string `json:"certPem"`
	KeyPEM  string `json:"keyPem"`
}

// Types of a message and of a credential.
const (
	typePing      = "ping"
	typePong      = "pong"
	typeWebSocket = "websocket"
	typeJWT       = "jwt"
	typeMTLS      = "mtls"
)

// target is where a message goes, with its credential.
type target struct {
	url           *url.URL // its host has the port
	host          guard.HostURI
	provider      string // bech32 address
	authorization string
	certificate   *tls.Certificate
}

// origin is the URL's origin, as a browser writes it.
func (t *target) origin() string {
	return "https://" + strings.TrimSuffix(t.url.Host, ":443")
}

// issue is a problem of a message. Clients know its form, which is that of the library
// zod.
type issue struct {
	Code    string         `json:"code"`
	Message string         `json:"message,omitempty"`
	Path    []string       `json:"path"`
	Params  map[string]any `json:"params,omitempty"`
}

func custom(text string, params map[string]any, path ...string) issue {
	return issue{Code: "custom", Message: text, Path: path, Params: params}
}

func reason(text string) map[string]any { return map[string]any{"reason": text} }

// issues are the problems of a message.
type issues []issue

func (i issues) Error() string {
	text, _ := json.Marshal([]issue(i)) // of strings and maps of strings
	return string(text)
}

// validation is the body of an answer that lists issues.
type validation struct {
	Success bool            `json:"success"`
	Error   validationError `json:"error"`
}

type validationError struct {
	Code   string `json:"code,omitempty"`
	Name   string `json:"name"`
	Issues issues `json:"issues"`
}

func invalid(list issues) validation {
	return validation{Error: validationError{Code: "custom", Name: "ZodError", Issues: list}}
}

// errNotJSON is the error of a message that is not a JSON object.
var errNotJSON = errors.New("not a JSON object")

// parse decodes a message. The error is errNotJSON or issues.
func parse(text []byte) (*message, error) {
	var m message
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return nil, errNotJSON
	}
	err := json.Unmarshal(text, &m)
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mismatch):
		return nil, issues{{
			Code:    "invalid_type",
			Message: fmt.Sprintf("Expected %s, received %s", mismatch.Type, mismatch.Value),
			Path:    strings.Split(mismatch.Field, "."),
		}}
	case err != nil:
		return nil, errNotJSON
	}
	return &m, nil
}

// methods are the methods of requests.
var methods = []string{"GET", "POST", "PUT", "DELETE"}

// checkRequest returns the issues that only a request can have.
func (m *message) checkRequest() issues {
	var found issues
	if !slices.Contains(methods, m.Method) {
		found = append(found, issue{Code: "invalid_enum_value", Message: "want one of " + strings.Join(methods, ", "), Path: []string{"method"}})
	}
	if m.Timeout != nil && *m.Timeout < 0 {
		found = append(found, issue{Code: "too_small", Message: "must not be negative", Path: []string{"timeout"}})
	}
	return found
}

// target returns where the message goes, or its issues.
func (m *message) target(now time.Time) (*target, issues) {
	var found issues
	t := &target{provider: m.ProviderAddress}
	var err error
	if t.url, t.host, err = parseURL(m.URL); err != nil {
		found = append(found, custom(err.Error(), reason("invalid"), "url"))
	}
	if provider.CheckAddress(m.ProviderAddress) != nil {
		found = append(found, custom("is not bech32 address", nil, "providerAddress"))
	}
	if m.Auth != nil {
		found = append(found, m.Auth.read(t, now)...)
	}
	return t, found
}

// parseURL parses the URL of a provider's REST gateway. Its host must be a name.
func parseURL(text string) (*url.URL, guard.HostURI, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return nil, guard.HostURI{}, errors.New("is not a URL")
	}
	if u.User != nil {
		return nil, guard.HostURI{}, errors.New("must not have a user name")
	}
	host, err := guard.ParseHostURI(u.Scheme + "://" + u.Host)
	if err != nil || net.ParseIP(host.Host) != nil || strings.HasSuffix(strings.TrimSuffix(host.Host, "."), ".local") {
		return nil, guard.HostURI{}, errors.New("URL must use https protocol and cannot point to IP address")
	}
	u.Host, u.Fragment, u.RawFragment = host.Addr(), "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	return u, host, nil
}

// read checks a credential and adds it to t.
func (a *auth) read(t *target, now time.Time) issues {
	switch a.Type {
	case typeJWT:
		if problems := tokenProblems(a.Token, now); len(problems) > 0 {
			return issues{custom("is not a valid JWT token", map[string]any{"errors": problems}, "auth", "token")}
		}
		t.authorization = "Bearer " + a.Token
		return nil
	case typeMTLS:
		if problem := certificateProblem(a.CertPEM, now); problem != "" {
			return issues{custom("is not a valid certificate", reason(problem), "auth", "certPem")}
		}
		pair, err := tls.X509KeyPair([]byte(a.CertPEM), []byte(a.KeyPEM))
		if err != nil {
			return issues{custom("is not the certificate's key", reason("invalid"), "auth", "keyPem")}
		}
		t.certificate = &pair
		return nil
	}
	return issues{{Code: "invalid_union_discriminator", Message: "want jwt or mtls", Path: []string{"auth", "type"}}}
}

// Problems of a token. Clients get a new token when they read that theirs has expired.
const (
	tokenUnreadable = "Invalid token"
	tokenExpired    = "Token has expired"
	tokenTooEarly   = "Token is not yet valid (nbf check failed)"
)

// leeway is how far this clock may be ahead of or behind the one that made a token.
const leeway = 30 * time.Second

// tokenProblems says why no provider would take a token, as far as its text tells.
func tokenProblems(text string, now time.Time) []string {
	token, ok := rest.ParseToken(text)
	if !ok || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return []string{tokenUnreadable}
	}
	if token.Problem != "" {
		return []string{token.Problem}
	}
	var problems []string
	if !token.Expires.After(now) {
		problems = append(problems, tokenExpired)
	}
	if token.NotBefore.After(now.Add(leeway)) {
		problems = append(problems, tokenTooEarly)
	}
	return problems
}

// certificateProblem says why no provider would take a client certificate, as far as it
// tells itself; "" if it may.
func certificateProblem(text string, now time.Time) string {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return "invalid"
	}
	c, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return "invalid"
	case c.NotBefore.After(now):
		return "validInFuture"
	case c.NotAfter.Before(now):
		return "expired"
	case !bytes.Equal(c.RawIssuer, c.RawSubject):
		return "notSelfSigned"
	case provider.CheckAddress(c.Subject.CommonName) != nil:
		return "CommonNameIsNotBech32"
	}
	return ""
}

// bytes returns the message for the provider's WebSocket, or nil for none.
func (m *message) bytes() ([]byte, error) {
	malformed := issues{custom("is not a message in bytes", nil, "data")}
	switch {
	case m.Data == "":
		return nil, nil
	case m.IsBase64:
		// Both alphabets, and with or without padding, as Node reads it.
		text := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(m.Data, "="))
		data, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil {
			return nil, malformed
		}
		return data, nil
	}
	data := make([]byte, 0, 1+strings.Count(m.Data, ","))
	for number := range strings.SplitSeq(m.Data, ",") {
		value, err := strconv.ParseUint(strings.TrimSpace(number), 10, 8)
		if err != nil {
			return nil, malformed
		}
		data = append(data, byte(value))
	}
	return data, nil
}
