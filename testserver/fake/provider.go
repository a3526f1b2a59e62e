package fake

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	certv1 "akash-provider-web/proto/akash/cert/v1"
)

// CertificateKind is the kind of certificate that a provider serves.
type CertificateKind string

// The kinds of certificate.
const (
	CertValid         CertificateKind = "valid"         // new and on the chain
	CertExpired       CertificateKind = "expired"       // on the chain, ended an hour ago
	CertNotYetValid   CertificateKind = "notYetValid"   // on the chain, begins tomorrow
	CertWrongCN       CertificateKind = "wrongCN"       // of another account, on the chain
	CertRevoked       CertificateKind = "revoked"       // the one served so far, revoked on the chain
	CertAbsent        CertificateKind = "absent"        // the one served so far, removed from the chain
	CertOtherKey      CertificateKind = "otherKey"      // same name and serial as the chain's, another key
	CertNotSelfSigned CertificateKind = "notSelfSigned" // signed by another account's key
)

// provider is one fake provider.
type provider struct {
	server  *Server
	seed    uint64
	account account
	version version
	dialect Dialect
	faults  faults
	answers answers

	restListener, grpcListener *listener // grpcListener is nil where the version has no gRPC
	hostURI                    string

	ledger   *ledger
	counters *counters
	board    *board
	work     *workload
	order    *deployment

	ahead atomic.Int64 // how far the clock that tokens are verified by is ahead, in nanoseconds

	sidecar                        sidecar
	verified                       atomic.Pointer[verificationInventory] // nil until a snapshot is taken
	movedHostnames, movedEndpoints moves

	logs     *logbook
	boxes    boxes
	rest     *http.Server
	grpc     *grpc.Server
	goers    sync.WaitGroup
	requests sync.WaitGroup // REST handlers at work

	mu      sync.Mutex
	closed  bool
	made    int // certificates so far
	serving *certificate
	theft   *theft // of the impostor

	accepted *atomic.Int64 // connections, of the impostor
	crashed  bool
	wires    map[*wire]struct{}
}

func (p *provider) address() string { return p.account.address }

// build creates the provider's servers for the given listeners. Without a gRPC
// listener there is no gRPC server.
func (p *provider) build(rest, grpcListener net.Listener) (err error) {
	p.restListener = newListener(rest, p.admit(FaultRESTHang))
	p.hostURI = "https://" + hostName + ":" + portOf(rest.Addr())
	p.rest = &http.Server{
		Handler:           p.restHandler(),
		ReadHeaderTimeout: 3 * time.Second,
		ErrorLog:          discard,
		BaseContext:       func(net.Listener) context.Context { return p.server.ctx },
	}
	if grpcListener != nil {
		p.grpcListener = newListener(grpcListener, p.admit(FaultGRPCHang))
		p.grpc, err = p.newGRPC()
	}
	return err
}

// serve opens the provider's listeners.
func (p *provider) serve() {
	p.goers.Go(func() {
		p.rest.Serve(tls.NewListener(p.restListener, p.tlsConfig(nil, p.server.authority, FaultSlowConnect)))
	})
	if p.grpc != nil {
		p.goers.Go(func() { p.grpc.Serve(p.grpcListener) })
	}
}

// listeners returns the existing listeners.
func (p *provider) listeners() []*listener {
	if p.grpcListener == nil {
		return []*listener{p.restListener}
	}
	return []*listener{p.restListener, p.grpcListener}
}

// enter counts a REST request, and refuses it if the provider is closed.
func (p *provider) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.requests.Add(1)
	}
	return !p.closed
}

// close stops the provider and everything that it has started.
func (p *provider) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.logs.close()
	for _, l := range p.listeners() {
		l.Close()
	}
	p.rest.Close()
	p.requests.Wait()
	p.boxes.remove()
	if p.grpc != nil {
		p.grpc.Stop()
	}
	p.goers.Wait()
}

// admit returns the function that decides about new connections to a port, which a
// fault can make hang.
func (p *provider) admit(hangs Fault) func() bool {
	return func() bool { return !p.faults.has(FaultHangAccept) && !p.faults.has(hangs) }
}

// crash simulates the death of the provider's process: all connections are closed and
// both ports refuse new ones until revive.
func (p *provider) crash() {
	p.mu.Lock()
	p.crashed = true
	p.mu.Unlock()
	for _, l := range p.listeners() {
		l.shut()
	}
}

// revive restarts a crashed provider.
func (p *provider) revive() error {
	p.mu.Lock()
	p.crashed = false
	p.mu.Unlock()
	return p.openListeners()
}

func (p *provider) openListeners() error {
	if p.isCrashed() || p.faults.has(FaultRefuse) {
		return nil
	}
	var errs []error
	for _, l := range p.listeners() {
		errs = append(errs, l.open())
	}
	return errors.Join(errs...)
}

func (p *provider) isCrashed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crashed
}

// setFault activates a fault.
func (p *provider) setFault(name Fault, delay time.Duration) error {
	p.faults.put(name, delay)
	if kind := name.certificate(); kind != "" {
		return p.setCertificate(kind)
	}
	switch name {
	case FaultRefuse:
		for _, l := range p.listeners() {
			l.shut()
		}
	case FaultFreeze:
		for _, l := range p.listeners() {
			l.freeze()
		}
	case FaultGarbage, FaultGoAway:
		for _, w := range p.openWires() {
			w.breakNow()
		}
	}
	return nil
}

// openWires returns the connections of the gRPC port.
func (p *provider) openWires() []*wire {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.wires))
}

// clearFault deactivates a fault.
func (p *provider) clearFault(name Fault) error {
	if !p.faults.has(name) {
		return nil
	}
	p.faults.remove(name)
	if name.certificate() != "" {
		return p.setCertificate(CertValid)
	}
	switch name {
	case FaultRefuse:
		return p.openListeners()
	case FaultFreeze:
		for _, l := range p.listeners() {
			l.thaw()
		}
	}
	return nil
}

// setCertificate changes the served certificate from the next handshake on, and the
// chain's record according to the kind.
func (p *provider) setCertificate(kind CertificateKind) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.swapCertificate(kind); err != nil || p == p.server.impostor {
		return err
	}
	return p.server.store.change(func(k *kept) {
		k.Made, k.Served, k.Certificates = p.made, pairOf(p.serving), p.ledger.keptCertificates()
	})
}

// swapCertificate is setCertificate without storing the certificate. The caller holds
// the lock.
func (p *provider) swapCertificate(kind CertificateKind) error {
	now := time.Now()
	spec := p.certificateSpec(now)
	state := certv1.State_valid
	switch kind {
	case CertValid:
	case CertExpired:
		spec.notBefore, spec.notAfter = now.AddDate(-1, 0, 0), now.Add(-time.Hour)
	case CertNotYetValid:
		spec.notBefore = now.Add(24 * time.Hour)
	case CertWrongCN:
		spec.commonName = p.server.stranger.address
	case CertRevoked:
		p.ledger.publish(p.address(), p.serving, certv1.State_revoked)
		return nil
	case CertAbsent:
		p.ledger.withdraw(p.address(), p.serving.spec.serial)
		return nil
	case CertOtherKey:
		// The served certificate stays on the chain.
		spec.serial = p.serving.spec.serial
		spec.key = certificateKey(p.seed, "impostor")
		c, err := newCertificate(spec)
		if err != nil {
			return err
		}
		p.serving = c
		return nil
	case CertNotSelfSigned:
		issuer, err := newCertificate(certificateSpec{
			commonName: p.server.stranger.address,
			key:        certificateKey(p.seed, "issuer"),
			serial:     big.NewInt(now.UnixNano()),
			notBefore:  spec.notBefore,
			notAfter:   spec.notAfter,
		})
		if err != nil {
			return err
		}
		spec.issuer = issuer
	default:
		return fmt.Errorf("unknown kind of certificate %q: want valid, expired, notYetValid, wrongCN, revoked, absent, otherKey or notSelfSigned", kind)
	}
	c, err := newCertificate(spec)
	if err != nil {
		return err
	}
	p.ledger.publish(spec.commonName, c, state)
	p.serving = c
	return nil
}

// certificateSpec returns the description of a new certificate. The caller holds the
// lock.
func (p *provider) certificateSpec(now time.Time) certificateSpec {
	p.made++
	return certificateSpec{
		commonName: p.address(),
		key:        certificateKey(p.seed, p.made),
		serial:     big.NewInt(now.UnixNano()),
		notBefore:  now.Add(-time.Hour),
		notAfter:   now.AddDate(1, 0, 0),
		domains:    []string{hostName, "provider.localhost"},
		addresses:  []net.IP{net.IPv4(127, 0, 0, 1).To4()},
	}
}

// certificate returns the served certificate.
func (p *provider) certificate() *certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.serving
}

// tlsConfig returns a port's TLS configuration for a client's hello and the active
// faults (proto/akash-provider-api.md, section 1.3). A client that names the host gets
// the authority's certificate, if there is one, and is not asked for a client
// certificate.
func (p *provider) tlsConfig(protocols []string, public *authority, slow ...Fault) *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: protocols,
		ClientAuth: tls.RequestClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if p.faults.has(FaultCertSwap) {
				if err := p.setCertificate(CertValid); err != nil {
					return nil, err
				}
			}
			return &p.certificate().tls, nil
		},
	}
	if p.version.readsTokens() {
		config.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error { return p.verifyClient(raw) }
	}
	old := config.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	named := config.Clone()
	named.ClientAuth = tls.NoClientCert
	named.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &public.server, nil }
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		for _, fault := range slow {
			if delay, ok := p.faults.delay(fault); ok && !sleep(hello.Context(), delay) {
				return nil, hello.Context().Err()
			}
		}
		if p.faults.has(FaultTLS12) {
			return old, nil
		}
		if public != nil && p.version.servesCA() && hello.ServerName == hostName {
			return named, nil
		}
		return nil, nil
	}
	return config
}
