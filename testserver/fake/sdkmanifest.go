package fake

import (
	"encoding/json"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// The packages and one path of the SDK's manifest.
const (
	manifestPackage   = "akash.manifest.v2beta3"
	resourcesPackage  = "akash.base.resources.v1beta4"
	attributesPackage = "akash.base.attributes.v1"
	manifestPath      = "akash/manifest/v2beta3/group.proto"
)

// manifestMessages are the messages of the SDK's manifest, which needs more files there.
var manifestMessages = []sdkMessage{
	{"Group", []sdkField{{"name", 1, "string", false}, {"services", 2, "." + manifestPackage + ".Service", true}}},
	{"Service", []sdkField{
		{"name", 1, "string", false},
		{"image", 2, "string", false},
		{"command", 3, "string", true},
		{"args", 4, "string", true},
		{"env", 5, "string", true},
		{"resources", 6, "." + resourcesPackage + ".Resources", false},
		{"count", 7, "uint32", false},
		{"expose", 8, "." + manifestPackage + ".ServiceExpose", true},
		{"params", 9, "." + manifestPackage + ".ServiceParams", false},
		{"credentials", 10, "." + manifestPackage + ".ImageCredentials", false},
	}},
	{"ServiceExpose", []sdkField{
		{"port", 1, "uint32", false},
		{"external_port", 2, "uint32", false},
		{"proto", 3, "string", false},
		{"service", 4, "string", false},
		{"global", 5, "bool", false},
		{"hosts", 6, "string", true},
		{"http_options", 7, "." + manifestPackage + ".ServiceExposeHTTPOptions", false},
		{"ip", 8, "string", false},
		{"endpoint_sequence_number", 9, "uint32", false},
	}},
	{"ServiceExposeHTTPOptions", []sdkField{
		{"max_body_size", 1, "uint32", false},
		{"read_timeout", 2, "uint32", false},
		{"send_timeout", 3, "uint32", false},
		{"next_tries", 4, "uint32", false},
		{"next_timeout", 5, "uint32", false},
		{"next_cases", 6, "string", true},
		{"proxy_buffer_size", 7, "uint32", false},
	}},
	{"ServiceParams", []sdkField{
		{"storage", 1, "." + manifestPackage + ".StorageParams", true},
		{"credentials", 10, "." + manifestPackage + ".ImageCredentials", false},
		{"permissions", 11, "." + manifestPackage + ".ServicePermissions", false},
		{"tee", 12, "." + manifestPackage + ".TEEParams", false},
	}},
	{"StorageParams", []sdkField{{"name", 1, "string", false}, {"mount", 2, "string", false}, {"read_only", 3, "bool", false}}},
	{"ServicePermissions", []sdkField{{"read", 1, "string", true}}},
	{"TEEParams", []sdkField{{"type", 1, "string", false}, {"attestation", 2, "bool", false}}},
	{"ImageCredentials", []sdkField{
		{"host", 1, "string", false}, {"email", 2, "string", false}, {"username", 3, "string", false}, {"password", 4, "string", false},
	}},
}

var resourceMessages = []sdkMessage{
	{"Resources", []sdkField{
		{"id", 1, "uint32", false},
		{"cpu", 2, "." + resourcesPackage + ".CPU", false},
		{"memory", 3, "." + resourcesPackage + ".Memory", false},
		{"storage", 4, "." + resourcesPackage + ".Storage", true},
		{"gpu", 5, "." + resourcesPackage + ".GPU", false},
		{"endpoints", 6, "." + resourcesPackage + ".Endpoint", true},
	}},
	{"CPU", []sdkField{{"units", 1, "." + resourcesPackage + ".ResourceValue", false}, {"attributes", 2, "." + attributesPackage + ".Attribute", true}}},
	{"GPU", []sdkField{{"units", 1, "." + resourcesPackage + ".ResourceValue", false}, {"attributes", 2, "." + attributesPackage + ".Attribute", true}}},
	{"Memory", []sdkField{{"quantity", 1, "." + resourcesPackage + ".ResourceValue", false}, {"attributes", 2, "." + attributesPackage + ".Attribute", true}}},
	{"Storage", []sdkField{
		{"name", 1, "string", false},
		{"quantity", 2, "." + resourcesPackage + ".ResourceValue", false},
		{"attributes", 3, "." + attributesPackage + ".Attribute", true},
	}},
	{"ResourceValue", []sdkField{{"val", 1, "bytes", false}}},
	{"Endpoint", []sdkField{{"kind", 1, "enum", false}, {"sequence_number", 2, "uint32", false}}},
}

var attributeMessages = []sdkMessage{{"Attribute", []sdkField{{"key", 1, "string", false}, {"value", 2, "string", false}}}}

// newManifestFiles returns the file of the SDK's manifest. It registers the files that it
// imports in known.
func newManifestFiles(known *protoregistry.Files) (protoreflect.FileDescriptor, error) {
	var file protoreflect.FileDescriptor
	var imported []string
	for _, f := range []struct {
		path, name string
		messages   []sdkMessage
	}{
		{"akash/base/attributes/v1/attribute.proto", attributesPackage, attributeMessages},
		{"akash/base/resources/v1beta4/resources.proto", resourcesPackage, resourceMessages},
		{manifestPath, manifestPackage, manifestMessages},
	} {
		d := &descriptorpb.FileDescriptorProto{Name: proto.String(f.path), Package: proto.String(f.name), Syntax: proto.String("proto3"), Dependency: imported}
		for _, m := range f.messages {
			message := m.descriptor()
			if m.name == "Endpoint" {
				kind := &descriptorpb.EnumDescriptorProto{Name: proto.String("Kind")}
				for i, name := range []string{"SHARED_HTTP", "RANDOM_PORT", "LEASED_IP"} {
					kind.Value = append(kind.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(name), Number: proto.Int32(int32(i))})
				}
				message.EnumType = append(message.EnumType, kind)
			}
			d.MessageType = append(d.MessageType, message)
		}
		if file != nil {
			if err := known.RegisterFile(file); err != nil {
				return nil, err
			}
		}
		var err error
		if file, err = protodesc.NewFile(d, known); err != nil {
			return nil, err
		}
		imported = append(imported, f.path)
	}
	return file, nil
}

// submitSDK serves SendManifest. No release implements it. This one computes the version
// from the JSON that the SDK makes of the messages (its manifestToSortedJSON).
func (p *provider) submitSDK(r protoreflect.Message) (any, error) {
	text, err := json.Marshal(manifestList(r.Get(r.Descriptor().Fields().ByName("manifest")).List()))
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if refused := p.order.submit(text); refused != nil {
		code := codes.InvalidArgument
		if refused.status == http.StatusNotFound {
			code = codes.NotFound
		}
		return nil, status.Error(code, refused.message)
	}
	return &emptypb.Empty{}, nil
}

// How fields of the SDK's manifest are named in JSON, and which are there if they are not
// set: "null", "[]" for lists, or "" to leave them out. Others have their zero value.
var (
	manifestNames = map[protoreflect.Name]string{
		"external_port": "externalPort", "http_options": "httpOptions", "endpoint_sequence_number": "endpointSequenceNumber",
		"max_body_size": "maxBodySize", "read_timeout": "readTimeout", "send_timeout": "sendTimeout", "next_tries": "nextTries",
		"next_timeout": "nextTimeout", "next_cases": "nextCases", "proxy_buffer_size": "proxyBufferSize", "read_only": "readOnly",
		"quantity": "size",
	}
	manifestUnset = map[protoreflect.FullName]string{
		manifestPackage + ".Service.command":                            "null",
		manifestPackage + ".Service.args":                               "null",
		manifestPackage + ".Service.env":                                "null",
		manifestPackage + ".Service.credentials":                        "null",
		manifestPackage + ".Service.params":                             "",
		manifestPackage + ".Service.expose":                             "[]",
		manifestPackage + ".Group.services":                             "[]",
		manifestPackage + ".ServiceExpose.hosts":                        "null",
		manifestPackage + ".ServiceExposeHTTPOptions.next_cases":        "",
		manifestPackage + ".ServiceExposeHTTPOptions.proxy_buffer_size": "",
		manifestPackage + ".ServiceParams.storage":                      "null",
		manifestPackage + ".ServiceParams.credentials":                  "",
		manifestPackage + ".ServiceParams.permissions":                  "",
		manifestPackage + ".ServiceParams.tee":                          "",
		manifestPackage + ".ServicePermissions.read":                    "",
		resourcesPackage + ".Resources.cpu":                             "",
		resourcesPackage + ".Resources.memory":                          "",
		resourcesPackage + ".Resources.gpu":                             "",
		resourcesPackage + ".Resources.storage":                         "",
		resourcesPackage + ".Resources.endpoints":                       "[]",
		resourcesPackage + ".CPU.attributes":                            "",
		resourcesPackage + ".GPU.attributes":                            "",
		resourcesPackage + ".Memory.attributes":                         "",
		resourcesPackage + ".Storage.attributes":                        "",
		resourcesPackage + ".Endpoint.kind":                             "",
	}
)

// manifestList returns the elements of a list for JSON.
func manifestList(list protoreflect.List) []any {
	out := []any{}
	for i := range list.Len() {
		if m, ok := list.Get(i).Interface().(protoreflect.Message); ok {
			out = append(out, manifestObject(m))
		} else {
			out = append(out, list.Get(i).Interface())
		}
	}
	return out
}

// manifestObject returns a message for JSON.
func manifestObject(m protoreflect.Message) map[string]any {
	out := map[string]any{}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		name := string(field.Name())
		if other, ok := manifestNames[field.Name()]; ok {
			name = other
		}
		set := m.Has(field)
		unset, listed := manifestUnset[field.FullName()]
		switch v := m.Get(field); {
		case !set && unset == "null":
			out[name] = nil
		case !set && unset == "[]":
			out[name] = []any{}
		case !set && listed:
		case field.IsList():
			out[name] = manifestList(v.List())
		case field.Kind() == protoreflect.MessageKind:
			out[name] = manifestObject(v.Message())
		case field.Kind() == protoreflect.BytesKind: // a number in digits
			out[name] = string(v.Bytes())
			if len(v.Bytes()) == 0 {
				out[name] = "0"
			}
		default:
			out[name] = v.Interface()
		}
	}
	return out
}
