package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/btcsuite/btcd/btcutil/bech32"
	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

// providers is the number of providers. All are alike, each on its own port.
const providers = 100

const (
	methodStatus = providerv1.ProviderRPC_GetStatus_FullMethodName
	methodLogs   = leasev1.LeaseRPC_ServiceLogs_FullMethodName
)

// provider is a provider whose streams behave as the service's name in the request
// says, so that any bridge forwards the instruction without knowing it:
//
//	paced/RATE   RATE messages per second, of 200 bytes, until the call ends
//	quiet/NAME   one message, then one for each command, until the call ends
type provider struct {
	providerv1.UnimplementedProviderRPCServer
	leasev1.UnimplementedLeaseRPCServer

	certificate            tls.Certificate
	certificatePEM, keyPEM string
	listeners              []*sharedListener
	floods                 *sharedListener // of a flooder
	status                 []byte

	mu    sync.Mutex
	quiet map[string]*quietStream
}

// quietStream is a stream that sends messages on command.
type quietStream struct {
	pushed    chan struct{}
	began     chan struct{} // closed when its first message is sent
	cancelled chan struct{} // closed when at is set
	at        time.Time     // when its call ended
}

func startProvider() (*provider, error) {
	certificate, err := selfSigned()
	if err != nil {
		return nil, err
	}
	// A kilobyte, about the size of a small provider's status.
	hosts := make([]string, 24)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("ingress-%02d.provider.example.com", i)
	}
	status, err := proto.Marshal(&providerv1.Status{
		Cluster:         &providerv1.ClusterStatus{Leases: &providerv1.Leases{Active: 42}},
		PublicHostnames: hosts,
		Timestamp:       timestamppb.Now(),
	})
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		return nil, err
	}
	p := &provider{
		certificate:    certificate,
		certificatePEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})),
		keyPEM:         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
		status:         status,
		quiet:          map[string]*quietStream{},
	}

	calls := grpc.NewServer(grpc.ForceServerCodecV2(codec{}), grpc.UnaryInterceptor(p.answerStatus))
	providerv1.RegisterProviderRPCServer(calls, p)
	leasev1.RegisterLeaseRPCServer(calls, p)
	reflection.Register(calls)
	rest := http.NewServeMux()
	rest.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"akash":{"version":"v0.16.0"}}`)
	})
	config := &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{certificate},
		NextProtos:   []string{"h2", "http/1.1"},
	}
	for range providers {
		d, err := listenShared(config)
		if err != nil {
			return nil, err
		}
		p.listeners = append(p.listeners, d)
		go func() { log.Fatal(calls.Serve(d.h2)) }()
		go func() { log.Fatal(http.Serve(d.http, rest)) }()
	}
	floods, err := newFlooder()
	if err != nil {
		return nil, err
	}
	if p.floods, err = listenShared(config); err != nil {
		return nil, err
	}
	go floods.serve(p.floods.h2)
	go func() { log.Fatal(http.Serve(p.floods.http, rest)) }()
	return p, nil
}

// ready is the line that is printed once the providers accept connections: the first
// provider, and the host URIs of all by their addresses; and the same for the flooder.
func (p *provider) ready() answer {
	uris := map[string]string{}
	for i, d := range p.listeners {
		uris[account(i)] = "https://" + d.address()
	}
	return answer{
		"provider":  account(0),
		"providers": uris,
		"grpc":      p.listeners[0].address(),
		"header":    p.header(0),
		// For bridges that serve HTTPS.
		"certificate": p.certificatePEM,
		"key":         p.keyPEM,
		"floods": answer{
			"providers": map[string]string{account(providers): "https://" + p.floods.address()},
			"grpc":      p.floods.address(),
			"header":    p.header(providers),
		},
	}
}

// header returns the headers for calls to provider i through the bridge.
func (p *provider) header(i int) map[string]string {
	sum := sha256.Sum256(p.certificate.Certificate[0])
	return map[string]string{
		"akash-provider": account(i),
		"akash-tls":      "sha256=" + hex.EncodeToString(sum[:]),
	}
}

// account returns the address of provider i, an arbitrary well-formed one.
func account(i int) string {
	sum := sha256.Sum256([]byte{byte(i)})
	address, err := bech32.EncodeFromBase256("akash", sum[:20])
	if err != nil {
		panic(err)
	}
	return address
}

// answerStatus answers GetStatus with an encoded message.
func (p *provider) answerStatus(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if info.FullMethod == methodStatus {
		return encoded(p.status), nil
	}
	return handler(ctx, request)
}

// ServiceLogs implements LeaseRPC.
func (p *provider) ServiceLogs(r *leasev1.ServiceLogsRequest, stream grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
	what, argument, _ := strings.Cut(r.GetFilter().GetName(), "/")
	switch what {
	case "paced":
		rate, err := strconv.ParseFloat(argument, 64)
		if err != nil {
			return err
		}
		return pace(stream, seconds(1/rate))
	case "quiet":
		return p.wait(stream, argument)
	}
	return fmt.Errorf("%q is neither paced nor quiet", what)
}

func pace(stream grpc.ServerStream, interval time.Duration) error {
	message := encoded(logMessage(200))
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := stream.SendMsg(message); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (p *provider) wait(stream grpc.ServerStream, name string) error {
	q := p.stream(name)
	line := encoded(logMessage(200))
	if err := stream.SendMsg(line); err != nil {
		return err
	}
	close(q.began)
	for {
		select {
		case <-q.pushed:
			if err := stream.SendMsg(line); err != nil {
				return err
			}
		case <-stream.Context().Done():
			q.at = time.Now()
			close(q.cancelled)
			return stream.Context().Err()
		}
	}
}

// stream returns the quiet stream with the given name, which may not have begun.
func (p *provider) stream(name string) *quietStream {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.quiet[name]
	if q == nil {
		q = &quietStream{make(chan struct{}), make(chan struct{}), make(chan struct{}), time.Time{}}
		p.quiet[name] = q
	}
	return q
}

// remove removes a quiet stream that has ended.
func (p *provider) remove(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.quiet, name)
}

// logMessage encodes a ServiceLogsResponse of exactly size bytes, at least 32.
func logMessage(size int) []byte {
	for text := size; text > 0; text-- {
		message, err := proto.Marshal(&leasev1.ServiceLogsResponse{Services: []*leasev1.ServiceLogs{{
			Name: "web", Replica: 1, Logs: append([]byte(strings.Repeat("x", text-1)), '\n'),
		}}})
		if err != nil {
			panic(err)
		}
		if len(message) <= size {
			return message
		}
	}
	panic("the size is too small for a message")
}

// selfSigned creates a certificate like those of providers.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: account(0)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDataEncipherment | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
