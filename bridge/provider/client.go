package provider

import (
	"bufio"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	"akash-provider-web/bridge/trust"
)

const (
	// clientCheckTimeout is how long a call waits for the chain's answer about its
	// client certificate, from the start of the call. After that the provider decides
	// alone.
	clientCheckTimeout = time.Second
	// refusalTimeout bounds the query to the chain for the reason of a refused client
	// certificate.
	refusalTimeout = 3 * time.Second
)

// clientCert is a client certificate, and what providers did with it.
type clientCert struct {
	pair *tls.Certificate
	leaf *x509.Certificate
	key  clientKey
	// asked reports whether the provider has ever requested it.
	asked atomic.Bool
}

// clientKey identifies a client certificate; the zero value stands for none.
type clientKey [sha256.Size]byte

// newClientCert parses a client certificate, nil for none. It checks that the caller
// has the private key: certificates are public, and a copy must not give access to
// connections opened with someone else's certificate.
func newClientCert(pair *tls.Certificate) (*clientCert, error) {
	if pair == nil {
		return nil, nil
	}
	malformed := func(text string) error {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata, "the client certificate %s", text)
	}
	if len(pair.Certificate) == 0 {
		return nil, malformed("is empty")
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, malformed("cannot be read")
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, malformed("has no usable private key")
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return nil, malformed("does not belong to the private key")
	}
	return &clientCert{pair: pair, leaf: leaf, key: sha256.Sum256(leaf.Raw)}, nil
}

// checkClient starts looking up a client certificate on the chain. It returns a
// function that waits for the result, at most until clientCheckTimeout from now, and
// returns an error if every provider would refuse the certificate.
func (p *Pool) checkClient(ctx context.Context, c *clientCert) func() error {
	verdict := func(s trust.ClientState) error {
		if s.Refused() {
			return trust.ClientRefusal(s, c.leaf)
		}
		return nil
	}
	if s, known := p.verifier.ClientDates(c.leaf); known {
		return func() error { return verdict(s) }
	}
	timeout := time.After(clientCheckTimeout)
	state := make(chan trust.ClientState, 1)
	go func() { state <- p.verifier.Client(ctx, c.leaf) }()
	return func() error {
		select {
		case s := <-state:
			return verdict(s)
		case <-timeout:
			return nil
		}
	}
}

// refused returns the error for a certificate that a provider refused. It finds the
// reason from the clock and the chain.
func (c *clientCert) refused(p *Pool) *rpcerror.Error {
	ctx, cancel := context.WithTimeout(p.ctx, refusalTimeout)
	defer cancel()
	return trust.ClientRefusal(p.verifier.Client(ctx, c.leaf), c.leaf)
}

// Client is an endpoint's information about the client certificate of its requests.
type Client struct {
	cert *clientCert
	pool *Pool
}

func (p *peer) client() *Client {
	if p.cert == nil {
		return nil
	}
	return &Client{p.cert, p.route.pool}
}

// Asked reports whether the provider has requested the certificate in a handshake.
func (c *Client) Asked() bool { return c.cert.asked.Load() }

// Refused returns the error for a certificate that the provider refused. It finds the
// reason from the clock and the chain, which it may query.
func (c *Client) Refused() *rpcerror.Error { return c.cert.refused(c.pool) }

// accepted checks that the provider accepts the certificate on a new connection to its
// REST gateway, and returns the connection. In TLS 1.3 a server verifies the
// certificate after the client has finished the handshake. A request would already be
// sent when the refusal arrives, and it would be unclear whether it was processed. Any
// answer to a request that needs no credentials shows that the certificate was not
// refused.
func (c *clientCert) accepted(ctx context.Context, conn *securedConn) (*securedConn, error) {
	rt := conn.route
	res, err := conn.ask(ctx, "/address")
	switch {
	case err == nil && !res.Close:
		return conn, nil
	case err == nil:
		// A server that closes the connection after each answer has accepted the
		// certificate.
		conn.Close()
		return rt.dial(ctx, rt.key.host.Port, nil, c)
	}
	conn.Close()
	if refusedClient(err) {
		return nil, c.refused(rt.pool)
	}
	return nil, explain(ctx, err, rt.key.host.Port, "the first question")
}

// maxFirstAnswer bounds the answer to the first request, head and body.
const maxFirstAnswer = 128 << 10

// ask sends the connection's first request and reads its answer completely.
func (c *securedConn) ask(ctx context.Context, path string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.route.pool.timeouts.version)
	defer cancel()
	abort := context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })
	defer abort()
	// The error is ignored: if the write fails, reading returns the alert with the
	// reason.
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: akash-provider-bridge\r\n\r\n", path, c.route.key.host.Addr())
	res, err := http.ReadResponse(bufio.NewReader(io.LimitReader(c, maxFirstAnswer)), nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return nil, err
	}
	if !abort() {
		return nil, ctx.Err()
	}
	return res, nil
}
