package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// leaseStatus is a gateway's status of a lease (proto/akash-provider-api.md, section 2.4).
// The keys' case is the gateway's: ports in camel case, addresses capitalised, the rest in
// snake case.
type leaseStatus struct {
	Errors         []json.RawMessage       `json:"errors"`
	Services       map[string]leaseService `json:"services"`
	ForwardedPorts map[string][]leasePort  `json:"forwarded_ports"`
	IPs            map[string][]leasedIP   `json:"ips"`
}

type leaseService struct {
	Available          int32    `json:"available"`
	Total              int32    `json:"total"`
	URIs               []string `json:"uris"`
	ObservedGeneration int64    `json:"observed_generation"`
	Replicas           int32    `json:"replicas"`
	UpdatedReplicas    int32    `json:"updated_replicas"`
	ReadyReplicas      int32    `json:"ready_replicas"`
	AvailableReplicas  int32    `json:"available_replicas"`
}

type leasePort struct {
	Host         string `json:"host"`
	Port         uint16 `json:"port"`
	ExternalPort uint16 `json:"externalPort"`
	Proto        string `json:"proto"`
	Name         string `json:"name"`
}

type leasedIP struct {
	Port         uint32 `json:"Port"`
	ExternalPort uint32 `json:"ExternalPort"`
	Protocol     string `json:"Protocol"`
	IP           string `json:"IP"`
}

// leaseStatus gets the current status of a lease. It uses the lease's route even for a
// single service: the service's own route, /service/{name}/status, lists the URIs of all
// services if the service has an ingress, and requires no scope. A lease that the provider
// does not have is a NOT_FOUND with ReasonUnknownLease.
func (x *exchange) leaseStatus(ctx context.Context, id *marketv1.LeaseID) (*leaseStatus, error) {
	var s leaseStatus
	err := x.getJSON(ctx, leaseRoute(id, "status", scopeStatus), "its status of the lease", statusLimits, func(body []byte) error {
		// Skip a value of the wrong type.
		var mismatch *json.UnmarshalTypeError
		if err := json.Unmarshal(body, &s); err != nil && (!errors.As(err, &mismatch) || mismatch.Field == "") {
			return rpcerror.New(codes.Internal, rpcerror.ReasonProviderProtocol, "its status of the lease is not a JSON object")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(s.Services) == 0 && len(s.Errors) > 0 {
		return nil, rpcerror.New(codes.Unavailable, rpcerror.ReasonClusterUnavailable, "it cannot tell the lease's status%s", said(x.providerText(s.Errors[0])))
	}
	return &s, nil
}

// watchLease subscribes to the shared status of a lease.
func (x *exchange) watchLease(id *marketv1.LeaseID) (t *topic[*leaseStatus], leave func()) {
	return x.leases.watch(x.topic(leaseRoute(id, "status", scopeStatus).path, scopeStatus))
}

// asksLease returns the function that gets the status of a lease.
func (x *exchange) asksLease(id *marketv1.LeaseID) func(context.Context) (*leaseStatus, error) {
	return func(ctx context.Context) (*leaseStatus, error) { return x.leaseStatus(ctx, id) }
}

// names returns the names of the lease's services, sorted.
func (s *leaseStatus) names() []string { return slices.Sorted(maps.Keys(s.Services)) }

// selected returns the names of the services that a filter's name selects: that one or, for
// "", all.
func (s *leaseStatus) selected(name string) []string {
	if name == "" {
		return s.names()
	}
	if _, ok := s.Services[name]; ok {
		return []string{name}
	}
	return nil
}

// grew reports whether the service has, or may have, new pods.
func (s leaseService) grew(before leaseService) bool {
	return s.ObservedGeneration != before.ObservedGeneration || s.UpdatedReplicas != before.UpdatedReplicas ||
		s.Available > before.Available || s.Total > before.Total || s.Replicas > before.Replicas ||
		s.ReadyReplicas > before.ReadyReplicas || s.AvailableReplicas > before.AvailableReplicas
}

// running returns the number of pods of each selected service. A pod that is not ready has
// a log, too.
func (s *leaseStatus) running(name string) map[string]int {
	running := make(map[string]int)
	for _, name := range s.selected(name) {
		service := s.Services[name]
		running[name] = int(max(service.Total, service.Available, 1))
	}
	return running
}

// starting returns the selected services with pods that are not ready: they may still be
// pulling an image or waiting for a node.
func (s *leaseStatus) starting(name string) []string {
	var starting []string
	for _, name := range s.selected(name) {
		if service := s.Services[name]; service.ready() < service.Total {
			starting = append(starting, name)
		}
	}
	return starting
}

// ready returns the number of ready pods. For a StatefulSet, available counts the pods of
// the current revision, ready or not.
func (s leaseService) ready() int32 { return min(s.Available, s.ReadyReplicas) }

// podStarting returns the error of a log that cannot be read because pods of the given
// services are still starting.
func (s *leaseStatus) podStarting(names []string) error {
	list := make([]string, 0, maxNamed)
	for _, name := range names[:min(len(names), maxNamed)] {
		service := s.Services[name]
		list = append(list, fmt.Sprintf("%s (%d of %d pods ready)", name, service.ready(), service.Total))
	}
	if len(names) > maxNamed {
		list = append(list, "…")
	}
	return rpcerror.New(codes.Unavailable, rpcerror.ReasonPodStarting,
		"the log cannot be read while pods are starting: %s; follow the log to wait for them, or try again, and see the lease's events for what they wait for", words([]byte(strings.Join(list, ", "))))
}

// maxNamed is the maximum number of services named in a message.
const maxNamed = 20

// unknownService returns the error of a filter whose service is not in the lease.
func (s *leaseStatus) unknownService(name string) error {
	names := s.names()
	list := strings.Join(names[:min(len(names), maxNamed)], ", ")
	if len(names) > maxNamed {
		list += ", …"
	}
	if list == "" {
		return rpcerror.New(codes.NotFound, rpcerror.ReasonUnknownService, "the lease has no service %q, nor any other", words([]byte(name)))
	}
	return rpcerror.New(codes.NotFound, rpcerror.ReasonUnknownService, "the lease has no service %q; it has %s", words([]byte(name)), words([]byte(list)))
}

// response returns the status of services as AEP-37's message.
func (s *leaseStatus) response(names []string) *leasev1.ServiceStatusResponse {
	response := &leasev1.ServiceStatusResponse{}
	for _, name := range names {
		service := s.Services[name]
		status := &leasev1.ServiceStatus{
			Name: name,
			Status: &leasev1.LeaseServiceStatus{
				Available:          service.Available,
				Total:              service.Total,
				Uris:               service.URIs,
				ObservedGeneration: service.ObservedGeneration,
				Replicas:           service.Replicas,
				UpdatedReplicas:    service.UpdatedReplicas,
				ReadyReplicas:      service.ReadyReplicas,
				AvailableReplicas:  service.AvailableReplicas,
			},
		}
		for _, p := range s.ForwardedPorts[name] {
			status.Ports = append(status.Ports, &leasev1.ForwarderPortStatus{
				Host: p.Host, Port: uint32(p.Port), ExternalPort: uint32(p.ExternalPort), Proto: p.Proto, Name: p.Name,
			})
		}
		for _, ip := range s.IPs[name] {
			status.Ips = append(status.Ips, &leasev1.LeaseIPStatus{
				Port: ip.Port, ExternalPort: ip.ExternalPort, Protocol: ip.Protocol, Ip: ip.IP,
			})
		}
		response.Services = append(response.Services, status)
	}
	return response
}

// serviceStatus answers LeaseRPC/ServiceStatus. With follow it polls, sends changes, and
// ends without an error when the lease or the requested service is gone. A gateway counts
// replicas but does not list them, so the filter's replicas have no effect.
func serviceStatus(ctx context.Context, x *exchange) error {
	var request leasev1.ServiceStatusRequest
	if err := x.request(&request); err != nil {
		return err
	}
	if err := x.checkLease(request.GetLeaseId()); err != nil {
		return err
	}
	if err := checkServiceName(request.GetFilter().GetName()); err != nil {
		return err
	}
	topic, leave := x.watchLease(request.GetLeaseId())
	defer leave()
	var last *leasev1.ServiceStatusResponse
	age := time.Duration(0) // the first response must be current
	poll := poll{interval: x.leaseInterval}
	for {
		status, err := topic.look(ctx, age, x.asksLease(request.GetLeaseId()))
		age = x.leaseInterval / 2
		if last != nil && isReason(err, rpcerror.ReasonUnknownLease) {
			return nil
		}
		if err = poll.result(err); err != nil {
			return err
		}
		if status != nil {
			names := status.selected(request.GetFilter().GetName())
			if len(names) == 0 && request.GetFilter().GetName() != "" {
				if last != nil {
					return nil
				}
				return status.unknownService(request.GetFilter().GetName())
			}
			response := status.response(names)
			if last == nil || !proto.Equal(last, response) {
				if err := x.reply(response); err != nil {
					return err
				}
				last = response
			}
		}
		if !request.GetFollow() {
			return nil
		}
		if err := poll.wait(ctx); err != nil {
			return err
		}
	}
}

// serviceRestart answers LeaseRPC/ServiceRestart, which no gateway supports.
func serviceRestart(_ context.Context, x *exchange) error {
	return rpcerror.New(codes.Unimplemented, rpcerror.ReasonNotImplemented,
		"it%s cannot restart services: that needs a provider that serves ServiceRestart of LeaseRPC over gRPC, as AEP-37 drafts it, and no release up to v0.16 does; sending a new version of the deployment restarts them all", x.named())
}

// maxServiceName is the maximum length of a DNS label, which a service's name is.
const maxServiceName = 63

// checkServiceName returns an error if name is not "" and cannot be a service's name: a
// gateway inserts it into a Kubernetes label selector unchecked.
func checkServiceName(name string) error {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '-' && i > 0 && i < len(name)-1:
		default:
			return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonUnknownService, "%q is not the name of a service: want lower-case letters, digits and inner hyphens", words([]byte(name)))
		}
	}
	if len(name) > maxServiceName {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonUnknownService, "the name of a service has at most %d characters", maxServiceName)
	}
	return nil
}

// isReason reports whether err is an *rpcerror.Error with the reason.
func isReason(err error, reason rpcerror.Reason) bool {
	var e *rpcerror.Error
	return errors.As(err, &e) && e.Reason == reason
}
