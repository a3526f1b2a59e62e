package rest

import (
	"context"
	"io"
	"math"
	"sync"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rest/logs"
	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// serviceLogs answers LeaseRPC/ServiceLogs from the WebSocket of a lease's logs
// (proto/akash-provider-api.md, section 2.8).
//
// A log that is followed is read by a follower, which takes up the pods that come.
//
// A replica keeps its number for as long as its pod lives, also from call to call
// where the caller says which numbers it knows; so each pod is named once.
//
// The end of a log and the loss of a provider look the same on the socket, so
// the provider is asked: if it does not answer, the call ends with UNAVAILABLE;
// if the lease or its pods are gone, or the log was not to be followed, it ends
// well.
func serviceLogs(ctx context.Context, x *exchange) error {
	var request leasev1.ServiceLogsRequest
	if err := x.request(&request); err != nil {
		return err
	}
	if err := x.checkLease(request.GetLeaseId()); err != nil {
		return err
	}
	service := request.GetFilter().GetName()
	if err := checkServiceName(service); err != nil {
		return err
	}
	if len(request.GetKnown()) > logs.MaxPods {
		return rpcerror.New(codes.InvalidArgument, rpcerror.ReasonMalformedMetadata, "at most %d replicas can be known", logs.MaxPods)
	}
	for _, k := range request.GetKnown() {
		if k.GetReplica() == math.MaxUint32 {
			return rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonLogNotResumable,
				"the log was read over gRPC, where the provider does not say which replica a line is from, so it cannot be resumed over REST: open it again, which repeats it")
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var services []string
	if service != "" {
		services = []string{service}
	}
	f := &follower{
		exchange: x,
		lease:    request.GetLeaseId(),
		service:  service,
		follow:   request.GetFollow(),
		merger:   logs.NewMerger(services, request.GetFilter().GetReplicas(), request.GetFollow()),
	}
	for _, k := range request.GetKnown() {
		f.merger.Know(k.GetPod(), k.GetReplica())
	}
	if !f.follow && (x.call.Tail < 0 || x.call.Tail >= logs.LeastTail) {
		f.last = f.readLast(ctx)
	}
	first, err := f.start(ctx)
	if err != nil {
		cancel()
		f.tasks.Wait()
		return err
	}
	if f.follow {
		x.opened()
	}
	var running sync.WaitGroup
	read := f.history
	if f.follow {
		read = f.run
	}
	running.Go(func() { f.merger.Finish(read(ctx, first)) })
	defer func() {
		cancel()
		f.merger.Finish(context.Canceled) // wakes a reader that waits for room
		running.Wait()
		f.tasks.Wait()
	}()
	for {
		message, err := f.merger.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := x.send(message); err != nil {
			return err
		}
	}
}

// closed returns the error of a close frame on a log that had not begun.
func (f *follower) closed(ctx context.Context, frame *closed) error {
	if frame.code == closeInternal {
		return f.notOpened(ctx, frame)
	}
	return f.exchange.closed(f.lease, frame)
}

// notOpened finds out why a gateway could not open a log. It closes with the same
// code, and often without a reason, whatever the cause, so the lease's status has
// to tell: a gateway fails every log of a call when one pod's container has not
// started (proto/akash-provider-api.md, section 2.8).
func (f *follower) notOpened(ctx context.Context, frame *closed) error {
	status, err := f.leaseStatus(ctx, f.lease)
	if isReason(err, rpcerror.ReasonUnknownLease) {
		return err
	}
	if err == nil && f.service != "" && len(status.selected(f.service)) == 0 {
		return status.unknownService(f.service)
	}
	if err == nil {
		if starting := status.starting(f.service); len(starting) > 0 {
			return status.podStarting(starting)
		}
	}
	if frame.reason != closeNoPods {
		return f.exchange.closed(f.lease, frame)
	}
	switch {
	case f.service == "":
		return rpcerror.New(codes.NotFound, rpcerror.ReasonNoRunningPods, "no pod of the lease is running")
	case err == nil:
		return rpcerror.New(codes.NotFound, rpcerror.ReasonNoRunningPods, "no pod of service %q is running", f.service)
	}
	return rpcerror.New(codes.NotFound, rpcerror.ReasonNoRunningPods, "no pod of service %q is running, if the lease has it; the token does not permit to ask (scope %q)", f.service, scopeStatus)
}
