package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"akash-provider-web/bridge/edge"
	"akash-provider-web/bridge/edge/connect"
	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/provider"
	"akash-provider-web/bridge/relay"
)

// address stands for the suite's server.
const address = "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"

// maxMessage is the bridge's size limit for messages, in bytes. It is larger than that
// of the suite's servers, so that they refuse messages that are too large.
const maxMessage = 8 << 20

// A bridge relays every call to one server.
type bridge struct {
	http.Handler
	pool *provider.Pool
}

// newBridge returns a bridge to addr, where a server speaks gRPC over TLS with a
// self-signed certificate, as providers do.
func newBridge(addr string) (*bridge, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	pool, err := provider.New(provider.Options{
		Overrides:    map[string]string{address: "https://" + addr},
		GRPCPorts:    []uint16{at.Port()},
		Destinations: guard.Destinations{AllowPrivate: true},
	})
	if err != nil {
		return nil, err
	}
	origins, err := guard.NewOrigins(nil)
	if err != nil {
		return nil, err
	}
	// Also forward the suite's own headers.
	metadata, err := guard.NewMetadata([]string{"x-*"})
	if err != nil {
		return nil, err
	}
	accept := func(r *http.Request, _ relay.Protocol) (*relay.Call, error) {
		header := metadata.Upstream(r.Header)
		return &relay.Call{
			Provider:  address,
			Streaming: streaming(r.URL.Path),
			Route: func(ctx context.Context) (*relay.Route, error) {
				endpoint, err := pool.Reach(ctx, provider.Request{
					Address: address,
					TLS:     provider.TLSMode{Insecure: true},
				})
				if err != nil {
					return nil, err
				}
				return &relay.Route{Upstream: &relay.GRPC{
					Transport:  endpoint.Transport,
					Authority:  endpoint.Addr,
					Header:     header,
					Downstream: metadata.Downstream,
				}}, nil
			},
		}, nil
	}
	return &bridge{
		Handler: edge.Handler(&relay.Handler{Accept: accept, MaxMessage: maxMessage}, edge.Options{
			Origins:    origins,
			Method:     method,
			MaxRequest: maxMessage,
		}),
		pool: pool,
	}, nil
}

// method describes the methods of the suite's service, without their messages.
func method(path string) (m connect.Method, ok bool) {
	m.Streaming = streaming(path)
	return m, strings.HasPrefix(path, "/connectrpc.conformance.v1.ConformanceService/")
}

// streaming reports whether the answer to the method at path is a stream.
func streaming(path string) bool { return strings.HasSuffix(path, "Stream") }

// Close ends the bridge's connections to its provider.
func (b *bridge) Close() { b.pool.Close() }

// serve serves handler as request demands until ctx is canceled. It calls listening
// once the server accepts connections.
func serve(ctx context.Context, handler http.Handler, request *serverRequest, listening func(serverResponse) error) error {
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols)}
	// The suite relies on the HTTP version that it requested.
	server.Protocols.SetHTTP1(request.httpVersion != httpVersion2)
	server.Protocols.SetHTTP2(request.httpVersion == httpVersion2)
	server.Protocols.SetUnencryptedHTTP2(request.httpVersion == httpVersion2)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	addr := listener.Addr().(*net.TCPAddr)
	response := serverResponse{host: addr.IP.String(), port: uint16(addr.Port)}
	if request.useTLS {
		cert, err := tls.X509KeyPair(request.cert, request.key)
		if err != nil {
			return err
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		response.cert = request.cert
	}
	if err := listening(response); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if request.useTLS {
		err = server.ServeTLS(listener, "", "")
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
