// Package chainsdk answers the LeaseRPC of the chain's SDK, whose clients expect other
// methods and messages under the name that AEP-37's LeaseRPC has
// (proto/akash-provider-api.md, section 6.4). It turns their calls into calls of the
// services that the bridge relays.
package chainsdk

import (
	"net/http"
	"net/url"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// service is the name of the service, the SDK's as well as AEP-37's.
var service = leasev1.LeaseRPC_ServiceDesc.ServiceName

// A method says how a method of the SDK's is answered.
type method struct {
	ours string // the path of the method that answers it
	// Types of the SDK's messages.
	input, output proto.Message
	// streaming says that the SDK expects any number of answers. Where it does not and
	// ours is a stream, it gets one answer with everything.
	streaming bool
	// request converts the request. It also returns the names of services to which the
	// answer is limited, because ours cannot be asked for several; nil for all.
	request func(b []byte) (proto.Message, []string, error)
	// response converts an answer. nil says that there is nothing in it.
	response func(b []byte, only []string) (proto.Message, error)
}

var methods = map[string]method{
	"/" + service + "/ServiceStatus":       serviceStatus(false),
	"/" + service + "/StreamServiceStatus": serviceStatus(true),
	"/" + service + "/ServiceLogs":         serviceLogs(false),
	"/" + service + "/StreamServiceLogs":   serviceLogs(true),
	"/" + service + "/SendManifest":        sendManifest,
	"/" + service + "/AttestationQuote": {
		ours:   webv1.LeaseREST_AttestationQuote_FullMethodName,
		input:  &sdkv1.AttestationQuoteRequest{},
		output: &sdkv1.AttestationQuoteResponse{},
		request: func(b []byte) (proto.Message, []string, error) { // the messages have the same fields
			return convert(b, &webv1.AttestationQuoteRequest{}), nil, nil
		},
		response: func(b []byte, _ []string) (proto.Message, error) {
			m := &sdkv1.AttestationQuoteResponse{}
			return m, proto.Unmarshal(b, m)
		},
	},
}

// Describe returns the types of the messages of the SDK's method at path, and whether
// its answer is a stream.
func Describe(path string) (input, output protoreflect.MessageType, streaming, ok bool) {
	m, ok := methods[path]
	if !ok {
		return nil, nil, false, false
	}
	return m.input.ProtoReflect().Type(), m.output.ProtoReflect().Type(), m.streaming, true
}

func serviceStatus(stream bool) method {
	return method{
		ours:      leasev1.LeaseRPC_ServiceStatus_FullMethodName,
		input:     &sdkv1.ServiceStatusRequest{},
		output:    &leasev1.ServiceStatusResponse{},
		streaming: stream,
		request: func(b []byte) (proto.Message, []string, error) {
			var theirs sdkv1.ServiceStatusRequest
			if err := proto.Unmarshal(b, &theirs); err != nil {
				return nil, nil, err
			}
			filter, only := limit(theirs.GetServices())
			return &leasev1.ServiceStatusRequest{LeaseId: theirs.GetLeaseId(), Filter: filter, Follow: stream}, only, nil
		},
		response: func(b []byte, only []string) (proto.Message, error) {
			m := &leasev1.ServiceStatusResponse{}
			if err := proto.Unmarshal(b, m); err != nil {
				return nil, err
			}
			m.Services = slices.DeleteFunc(m.Services, func(s *leasev1.ServiceStatus) bool { return leftOut(s.GetName(), only) })
			if len(m.Services) == 0 {
				return nil, nil
			}
			return m, nil
		},
	}
}

func serviceLogs(stream bool) method {
	return method{
		ours:      leasev1.LeaseRPC_ServiceLogs_FullMethodName,
		input:     &sdkv1.ServiceLogsRequest{},
		output:    &sdkv1.ServiceLogsResponse{},
		streaming: stream,
		request: func(b []byte) (proto.Message, []string, error) {
			var theirs sdkv1.ServiceLogsRequest
			if err := proto.Unmarshal(b, &theirs); err != nil {
				return nil, nil, err
			}
			filter, only := limit(theirs.GetServices())
			return &leasev1.ServiceLogsRequest{LeaseId: theirs.GetLeaseId(), Filter: filter, Follow: stream}, only, nil
		},
		response: func(b []byte, only []string) (proto.Message, error) {
			var ours leasev1.ServiceLogsResponse
			if err := proto.Unmarshal(b, &ours); err != nil {
				return nil, err
			}
			theirs := &sdkv1.ServiceLogsResponse{}
			for _, s := range ours.GetServices() {
				// A piece without text says only that a replica's log begins.
				if len(s.GetLogs()) > 0 && !leftOut(s.GetName(), only) {
					theirs.Services = append(theirs.Services, &sdkv1.ServiceLogs{Name: s.GetName(), Logs: s.GetLogs()})
				}
			}
			if len(theirs.Services) == 0 {
				return nil, nil
			}
			return theirs, nil
		},
	}
}

// limit returns AEP-37's filter for names, or, where it cannot name them, the names.
func limit(names []string) (*leasev1.ServiceFilter, []string) {
	switch len(names) {
	case 0:
		return nil, nil
	case 1:
		return &leasev1.ServiceFilter{Name: names[0]}, nil
	}
	return nil, names
}

func leftOut(name string, only []string) bool { return only != nil && !slices.Contains(only, name) }

// convert decodes b, whose fields are those of m. What is malformed is left to the
// server to refuse.
func convert(b []byte, m proto.Message) proto.Message {
	_ = proto.Unmarshal(b, m)
	return m
}

// Serve answers a call of an SDK client with next. Calls of other services go to next
// as they are.
func Serve(next relay.Server, w relay.Response, r *http.Request, maxMessage int) {
	m, ok := methods[r.URL.Path]
	if !ok {
		if isLease(r.URL.Path) {
			relay.Refuse(w, rpcerror.New(codes.Unimplemented, "", "this bridge does not relay the SDK's method %.200q", r.URL.Path))
			return
		}
		next.ServeRPC(w, r)
		return
	}
	// Messages are converted, so they must not be compressed.
	delete(r.Header, "Grpc-Accept-Encoding")
	a := &answer{Response: w, method: m, max: maxMessage}
	r = r.WithContext(r.Context())
	r.URL = &url.URL{Path: m.ours}
	r.Body = &request{ReadCloser: r.Body, answer: a}
	r.ContentLength = -1
	next.ServeRPC(a, r)
}

func isLease(path string) bool {
	return len(path) > len(service)+1 && path[1:len(service)+1] == service
}
