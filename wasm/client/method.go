package client

import (
	"strconv"

	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// A method describes one RPC method of a provider, or of the bridge itself.
type method struct {
	path string
	// answer describes the response messages; nil for log pieces.
	answer *message.Table
	// scope is the scope that a token must grant (AEP-64). It is set for the methods about
	// a lease, which need credentials. The methods of ProviderRPC have none and must never
	// carry credentials: a provider older than v0.16.0 crashes on an authorization header
	// of a unary call (proto/akash-provider-api.md, section 1.4).
	scope string
	// effect is set if a call has side effects, so that it is not repeated.
	effect bool
	// reopens is set for a stream that does not end by itself: when its connection ends,
	// even without an error, it is opened again.
	reopens bool
	// streams is set if there may be any number of responses.
	streams bool
	encode  func(*message.LeaseRequest, []byte) []byte
}

var (
	getProviderStatus = &method{
		path:   "/akash.provider.v1.ProviderRPC/GetStatus",
		answer: message.Status,
	}
	streamProviderStatus = &method{
		path:    "/akash.provider.v1.ProviderRPC/StreamStatus",
		answer:  message.Status,
		reopens: true,
		streams: true,
	}
	streamServiceStatus = &method{
		path:    "/akash.provider.lease.v1.LeaseRPC/ServiceStatus",
		answer:  message.ServiceStatusResponse,
		scope:   "status",
		streams: true,
		encode:  (*message.LeaseRequest).AppendFollow,
	}
	streamLogs = &method{
		path:    "/akash.provider.lease.v1.LeaseRPC/ServiceLogs",
		scope:   "logs",
		streams: true,
		encode:  (*message.LeaseRequest).AppendFollow,
	}
	restartServices = &method{
		path:   "/akash.provider.lease.v1.LeaseRPC/ServiceRestart",
		answer: message.ServiceRestartResponse,
		scope:  "restart",
		effect: true,
		encode: (*message.LeaseRequest).AppendRestart,
	}
	sendManifest = &method{
		path:   "/akash.provider.web.v1.LeaseREST/SendManifest",
		answer: message.SendManifestResponse,
		scope:  "send-manifest",
		effect: true,
		encode: (*message.LeaseRequest).AppendManifest,
	}
	getManifest = &method{
		path:   "/akash.provider.web.v1.LeaseREST/GetManifest",
		answer: message.GetManifestResponse,
		scope:  "get-manifest",
		encode: (*message.LeaseRequest).AppendLease,
	}
	hostnameMigrate = &method{
		path:   "/akash.provider.web.v1.LeaseREST/HostnameMigrate",
		answer: message.MigrateResponse,
		scope:  "hostname-migrate",
		effect: true,
		encode: (*message.LeaseRequest).AppendNames,
	}
	endpointMigrate = &method{
		path:   "/akash.provider.web.v1.LeaseREST/EndpointMigrate",
		answer: message.MigrateResponse,
		scope:  "ip-migrate",
		effect: true,
		encode: (*message.LeaseRequest).AppendNames,
	}
	attestationQuote = &method{
		path:   "/akash.provider.web.v1.LeaseREST/AttestationQuote",
		answer: message.AttestationQuoteResponse,
		scope:  "attestation",
		encode: (*message.LeaseRequest).AppendNames,
	}
	inventorySnapshot = &method{
		path:   "/akash.inventory.v1.InventoryService/GetInventorySnapshot",
		answer: message.InventorySnapshot,
		encode: (*message.LeaseRequest).AppendBytes,
	}
	committedInventorySnapshot = &method{
		path:   "/akash.inventory.v1.InventoryService/GetCommittedInventorySnapshot",
		answer: message.InventorySnapshot,
		encode: (*message.LeaseRequest).AppendBytes,
	}
	listLeases = &method{
		path:   "/akash.provider.web.v1.Chain/ListLeases",
		answer: message.ListLeasesResponse,
		encode: (*message.LeaseRequest).AppendOwner,
	}
	listProviders = &method{
		path:   "/akash.provider.web.v1.Chain/ListProviders",
		answer: message.ListProvidersResponse,
	}
	streamLeaseEvents = &method{
		path:    "/akash.provider.web.v1.LeaseREST/StreamLeaseEvents",
		answer:  message.LeaseEvent,
		scope:   "events",
		streams: true,
		encode:  (*message.LeaseRequest).AppendEvents,
	}
)

// shell runs a process, whose output and end are its answers.
var shell = &method{
	path:    "/akash.provider.web.v1.LeaseShell/Shell",
	scope:   "shell",
	effect:  true,
	streams: true,
	encode:  (*message.LeaseRequest).AppendShell,
}

// methodOf returns the method with the given name in JavaScript.
func methodOf(name string) *method {
	switch name {
	case "getProviderStatus":
		return getProviderStatus
	case "streamProviderStatus":
		return streamProviderStatus
	case "streamServiceStatus":
		return streamServiceStatus
	case "streamLogs":
		return streamLogs
	case "restartServices":
		return restartServices
	case "sendManifest":
		return sendManifest
	case "getManifest":
		return getManifest
	case "hostnameMigrate":
		return hostnameMigrate
	case "endpointMigrate":
		return endpointMigrate
	case "attestationQuote":
		return attestationQuote
	case "inventorySnapshot":
		return inventorySnapshot
	case "committedInventorySnapshot":
		return committedInventorySnapshot
	case "listLeases":
		return listLeases
	case "listProviders":
		return listProviders
	case "streamLeaseEvents":
		return streamLeaseEvents
	case "shell":
		return shell
	}
	panic("no method " + name)
}

// longLived reports whether the call may stay open without limit.
func (c *Call) longLived() bool { return c.method.reopens || c.Lease.Follow }

// request returns the call's request, with a token unless it is "".
func (c *Call) request(token string) (*Request, *grpcweb.Status) {
	header := grpcweb.Fields{
		{Name: "content-type", Value: grpcweb.ContentType},
		{Name: "x-grpc-web", Value: "1"},
	}
	add := func(name, value string) {
		header = append(header, grpcweb.Field{Name: name, Value: value})
	}
	if c.Provider != "" {
		add("akash-provider", c.Provider)
	}
	// A stream may stay open as long as it is read. Only the wait for its headers is
	// bounded, and by the client.
	if c.Timeout > 0 && !c.method.streams {
		add(grpcweb.TimeoutHeader, grpcweb.Timeout(c.Timeout))
	}
	if c.BridgeKey != "" {
		add("akash-bridge-key", c.BridgeKey)
	}
	if c.Traceparent != "" {
		add("traceparent", c.Traceparent)
	}
	if c.Insecure {
		add("akash-tls", "insecure")
	}
	if c.SkipVersion {
		add("akash-check-version", "false")
	}
	if ms := c.heartbeatInterval(); ms > 0 {
		add("akash-heartbeat", seconds(ms))
	}
	if c.Tail != nil {
		add("akash-tail", strconv.FormatUint(uint64(*c.Tail), 10))
	}
	if c.method.scope != "" {
		if token != "" {
			add("authorization", "Bearer "+token)
		}
		if c.Credentials.CertPEM != "" {
			add("akash-client-cert-bin", message.Base64(c.Credentials.CertPEM))
			add("akash-client-key-bin", message.Base64(c.Credentials.KeyPEM))
		}
	}
	for _, field := range header {
		if !printable(field.Value) {
			// The value itself may be a secret.
			return nil, grpcweb.Error(grpcweb.InvalidArgument, "the value for "+field.Name+" has characters that a header cannot hold")
		}
	}
	body := make([]byte, grpcweb.HeaderSize, 256)
	if c.method.encode != nil {
		body = c.method.encode(&c.Lease, body)
	}
	grpcweb.AppendHeader(body[:0], len(body)-grpcweb.HeaderSize)
	return &Request{
		URL: c.Bridge + c.method.path, Header: header, Body: body,
		Transport: c.Transport, Streams: c.method.streams, Whole: !c.method.streams,
		LongLived: c.longLived(),
	}, nil
}

// heartbeatInterval returns the interval of the heartbeats to ask for, in milliseconds, 0 for none.
func (c *Call) heartbeatInterval() int {
	switch {
	case !c.method.streams:
		return 0
	case c.resumes && (c.Heartbeat == 0 || c.Heartbeat > resumeHeartbeat):
		return resumeHeartbeat
	}
	return c.Heartbeat
}

// seconds formats milliseconds as seconds.
func seconds(ms int) string {
	text := strconv.Itoa(ms / 1000)
	if rest := ms % 1000; rest > 0 {
		text += "." + strconv.Itoa(1000 + rest)[1:]
	}
	return text
}

// printable reports whether text is printable ASCII, as metadata must be.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] < 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}
