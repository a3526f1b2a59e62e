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
	// clientPatience is how long a call waits for the chain's word on its client
	// certificate, from its start. The provider decides if that takes longer.
	clientPatience = time.Second
	// refusalPatience is how long the chain may take to tell why a provider refused a
	// client certificate.
	refusalPatience = 3 * time.Second
)

// clientCert is a client certificate, and what was seen of providers with it.
type clientCert struct {
	pair *tls.Certificate
	leaf *x509.Certificate
	key  clientKey
	// asked tells whether the provider has ever asked for it.
	asked atomic.Bool
}

// clientKey tells client certificates apart; the zero value is none.
type clientKey [sha256.Size]byte

// newClientCert reads a client certificate, nil for none. It makes sure that the
// caller holds the key: certificates are public, and connections that were opened
// with another's must not be had by showing a copy.
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

// judgeClient begins to find out what the chain says of a client certificate, and
// returns how to get at what it has said: an error where every provider refuses the
// certificate. That waits no longer than clientPatience from now.
func (p *Pool) judgeClient(ctx context.Context, c *clientCert) func() error {
	verdict := func(s trust.ClientState) error {
		if s.Refused() {
			return trust.ClientRefusal(s, c.leaf)
		}
		return nil
	}
	if s, known := p.verifier.ClientDates(c.leaf); known {
		return func() error { return verdict(s) }
	}
	patience := time.After(clientPatience)
	state := make(chan trust.ClientState, 1)
	go func() { state <- p.verifier.Client(ctx, c.leaf) }()
	return func() error {
		select {
		case s := <-state:
			return verdict(s)
		case <-patience:
			return nil
		}
	}
}

// refused is the error of a provider that refused the certificate: why, as far as
// the clock and the chain tell.
func (c *clientCert) refused(p *Pool) *rpcerror.Error {
	ctx, cancel := context.WithTimeout(p.ctx, refusalPatience)
	defer cancel()
	return trust.ClientRefusal(p.verifier.Client(ctx, c.leaf), c.leaf)
}

// Client is what an endpoint knows of the client certificate of its requests.
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

// Asked reports whether the provider has asked for the certificate in a handshake.
func (c *Client) Asked() bool { return c.cert.asked.Load() }

// Refused returns the error of a provider that refused the certificate: why, as far
// as the clock and the chain tell. It may ask the chain.
func (c *Client) Refused() *rpcerror.Error { return c.cert.refused(c.pool) }

// accepted makes sure that the provider takes the certificate on a new connection to
// its REST gateway, before a request goes there, and returns the connection. In TLS
// 1.3 a server judges the certificate after the client has finished the handshake:
// the request would be on its way when the refusal comes, and could look as if it had
// been heard. Any answer to a question that needs no credential shows that it has not
// been refused.
func (c *clientCert) accepted(ctx context.Context, conn *securedConn) (*securedConn, error) {
	rt := conn.route
	res, err := conn.ask(ctx, "/address")
	switch {
	case err == nil && !res.Close:
		return conn, nil
	case err == nil:
		// A server that ends the connection after each answer took it all the same.
		conn.Close()
		return rt.dial(ctx, rt.key.host.Port, nil, c)
	}
	conn.Close()
	if refusedClient(err) {
		return nil, c.refused(rt.pool)
	}
	return nil, explain(ctx, err, rt.key.host.Port, "the first question")
}

// maxFirstAnswer bounds the answer to the first question, head and body.
const maxFirstAnswer = 128 << 10

// ask sends the connection's first request and reads the answer to its end.
func (c *securedConn) ask(ctx context.Context, path string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.route.pool.patience.version)
	defer cancel()
	abort := context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })
	defer abort()
	// If the write fails, the alert that says why waits to be read.
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
