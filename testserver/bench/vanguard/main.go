// Command vanguard is a peer of the bridge: connectrpc.com/vanguard as a reverse proxy
// that accepts gRPC-Web and calls one provider with gRPC, configured as its
// documentation describes for a server in another process.
//
//	vanguard HOST:PORT [CERTIFICATE KEY]
//
// With the PEM files of a certificate and its key it serves HTTPS. It prints
// {"url":"http://…"} when it accepts connections.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"

	"connectrpc.com/vanguard"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 && len(os.Args) != 4 {
		log.Fatal("usage: vanguard HOST:PORT [CERTIFICATE KEY]")
	}
	handler, err := transcoder(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	scheme, serve := "http", func() error { return http.Serve(listener, handler) }
	if len(os.Args) == 4 {
		scheme, serve = "https", func() error { return http.ServeTLS(listener, handler, os.Args[2], os.Args[3]) }
	}
	ready := map[string]string{"url": scheme + "://" + listener.Addr().String()}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		log.Fatal(err)
	}
	log.Fatal(serve())
}

func transcoder(backend string) (http.Handler, error) {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "https", Host: backend})
	proxy.FlushInterval = -1 // flush every message
	proxy.ErrorLog = log.New(os.Stderr, "", 0)
	transport := &http.Transport{
		// Providers' certificates are self-signed. The bridge verifies them; this
		// peer cannot, which is not measured.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		Protocols:       new(http.Protocols),
	}
	transport.Protocols.SetHTTP2(true)
	proxy.Transport = transport

	var services []*vanguard.Service
	for _, name := range []string{providerv1.ProviderRPC_ServiceDesc.ServiceName, leasev1.LeaseRPC_ServiceDesc.ServiceName} {
		services = append(services, vanguard.NewService(name, proxy,
			vanguard.WithTargetProtocols(vanguard.ProtocolGRPC),
			vanguard.WithTargetCodecs(vanguard.CodecProto)))
	}
	handler, err := vanguard.NewTranscoder(services)
	if err != nil {
		return nil, fmt.Errorf("vanguard: %w", err)
	}
	return handler, nil
}
