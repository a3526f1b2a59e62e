package rest

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rest/logs"
	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// maxNoPods is how often in a row a log that is followed may turn out to have no
// pods, though the lease's status has some. The status lags behind by seconds.
const maxNoPods = 5

// serviceLogs answers LeaseRPC/ServiceLogs from the WebSocket of a lease's logs
// (proto/akash-provider-api.md, section 2.8).
//
// A gateway sends the logs of the pods that run when the socket is opened, and
// of no others. While a log is followed, the lease's status is therefore looked
// at from time to time, and the socket opened anew when pods came; lines that
// were sent before are recognised and not sent again.
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
	first, err := f.start(ctx)
	if err != nil {
		cancel()
		return err
	}
	if f.follow {
		x.opened()
	}
	var running sync.WaitGroup
	running.Go(func() { f.merger.Finish(f.run(ctx, first)) })
	defer func() {
		cancel()
		f.merger.Finish(context.Canceled) // wakes a reader that waits for room
		running.Wait()
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

// follower reads a lease's logs into a merger for as long as they go on.
type follower struct {
	*exchange
	lease   *marketv1.LeaseID
	service string // the only one wanted, "" for all
	follow  bool
	merger  *logs.Merger
}

// source is an open socket of logs, and the lease's status when it was opened,
// nil if that is not known.
type source struct {
	*socket
	status *leaseStatus
	tail   int // lines of history that were asked for, negative for all
}

// run reads s, and what takes its place, until the logs end, well or not.
func (f *follower) run(ctx context.Context, s *source) error {
	pause, noPods := time.Duration(0), 0
	for first := true; ; first = false {
		f.open(s)
		opened := time.Now()
		next, err := f.read(ctx, s)
		if next != nil {
			s = next
			continue
		}
		var frame *closed
		switch {
		case errors.As(err, &frame) && frame.code != closeNormal:
			switch {
			case first || !f.follow:
				return f.closed(ctx, frame)
			case frame.code == closeNotFound:
				return nil // the lease was closed
			case frame.code != closeInternal || frame.reason != closeNoPods:
				return f.closed(ctx, frame)
			}
			if noPods++; noPods == maxNoPods {
				return nil
			}
		case frame == nil && err != io.EOF:
			return err
		case !f.follow:
			return f.ended(ctx, f.lease, false)
		default:
			noPods = 0
			if time.Since(opened) > 2*f.leaseInterval {
				pause = 0
			}
		}
		if s, err = f.again(ctx, &pause); err != nil {
			return over(err)
		}
	}
}

// start opens the first socket. The lease's status is asked meanwhile; a token
// need not permit it, for it makes names and numbers better and is not required.
func (f *follower) start(ctx context.Context) (*source, error) {
	s := &source{tail: f.call.Tail}
	asking, enough := context.WithCancel(ctx)
	defer enough()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		s.status, _ = f.leaseStatus(asking, f.lease)
	}()
	socket, err := f.dial(ctx, ctx, f.route(f.call.Tail))
	if err == nil {
		defer time.AfterFunc(f.statusPatience, enough).Stop()
	} else {
		enough()
	}
	<-asked
	s.socket = socket
	return s, err
}

// route is where the logs are, with tail lines of history, all if negative.
func (f *follower) route(tail int) route {
	r := leaseRoute(f.lease, "logs", scopeLogs)
	r.query = url.Values{
		"follow": {strconv.FormatBool(f.follow)},
		"tail":   {strconv.Itoa(max(tail, -1))},
	}
	if f.service != "" {
		r.query.Set("service", f.service)
	}
	return r
}

// open prepares the merger for what s sends.
func (f *follower) open(s *source) {
	if s.status == nil {
		f.merger.Open(nil, nil, s.tail)
		return
	}
	running := make(map[string]int)
	for _, name := range s.status.selected(f.service) {
		// Also a pod that is not ready yet has a log.
		service := s.status.Services[name]
		running[name] = int(max(service.Total, service.Available, 1))
	}
	f.merger.Open(s.status.names(), running, s.tail)
}

// read moves the lines of s into the merger until it ends, or until pods came
// that it does not have, and returns the source to go on with then. It closes s.
func (f *follower) read(ctx context.Context, s *source) (next *source, err error) {
	var watch sync.WaitGroup
	watching, stop := context.WithCancel(ctx)
	if f.follow && s.status != nil {
		watch.Go(func() {
			if next = f.watch(watching, ctx, s); next != nil {
				s.close()
			}
		})
	}
	err = f.move(s)
	stop()
	watch.Wait()
	s.close()
	return next, err
}

// move moves the lines of s into the merger.
func (f *follower) move(s *source) error {
	for {
		line, err := s.read()
		if err != nil {
			return err
		}
		switch err := f.merger.Add(line); err {
		case nil:
		case logs.ErrLine:
			f.skip(FrameLogLine, line)
		default:
			return err
		}
	}
}

// watch looks at the lease from time to time and returns a source that has the
// pods that came since current was opened, or nil when ctx is done. The source
// lives as long as life.
func (f *follower) watch(ctx, life context.Context, current *source) *source {
	topic, leave := f.watchLease(f.lease)
	defer leave()
	last := current.status
	for {
		if sleep(ctx, jitter(f.leaseInterval)) != nil {
			return nil
		}
		status, err := topic.look(ctx, f.leaseInterval/2, f.asksLease(f.lease))
		if err != nil {
			if isFinal(err) {
				return nil
			}
			continue // who reads the socket notices if it is more than a bad moment
		}
		if !status.grew(last, f.service) {
			last = status
			continue
		}
		tail := logs.ReopenTail
		if !current.drained(ctx) {
			tail = -1 // there is no telling how much has not been read yet
		}
		if s, err := f.dial(life, ctx, f.route(tail)); err == nil {
			return &source{socket: s, status: status, tail: tail}
		}
	}
}

// errOver says that a log that was followed has come to its end.
var errOver = errors.New("the log is over")

// over is nil where the log has just ended.
func over(err error) error {
	if err == errOver {
		return nil
	}
	return err
}

// again opens the logs again after the provider ended them, which it does when
// no pod is left, and waits for pods if there are none. It returns errOver if
// none will come. It waits for *pause each time, which it lengthens: not at all
// at first.
func (f *follower) again(ctx context.Context, pause *time.Duration) (*source, error) {
	for {
		if err := sleep(ctx, jitter(*pause)); err != nil {
			return nil, err
		}
		*pause = min(max(2**pause, f.leaseInterval/5), 2*f.leaseInterval)
		status, err := f.leaseStatus(ctx, f.lease)
		switch {
		case isReason(err, rpcerror.ReasonUnknownLease):
			return nil, errOver
		case isReason(err, rpcerror.ReasonScopeMissing):
			// The token permits logs and not the status. What cannot be known is
			// not waited for.
			return nil, errOver
		case err != nil:
			return nil, err
		}
		wanted, available := int32(0), int32(0)
		for _, name := range status.selected(f.service) {
			wanted += status.Services[name].Total
			available += status.Services[name].Available
		}
		if wanted == 0 {
			return nil, errOver
		}
		if available == 0 {
			continue
		}
		s, err := f.dial(ctx, ctx, f.route(logs.ReopenTail))
		if isReason(err, rpcerror.ReasonUnknownLease) {
			return nil, errOver
		}
		return &source{socket: s, status: status, tail: logs.ReopenTail}, err
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
