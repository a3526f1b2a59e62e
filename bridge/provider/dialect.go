package provider

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// Services that need a certain protocol.
var (
	leaseService      = leasev1.LeaseRPC_ServiceDesc.ServiceName
	leaseRESTService  = webv1.LeaseREST_ServiceDesc.ServiceName
	leaseShellService = webv1.LeaseShell_ServiceDesc.ServiceName
	inventoryService  = inventoryv1.InventoryService_ServiceDesc.ServiceName
)

const (
	// dialectTimeout bounds the request that finds out which LeaseRPC a provider has.
	dialectTimeout = 5 * time.Second
	// maxDescriptors bounds the answer. The file itself has 5 KB.
	maxDescriptors = 1 << 20
)

// leaseMessages and leaseMethods are the messages and methods of AEP-37's LeaseRPC.
var leaseMessages, leaseMethods = index(withoutExtensions(protodesc.ToFileDescriptorProto(leasev1.File_akash_provider_lease_v1_service_proto)))

// firstOwnField is the number of the first field that is the bridge's extension of
// AEP-37. Providers need not have these fields.
const firstOwnField = 1000

// withoutExtensions removes the bridge's extensions of AEP-37 from a file: fields from
// firstOwnField on, and their messages.
func withoutExtensions(file *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	var own []string
	for _, message := range file.MessageType {
		message.Field = slices.DeleteFunc(message.Field, func(f *descriptorpb.FieldDescriptorProto) bool {
			if f.GetNumber() < firstOwnField {
				return false
			}
			own = append(own, f.GetTypeName())
			return true
		})
	}
	file.MessageType = slices.DeleteFunc(file.MessageType, func(m *descriptorpb.DescriptorProto) bool {
		return slices.Contains(own, "."+file.GetPackage()+"."+m.GetName())
	})
	return file
}

// leaseRPC is what a provider's LeaseRPC is. AEP-37's and the SDK's have the same name
// and other fields, which decode without an error and mean something else
// (proto/akash-provider-api.md, section 6.4), so only the provider's own descriptor
// counts. The zero value is neither.
type leaseRPC struct {
	aep37 bool
	sdk   map[string]bool // the SDK's methods that it has
}

// leaseRPC asks which LeaseRPC the provider has. It is remembered for the connection.
func (c *grpcConn) leaseRPC(ctx context.Context) leaseRPC {
	c.mu.Lock()
	known := c.leases
	c.mu.Unlock()
	if known != nil {
		return *known
	}
	served, err := share(ctx, c.route, "dialect/"+c.addr, func(ctx context.Context) (leaseRPC, error) {
		ctx, cancel := context.WithTimeout(ctx, dialectTimeout)
		defer cancel()
		files, err := c.reflect(ctx, leaseService)
		if err != nil {
			return leaseRPC{}, err
		}
		return leaseRPC{aep37: speaksAEP37(files), sdk: sdkMethods(files)}, nil
	})
	var absent *reflectionError
	if err != nil && !errors.As(err, &absent) {
		c.route.pool.log.Debug("provider could not be asked for its LeaseRPC", "provider", c.route.key.address, "error", err)
		return leaseRPC{} // not cached, so the next call tries again
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leases = &served
	return served
}

// answersSDK reports whether the provider has a method of the SDK's LeaseRPC, as far as
// is known.
func (c *grpcConn) answersSDK(ctx context.Context, method string) bool {
	if !c.leaseRPC(ctx).sdk[method] {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.missing[method]
}

// notImplemented remembers that the provider does not implement a method of the SDK's
// LeaseRPC that it lists.
func (c *grpcConn) notImplemented(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.missing == nil {
		c.missing = make(map[string]bool)
	}
	c.missing[method] = true
}

// reflectionError is the error of a server that does not serve or know a symbol, or
// does not support reflection.
type reflectionError struct{ text string }

func (e *reflectionError) Error() string { return "reflection: " + e.text }

// reflect returns the files that define a service, according to the server's
// reflection, if the server serves it. It requests both, because a server may know the
// definition of a service that it does not serve.
func (c *grpcConn) reflect(ctx context.Context, service string) ([]*descriptorpb.FileDescriptorProto, error) {
	answers, err := c.askReflection(ctx,
		&reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
		},
		&reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service},
		})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(answers[0].GetListServicesResponse().GetService(), func(s *reflectionv1.ServiceResponse) bool {
		return s.GetName() == service
	}) {
		return nil, &reflectionError{"not served"}
	}
	if refused := answers[1].GetErrorResponse(); refused != nil {
		return nil, &reflectionError{clip(refused.ErrorMessage, 100)}
	}
	var files []*descriptorpb.FileDescriptorProto
	for _, b := range answers[1].GetFileDescriptorResponse().GetFileDescriptorProto() {
		var file descriptorpb.FileDescriptorProto
		if err := proto.Unmarshal(b, &file); err != nil {
			return nil, &reflectionError{"a descriptor that cannot be decoded"}
		}
		files = append(files, &file)
	}
	return files, nil
}

// askReflection sends requests to the server's reflection service
// (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md) and returns the same number of answers.
func (c *grpcConn) askReflection(ctx context.Context, questions ...*reflectionv1.ServerReflectionRequest) ([]*reflectionv1.ServerReflectionResponse, error) {
	var asked []byte
	for _, q := range questions {
		message, err := proto.Marshal(q)
		if err != nil {
			return nil, err
		}
		asked = append(asked, 0) // not compressed
		asked = binary.BigEndian.AppendUint32(asked, uint32(len(message)))
		asked = append(asked, message...)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"https://"+c.addr+reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName, bytes.NewReader(asked))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDescriptors))
	if err != nil {
		return nil, err
	}
	var answers []*reflectionv1.ServerReflectionResponse
	for len(answers) < len(questions) {
		message, rest, ok := cutMessage(body)
		if !ok {
			status := res.Trailer.Get("Grpc-Status") + res.Header.Get("Grpc-Status")
			return nil, &reflectionError{fmt.Sprintf("HTTP status %d, gRPC status %q", res.StatusCode, clip(status, 10))}
		}
		body = rest
		answer := new(reflectionv1.ServerReflectionResponse)
		if err := proto.Unmarshal(message, answer); err != nil {
			return nil, &reflectionError{"an answer that cannot be decoded"}
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// cutMessage splits the first message, which must not be compressed, off the body of a
// gRPC answer.
func cutMessage(body []byte) (message, rest []byte, ok bool) {
	const prefix = 5
	if len(body) < prefix || body[0] != 0 {
		return nil, nil, false
	}
	length := uint64(binary.BigEndian.Uint32(body[1:]))
	if length > uint64(len(body)-prefix) {
		return nil, nil, false
	}
	return body[prefix:][:length], body[prefix:][length:], true
}

// speaksAEP37 reports whether files define all of AEP-37's LeaseRPC, with the same
// fields and numbers. Additional methods and fields are allowed.
func speaksAEP37(files []*descriptorpb.FileDescriptorProto) bool {
	messages, methods := index(files...)
	for name, ours := range leaseMethods {
		theirs := methods[name]
		if theirs == nil || theirs.GetInputType() != ours.GetInputType() || theirs.GetOutputType() != ours.GetOutputType() ||
			theirs.GetServerStreaming() != ours.GetServerStreaming() || theirs.GetClientStreaming() != ours.GetClientStreaming() {
			return false
		}
	}
	for name, ours := range leaseMessages {
		theirs := make(map[int32]*descriptorpb.FieldDescriptorProto)
		for _, field := range messages[name].GetField() {
			theirs[field.GetNumber()] = field
		}
		for _, field := range ours.GetField() {
			same := theirs[field.GetNumber()]
			if same == nil || same.GetType() != field.GetType() || same.GetTypeName() != field.GetTypeName() ||
				same.GetLabel() != field.GetLabel() {
				return false
			}
		}
	}
	return true
}

// sdkMethods returns the methods of the SDK's LeaseRPC that files define, with the same
// fields under the same numbers.
func sdkMethods(files []*descriptorpb.FileDescriptorProto) map[string]bool {
	messages, methods := index(files...)
	served := make(map[string]bool)
	ours := sdkv1.File_akash_provider_sdk_v1_lease_proto.Services().Get(0).Methods()
	for i := range ours.Len() {
		our, their := ours.Get(i), methods[string(ours.Get(i).Name())]
		if their != nil && their.GetServerStreaming() == our.IsStreamingServer() && !their.GetClientStreaming() &&
			hasFields(messages, their.GetInputType(), our.Input()) && hasFields(messages, their.GetOutputType(), our.Output()) {
			served[string(our.Name())] = true
		}
	}
	return served
}

// hasFields reports whether the message of that name has all fields of ours.
func hasFields(messages map[string]*descriptorpb.DescriptorProto, name string, ours protoreflect.MessageDescriptor) bool {
	theirs := make(map[int32]*descriptorpb.FieldDescriptorProto)
	for _, field := range messages[name].GetField() {
		theirs[field.GetNumber()] = field
	}
	for i := range ours.Fields().Len() {
		our := protodesc.ToFieldDescriptorProto(ours.Fields().Get(i))
		their := theirs[our.GetNumber()]
		switch {
		case their == nil, their.GetType() != our.GetType(), their.GetLabel() != our.GetLabel():
			return false
		case our.GetType() == descriptorpb.FieldDescriptorProto_TYPE_MESSAGE && their.GetTypeName() != our.GetTypeName() &&
			!hasFields(messages, their.GetTypeName(), ours.Fields().Get(i).Message()):
			return false
		}
	}
	return messages[name] != nil
}

// index returns the messages of files and the methods of LeaseRPC, by name.
func index(files ...*descriptorpb.FileDescriptorProto) (map[string]*descriptorpb.DescriptorProto, map[string]*descriptorpb.MethodDescriptorProto) {
	messages := make(map[string]*descriptorpb.DescriptorProto)
	methods := make(map[string]*descriptorpb.MethodDescriptorProto)
	for _, file := range files {
		prefix := "." + file.GetPackage() + "."
		for _, message := range file.GetMessageType() {
			messages[prefix+message.GetName()] = message
		}
		for _, service := range file.GetService() {
			if prefix+service.GetName() != "."+leaseService {
				continue
			}
			for _, method := range service.GetMethod() {
				methods[method.GetName()] = method
			}
		}
	}
	return messages, methods
}
