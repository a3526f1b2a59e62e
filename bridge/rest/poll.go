package rest

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// maxFailedPolls is how many polls may fail in a row before a stream ends.
const maxFailedPolls = 3

// poll controls repeated requests to a provider, so that the requests of many streams are
// spread out and one failure does not end a stream.
type poll struct {
	interval time.Duration
	answered bool // a poll succeeded
	failed   int  // failures since then
}

// result counts the outcome of a poll and returns err if it should end the stream: if the
// first poll fails, or several in a row.
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

// isFinal reports whether a retry would fail with the same error.
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

// wait returns when it is time for the next poll, or with ctx's error.
func (p *poll) wait(ctx context.Context) error { return sleep(ctx, jitter(p.interval)) }

// jitter returns d, changed by up to a fifth.
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
