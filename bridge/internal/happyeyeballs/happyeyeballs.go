// Package happyeyeballs tries alternatives as RFC 8305 (Happy Eyeballs) tries
// addresses: in order, each with a head start over the next, until one succeeds. The
// bridge uses it for the addresses of a host, and for the ports of a provider.
package happyeyeballs

import (
	"context"
	"errors"
	"time"
)

var errNoCandidate = errors.New("no candidates")

// First tries the candidates in order. It starts the next one when the one before has
// failed or headStart has passed, whichever comes first. It returns the first
// successful result and cancels the other attempts. Results that they still produce
// are passed to discard, which may be nil.
//
// If all attempts fail, ctx ends, or there are no candidates, errs is not empty. It
// has the errors of the candidates that were tried, in order.
func First[C, R any](ctx context.Context, headStart time.Duration, candidates []C, try func(context.Context, C) (R, error), discard func(R)) (result R, errs []error) {
	if err := ctx.Err(); err != nil {
		return result, []error{err}
	}
	if len(candidates) == 0 {
		return result, []error{errNoCandidate}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	type outcome struct {
		index  int
		result R
		err    error
	}
	outcomes := make(chan outcome, len(candidates))
	started, running := 0, 0
	start := func() {
		i := started
		started++
		running++
		go func() {
			r, err := try(ctx, candidates[i])
			outcomes <- outcome{i, r, err}
		}()
	}
	// Do not wait for the other attempts: one that hangs must not delay the result.
	abandon := func() {
		if running == 0 {
			return
		}
		go func(n int) {
			for range n {
				if o := <-outcomes; o.err == nil && discard != nil {
					discard(o.result)
				}
			}
		}(running)
	}

	timer := time.NewTimer(headStart)
	defer timer.Stop()
	failed := make([]error, len(candidates))
	for start(); running > 0; {
		var next <-chan time.Time
		if started < len(candidates) {
			next = timer.C
		}
		select {
		case o := <-outcomes:
			running--
			if o.err == nil {
				abandon()
				return o.result, nil
			}
			failed[o.index] = o.err
			if started < len(candidates) && ctx.Err() == nil {
				start()
				timer.Reset(headStart)
			}
		case <-next:
			start()
			timer.Reset(headStart)
		case <-ctx.Done():
			abandon()
			for i, err := range failed[:started] {
				if err == nil {
					failed[i] = ctx.Err()
				}
			}
			return result, failed[:started]
		}
	}
	return result, failed[:started]
}
