package gateway

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// Method is a gRPC method that the bridge relays.
type Method struct {
	// Path is the path that a call is posted to, /package.Service/Method. It also
	// names the method in metrics and logs.
	Path string
	// Service and Name are the parts of Path.
	Service, Name string
	// Streaming says that the answer may have any number of messages.
	Streaming bool
	// Duplex says that the request may be any number of messages, too.
	Duplex bool
	// Input and Output are the types of its messages.
	Input, Output protoreflect.MessageType
}

// Public reports whether providers answer the method without authentication. The
// bridge sends no credentials with it.
func (m Method) Public() bool {
	return m.Service == providerv1.ProviderRPC_ServiceDesc.ServiceName || m.Service == inventoryv1.InventoryService_ServiceDesc.ServiceName
}

// grpcOnly reports whether no REST gateway can do what the method does.
func (m Method) grpcOnly() bool {
	return m.Path == leasev1.LeaseRPC_ServiceRestart_FullMethodName || m.Service == inventoryv1.InventoryService_ServiceDesc.ServiceName
}

// ahead reports whether a call may be sent to a provider twice, and before everything is
// known about it.
func (m Method) ahead() bool { return m.Path == providerv1.ProviderRPC_GetStatus_FullMethodName }

// sharesStream reports whether every caller of the method receives the same messages,
// so that one stream from the provider can serve them all.
func (m Method) sharesStream() bool {
	return m.Path == providerv1.ProviderRPC_StreamStatus_FullMethodName
}

// Lookup returns the method at a path.
func Lookup(path string) (m Method, ok bool) {
	m, ok = methods[path]
	return m, ok
}

// Methods returns the methods that the bridge relays, sorted by path.
func Methods() []Method {
	return slices.SortedFunc(maps.Values(methods), func(a, b Method) int { return strings.Compare(a.Path, b.Path) })
}

// methods are the methods of the services that the bridge serves, by path.
var methods = methodsOf(
	providerv1.File_akash_provider_v1_service_proto,
	leasev1.File_akash_provider_lease_v1_service_proto,
	inventoryv1.File_akash_inventory_v1_snapshot_proto,
	webv1.File_akash_provider_web_v1_service_proto,
	webv1.File_akash_provider_web_v1_shell_proto,
)

func methodsOf(files ...protoreflect.FileDescriptor) map[string]Method {
	index := make(map[string]Method)
	for _, file := range files {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				d := service.Methods().Get(j)
				m := Method{Service: string(service.FullName()), Name: string(d.Name()), Streaming: d.IsStreamingServer(), Duplex: d.IsStreamingClient()}
				m.Input, m.Output = messageType(d.Input()), messageType(d.Output())
				m.Path = "/" + m.Service + "/" + m.Name
				index[m.Path] = m
			}
		}
	}
	return index
}

// messageType returns the generated type of a message.
func messageType(d protoreflect.MessageDescriptor) protoreflect.MessageType {
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		panic(err) // the services' packages register their messages
	}
	return t
}
