package fake

import (
	"errors"
	"math/big"
	"net"
	"slices"
	"sync/atomic"
	"time"

	certv1 "akash-provider-web/proto/akash/cert/v1"
)

// impostorName selects the impostor where a provider's address is expected.
const impostorName = "impostor"

// errNoImpostor is returned by what needs Options.Impostor.
var errNoImpostor = errors.New("no impostor: it has to be there from the start (Options.Impostor, --impostor)")

// theft is what the impostor has to show for itself: a certificate of its own making,
// which was never on the chain, and one whose key it stole. The chain had that as valid,
// and the impostor's host in the provider's record, until some blocks before the start.
type theft struct {
	forged, stolen *certificate
}

// Visits counts what reached the impostor.
type Visits struct {
	Connections int64 `json:"connections"`
	// Requests counts calls, and Tokens those with credentials.
	Requests int `json:"requests"`
	Tokens   int `json:"tokens"`
}

// addImpostor starts a provider that says that it is the first one.
func (s *Server) addImpostor(v version, texts *[bodies]string) error {
	if !s.options.Impostor {
		return nil
	}
	seed := mix(s.options.Seed ^ 0x1397)
	victim := s.providers[0]
	p, err := s.newProvider(victim.account, seed, v, victim.work.lease, texts)
	if err != nil {
		return err
	}
	// It knows the tenant as the chain does, and publishes nothing there.
	p.ledger = newLedger()
	p.ledger.open(s.tenant, true)
	p.logs.generate(s.options.LogLines)
	rest, grpc, err := s.listen(len(s.providers), v.servesGRPC())
	if err != nil {
		return err
	}
	if p.theft, err = p.steal(); err != nil {
		return errors.Join(err, rest.Close(), closeListener(grpc))
	}
	p.serving = p.theft.forged
	s.impostor = p
	p.accepted = new(atomic.Int64)
	if err := p.build(&countingListener{rest, p.accepted}, counted(grpc, p.accepted)); err != nil {
		return err
	}
	p.serve()
	endpoints := p.endpoints()
	s.ready.Impostor = &endpoints

	s.chain.former = &former{
		provider: providerRecord(victim.address(), p.hostURI),
		certificate: chainCertificate{
			owner: victim.address(), serial: p.theft.stolen.spec.serial,
			record: &certv1.Certificate{State: certv1.State_valid, Cert: p.theft.stolen.pem, Pubkey: p.theft.stolen.pubkey},
		},
	}
	s.ledger.publish(victim.address(), p.theft.stolen, certv1.State_revoked)
	return nil
}

// steal makes the impostor's certificates.
func (p *provider) steal() (*theft, error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	forged := p.certificateSpec(now)
	stolen := p.certificateSpec(now)
	stolen.serial = new(big.Int).Add(forged.serial, big.NewInt(1))
	t := &theft{}
	var err error
	if t.forged, err = newCertificate(forged); err != nil {
		return nil, err
	}
	t.stolen, err = newCertificate(stolen)
	return t, err
}

// present makes the impostor serve one of its certificates.
func (p *provider) present(c *certificate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serving = c
}

// Hijack makes the true record of the first provider name the impostor's host, as if its
// name in DNS had been taken over, or undoes that. Only its certificate is then left to
// tell them apart.
func (s *Server) Hijack(on bool) error {
	if s.impostor == nil {
		return errNoImpostor
	}
	host := s.providers[0].hostURI
	if on {
		host = s.impostor.hostURI
	}
	if record := providerRecord(s.providers[0].address(), host); !s.ledger.has(record) {
		s.ledger.register(record)
	}
	return nil
}

// Visits returns what has reached the impostor.
func (s *Server) Visits() (Visits, error) {
	if s.impostor == nil {
		return Visits{}, errNoImpostor
	}
	requests := s.impostor.counters.seen()
	return Visits{
		Connections: s.impostor.accepted.Load(),
		Requests:    len(requests),
		Tokens:      len(slices.DeleteFunc(requests, func(r Request) bool { return !r.Authorization && !r.ClientCert })),
	}, nil
}

// countingListener counts accepted connections.
type countingListener struct {
	net.Listener
	accepted *atomic.Int64
}

// Accept implements net.Listener.
func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return c, err
}

func counted(l net.Listener, accepted *atomic.Int64) net.Listener {
	if l == nil {
		return nil
	}
	return &countingListener{l, accepted}
}

func closeListener(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}
