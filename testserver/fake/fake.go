// Package fake implements Akash providers and a node of the Akash chain in one
// process, without a cluster or a chain, for tests, benchmarks and demonstrations. On
// the wire it behaves like real providers, including their quirks.
//
// Everything depends on Options.Seed alone, except the times and serial numbers of
// certificates and tokens, which begin now.
package fake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc/grpclog"

	certv1 "akash-provider-web/proto/akash/cert/v1"
	marketv1 "akash-provider-web/proto/akash/market/v1"
)

// Defaults of Options.
const (
	DefaultLogLines = 1000
	DefaultLogBytes = 120
)

// Limits of Options.
const (
	maxProviders = 1000
	maxLogBytes  = 1 << 20
	maxLogRate   = 10_000_000
)

// loopback is the default address to listen on.
const loopback = "127.0.0.1:0"

// discard is the log of servers whose clients are expected to misbehave.
var discard = log.New(io.Discard, "", 0)

// Options configure a Server. The zero value is one provider with the defaults below,
// on ports chosen by the system.
type Options struct {
	// REST, GRPC, Chain and Control are the addresses to listen on; "" is a free port
	// of 127.0.0.1. If neither REST nor GRPC has a port, the gRPC port is the REST
	// port + 1, where bridges look for it. With several providers only the first one
	// uses given ports.
	REST, GRPC, Chain, Control string
	// ProviderVersion selects the behavior of a release; "" is DefaultVersion. It may
	// be a list separated by commas, which the providers use in turn.
	ProviderVersion string
	// LeaseRPC is the dialect that the gRPC port serves; "" is DialectAEP37.
	LeaseRPC Dialect
	// TEE is the trusted execution environment of the lease; "" is none.
	TEE TEE
	// LogLines is the number of lines of history over all replicas; 0 is none.
	LogLines int
	// LogRate is the number of lines per second over all replicas while there are
	// followers; 0 is none.
	LogRate int
	// LogBytes is the approximate length of a line with its newline, in bytes; 0 is
	// DefaultLogBytes.
	LogBytes int
	// LogChunk is the approximate size of the pieces in a ServiceLogs stream, in
	// bytes: 1 is one line per message. 0 is a mixture of single lines and chunks of
	// up to 32 KiB, some of which end within a line.
	LogChunk int
	// Seed determines addresses, keys, status and logs.
	Seed uint64
	// Faults are active from the start at every provider; FaultHelp lists them.
	Faults []string
	// Providers is the number of providers; 0 is one.
	Providers int
	// CA serves a certificate by an authority on the REST port to clients that name
	// the host URI's host, as providers with a public certificate do.
	CA bool
	// PingInterval is the interval of WebSocket pings; 0 is DefaultPingInterval.
	PingInterval time.Duration
	// State is a folder that stores what a real provider has on its disk and on the
	// chain: addresses, certificates and logs. A fake that is started with the folder
	// of a killed one continues as that one, and its logs have every line that was
	// ever read. Faults, status and manifest are as at the first start. "" stores
	// nothing. It requires a single provider.
	State string
	// ChainNodes is the number of nodes of the chain; 0 is one. Only the first one is at
	// Chain.
	ChainNodes int
	// ChainLies are lies that nodes of the chain tell from the start, as NODE:LIE with
	// nodes from 1 on. ChainLieHelp lists them.
	ChainLies []string
	// Impostor starts a further provider that has the first one's address and a key and
	// host of its own, for nodes that lie to lead to. ChainLies imply it.
	Impostor bool
	// ChainHistory is the number of the chain's blocks before the start; 0 is
	// DefaultChainHistory.
	ChainHistory int
	// Services are the services of each provider's lease; nil is DefaultServices.
	Services []Service
	// Shell runs the commands sent to the lease's shell as programs of this machine
	// with the rights of this process. Each container is a folder, which does not
	// confine commands. Anyone with access to the REST port and the token can run
	// anything, so REST must be a loopback address. Without Shell, every command
	// fails.
	Shell bool
}

// Endpoints has the addresses of a provider.
type Endpoints struct {
	Provider string `json:"provider"`
	HostURI  string `json:"hostUri"`
	REST     string `json:"rest"` // host:port
	GRPC     string `json:"grpc"` // host:port; "" if the version has no gRPC port
}

// ProviderInfo describes one of several providers, and the tenant's access to its
// lease.
type ProviderInfo struct {
	Endpoints
	Version string `json:"version"`
	Lease   Lease  `json:"lease"`
	JWT     string `json:"jwt"`
}

// Ready has all addresses and credentials: the line that the testserver prints. The
// embedded Endpoints are the first provider's.
type Ready struct {
	Endpoints
	ChainRPC string   `json:"chainRpc"` // URL
	Lease    Lease    `json:"lease"`
	Services []string `json:"services"`
	// JWT is the tenant's token for the provider. ExpiredJWT expired an hour ago.
	JWT        string `json:"jwt"`
	ExpiredJWT string `json:"expiredJwt"`
	// ClientCertFile and ClientKeyFile have the tenant's certificate as PEM.
	ClientCertFile string `json:"clientCertFile"`
	ClientKeyFile  string `json:"clientKeyFile"`
	CertSHA256     string `json:"certSha256"` // hex
	Control        string `json:"control"`    // URL
	// CAFile holds the authority's certificate, PEM, with Options.CA.
	CAFile string `json:"caFile,omitempty"`
	// ChainNodes lists all nodes where there are more than one.
	ChainNodes []ChainNodeInfo `json:"chainNodes,omitempty"`
	// Impostor has the addresses of the impostor, with Options.Impostor.
	Impostor *Endpoints `json:"impostor,omitempty"`
	// Providers lists all providers where there are more than one.
	Providers []ProviderInfo `json:"providers,omitempty"`
}

// Server is a running fake.
type Server struct {
	options Options
	ctx     context.Context
	cancel  context.CancelFunc
	ready   Ready
	folder  string // of the client certificate
	store   *store // nil without Options.State

	tenant, stranger account
	authority        *authority // nil without Options.CA
	ledger           *ledger
	chain            *blockchain
	nodes            []*chainNode
	providers        []*provider
	impostor         *provider      // nil without Options.Impostor
	web              []*http.Server // chain and control
	goers            chan struct{}  // closed when the web servers have ended
}

// Start starts a fake. Close stops it. Its calls also end with ctx.
func Start(ctx context.Context, o Options) (*Server, error) {
	o.ProviderVersion = cmp.Or(o.ProviderVersion, DefaultVersion)
	o.LeaseRPC = cmp.Or(o.LeaseRPC, DialectAEP37)
	o.LogBytes = cmp.Or(o.LogBytes, DefaultLogBytes)
	o.Providers = cmp.Or(o.Providers, 1)
	o.PingInterval = cmp.Or(o.PingInterval, DefaultPingInterval)
	o.ChainNodes = cmp.Or(o.ChainNodes, 1)
	o.Impostor = o.Impostor || len(o.ChainLies) > 0
	o.ChainHistory = cmp.Or(o.ChainHistory, DefaultChainHistory)
	if len(o.Services) == 0 {
		o.Services = DefaultServices
	}
	versions, err := o.check()
	if err != nil {
		return nil, err
	}
	s := &Server{
		options:  o,
		tenant:   newAccount(o.Seed, "tenant"),
		stranger: newAccount(o.Seed, "stranger"),
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	if err := s.start(versions); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// check validates the options.
func (o *Options) check() ([]version, error) {
	versions, err := parseVersions(o.ProviderVersion)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]Dialect{DialectAEP37, DialectNone, DialectSDK, DialectSDKFull}, o.LeaseRPC) {
		return nil, fmt.Errorf("lease RPC %q: want aep37, none, sdk or sdk-full", o.LeaseRPC)
	}
	for _, limit := range []struct {
		name      string
		value     int
		low, high int
	}{
		{"log lines", o.LogLines, 0, 1 << 40},
		{"log rate", o.LogRate, 0, maxLogRate},
		{"log bytes", o.LogBytes, 1, maxLogBytes},
		{"log chunk", o.LogChunk, 0, maxLogBytes},
		{"providers", o.Providers, 1, maxProviders},
		{"chain nodes", o.ChainNodes, 1, maxChainNodes},
		{"chain history", o.ChainHistory, 1, maxChainHistory},
	} {
		if limit.value < limit.low || limit.value > limit.high {
			return nil, fmt.Errorf("%s %d: want %d to %d", limit.name, limit.value, limit.low, limit.high)
		}
	}
	if !slices.Contains([]TEE{TEENone, TEESNP, TEETDX, TEESNPGPU, TEETDXGPU}, o.TEE) {
		return nil, fmt.Errorf("TEE %q: want snp, tdx, snp-gpu or tdx-gpu", o.TEE)
	}
	if o.PingInterval < 0 {
		return nil, fmt.Errorf("ping interval %s: want more than 0", o.PingInterval)
	}
	if host, _, err := net.SplitHostPort(cmp.Or(o.REST, loopback)); o.Shell && (err != nil || !isLoopback(host)) {
		return nil, fmt.Errorf("a shell on %s: want an address of the loopback interface, since it runs programs of this machine", o.REST)
	}
	if o.State != "" && o.Providers > 1 {
		return nil, fmt.Errorf("state of %d providers: want one", o.Providers)
	}
	for _, text := range o.Faults {
		if _, _, err := parseFault(text); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// start opens all ports.
func (s *Server) start(versions []version) error {
	s.ledger = newLedger()
	s.ledger.open(s.tenant, true)
	s.ledger.open(s.stranger, false)
	var err error
	if s.store, err = openStore(s.options.State, s.options.Seed); err != nil {
		return err
	}
	s.options = s.store.addresses(s.options)
	if s.folder, err = s.openFolder(); err != nil {
		return err
	}
	genesis := time.Now()
	if k := s.store.former(); k != nil {
		genesis = k.Genesis
		if err := s.ledger.restore(k.Certificates); err != nil {
			return err
		}
	}
	if s.options.CA {
		if s.authority, err = newAuthority(s.options.Seed); err != nil {
			return err
		}
		if s.ready.CAFile, err = s.save("ca.crt.pem", s.authority.pem); err != nil {
			return err
		}
	}
	texts := newTexts(s.options.Seed, s.options.LogBytes)
	for i := range s.options.Providers {
		if err := s.addProvider(i, versions[i%len(versions)], texts); err != nil {
			return err
		}
	}
	if err := s.issueCredentials(); err != nil {
		return err
	}
	s.chain = newBlockchain(s.options.Seed, s.ledger, genesis, s.options.ChainHistory)
	if s.store != nil {
		s.chain.keep = s.keepBlock
	}
	if k := s.store.former(); k != nil {
		s.chain.resume = k.Block
	}
	if err := s.addImpostor(versions[0], texts); err != nil {
		return err
	}
	servers, err := s.addNodes()
	if err != nil {
		return err
	}
	control, err := s.store.listen(cmp.Or(s.options.Control, loopback))
	if err != nil {
		for _, one := range servers {
			one.listener.Close()
		}
		return fmt.Errorf("control: %w", err)
	}
	s.serve(append(servers, webServer{control, s.controlHandler()})...)
	first := s.providers[0]
	s.ready.Endpoints = first.endpoints()
	s.ready.Lease = first.work.lease
	for _, service := range s.options.Services {
		s.ready.Services = append(s.ready.Services, service.Name)
	}
	s.ready.CertSHA256 = first.certificate().sha256
	s.ready.ChainRPC = s.nodes[0].url()
	s.ready.Control = "http://" + control.Addr().String()
	err = s.store.change(func(k *kept) {
		k.REST, k.GRPC = s.ready.REST, s.ready.GRPC
		k.Chain, k.Control = s.nodes[0].listener.Addr().String(), control.Addr().String()
	})
	if err != nil {
		return err
	}
	for _, text := range s.options.ChainLies {
		if err := s.startLie(text); err != nil {
			return err
		}
	}
	for _, text := range s.options.Faults {
		name, delay, err := parseFault(text)
		if err != nil {
			return err
		}
		if err := s.setFault(name, delay, s.providers); err != nil {
			return err
		}
	}
	return nil
}

// keepBlock stores the last block, so that the chain goes on after it.
func (s *Server) keepBlock(b keptBlock) {
	if err := s.store.change(func(k *kept) { k.Block = &b }); err != nil {
		panic(fmt.Errorf("keep a block: %w", err))
	}
}

// webServer returns a plain HTTP server.
type webServer struct {
	listener net.Listener
	handler  http.Handler
}

// serve runs the plain HTTP servers until Close.
func (s *Server) serve(servers ...webServer) {
	s.goers = make(chan struct{}, len(servers))
	for _, one := range servers {
		server := &http.Server{
			Handler:           one.handler,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          discard,
			BaseContext:       func(net.Listener) context.Context { return s.ctx },
		}
		s.web = append(s.web, server)
		go func() {
			server.Serve(one.listener)
			s.goers <- struct{}{}
		}()
	}
}

// addProvider starts provider number i and records it on the chain.
func (s *Server) addProvider(i int, v version, texts *[bodies]string) error {
	seed := s.options.Seed
	if i > 0 {
		sum := derive(s.options.Seed, "provider", i)
		seed = mix(uint64(i) ^ uint64(sum[0])<<24 ^ s.options.Seed)
	}
	account := newAccount(s.options.Seed, "provider", i)
	p, err := s.newProvider(account, seed, v, Lease{
		Owner:    s.tenant.address,
		DSeq:     20_000_000 + mix(s.options.Seed)%1_000_000 + uint64(i),
		GSeq:     1,
		OSeq:     1,
		Provider: account.address,
	}, texts)
	if err != nil {
		return err
	}
	if err := s.begin(p); err != nil {
		return err
	}
	rest, grpc, err := s.listen(i, v.servesGRPC())
	if err != nil {
		return err
	}
	s.providers = append(s.providers, p)
	if err := p.build(rest, grpc); err != nil {
		return err
	}
	p.serve()
	s.ledger.open(p.account, true)
	s.ledger.register(providerRecord(p.address(), p.hostURI))
	s.ledger.lease(leaseRecord(p.work.lease, marketv1.Lease_active))
	return nil
}

// newProvider returns a provider without certificate, logs and ports.
func (s *Server) newProvider(a account, seed uint64, v version, lease Lease, texts *[bodies]string) (*provider, error) {
	p := &provider{
		server:   s,
		seed:     seed,
		account:  a,
		version:  v,
		dialect:  s.options.LeaseRPC,
		ledger:   s.ledger,
		counters: newCounters(),
		wires:    map[*wire]struct{}{},
	}
	p.sidecar.tee, p.sidecar.seed = s.options.TEE, seed
	inv := newInventory(seed, "provider.localhost")
	inv.changed = time.Now()
	p.board = newBoard(inv)
	p.logs = newLogbook(seed, s.options.LogRate, s.options.LogBytes, texts)
	p.work = newWorkload(seed, lease, s.options.Services, p.logs)
	var err error
	p.order, err = newDeployment(s.options.Services)
	return p, err
}

// begin creates a provider's certificate and initial logs, or restores stored ones.
func (s *Server) begin(p *provider) error {
	k := s.store.former()
	if k == nil {
		p.logs.remember(s.store)
		p.logs.generate(s.options.LogLines)
		return p.setCertificate(CertValid)
	}
	if err := p.work.replay(s.store.history); err != nil {
		return err
	}
	p.logs.remember(s.store)
	var err error
	p.made = k.Made
	p.serving, err = readCertificate(k.Served)
	return err
}

// openFolder returns the folder for files.
func (s *Server) openFolder() (string, error) {
	if s.store != nil {
		return s.store.folder, nil
	}
	return os.MkdirTemp("", "akash-testserver-")
}

// portTries is how often to look for two consecutive free ports.
const portTries = 50

// listen opens the ports of provider number i.
func (s *Server) listen(i int, withGRPC bool) (rest, grpc net.Listener, err error) {
	restAddress, grpcAddress := loopback, loopback
	if i == 0 {
		restAddress = cmp.Or(s.options.REST, loopback)
		grpcAddress = cmp.Or(s.options.GRPC, loopback)
	}
	if !withGRPC {
		rest, err = s.store.listen(restAddress)
		return rest, nil, err
	}
	host, port, err := net.SplitHostPort(grpcAddress)
	if err != nil {
		return nil, nil, fmt.Errorf("gRPC address: %w", err)
	}
	for try := 0; ; try++ {
		rest, err = s.store.listen(restAddress)
		if err != nil {
			return nil, nil, fmt.Errorf("REST: %w", err)
		}
		address := grpcAddress
		if port == "0" {
			n := rest.Addr().(*net.TCPAddr).Port + 1
			address = net.JoinHostPort(host, strconv.Itoa(n%(1<<16)))
		}
		grpc, err = s.store.listen(address)
		if err == nil {
			return rest, grpc, nil
		}
		rest.Close()
		if port != "0" || try == portTries {
			return nil, nil, fmt.Errorf("gRPC: %w", err)
		}
	}
}

// tokenLife is the lifetime of the ready line's token: longer than any test.
const tokenLife = 24 * time.Hour

// issueCredentials creates the tenant's tokens and client certificate.
func (s *Server) issueCredentials() error {
	now := time.Now()
	var err error
	if s.ready.JWT, err = s.token(s.providers[0], now, tokenLife); err != nil {
		return err
	}
	if s.ready.ExpiredJWT, err = s.token(s.providers[0], now.Add(-2*time.Hour), time.Hour); err != nil {
		return err
	}
	if len(s.providers) > 1 {
		for _, p := range s.providers {
			token, err := s.token(p, now, tokenLife)
			if err != nil {
				return err
			}
			s.ready.Providers = append(s.ready.Providers, ProviderInfo{p.endpoints(), p.version.text, p.work.lease, token})
		}
	}
	c, err := s.ownCertificate()
	if err != nil {
		return err
	}
	if s.ready.ClientCertFile, err = s.save("client.crt.pem", c.pem); err != nil {
		return err
	}
	s.ready.ClientKeyFile, err = s.save("client.key.pem", c.keyPEM)
	return err
}

// ownCertificate returns the tenant's certificate of the ready line.
func (s *Server) ownCertificate() (*certificate, error) {
	if k := s.store.former(); k != nil {
		return readCertificate(k.Client)
	}
	c, err := s.clientCertificate(s.tenant, CertValid)
	if err != nil {
		return nil, err
	}
	return c, s.store.change(func(k *kept) { k.Client = pairOf(c) })
}

// clientCertificate creates a client certificate for an account, and its record on the
// chain according to the kind.
func (s *Server) clientCertificate(owner account, kind CertificateKind) (*certificate, error) {
	now := time.Now()
	spec := certificateSpec{
		commonName: owner.address,
		key:        certificateKey(s.options.Seed, "client", owner.address),
		serial:     big.NewInt(now.UnixNano()),
		notBefore:  now.Add(-time.Hour),
		notAfter:   now.AddDate(1, 0, 0),
	}
	state := certv1.State_valid
	switch kind {
	case CertValid, CertAbsent, CertOtherKey:
	case CertExpired:
		spec.notBefore, spec.notAfter = now.AddDate(-1, 0, 0), now.Add(-time.Hour)
	case CertNotYetValid:
		spec.notBefore = now.Add(24 * time.Hour)
	case CertRevoked:
		state = certv1.State_revoked
	default:
		return nil, fmt.Errorf("client certificate of kind %q: want valid, expired, notYetValid, revoked, absent or otherKey", kind)
	}
	c, err := newCertificate(spec)
	if err != nil || kind == CertAbsent {
		return c, err
	}
	s.ledger.publish(owner.address, c, state)
	err = s.store.change(func(k *kept) { k.Certificates = s.ledger.keptCertificates() })
	if err != nil {
		return nil, err
	}
	if kind == CertOtherKey {
		spec.key = certificateKey(s.options.Seed, "impostor")
		return newCertificate(spec)
	}
	return c, nil
}

// save writes a file to the fake's folder and returns its path.
func (s *Server) save(name string, text []byte) (string, error) {
	path := filepath.Join(s.folder, name)
	return path, os.WriteFile(path, text, 0o600)
}

// token returns the tenant's token for everything at one provider.
func (s *Server) token(p *provider, now time.Time, life time.Duration) (string, error) {
	return sign(s.tenant, algES256K, claims(s.tenant, now, life, fullAt(p.address())))
}

// endpoints returns the provider's addresses.
func (p *provider) endpoints() Endpoints {
	e := Endpoints{Provider: p.address(), HostURI: p.hostURI, REST: p.restListener.Addr().String()}
	if p.grpcListener != nil {
		e.GRPC = p.grpcListener.Addr().String()
	}
	return e
}

// Ready returns all addresses and credentials.
func (s *Server) Ready() Ready { return s.ready }

// SetFault activates a fault, given as NAME or NAME=DURATION, at one provider, or at
// all of them if the address is "". Faults of the chain need no provider.
func (s *Server) SetFault(fault, provider string) error {
	name, delay, err := parseFault(fault)
	if err != nil {
		return err
	}
	which, err := s.find(provider)
	if err != nil {
		return err
	}
	return s.setFault(name, delay, which)
}

// ClearFault deactivates a fault.
func (s *Server) ClearFault(fault, provider string) error {
	name, _, err := parseFault(fault)
	if err != nil {
		return err
	}
	which, err := s.find(provider)
	if err != nil {
		return err
	}
	if name.onChain() {
		var errs []error
		for _, n := range s.nodes {
			errs = append(errs, n.clearFault(name))
		}
		return errors.Join(errs...)
	}
	var errs []error
	for _, p := range which {
		errs = append(errs, p.clearFault(name))
	}
	return errors.Join(errs...)
}

func (s *Server) setFault(name Fault, delay time.Duration, which []*provider) error {
	if name.onChain() {
		for _, n := range s.nodes {
			n.setFault(name, delay)
		}
		return nil
	}
	var errs []error
	for _, p := range which {
		errs = append(errs, p.setFault(name, delay))
	}
	return errors.Join(errs...)
}

// find returns the provider with an address, the impostor, or all providers if it is "".
func (s *Server) find(address string) ([]*provider, error) {
	if address == "" {
		return s.providers, nil
	}
	if address == impostorName && s.impostor != nil {
		return []*provider{s.impostor}, nil
	}
	for _, p := range s.providers {
		if p.address() == address {
			return []*provider{p}, nil
		}
	}
	return nil, fmt.Errorf("no provider %q here", address)
}

// Close closes all connections and ports.
func (s *Server) Close() error {
	s.cancel()
	for _, p := range s.providers {
		p.close()
	}
	if s.impostor != nil {
		s.impostor.close()
	}
	for _, server := range s.web {
		server.Close()
	}
	for range s.web {
		<-s.goers
	}
	s.web = nil
	if s.store != nil || s.folder == "" {
		return s.store.close()
	}
	return os.RemoveAll(s.folder)
}

func portOf(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// grpc-go logs failed handshakes, which are expected here.
func init() { grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) }
