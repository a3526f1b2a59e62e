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

// restartTime is how long a replica takes to come back.
const restartTime = 200 * time.Millisecond

// leaseRPC serves akash.provider.lease.v1.LeaseRPC as AEP-37 drafts it.
type leaseRPC struct {
	leasev1.UnimplementedLeaseRPCServer
	provider *provider
}

// checkLease refuses a lease that the provider does not hold.
func (p *provider) checkLease(id *marketv1.LeaseID) error {
	have := p.work.lease
	if id.GetOwner() != have.Owner || id.GetDseq() != have.DSeq || id.GetGseq() != have.GSeq ||
		id.GetOseq() != have.OSeq || id.GetProvider() != have.Provider {
		return status.Error(codes.NotFound, "lease not found")
	}
	return nil
}

// replica names one replica of a service.
type replica struct {
	service string
	index   int
}

// selected returns the replicas that a filter selects; empty parts select all.
func (p *provider) selected(filter *leasev1.ServiceFilter) ([]replica, error) {
	if name := filter.GetName(); name != "" && p.work.find(name) == nil {
		return nil, status.Error(codes.NotFound, "kube: no service for that lease")
	}
	var all []replica
	for _, s := range p.work.services {
		if filter.GetName() != "" && filter.GetName() != s.Name {
			continue
		}
		for i := range s.Replicas {
			if len(filter.GetReplicas()) == 0 || slices.Contains(filter.GetReplicas(), uint32(i)) {
				all = append(all, replica{s.Name, i})
			}
		}
	}
	if len(all) == 0 {
		return nil, status.Error(codes.NotFound, "no running pods")
	}
	return all, nil
}

// ServiceLogs implements LeaseRPC: all history, and with follow what is written
// from then on.
func (s *leaseRPC) ServiceLogs(r *leasev1.ServiceLogsRequest, stream grpc.ServerStreamingServer[leasev1.ServiceLogsResponse]) error {
	p := s.provider
	if err := p.checkLease(r.GetLeaseId()); err != nil {
		return err
	}
	replicas, err := p.selected(r.GetFilter())
	if err != nil {
		return err
	}
	var journals []*journal
	for _, one := range replicas {
		journals = append(journals, p.logs.find(one.service, one.index))
	}
	if r.GetFollow() {
		defer p.logs.follow()()
	}
	f := newFeed(journals, p.seed, p.server.options.LogChunk)
	for {
		news := p.logs.news()
		for {
			buf, seal := newFrame(maxChunk + minChunk)
			buf = f.append(buf)
			message := seal(buf)
			if len(buf) == 0 {
				message.buffer.Free()
				break
			}
			if err := stream.SendMsg(message); err != nil {
				return err
			}
		}
		if !r.GetFollow() {
			return nil
		}
		select {
		case <-news:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// ServiceStatus implements LeaseRPC: the status at once, and with follow again at
// every change.
func (s *leaseRPC) ServiceStatus(r *leasev1.ServiceStatusRequest, stream grpc.ServerStreamingServer[leasev1.ServiceStatusResponse]) error {
	p := s.provider
	if err := p.checkLease(r.GetLeaseId()); err != nil {
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

// ServiceRestart implements LeaseRPC. With a timeout it waits for the replicas to
// come back; without one all are pending.
func (s *leaseRPC) ServiceRestart(ctx context.Context, r *leasev1.ServiceRestartRequest) (*leasev1.ServiceRestartResponse, error) {
	p := s.provider
	if err := p.checkLease(r.GetLeaseId()); err != nil {
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
		p.work.setReady(name, -n, true)
	}
	back := make(chan struct{})
	p.goers.Go(func() {
		sleep(p.server.ctx, restartTime)
		for name, n := range down {
			p.work.setReady(name, n, false)
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
			Replica: strconv.Itoa(one.index),
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
