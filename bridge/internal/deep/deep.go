// Package deep keeps the stacks of goroutines small that wait for long.
//
// A goroutine's stack doubles when a call goes too deep for it. It shrinks again only when
// three quarters of it are not used, which the frames of a handler prevent. What begins a
// stream goes much deeper than what waits for its messages, so it runs elsewhere.
package deep

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
)

// Run calls f in another goroutine, whose stack is free again when f has returned, and waits
// for it. If f panics, Run does.
func Run(f func()) {
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			switch v := recover(); v {
			case nil, http.ErrAbortHandler:
				panicked = v
			default:
				panicked = fmt.Sprintf("%v\n\n%s", v, debug.Stack())
			}
		}()
		f()
	}()
	<-done
	if panicked != nil {
		panic(panicked)
	}
}

type restKey struct{}

// rest is what remains to be done.
type rest struct{ f func() }

// Serve calls f by Run, with a context in which it can leave the rest of its work to Serve.
func Serve(ctx context.Context, f func(context.Context)) {
	var left rest
	Run(func() { f(context.WithValue(ctx, restKey{}, &left)) })
	if left.f != nil {
		left.f()
	}
}

// Leave has the Serve that ctx is from call f when what it runs has returned. It returns
// false, and does nothing, if ctx is from none.
func Leave(ctx context.Context, f func()) bool {
	left, ok := ctx.Value(restKey{}).(*rest)
	if ok {
		left.f = f
	}
	return ok
}
