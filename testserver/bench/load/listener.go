package main

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// handshakeTimeout bounds a TLS handshake.
const handshakeTimeout = 10 * time.Second

// sharedListener lets a gRPC server and a REST gateway share a port. Like the port of
// a real provider, it uses the protocol negotiated by TLS to distinguish their
// connections.
type sharedListener struct {
	h2, http *protocolListener

	// native returns a gRPC connection without a bridge, which is always the same.
	native func() (*grpc.ClientConn, error)
}

// protocolListener is the listener for one protocol. Its connections have completed
// the TLS handshake.
type protocolListener struct {
	addr  net.Addr
	conns chan net.Conn
}

// listenShared listens on a free port.
func listenShared(config *tls.Config) (*sharedListener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &sharedListener{h2: newProtocolListener(listener), http: newProtocolListener(listener)}
	d.native = sync.OnceValues(func() (*grpc.ClientConn, error) { return dialNative(d.address()) })
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			go d.handshake(tls.Server(raw, config))
		}
	}()
	return d, nil
}

// address returns the listener's host:port.
func (d *sharedListener) address() string { return d.h2.addr.String() }

func (d *sharedListener) handshake(conn *tls.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return
	}
	listener := d.http
	if conn.ConnectionState().NegotiatedProtocol == "h2" {
		listener = d.h2
	}
	listener.conns <- conn
}

func newProtocolListener(listener net.Listener) *protocolListener {
	return &protocolListener{listener.Addr(), make(chan net.Conn)}
}

// Accept implements net.Listener.
func (l *protocolListener) Accept() (net.Conn, error) { return <-l.conns, nil }

// Addr implements net.Listener.
func (l *protocolListener) Addr() net.Addr { return l.addr }

// Close implements net.Listener. The provider serves as long as its process.
func (l *protocolListener) Close() error { return nil }
