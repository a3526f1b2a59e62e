package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// patience is how long anything may take that is a matter of milliseconds.
const patience = 10 * time.Second

// quietTime is how long a stream is quiet between two messages, so that everything
// on the way sleeps.
const quietTime = 2 * time.Millisecond

var errLate = errors.New("nothing happened for too long")

var serial atomic.Int64

// quietName names a new quiet stream.
func quietName() string { return fmt.Sprint("load-", serial.Add(1)) }

// quietCall is one call of a quiet stream as its caller has it.
type quietCall struct {
	next  func() error
	leave func()
}

// openQuiet opens a quiet stream and takes its first message.
func openQuiet(p *provider, t target, name string) (*quietCall, error) {
	if t.Address == "" {
		return openQuietNative(p, name)
	}
	pg, err := openPage(t)
	if err != nil {
		return nil, err
	}
	r, err := pg.send(pg.request(methodLogs, logsRequest("quiet/"+name)))
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 4<<10)
	call := &quietCall{next: func() error { return r.next(buf) }, leave: pg.close}
	return call, call.next()
}

func openQuietNative(p *provider, name string) (*quietCall, error) {
	conn, err := p.doors[0].native()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := openNative(ctx, conn, "quiet/"+name)
	if err != nil {
		cancel()
		return nil, err
	}
	call := &quietCall{leave: cancel, next: func() error {
		var got size
		return stream.RecvMsg(&got)
	}}
	return call, call.next()
}

// measureFirst measures how long a message of a quiet stream is on its way.
func measureFirst(p *provider, c command) (answer, error) {
	name := quietName()
	defer p.forget(name)
	call, err := openQuiet(p, c.Target, name)
	if err != nil {
		return nil, err
	}
	defer call.leave()
	type arrival struct {
		at  time.Time
		err error
	}
	arrived := make(chan arrival)
	go func() {
		for range c.Times {
			err := call.next()
			arrived <- arrival{time.Now(), err}
		}
	}()
	pushed := p.stream(name).pushed
	return repeat(c.Times, func() (time.Duration, error) {
		time.Sleep(quietTime)
		start := time.Now()
		pushed <- struct{}{}
		select {
		case a := <-arrived:
			return a.at.Sub(start), a.err
		case <-time.After(patience):
			return 0, errLate
		}
	})
}

// measureCancel measures how long it takes until a provider knows that its caller
// has left.
func measureCancel(p *provider, c command) (answer, error) {
	return repeat(c.Times, func() (time.Duration, error) {
		name := quietName()
		defer p.forget(name)
		call, err := openQuiet(p, c.Target, name)
		if err != nil {
			return 0, err
		}
		start := time.Now()
		call.leave()
		at, err := p.cancelledAt(name)
		return at.Sub(start), err
	})
}

// whenCancelled tells when the quiet stream that a page opened was cancelled.
func whenCancelled(p *provider, c command) (answer, error) {
	defer p.forget(c.Name)
	at, err := p.cancelledAt(c.Name)
	return answer{"unixMs": float64(at.UnixNano()) / 1e6}, err
}

func (p *provider) cancelledAt(name string) (time.Time, error) {
	q := p.stream(name)
	select {
	case <-q.cancelled:
		return q.at, nil
	case <-time.After(patience):
		return time.Time{}, errLate
	}
}

// repeat returns the median of a measurement and the one that nine of ten do not
// exceed, in milliseconds.
func repeat(times int, measure func() (time.Duration, error)) (answer, error) {
	all := make([]time.Duration, times)
	for i := range all {
		var err error
		if all[i], err = measure(); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return answer{"p50": ms(all[times/2]), "p90": ms(all[times*9/10])}, nil
}
