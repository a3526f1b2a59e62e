package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync"
	"time"
)

// disguise listens as a provider does, with TLS 1.3 and a certificate that it has
// signed itself, and passes what is said to and from upstream, a host:port of
// cleartext HTTP/2. The suite's grpcserver knows no TLS. It returns where it
// listens, and a function that ends it.
func disguise(upstream string) (addr string, stop func(), err error) {
	certificate, err := selfSigned()
	if err != nil {
		return "", nil, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2"},
	})
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go join(conn, upstream)
		}
	}()
	return listener.Addr().String(), func() { listener.Close() }, nil
}

// join passes bytes between conn and upstream until one of them ends.
func join(conn net.Conn, upstream string) {
	defer conn.Close()
	server, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	defer server.Close()
	var passing sync.WaitGroup
	passing.Go(func() { pass(server, conn) })
	passing.Go(func() { pass(conn, server) })
	passing.Wait()
}

func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from) // a lost connection is the bridge's to notice
	to.Close()
	from.Close()
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
