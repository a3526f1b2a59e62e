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

// registerReflection serves grpc.reflection.v1 and nothing older. lease is the file of the
// LeaseRPC that the provider serves, or nil.
func registerReflection(s *grpc.Server, lease protoreflect.FileDescriptor) {
	reflectionv1.RegisterServerReflectionServer(s, reflection.NewServerV1(reflection.ServerOptions{
		Services:           s,
		DescriptorResolver: resolver{lease},
	}))
}

// resolver finds the linked descriptors, except that LeaseRPC's package is the one that the
// provider serves: AEP-37's file is linked for every dialect.
type resolver struct{ lease protoreflect.FileDescriptor }

// leaseFile is the path of AEP-37's file. The SDK's has the same path and package.
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
	// Methods and fields belong to the same file.
	if parent := name.Parent(); parent != leaseFile.Package() {
		return r.FindDescriptorByName(parent)
	}
	return nil, protoregistry.NotFound
}
