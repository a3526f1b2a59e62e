package fake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
)

// The SDK has a LeaseRPC of the same name and package as AEP-37's, with other
// fields (proto/akash-provider-api.md, section 6.4). Both cannot be in protobuf's global registry, so
// this one is built by hand into a registry of its own.

const (
	sdkPackage = "akash.provider.lease.v1"
	sdkService = "LeaseRPC"
	sdkPath    = "akash/provider/lease/v1/service.proto"
)

// sdkField is a field of a message: its name, its number, and its type, which is
// "string", "bytes", "bool", "uint32", "enum" for the kind of an endpoint, or the full name
// of a message.
type sdkField struct {
	name     string
	number   int32
	kind     string
	repeated bool
}

// sdkMessage is a message: its name and its fields.
type sdkMessage struct {
	name   string
	fields []sdkField
}

// sdkMessages are the messages that the methods below need. LeaseID and the
// statuses are the same in both dialects.
var sdkMessages = []sdkMessage{
	{"SendManifestRequest", []sdkField{
		{"lease_id", 1, ".akash.market.v1.LeaseID", false},
		{"manifest", 2, "." + manifestPackage + ".Group", true},
	}},
	{"SendManifestResponse", nil},
	{"ServiceLogsRequest", []sdkField{
		{"lease_id", 1, ".akash.market.v1.LeaseID", false},
		{"services", 2, "string", true},
	}},
	{"ServiceLogs", []sdkField{{"name", 1, "string", false}, {"logs", 2, "bytes", false}}},
	{"ServiceLogsResponse", []sdkField{{"services", 1, "." + sdkPackage + ".ServiceLogs", true}}},
	{"ServiceStatusRequest", []sdkField{
		{"lease_id", 1, ".akash.market.v1.LeaseID", false},
		{"services", 2, "string", true},
	}},
	{"AttestationQuoteRequest", []sdkField{
		{"lease_id", 1, ".akash.market.v1.LeaseID", false},
		{"nonce", 2, "string", false},
		{"bind_tls", 3, "bool", false},
	}},
	{"AttestationGPUReport", []sdkField{{"device_index", 1, "uint32", false}, {"report", 2, "string", false}}},
	{"AttestationQuoteResponse", []sdkField{
		{"report", 1, "string", false},
		{"cert_chain", 2, "string", false},
		{"tee_platform", 3, "string", false},
		{"auxblob", 4, "string", false},
		{"gpu_reports", 5, "." + sdkPackage + ".AttestationGPUReport", true},
		{"tls_bound", 6, "bool", false},
	}},
}

// sdkShared are the messages that are the same in AEP-37's file.
var sdkShared = []proto.Message{
	&leasev1.ServiceStatusResponse{}, &leasev1.ServiceStatus{}, &leasev1.LeaseServiceStatus{},
	&leasev1.ForwarderPortStatus{}, &leasev1.LeaseIPStatus{},
}

// sdkMethods are the methods of the service.
var sdkMethods = []struct {
	name, request, response string
	stream                  bool
}{
	{"SendManifest", "SendManifestRequest", "SendManifestResponse", false},
	{"ServiceStatus", "ServiceStatusRequest", "ServiceStatusResponse", false},
	{"StreamServiceStatus", "ServiceStatusRequest", "ServiceStatusResponse", true},
	{"ServiceLogs", "ServiceLogsRequest", "ServiceLogsResponse", false},
	{"StreamServiceLogs", "ServiceLogsRequest", "ServiceLogsResponse", true},
	{"AttestationQuote", "AttestationQuoteRequest", "AttestationQuoteResponse", false},
}

// newSDKFile returns the descriptor of the SDK's service.
func newSDKFile() (protoreflect.FileDescriptor, error) {
	file := &descriptorpb.FileDescriptorProto{
		Name:       proto.String(sdkPath),
		Package:    proto.String(sdkPackage),
		Syntax:     proto.String("proto3"),
		Dependency: []string{marketv1.File_akash_market_v1_lease_proto.Path(), manifestPath},
	}
	for _, m := range sdkMessages {
		file.MessageType = append(file.MessageType, m.descriptor())
	}
	for _, m := range sdkShared {
		file.MessageType = append(file.MessageType, protodesc.ToDescriptorProto(m.ProtoReflect().Descriptor()))
	}
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String(sdkService)}
	for _, m := range sdkMethods {
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
			Name:            proto.String(m.name),
			InputType:       proto.String("." + sdkPackage + "." + m.request),
			OutputType:      proto.String("." + sdkPackage + "." + m.response),
			ServerStreaming: proto.Bool(m.stream),
		})
	}
	file.Service = []*descriptorpb.ServiceDescriptorProto{service}
	known := new(protoregistry.Files)
	manifest, err := newManifestFiles(known)
	if err == nil {
		err = errors.Join(known.RegisterFile(marketv1.File_akash_market_v1_lease_proto), known.RegisterFile(manifest))
	}
	if err != nil {
		return nil, err
	}
	return protodesc.NewFile(file, known)
}

func (m sdkMessage) descriptor() *descriptorpb.DescriptorProto {
	message := &descriptorpb.DescriptorProto{Name: proto.String(m.name)}
	for _, f := range m.fields {
		message.Field = append(message.Field, f.descriptor())
	}
	return message
}

func (f sdkField) descriptor() *descriptorpb.FieldDescriptorProto {
	d := &descriptorpb.FieldDescriptorProto{
		Name:   proto.String(f.name),
		Number: proto.Int32(f.number),
		Label:  descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	if f.repeated {
		d.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	}
	switch f.kind {
	case "string":
		d.Type = descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()
	case "bool":
		d.Type = descriptorpb.FieldDescriptorProto_TYPE_BOOL.Enum()
	case "uint32":
		d.Type = descriptorpb.FieldDescriptorProto_TYPE_UINT32.Enum()
	case "enum":
		d.Type = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum()
		d.TypeName = proto.String("." + resourcesPackage + ".Endpoint.Kind")
	case "bytes":
		d.Type = descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum()
	default:
		d.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		d.TypeName = proto.String(f.kind)
	}
	return d
}

// registerSDK serves the SDK's LeaseRPC, and returns its descriptor.
func (p *provider) registerSDK(s *grpc.Server) (protoreflect.FileDescriptor, error) {
	file, err := newSDKFile()
	if err != nil {
		return nil, fmt.Errorf("descriptor of the SDK's LeaseRPC: %w", err)
	}
	service := grpc.ServiceDesc{
		ServiceName: sdkPackage + "." + sdkService,
		HandlerType: (*any)(nil),
		Metadata:    sdkPath,
	}
	for _, m := range sdkMethods {
		request := file.Messages().ByName(protoreflect.Name(m.request))
		if m.stream {
			service.Streams = append(service.Streams, grpc.StreamDesc{
				StreamName:    m.name,
				ServerStreams: true,
				Handler: func(_ any, stream grpc.ServerStream) error {
					r := dynamicpb.NewMessage(request)
					if err := stream.RecvMsg(r); err != nil {
						return err
					}
					return p.streamSDK(m.name, r, stream)
				},
			})
			continue
		}
		service.Methods = append(service.Methods, grpc.MethodDesc{
			MethodName: m.name,
			Handler: func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
				r := dynamicpb.NewMessage(request)
				if err := decode(r); err != nil {
					return nil, err
				}
				info := &grpc.UnaryServerInfo{Server: srv, FullMethod: "/" + service.ServiceName + "/" + m.name}
				return intercept(ctx, r, info, func(ctx context.Context, _ any) (any, error) {
					return p.callSDK(ctx, m.name, r)
				})
			},
		})
	}
	s.RegisterService(&service, p)
	return file, nil
}

// unimplementedSDK is what the releases answer that have this LeaseRPC: they implement
// AttestationQuote only.
func (p *provider) unimplementedSDK(method string) error {
	if p.dialect != DialectSDKFull && method != "AttestationQuote" {
		return status.Errorf(codes.Unimplemented, "method %s not implemented", method)
	}
	return nil
}

// admitSDK refuses a call of the SDK's dialect, and returns the logs of the services
// that it names.
func (p *provider) admitSDK(ctx context.Context, r protoreflect.Message, scope string) ([]*journal, func(Service) bool, error) {
	text, err := proto.Marshal(r.Get(r.Descriptor().Fields().ByNumber(1)).Message().Interface())
	if err != nil {
		return nil, nil, status.Error(codes.Internal, err.Error())
	}
	var id marketv1.LeaseID
	if err := proto.Unmarshal(text, &id); err != nil {
		return nil, nil, status.Error(codes.InvalidArgument, err.Error())
	}
	switch err := p.admitCall(ctx, &id, scope); {
	case status.Code(err) == codes.Unauthenticated && status.Convert(err).Message() == messageUnauthorized:
		// The interceptor lets nobody in as somebody who may do nothing.
		return nil, nil, status.Errorf(codes.PermissionDenied, "unauthorized: %s scope required", scope)
	case err != nil:
		return nil, nil, err
	}
	if scope == scopeAttestation || scope == scopeSendManifest {
		return nil, nil, nil
	}
	names := map[string]bool{}
	list := r.Get(r.Descriptor().Fields().ByNumber(2)).List()
	for i := range list.Len() {
		names[list.Get(i).String()] = true
	}
	match := func(s Service) bool { return len(names) == 0 || names[s.Name] }
	var journals []*journal
	for _, j := range p.logs.all() {
		if match(Service{Name: j.service}) {
			journals = append(journals, j)
		}
	}
	if len(journals) == 0 {
		return nil, nil, status.Error(codes.NotFound, noService)
	}
	return journals, match, nil
}

// sdkLogLimit bounds the log in one answer, in bytes: gRPC's default is 4 MiB.
const sdkLogLimit = 3 << 20

// callSDK serves the unary methods.
func (p *provider) callSDK(ctx context.Context, method string, r protoreflect.ProtoMessage) (any, error) {
	if err := p.unimplementedSDK(method); err != nil {
		return nil, err
	}
	switch method {
	case "SendManifest":
		if _, _, err := p.admitSDK(ctx, r.ProtoReflect(), scopeSendManifest); err != nil {
			return nil, err
		}
		return p.submitSDK(r.ProtoReflect())
	case "AttestationQuote":
		if _, _, err := p.admitSDK(ctx, r.ProtoReflect(), scopeAttestation); err != nil {
			return nil, err
		}
		return p.quoteSDK(r.ProtoReflect())
	case "ServiceStatus":
		_, match, err := p.admitSDK(ctx, r.ProtoReflect(), scopeStatus)
		if err != nil {
			return nil, err
		}
		services, _ := p.work.status(match)
		return &leasev1.ServiceStatusResponse{Services: services}, nil
	default:
		journals, _, err := p.admitSDK(ctx, r.ProtoReflect(), scopeLogs)
		if err != nil {
			return nil, err
		}
		var answer []byte
		for _, j := range journals {
			var at cursor
			answer = appendSDKEntry(answer, j, j.read(&at, nil, sdkLogLimit/len(journals)))
		}
		return frameOf(answer), nil
	}
}

// quoteSDK serves AttestationQuote.
func (p *provider) quoteSDK(r protoreflect.Message) (any, error) {
	var request sdkv1.AttestationQuoteRequest
	wire, err := proto.Marshal(r.Interface())
	if err == nil {
		err = proto.Unmarshal(wire, &request)
	}
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	body, err := json.Marshal(map[string]any{"nonce": request.GetNonce(), "bind_tls": request.GetBindTls()})
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	q, code, text := p.quote(p.work.lease, body)
	if q == nil {
		return nil, quoteStatus(code, text)
	}
	answer := &sdkv1.AttestationQuoteResponse{Report: q.Report, TeePlatform: string(q.Platform), TlsBound: q.TLSBound}
	for _, gpu := range q.GPUReports {
		answer.GpuReports = append(answer.GpuReports, &sdkv1.AttestationGPUReport{DeviceIndex: gpu.DeviceIndex, Report: gpu.Report})
	}
	return answer, nil
}

// streamSDK serves the streams, which follow: the SDK's requests cannot say
// otherwise.
func (p *provider) streamSDK(method string, r protoreflect.ProtoMessage, stream grpc.ServerStream) error {
	if err := p.unimplementedSDK(method); err != nil {
		return err
	}
	ctx := stream.Context()
	if method == "StreamServiceStatus" {
		_, match, err := p.admitSDK(ctx, r.ProtoReflect(), scopeStatus)
		if err != nil {
			return err
		}
		for {
			services, changed := p.work.status(match)
			if err := stream.SendMsg(&leasev1.ServiceStatusResponse{Services: services}); err != nil {
				return err
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	journals, _, err := p.admitSDK(ctx, r.ProtoReflect(), scopeLogs)
	if err != nil {
		return err
	}
	defer p.logs.follow()()
	places := make([]cursor, len(journals))
	for {
		news := p.logs.news()
		var answer []byte
		for i, j := range journals {
			if text := j.read(&places[i], nil, maxChunk); len(text) > 0 {
				answer = appendSDKEntry(answer, j, text)
			}
		}
		if len(answer) > 0 {
			if err := stream.SendMsg(frameOf(answer)); err != nil {
				return err
			}
			continue
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// appendSDKEntry appends a ServiceLogs of the SDK's shape: no replica, and the log in
// field 2.
func appendSDKEntry(dst []byte, j *journal, logs []byte) []byte {
	var entry []byte
	entry = protowire.AppendTag(entry, 1, protowire.BytesType)
	entry = protowire.AppendString(entry, j.service)
	entry = protowire.AppendTag(entry, 2, protowire.BytesType)
	entry = protowire.AppendBytes(entry, logs)
	dst = protowire.AppendTag(dst, 1, protowire.BytesType)
	return protowire.AppendBytes(dst, entry)
}
