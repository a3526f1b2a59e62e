package sdk

import (
	"context"
	"errors"
	"math"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
)

// UnknownReplica stands for the replica of a log whose provider does not say which replica
// wrote it.
const UnknownReplica = math.MaxUint32

// maxServices bounds the services of a log, so that a provider cannot make a call's memory
// grow.
const maxServices = 1000

// Suffixes of the name that stands for the pod in a service's log. It comes back in the
// request of a call that resumes the log.
const (
	onePod   = "/1" // the log is one pod's, which a new call repeats in the same order
	manyPods = "/n" // or it is not known how many pods it is from
)

// serviceLogs answers AEP-37's ServiceLogs.
//
// The SDK's ServiceLogs has no replica, so all lines have UnknownReplica. Its request has
// neither a number of lines nor a time to start from, so a new call repeats the log. The
// client recognises repeated lines by their order, which is certain only for the log of one
// pod. So a log of several pods cannot be resumed.
func serviceLogs(ctx context.Context, call *Call, send func(message []byte) error) error {
	var request leasev1.ServiceLogsRequest
	if err := call.decode(&request); err != nil {
		return err
	}
	if len(request.GetFilter().GetReplicas()) > 0 {
		return rpcerror.New(codes.Unimplemented, rpcerror.ReasonNotImplemented,
			"its REST gateway does not answer, and over gRPC it does not say which replica a line is from: leave out filter.replicas")
	}
	if !request.GetFollow() && !call.unarySafe() {
		return rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonNotAllowed,
			"a token on ServiceLogs would crash providers before v0.16.0, and this one did not report its version: authenticate with a client certificate, or follow the log")
	}
	pods, err := call.pods(ctx, request.GetLeaseId(), services(request.GetFilter()))
	if err != nil {
		return err
	}
	if err := call.checkResumed(request.GetKnown(), pods); err != nil {
		return err
	}
	message, err := proto.Marshal(&sdkv1.ServiceLogsRequest{LeaseId: request.GetLeaseId(), Services: services(request.GetFilter())})
	if err != nil {
		return err
	}
	named := make(map[string]bool)
	convert := func(message []byte) error {
		converted, err := convertLogs(message, named, pods)
		if err != nil || converted == nil {
			return err
		}
		return send(converted)
	}
	if request.GetFollow() {
		return call.invoke(ctx, "StreamServiceLogs", message, convert)
	}
	err = call.invoke(ctx, "ServiceLogs", message, convert)
	var e *rpcerror.Error
	if errors.As(err, &e) && e.Code == codes.ResourceExhausted {
		return rpcerror.New(e.Code, e.Reason, "the log does not fit into one message (%w): follow it, so that it comes in pieces", err)
	}
	return err
}

// pods returns the number of pods of each service, and nothing if it cannot be found out.
// Its errors are those of a connection.
func (c *Call) pods(ctx context.Context, lease *marketv1.LeaseID, services []string) (map[string]int32, error) {
	request, err := proto.Marshal(&sdkv1.ServiceStatusRequest{LeaseId: lease, Services: services})
	if err != nil {
		return nil, err
	}
	quiet := *c
	quiet.Opened = nil
	var response leasev1.ServiceStatusResponse
	err = quiet.status(ctx, request, func(message []byte) error { return proto.Unmarshal(message, &response) })
	var e *rpcerror.Error
	if errors.As(err, &e) && (e.Reason == rpcerror.ReasonProviderGone || ctx.Err() != nil) {
		return nil, err
	}
	pods := make(map[string]int32)
	if err != nil {
		return pods, nil // such as a token without the scope
	}
	for _, s := range response.GetServices() {
		pods[s.GetName()] = max(s.GetStatus().GetTotal(), s.GetStatus().GetReplicas(), s.GetStatus().GetAvailable())
	}
	return pods, nil
}

// checkResumed returns an error if known, which a caller received before, is of a log that
// cannot be resumed.
func (c *Call) checkResumed(known []*leasev1.KnownReplica, pods map[string]int32) error {
	for _, k := range known {
		if k.GetReplica() != UnknownReplica {
			return restOnly(c.Endpoint.NoREST)
		}
		service, one := strings.CutSuffix(k.GetPod(), onePod)
		if !one || pods[service] != 1 {
			return rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonLogNotResumable,
				"the connection broke, and this log cannot be resumed: it is of several pods, and over gRPC the provider does not say which of them a line is from; open it again, which repeats it")
		}
	}
	return nil
}

// restOnly returns the error of a log that was read over REST, whose lines have replicas. It
// can be resumed once the REST gateway answers again.
func restOnly(noREST error) error {
	const text = "the log was read over its REST gateway, and is resumed there"
	var e *rpcerror.Error
	if errors.As(noREST, &e) {
		return rpcerror.New(e.Code, e.Reason, text+"; %w", noREST)
	}
	return rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderUnreachable, text)
}

// convertLogs converts a message to AEP-37's, or returns nil if there is nothing in it.
// named has the services that were named before.
func convertLogs(message []byte, named map[string]bool, pods map[string]int32) ([]byte, error) {
	var theirs sdkv1.ServiceLogsResponse
	if err := proto.Unmarshal(message, &theirs); err != nil {
		return nil, protocolError("its log cannot be decoded")
	}
	ours := &leasev1.ServiceLogsResponse{}
	for _, s := range theirs.GetServices() {
		if len(s.GetLogs()) == 0 {
			continue
		}
		piece := &leasev1.ServiceLogs{Name: s.GetName(), Replica: UnknownReplica, Logs: s.GetLogs()}
		if !named[s.GetName()] {
			if len(named) == maxServices {
				return nil, protocolError("it sent logs of more than %d services", maxServices)
			}
			named[s.GetName()] = true
			piece.Pod = s.GetName() + manyPods
			if pods[s.GetName()] == 1 {
				piece.Pod = s.GetName() + onePod
			}
		}
		ours.Services = append(ours.Services, piece)
	}
	if len(ours.GetServices()) == 0 {
		return nil, nil
	}
	return proto.Marshal(ours)
}
