package fake

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"

	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
)

// Dialect says which LeaseRPC a provider serves.
type Dialect string

// The dialects.
const (
	DialectAEP37   Dialect = "aep37"    // the draft of AEP-37
	DialectSDK     Dialect = "sdk"      // that of the chain's SDK, of which releases implement AttestationQuote
	DialectSDKFull Dialect = "sdk-full" // the same, with all methods, as no release has it yet
	DialectNone    Dialect = "none"     // none, as in all releases so far
)

// handshakeTimeout bounds a TLS handshake on the gRPC port.
const handshakeTimeout = 30 * time.Second

// newGRPC returns the server behind the gRPC port.
func (p *provider) newGRPC() (*grpc.Server, error) {
	var protocols []string
	if p.version.negotiatesALPN() {
		protocols = []string{"h2"}
	}
	s := grpc.NewServer(
		grpc.Creds(&handshaker{provider: p, config: p.tlsConfig(protocols, nil, FaultSlowConnect, FaultGRPCSlow)}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 30 * time.Second}),
		grpc.ForceServerCodecV2(newFrameCodec()),
		grpc.UnaryInterceptor(p.interceptUnary),
		grpc.StreamInterceptor(p.interceptStream),
		grpc.UnknownServiceHandler(p.unknown),
		grpc.WaitForHandlers(true),
	)
	providerv1.RegisterProviderRPCServer(s, &providerRPC{provider: p})
	if p.version.signsInventory() {
		inventoryv1.RegisterInventoryServiceServer(s, &inventoryService{provider: p})
	}
	var lease protoreflect.FileDescriptor
	switch p.dialect {
	case DialectAEP37:
		leasev1.RegisterLeaseRPCServer(s, &leaseRPC{provider: p})
		lease = leaseFile
	case DialectSDK, DialectSDKFull:
		var err error
		if lease, err = p.registerSDK(s); err != nil {
			return nil, err
		}
	}
	registerReflection(s, lease)
	return s, nil
}

// handshaker implements TLS for the gRPC port. Unlike grpc's own implementation it
// supports versions that do not negotiate ALPN.
type handshaker struct {
	provider *provider
	config   *tls.Config
}

// ServerHandshake implements credentials.TransportCredentials.
func (h *handshaker) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	ctx, cancel := context.WithTimeout(h.provider.server.ctx, handshakeTimeout)
	defer cancel()
	conn := tls.Server(raw, h.config)
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return h.provider.newWire(conn), credentials.TLSInfo{
		State:          conn.ConnectionState(),
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, nil
}

// ClientHandshake implements credentials.TransportCredentials; a server has none.
func (h *handshaker) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, status.Error(codes.Internal, "not a client")
}

// Info implements credentials.TransportCredentials.
func (h *handshaker) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials.
func (h *handshaker) Clone() credentials.TransportCredentials {
	clone := *h
	return &clone
}

// OverrideServerName implements credentials.TransportCredentials.
func (h *handshaker) OverrideServerName(string) error { return nil }

// interceptUnary counts a unary call, and crashes where a real provider would.
func (p *provider) interceptUnary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	p.recordCall(ctx, info.FullMethod)
	defer p.counters.open(ctx, info.FullMethod)()
	// gateway/grpc/server.go: if len(tokens) == 1 { tokString = tokens[1] }
	if p.version.diesOfAuthorization() && len(metadata.ValueFromIncomingContext(ctx, "authorization")) == 1 {
		p.crash()
		return nil, status.Error(codes.Unavailable, "crashed")
	}
	// Versions in which the interceptor works refuse the call with the gateway's
	// message and no code of their own.
	if p.version.authenticatesUnary() {
		if _, refused := p.authenticateCall(ctx); refused != nil {
			return nil, status.Error(codes.Unknown, refused.message)
		}
	}
	switch {
	case p.faults.has(FaultHangHeaders):
		grpc.SendHeader(ctx, nil)
		<-ctx.Done()
		return nil, ctx.Err()
	case p.faults.has(FaultNonsense):
		return nonsense(), nil
	}
	return handler(ctx, request)
}

// interceptStream counts a stream.
func (p *provider) interceptStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx := stream.Context()
	p.recordCall(ctx, info.FullMethod)
	defer p.counters.open(ctx, info.FullMethod)()
	switch {
	case p.faults.has(FaultHangHeaders):
		stream.SendHeader(nil)
		<-ctx.Done()
		return ctx.Err()
	case p.faults.has(FaultNonsense):
		return stream.SendMsg(nonsense())
	}
	return handler(srv, stream)
}

// nonsense is a message that cannot be decoded: a field of wire type 7.
func nonsense() *frame { return frameOf([]byte("\xff\xff\xff not protobuf")) }

// recordCall records a gRPC call for tests.
func (p *provider) recordCall(ctx context.Context, method string) {
	r := Request{Method: method, Protocol: "grpc"}
	md, _ := metadata.FromIncomingContext(ctx)
	for name := range md {
		r.Metadata = append(r.Metadata, name)
	}
	r.Authorization = len(md.Get("authorization")) > 0
	r.ClientCert = len(peerCertificates(ctx)) > 0
	if values := md.Get("traceparent"); len(values) > 0 {
		r.Traceparent = values[0]
	}
	p.counters.record(r)
}

// unknown answers unknown methods with the message of grpc-go.
func (p *provider) unknown(_ any, stream grpc.ServerStream) error {
	full, _ := grpc.MethodFromServerStream(stream)
	if full == "/akash.provider.v1.ProviderRPC/BidScreening" && p.version.screensBids() {
		return status.Error(codes.Unimplemented, "BidScreening not implemented")
	}
	service, method, _ := strings.Cut(strings.TrimPrefix(full, "/"), "/")
	if _, known := p.grpc.GetServiceInfo()[service]; known {
		return status.Errorf(codes.Unimplemented, "unknown method %s for service %s", method, service)
	}
	return status.Errorf(codes.Unimplemented, "unknown service %s", service)
}

// providerRPC implements akash.provider.v1.ProviderRPC, without authentication.
type providerRPC struct {
	providerv1.UnimplementedProviderRPCServer
	provider *provider
}

// GetStatus implements ProviderRPC.
func (s *providerRPC) GetStatus(context.Context, *emptypb.Empty) (*providerv1.Status, error) {
	now, _ := s.provider.status()
	return now, nil
}

// StreamStatus implements ProviderRPC: it sends the current status, and then every
// change (proto/akash-provider-api.md, section 1.5).
func (s *providerRPC) StreamStatus(_ *emptypb.Empty, stream grpc.ServerStreamingServer[providerv1.Status]) error {
	for first := true; ; first = false {
		now, changed := s.provider.status()
		if first && s.provider.faults.has(FaultPartial) {
			whole := now.Cluster
			now.Cluster = nil
			if err := stream.Send(now); err != nil {
				return err
			}
			now.Cluster = whole
		}
		if err := stream.Send(now); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// oversize is the size of a status that clients should refuse, in bytes.
const oversize = 8 << 20

// status returns the provider's status as changed by faults.
func (p *provider) status() (*providerv1.Status, <-chan struct{}) {
	now, changed := p.board.status(p.version)
	if p.faults.has(FaultNoCluster) {
		now.Cluster = nil
	}
	if p.faults.has(FaultOversized) {
		now.Errors = append(now.Errors, strings.Repeat("x", oversize))
	}
	return now, changed
}
