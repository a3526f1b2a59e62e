package gateway

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/sdk"
	"akash-provider-web/bridge/trace"
)

// Request headers of a call (bridge/README.md, "Headers"), in canonical form.
const (
	headerProvider     = "Akash-Provider"
	headerHostURI      = "Akash-Host-Uri"
	headerTLS          = "Akash-Tls"
	headerCheckVersion = "Akash-Check-Version"
	headerClientCert   = "Akash-Client-Cert-Bin"
	headerClientKey    = "Akash-Client-Key-Bin"
	headerTail         = "Akash-Tail"
	headerHeartbeat    = "Akash-Heartbeat"
	headerWarm         = "Akash-Warm"
	headerAuth         = "Authorization"
)

// maxHeartbeat bounds akash-heartbeat. Idle timeouts of proxies are shorter.
const maxHeartbeat = time.Hour

// wholeHistory is the value of call.tail for a call without akash-tail.
const wholeHistory = -1

// call is a call as its headers describe it.
type call struct {
	from          *trace.Request
	span          *trace.Span
	upstream      *trace.Span      // what the provider is asked, once it is
	stream        prometheus.Gauge // of the open streams, nil for a unary call
	method        Method
	protocol      relay.Protocol
	request       provider.Request
	authorization string // "Bearer …", a secret; "" for none
	tail          int    // lines of history, or wholeHistory
	heartbeat     time.Duration
	warm          bool // only connect to the provider, for calls that follow
}

// permissions are what the operator lets callers ask for.
type permissions struct {
	insecure     bool
	hostOverride bool
}

// parseCall parses the headers of a call to path. Its errors name the header and the
// accepted form, and never contain the value of a header that holds a secret.
func parseCall(path string, h http.Header, allowed permissions) (*call, error) {
	m, ok := methods[path]
	if !ok {
		return nil, rpcerror.New(codes.Unimplemented, "", "this bridge does not relay the method %.200q", path)
	}
	c := &call{method: m, tail: wholeHistory, request: provider.Request{Service: m.Service, GRPCOnly: m.grpcOnly(), Ahead: m.ahead()}}
	c.request.SDKMethod, c.request.SDKLast = sdk.Method(path)
	for _, parse := range []func(http.Header, permissions) error{
		c.readProvider, c.readHostURI, c.readTLS, c.readCheckVersion,
		c.readClientCertificate, c.readAuthorization, c.readTail, c.readHeartbeat, c.readWarm,
	} {
		if err := parse(h, allowed); err != nil {
			return nil, rpcerror.About(c.request.Address, codes.InvalidArgument, err)
		}
	}
	return c, nil
}

func (c *call) readProvider(h http.Header, _ permissions) error {
	address, err := one(h, headerProvider, "the provider's bech32 address")
	if err != nil {
		return err
	}
	if address == "" {
		return malformed(headerProvider, "is missing: want the provider's bech32 address")
	}
	if err := provider.CheckAddress(address); err != nil {
		return err
	}
	c.request.Address = address
	return nil
}

func (c *call) readHostURI(h http.Header, allowed permissions) error {
	const form = "a URL such as https://provider.example:8443"
	uri, err := one(h, headerHostURI, form)
	if err != nil || uri == "" {
		return err
	}
	if !allowed.hostOverride {
		return rpcerror.New(codes.PermissionDenied, rpcerror.ReasonNotAllowed,
			"this bridge does not let callers name a provider's host (akash-host-uri); its operator can: --allow-host-override")
	}
	if _, err := guard.ParseHostURI(uri); err != nil {
		return malformed(headerHostURI, "is malformed: want "+form)
	}
	c.request.HostURI = uri
	return nil
}

func (c *call) readTLS(h http.Header, allowed permissions) error {
	const form = "verify, insecure, or sha256= and 64 hexadecimal digits"
	mode, err := one(h, headerTLS, form)
	if err != nil {
		return err
	}
	pin, pinned := strings.CutPrefix(mode, "sha256=")
	switch {
	case mode == "", mode == "verify":
	case mode == "insecure" && !allowed.insecure:
		return rpcerror.New(codes.PermissionDenied, rpcerror.ReasonNotAllowed,
			"this bridge does not let callers skip the check of a certificate (akash-tls: insecure); its operator can: --allow-insecure")
	case mode == "insecure":
		c.request.TLS.Insecure = true
	case pinned:
		sum, err := hex.DecodeString(strings.ReplaceAll(pin, ":", ""))
		if err != nil || len(sum) != 32 {
			return malformed(headerTLS, "is malformed: want "+form)
		}
		c.request.TLS.PinSHA256 = sum
	default:
		return malformed(headerTLS, "is malformed: want "+form)
	}
	return nil
}

func (c *call) readCheckVersion(h http.Header, _ permissions) error {
	const form = "true or false"
	text, err := one(h, headerCheckVersion, form)
	if err != nil {
		return err
	}
	switch text {
	case "", "true":
		c.request.CheckVersion = true
	case "false":
	default:
		return malformed(headerCheckVersion, "is malformed: want "+form)
	}
	return nil
}

func (c *call) readClientCertificate(h http.Header, _ permissions) error {
	if c.method.Public() {
		return nil // and all calls share one connection
	}
	certificate, err := onePEM(h, headerClientCert)
	if err != nil {
		return err
	}
	key, err := onePEM(h, headerClientKey)
	if err != nil {
		return err
	}
	if certificate == nil && key == nil {
		return nil
	}
	if certificate == nil || key == nil {
		return malformed(headerClientCert, "and akash-client-key-bin belong together: want both or neither")
	}
	keyPair, err := tls.X509KeyPair(certificate, key)
	clear(key)
	if err != nil {
		// The cause is omitted: it may contain the text that could not be parsed.
		return malformed(headerClientCert, "or akash-client-key-bin is malformed: want a PEM certificate and the unencrypted PEM key that belongs to it")
	}
	c.request.ClientCertificate = &keyPair
	return nil
}

func (c *call) readAuthorization(h http.Header, _ permissions) error {
	if c.method.Public() {
		return nil // on a unary call it would crash providers from v0.7.0 to v0.15
	}
	const form = "Bearer and a JWT"
	value, err := one(h, headerAuth, form)
	if err != nil || value == "" {
		return err
	}
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || strings.Contains(token, " ") {
		return malformed(headerAuth, "is malformed: want "+form)
	}
	if c.request.ClientCertificate != nil {
		return malformed(headerAuth, "and akash-client-cert-bin exclude each other: providers refuse calls with both")
	}
	c.authorization = "Bearer " + token
	return nil
}

func (c *call) readTail(h http.Header, _ permissions) error {
	const form = "a number of lines, 0 or more"
	text, err := one(h, headerTail, form)
	if err != nil || text == "" {
		return err
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return malformed(headerTail, "is malformed: want "+form)
	}
	c.tail = int(n)
	return nil
}

func (c *call) readHeartbeat(h http.Header, _ permissions) error {
	const form = "a number of seconds, 1 to 3600"
	text, err := one(h, headerHeartbeat, form)
	if err != nil || text == "" {
		return err
	}
	seconds, err := strconv.ParseFloat(text, 64)
	interval := time.Duration(seconds * float64(time.Second))
	if err != nil || !(seconds >= 1 && seconds <= maxHeartbeat.Seconds()) {
		return malformed(headerHeartbeat, "is malformed: want "+form)
	}
	c.heartbeat = interval
	return nil
}

// readWarm makes the call one that only connects to the provider.
func (c *call) readWarm(h http.Header, _ permissions) error {
	const form = "true or false, with akash.provider.v1.ProviderRPC/GetStatus only"
	text, err := one(h, headerWarm, form)
	switch {
	case err != nil:
		return err
	case text == "", text == "false":
	case text == "true" && c.method.ahead():
		c.warm, c.request.Ahead = true, false
	default:
		return malformed(headerWarm, "is malformed: want "+form)
	}
	return nil
}

// one returns the single value of a header, or "" if it is absent.
func one(h http.Header, key, form string) (string, error) {
	switch values := h[key]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", malformed(key, "is given more than once: want "+form)
}

// onePEM returns the decoded value of a binary header: base64, padded or not (gRPC
// over HTTP/2, "Binary-Header"). It returns nil if the header is absent.
func onePEM(h http.Header, key string) ([]byte, error) {
	const form = "PEM text in base64"
	text, err := one(h, key, form)
	if err != nil || text == "" {
		return nil, err
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, malformed(key, "is malformed: want "+form)
	}
	return raw, nil
}

func malformed(key, text string) error {
	return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata, "header %s %s", strings.ToLower(key), text)
}
