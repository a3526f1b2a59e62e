package fake

import (
	"context"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// restartTime is how long a restart of a replica takes.
const restartTime = 200 * time.Millisecond

// A provider's messages for unknown things.
const (
	noService = "kube: no service for that lease"
	noPods    = "no running pods"
	noLease   = "lease not found"
)

// leaseRPC implements AEP-37's akash.provider.lease.v1.LeaseRPC.
type leaseRPC struct {
	leasev1.UnimplementedLeaseRPCServer
	provider *provider
}

// admitCall refuses a call if the caller lacks the permission for the lease, or the
// provider does not have the lease. No release has a stream interceptor
// (proto/akash-provider-api.md, section 1.2), so AEP-37's streams authenticate here.
func (p *provider) admitCall(ctx context.Context, id *marketv1.LeaseID, scope string) error {
	who, refused := p.authenticateCall(ctx)
	switch {
	case refused != nil:
		return status.Error(codes.Unauthenticated, refused.message)
	case who.owner == "":
		return status.Error(codes.Unauthenticated, messageUnauthorized)
	}
	lease := Lease{
		Owner: id.GetOwner(), DSeq: id.GetDseq(), GSeq: id.GetGseq(), OSeq: id.GetOseq(), Provider: id.GetProvider(),
	}
	if !who.may(lease, scope) {
		return status.Errorf(codes.PermissionDenied, "unauthorized: %s scope required", scope)
	}
	if lease != p.work.lease {
		return status.Error(codes.NotFound, noLease)
	}
	if p.faults.has(FaultKubeDown) {
		return status.Error(codes.Unavailable, kubeUnreachable)
	}
	return nil
}

// selected returns the logs of the replicas that a filter selects. Empty parts select
// all.
func (p *provider) selected(filter *leasev1.ServiceFilter) ([]*journal, error) {
	name := filter.GetName()
	if name != "" && !p.work.has(name) {
		return nil, status.Error(codes.NotFound, noService)
	}
	var all []*journal
	for _, j := range p.logs.all() {
		if j.phase() != podGone && (name == "" || name == j.service) &&
			(len(filter.GetReplicas()) == 0 || slices.Contains(filter.GetReplicas(), uint32(j.replica))) {
			all = append(all, j)
		}
	}
	if len(all) == 0 || p.faults.has(FaultNoPods) {
		return nil, status.Error(codes.NotFound, noPods)
	}
	return all, nil
}

// ServiceLogs implements LeaseRPC: it sends the history and, with follow, new lines.
func (s *leaseRPC) ServiceLogs(r *leasev1.ServiceLogsRequest, stream grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
	p := s.provider
	if err := p.admitCall(stream.Context(), r.GetLeaseId(), scopeLogs); err != nil {
		return err
	}
	journals, err := p.selected(r.GetFilter())
	if err != nil {
		return err
	}
	for _, j := range journals {
		if j.phase() == podStarting {
			return status.Errorf(codes.Unavailable, "container %q in pod %q is waiting to start: ContainerCreating", j.service, j.pod)
		}
	}
	if r.GetFollow() {
		defer p.logs.follow()()
	}
	f := newFeed(journals, p.seed, p.server.options.LogChunk)
	var message []byte
	for {
		news := p.logs.news()
		over := !r.GetFollow() || !slices.ContainsFunc(journals, func(j *journal) bool { return !j.hasEnded() })
		for {
			message = f.append(message[:0])
			if len(message) == 0 {
				break
			}
			if err := stream.SendMsg(copyFrame(message)); err != nil {
				return err
			}
		}
		if over {
			return nil
		}
		select {
		case <-news:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// ServiceStatus implements LeaseRPC: it sends the current status and, with follow,
// every change.
func (s *leaseRPC) ServiceStatus(r *leasev1.ServiceStatusRequest, stream grpc.ServerStreamingServer[leasev1.ServiceStatusResponse]) error {
	p := s.provider
	if err := p.admitCall(stream.Context(), r.GetLeaseId(), scopeStatus); err != nil {
		return err
	}
	if _, err := p.selected(r.GetFilter()); err != nil {
		return err
	}
	match := func(s Service) bool { return r.GetFilter().GetName() == "" || r.GetFilter().GetName() == s.Name }
	for {
		services, changed := p.work.status(match)
		if err := stream.Send(&leasev1.ServiceStatusResponse{Services: services}); err != nil {
			return err
		}
		if !r.GetFollow() {
			return nil
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// ServiceRestart implements LeaseRPC. With a timeout it waits until the replicas run
// again; without one all are pending.
func (s *leaseRPC) ServiceRestart(ctx context.Context, r *leasev1.ServiceRestartRequest) (*leasev1.ServiceRestartResponse, error) {
	p := s.provider
	if err := p.admitCall(ctx, r.GetLeaseId(), scopeRestart); err != nil {
		return nil, err
	}
	replicas, err := p.selected(r.GetFilter())
	if err != nil {
		return nil, err
	}
	down := map[string]int{}
	for _, one := range replicas {
		down[one.service]++
	}
	for name, n := range down {
		p.work.restarting(name, n)
	}
	back := make(chan struct{})
	p.goers.Go(func() {
		sleep(p.server.ctx, restartTime)
		for name, n := range down {
			p.work.restarted(name, n)
		}
		close(back)
	})
	state := leasev1.ServiceRestartStatus_pending
	if wait := r.GetTimeout().AsDuration(); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-back:
			state = leasev1.ServiceRestartStatus_active
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	answer := &leasev1.ServiceRestartResponse{}
	for i, one := range replicas {
		entry := &leasev1.ServiceRestartStatus{
			Service: one.service,
			Replica: strconv.Itoa(one.replica),
			State:   state,
		}
		if i == len(replicas)-1 && p.faults.has(FaultRestart) {
			text := "CrashLoopBackOff: back-off 10s restarting failed container"
			entry.State, entry.Message = leasev1.ServiceRestartStatus_failure, &text
		}
		answer.Status = append(answer.Status, entry)
	}
	return answer, nil
}
