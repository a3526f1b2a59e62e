package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	marketv1 "akash-provider-web/proto/akash/market/v1"
	"akash-provider-web/testserver/program"
)

// attackerAddress returns the IP address that an attack's callers attack from. Each has its
// own, so that none starts with what another has used up. The bridge treats them as any
// other, unlike 127.0.0.1, from which the neighbour calls.
func attackerAddress(number int) string {
	return netip.AddrFrom4([4]byte{127, 0, byte(1 + number/250), byte(1 + number%250)}).String()
}

// stranger is the address of a provider that is attacked with. Its certificate is pinned.
const stranger = "akash1365yvmc4s7awdyj3n2sav7xfx76adc6dnmlx63"

func leaseOf(t *target, provider string) *marketv1.LeaseID {
	l := t.Lease
	return &marketv1.LeaseID{Owner: l.Owner, Dseq: l.DSeq, Gseq: l.GSeq, Oseq: l.OSeq, Provider: provider}
}

// listenTLS listens on a free port as a provider does. It returns the provider's host URI
// and its pin for akash-tls.
func listenTLS(protocols ...string) (l net.Listener, hostURI, pin string, err error) {
	certificate, key, err := program.NewCertificate(stranger)
	if err != nil {
		return nil, "", "", err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, "", "", err
	}
	l, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13, NextProtos: protocols})
	if err != nil {
		return nil, "", "", err
	}
	sum := sha256.Sum256(pair.Certificate[0])
	return l, "https://" + l.Addr().String(), "sha256=" + hex.EncodeToString(sum[:]), nil
}

// accept serves each connection of l with serve until ctx ends, when it closes them.
func accept(ctx context.Context, l net.Listener, serve func(net.Conn)) {
	go func() {
		<-ctx.Done()
		l.Close()
	}()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			closeAfter(ctx, conn)
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
}

func closeAfter(ctx context.Context, c io.Closer) { context.AfterFunc(ctx, func() { c.Close() }) }

// dial connects to the bridge, with TLS if it serves that.
func (t *target) dial(ctx context.Context, protocol string) (net.Conn, error) {
	to, err := url.Parse(t.Bridge)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(t.From)}}).DialContext(ctx, "tcp", to.Host)
	if err != nil {
		return nil, err
	}
	closeAfter(ctx, conn)
	if to.Scheme != "https" {
		return conn, nil
	}
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}) // its own certificate, on this machine
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// h2 is one end of an HTTP/2 connection that does what it wants.
type h2 struct {
	net.Conn
	*http2.Framer
	encoder *hpack.Encoder
	block   bytes.Buffer
}

func newH2(conn net.Conn) *h2 {
	c := &h2{Conn: conn, Framer: http2.NewFramer(conn, conn)}
	c.AllowIllegalWrites, c.AllowIllegalReads = true, true
	c.encoder = hpack.NewEncoder(&c.block)
	return c
}

// dialH2 opens an HTTP/2 connection to the bridge. What the bridge sends is read and
// dropped, unless deaf.
func (t *target) dialH2(ctx context.Context, deaf bool, settings ...http2.Setting) (*h2, error) {
	conn, err := t.dial(ctx, "h2")
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return nil, err
	}
	c := newH2(conn)
	if err := c.WriteSettings(settings...); err != nil {
		return nil, err
	}
	if !deaf {
		go io.Copy(io.Discard, conn)
	}
	return c, nil
}

// headers encodes fields, in pairs of name and value.
func (c *h2) headers(fields ...string) []byte {
	c.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = c.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(c.block.Bytes())
}

// requestFields are the headers of a call for the status of a provider.
func requestFields(provider, host, path string) []string {
	return []string{
		":method", "POST", ":scheme", "http", ":path", path, ":authority", "bridge", "content-type", "application/grpc-web+proto",
		"akash-provider", provider, "akash-host-uri", host, "akash-tls", "insecure",
	}
}

// during runs work on n connections at once, again and again until ctx ends, and returns
// how often it ran.
func during(ctx context.Context, n int, work func() error) (runs int) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				err := work()
				mu.Lock()
				runs++
				mu.Unlock()
				if err != nil && ctx.Err() == nil {
					pause(ctx, 10*time.Millisecond)
				}
			}
		})
	}
	all.Wait()
	return runs
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// counter counts what is sent.
type counter struct {
	mu sync.Mutex
	n  int64
}

func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += int64(n)
}

func (c *counter) value() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
