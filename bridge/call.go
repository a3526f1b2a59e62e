package main

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/grpcweb"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// Request headers of a call (bridge/README.md, "Headers"), as net/http writes them.
const (
	headerProvider     = "Akash-Provider"
	headerHostURI      = "Akash-Host-Uri"
	headerTLS          = "Akash-Tls"
	headerCheckVersion = "Akash-Check-Version"
	headerClientCert   = "Akash-Client-Cert-Bin"
	headerClientKey    = "Akash-Client-Key-Bin"
	headerTail         = "Akash-Tail"
	headerHeartbeat    = "Akash-Heartbeat"
	headerWindow       = "Akash-Window"
	headerAuth         = "Authorization"
)

// maxHeartbeat bounds akash-heartbeat: any idle timer on the way is shorter.
const maxHeartbeat = time.Hour

// wholeHistory is the value of call.tail where the page did not bound it.
const wholeHistory = -1

// method is a gRPC method that the bridge relays.
type method struct {
	// path is what a page posts to, and the method's name in metrics and logs.
	path      string
	service   string
	name      string
	streaming bool
}

// tellsState says that the method streams a state, the same to all who watch it.
func (m method) tellsState() bool {
	return m.path == providerv1.ProviderRPC_StreamStatus_FullMethodName
}

// public says that providers answer the method to anybody, so that a credential
// is nobody's business.
func (m method) public() bool {
	return m.service == providerv1.ProviderRPC_ServiceDesc.ServiceName
}

// methods are the methods that the bridge relays, by path.
var methods = byPath(
	method{path: providerv1.ProviderRPC_GetStatus_FullMethodName},
	method{path: providerv1.ProviderRPC_StreamStatus_FullMethodName, streaming: true},
	method{path: leasev1.LeaseRPC_ServiceStatus_FullMethodName, streaming: true},
	method{path: leasev1.LeaseRPC_ServiceLogs_FullMethodName, streaming: true},
	method{path: leasev1.LeaseRPC_ServiceRestart_FullMethodName},
	method{path: webv1.LeaseREST_SendManifest_FullMethodName},
	method{path: webv1.LeaseREST_GetManifest_FullMethodName},
	method{path: webv1.LeaseREST_StreamLeaseEvents_FullMethodName, streaming: true},
)

func byPath(all ...method) map[string]method {
	index := make(map[string]method, len(all))
	for _, m := range all {
		m.service, m.name, _ = strings.Cut(m.path[1:], "/")
		index[m.path] = m
	}
	return index
}

// call is what the headers of a call say.
type call struct {
	method        method
	request       provider.Request
	authorization string // "Bearer …", a secret; "" for none
	tail          int    // lines of history, or wholeHistory
	heartbeat     time.Duration
}

// permissions are what the operator lets pages ask for.
type permissions struct {
	insecure     bool
	hostOverride bool
}

// parseCall reads the headers of a call to path. Its errors name the header and
// the accepted form, and never repeat the value of one that holds a secret.
func parseCall(path string, h http.Header, allowed permissions) (*call, error) {
	m, ok := methods[path]
	if !ok {
		return nil, rpcerror.New(codes.Unimplemented, "", "this bridge does not relay the method %.200q", path)
	}
	c := &call{method: m, tail: wholeHistory, request: provider.Request{Service: m.service}}
	for _, read := range []func(http.Header, permissions) error{
		c.readProvider, c.readHostURI, c.readTLS, c.readCheckVersion,
		c.readClientCertificate, c.readAuthorization, c.readTail, c.readHeartbeat, c.readWindow,
	} {
		if err := read(h, allowed); err != nil {
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
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedAddress, "header akash-provider: %w", err)
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
	if c.method.public() {
		return nil // and all callers share one connection
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
		return malformed(headerClientCert, "and akash-client-key-bin are only of use together: want both or neither")
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		// The cause is left out: it may quote what it could not parse.
		return malformed(headerClientCert, "or akash-client-key-bin is malformed: want a PEM certificate and the unencrypted PEM key that belongs to it")
	}
	c.request.ClientCertificate = &pair
	return nil
}

func (c *call) readAuthorization(h http.Header, _ permissions) error {
	if c.method.public() {
		return nil // on a unary call it would end the process of providers from v0.7.0 to v0.15
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

// readWindow only refuses what is malformed: package grpcweb applies it.
func (c *call) readWindow(h http.Header, _ permissions) error {
	form := fmt.Sprintf("a number of bytes, %d to %d", grpcweb.MinWindow, grpcweb.MaxWindow)
	text, err := one(h, headerWindow, form)
	if err != nil || text == "" {
		return err
	}
	if _, ok := grpcweb.ParseWindow(text); !ok {
		return malformed(headerWindow, "is malformed: want "+form)
	}
	return nil
}

// authorize decides whether the call's token may go to endpoint, and returns the
// header that carries it, "" where there is none to send. A call that needs a
// token which may not be sent is refused here, with the way out, rather than by a
// provider that would say no more than "unauthorized".
func (c *call) authorize(endpoint *provider.Endpoint) (string, error) {
	switch {
	case c.authorization == "":
		return "", nil
	case endpoint.Verified == "none":
		return "", rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonNotAllowed,
			"a token only goes to a provider whose certificate was verified: call without akash-tls: insecure")
	case endpoint.Method == provider.GRPC && !c.method.streaming && !endpoint.AuthorizationSafe():
		return "", rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonNotAllowed,
			"a token on %s would crash providers before v0.16.0, and this one %s: authenticate with a client certificate instead",
			c.method.name, describeVersion(endpoint.Version))
	}
	return c.authorization, nil
}

func describeVersion(version string) string {
	if version == "" {
		return "did not tell its version"
	}
	return "is " + version
}

// one returns the single value of a header, "" where it is absent.
func one(h http.Header, key, form string) (string, error) {
	switch values := h[key]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", malformed(key, "is given more than once: want "+form)
}

// onePEM returns the value of a binary header: base64, padded or not (gRPC over
// HTTP/2, "Binary-Header"). nil where it is absent.
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
