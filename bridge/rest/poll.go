package rest

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// maxFailedPolls is how many looks may fail in a row before a stream ends.
const maxFailedPolls = 3

// poll paces repeated looks at a provider, so that many watchers of one do not
// come at the same moment and one bad answer does not end a stream.
type poll struct {
	interval time.Duration
	answered bool // there was a good answer
	failed   int  // bad answers since
}

// result counts the outcome of a look and returns err if it is to end the
// stream: the first look fails the call, later ones may fail a few times.
func (p *poll) result(err error) error {
	if err == nil {
		p.answered, p.failed = true, 0
		return nil
	}
	p.failed++
	if isFinal(err) || !p.answered || p.failed >= maxFailedPolls {
		return err
	}
	return nil
}

// isFinal reports whether the same question can only get the same answer.
func isFinal(err error) bool {
	var e *rpcerror.Error
	if !errors.As(err, &e) {
		return true // the context's
	}
	switch e.Code {
	case codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.InvalidArgument, codes.Unimplemented:
		return true
	}
	return false
}

// wait returns when it is time for the next look, or with ctx's error.
func (p *poll) wait(ctx context.Context) error { return sleep(ctx, jitter(p.interval)) }

// jitter is d, up to a fifth shorter or longer.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.4*float64(d))
}

// sleep returns after d, or earlier with ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
