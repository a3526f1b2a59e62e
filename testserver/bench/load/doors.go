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

// doors lets a gRPC server and a REST gateway share a port, as the bridge may find
// them: which one a connection is for, TLS negotiates.
type doors struct {
	h2, http *door

	// native returns a connection that needs no bridge, always the same.
	native func() (*grpc.ClientConn, error)
}

// door is the listener of one of them. Its connections have TLS behind them.
type door struct {
	addr  net.Addr
	conns chan net.Conn
}

// openDoors listens on a free port.
func openDoors(config *tls.Config) (*doors, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &doors{h2: newDoor(listener), http: newDoor(listener)}
	d.native = sync.OnceValues(func() (*grpc.ClientConn, error) { return dialNative(d.address()) })
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			go d.admit(tls.Server(raw, config))
		}
	}()
	return d, nil
}

// address is where the doors are.
func (d *doors) address() string { return d.h2.addr.String() }

func (d *doors) admit(conn *tls.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return
	}
	door := d.http
	if conn.ConnectionState().NegotiatedProtocol == "h2" {
		door = d.h2
	}
	door.conns <- conn
}

func newDoor(listener net.Listener) *door {
	return &door{listener.Addr(), make(chan net.Conn)}
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) { return <-d.conns, nil }

// Addr implements net.Listener.
func (d *door) Addr() net.Addr { return d.addr }

// Close implements net.Listener. The provider serves as long as its process.
func (d *door) Close() error { return nil }
