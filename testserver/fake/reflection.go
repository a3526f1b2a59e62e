package fake

import (
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// registerReflection serves grpc.reflection.v1 and nothing older. lease is the file
// of LeaseRPC as the provider serves it; nil where it serves none.
func registerReflection(s *grpc.Server, lease protoreflect.FileDescriptor) {
	reflectionv1.RegisterServerReflectionServer(s, reflection.NewServerV1(reflection.ServerOptions{
		Services:           s,
		DescriptorResolver: resolver{lease},
	}))
}

// resolver finds descriptors among those linked in, save that the package of
// LeaseRPC holds what the provider serves: AEP-37's file is linked in whatever the
// dialect.
type resolver struct{ lease protoreflect.FileDescriptor }

// leaseFile is AEP-37's file; the SDK has one of the same path and package.
var leaseFile = leasev1.File_akash_provider_lease_v1_service_proto

// FindFileByPath implements protodesc.Resolver.
func (r resolver) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	switch {
	case path != leaseFile.Path():
		return protoregistry.GlobalFiles.FindFileByPath(path)
	case r.lease != nil:
		return r.lease, nil
	}
	return nil, protoregistry.NotFound
}

// FindDescriptorByName implements protodesc.Resolver.
func (r resolver) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if !strings.HasPrefix(string(name), string(leaseFile.Package())+".") {
		return protoregistry.GlobalFiles.FindDescriptorByName(name)
	}
	if r.lease == nil {
		return nil, protoregistry.NotFound
	}
	if d := r.lease.Services().ByName(name.Name()); d != nil {
		return d, nil
	}
	if d := r.lease.Messages().ByName(name.Name()); d != nil {
		return d, nil
	}
	// A method or a field leads to its file all the same.
	if parent := name.Parent(); parent != leaseFile.Package() {
		return r.FindDescriptorByName(parent)
	}
	return nil, protoregistry.NotFound
}
