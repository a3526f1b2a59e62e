package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// timeout bounds operations that should take milliseconds.
const timeout = 10 * time.Second

// quietTime is the pause between two messages of a quiet stream, which lets everything
// between provider and page become idle.
const quietTime = 2 * time.Millisecond

var errLate = errors.New("nothing happened for too long")

var serial atomic.Int64

// quietName returns the name of a new quiet stream.
func quietName() string { return fmt.Sprint("load-", serial.Add(1)) }

// quietCall is a call of a quiet stream, as its caller sees it.
type quietCall struct {
	next  func() error
	leave func()
}

// openQuiet opens a quiet stream and reads its first message.
func openQuiet(p *provider, pages *visitors, name string) (*quietCall, error) {
	if pages.target.Address == "" {
		return openQuietNative(p, name)
	}
	pg, err := pages.open()
	if err != nil {
		return nil, err
	}
	r, err := pg.prepare(methodLogs, logsRequest("quiet/"+name))()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 4<<10)
	call := &quietCall{next: func() error { return r.next(buf) }, leave: pg.close}
	return call, call.next()
}

func openQuietNative(p *provider, name string) (*quietCall, error) {
	conn, err := p.listeners[0].native()
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

// measureFirst measures the latency of a message of a quiet stream.
func measureFirst(p *provider, c command) (answer, error) {
	name := quietName()
	defer p.remove(name)
	pages := newVisitors(c.Target)
	defer pages.close()
	call, err := openQuiet(p, pages, name)
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
		case <-time.After(timeout):
			return 0, errLate
		}
	})
}

// measureCancel measures the time from a caller's disconnect until the provider's
// stream is canceled.
func measureCancel(p *provider, c command) (answer, error) {
	pages := newVisitors(c.Target)
	defer pages.close()
	return repeat(c.Times, func() (time.Duration, error) {
		name := quietName()
		defer p.remove(name)
		call, err := openQuiet(p, pages, name)
		if err != nil {
			return 0, err
		}
		start := time.Now()
		call.leave()
		at, err := p.cancelledAt(name)
		return at.Sub(start), err
	})
}

// whenCancelled returns when the quiet stream that a page opened was canceled.
func whenCancelled(p *provider, c command) (answer, error) {
	defer p.remove(c.Name)
	at, err := p.cancelledAt(c.Name)
	return answer{"unixMs": float64(at.UnixNano()) / 1e6}, err
}

func (p *provider) cancelledAt(name string) (time.Time, error) {
	q := p.stream(name)
	select {
	case <-q.cancelled:
		return q.at, nil
	case <-time.After(timeout):
		return time.Time{}, errLate
	}
}

// repeat repeats a measurement and returns the median and the 90th percentile in
// milliseconds.
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
