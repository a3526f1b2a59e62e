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

// startTLSProxy accepts connections as a provider does, with TLS 1.3 and a self-signed
// certificate, and forwards them to upstream, a host:port that speaks HTTP/2 without
// TLS: the suite's grpcserver does not support TLS. It returns its address, and a
// function that stops it.
func startTLSProxy(upstream string) (addr string, stop func(), err error) {
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
			go forward(conn, upstream)
		}
	}()
	return listener.Addr().String(), func() { listener.Close() }, nil
}

// forward copies data between conn and upstream until one of them closes.
func forward(conn net.Conn, upstream string) {
	defer conn.Close()
	server, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	defer server.Close()
	var copies sync.WaitGroup
	copies.Go(func() { copyAndClose(server, conn) })
	copies.Go(func() { copyAndClose(conn, server) })
	copies.Wait()
}

func copyAndClose(to, from net.Conn) {
	_, _ = io.Copy(to, from) // the bridge detects a lost connection
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
