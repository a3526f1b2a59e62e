package rest

import (
	"context"
	"errors"
	"io"
	"time"

	"akash-provider-web/bridge/rest/logs"
)

// A gateway silently ends a pod's log at a line over 64 KiB, so a log that is not
// followed can look complete although it is not. To find out, the last line of each pod
// is read on a second socket, beside the log, and compared with the last line received.
// If the second socket fails or is slow, nothing is reported.
//
// Lines are compared by their text. If the lines after the long one end with the same
// text as the lines before it, the loss is not noticed.

// history reads a log that is not followed to its end.
func (f *follower) history(ctx context.Context, s *source) error {
	s.feed = f.merger.Open(logs.Opening{Tail: s.tail})
	err := f.move(s)
	s.close()
	var frame *closed
	switch {
	case errors.As(err, &frame) && frame.code != closeNormal:
		return f.closed(ctx, frame)
	case frame == nil && err != io.EOF:
		return err
	}
	if err := f.complete(ctx, s); err != nil {
		return err
	}
	return f.ended(ctx, f.lease, false)
}

// lastPatience is how long the last lines are waited for when the log has ended.
const lastPatience = 2 * time.Second

// lastRead is a read of the last line of each pod.
type lastRead struct {
	done   chan struct{} // closed at its end
	cancel context.CancelFunc
	probe  probe
	err    error
}

// readLast begins to read the last lines of the logs that are wanted.
func (f *follower) readLast(ctx context.Context) *lastRead {
	ctx, cancel := context.WithCancel(ctx)
	l := &lastRead{done: make(chan struct{}), cancel: cancel}
	f.tasks.Go(func() {
		defer close(l.done)
		defer cancel()
		l.probe, l.err = f.probe(ctx, nil, 1, "")
	})
	return l
}

// complete finds the pods whose logs ended before their last lines, reports a gap to the
// page, and reads the lines after the ones that are too long.
func (f *follower) complete(ctx context.Context, s *source) error {
	if f.last == nil {
		return nil
	}
	late := time.AfterFunc(lastPatience, f.last.cancel)
	defer late.Stop()
	<-f.last.done
	if f.last.err != nil || len(f.merger.Short(f.last.probe.last(), s.tail)) == 0 {
		return ctx.Err()
	}
	// What was written between the two reads is no reason, so the last lines are read
	// once more, certainly after the log.
	search, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	last, err := f.probe(search, nil, 1, "")
	if err != nil {
		return ctx.Err()
	}
	for _, short := range f.merger.Short(last.last(), s.tail) {
		if _, ok := last[short.Pod]; !ok {
			f.checkEnd(search, s, short)
			continue
		}
		if err := f.readRest(ctx, search, s, short); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// servicesOf are the services to ask for to have a pod's log, nil for all that are
// wanted.
func (f *follower) servicesOf(s *source, short logs.Short) []string {
	if s.status == nil {
		return nil // the service's name is a guess
	}
	return []string{short.Service}
}

// checkEnd reports a gap to the page if a pod's last line cannot be read although the pod
// still exists.
func (f *follower) checkEnd(ctx context.Context, s *source, short logs.Short) {
	tail := s.tail
	if tail < 0 || tail > maxReach {
		tail = maxReach
	}
	p, err := f.probe(ctx, f.servicesOf(s, short), tail, short.Pod)
	if err == nil && logs.Joins(p[short.Pod].prints, short.End) {
		f.merger.Cut(short.Pod)
	}
}

// readRest reads a pod's log from behind the last line that is too long, if there is
// one. search bounds the time that it is looked for.
func (f *follower) readRest(ctx, search context.Context, s *source, short logs.Short) error {
	services := f.servicesOf(s, short)
	r, err := f.reach(search, services, short.Pod, short.End)
	if err != nil || r.whole || r.joined {
		return ctx.Err()
	}
	tail := r.lines
	if s.tail >= 0 {
		tail = min(tail, s.tail)
	}
	socket, err := f.dial(ctx, ctx, f.route(services, false, tail))
	if err != nil {
		return ctx.Err()
	}
	rest := &source{socket: socket, tail: tail}
	defer rest.close()
	rest.feed = f.merger.Open(logs.Opening{Tail: tail, Only: short.Pod, Cut: true})
	if err := f.move(rest); err == io.ErrClosedPipe {
		return err
	}
	return ctx.Err() // how else it ended is found out next
}
