package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// measureUnary runs callers that request the status repeatedly.
func measureUnary(p *provider, c command) (answer, error) {
	pages := newVisitors(c.Target)
	defer pages.close()
	open := func(ctx context.Context, count *atomic.Int64) (func() error, error) {
		pg, err := pages.open()
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, pg.close)
		call, buf := pg.prepare(methodStatus, nil), make([]byte, 8<<10)
		return func() error {
			r, err := call()
			if err != nil {
				return err
			}
			if err := r.rest(buf); err != nil {
				return err
			}
			count.Add(1)
			return nil
		}, nil
	}
	if c.Target.Address == "" {
		conn, err := p.listeners[0].native()
		if err != nil {
			return nil, err
		}
		open = func(ctx context.Context, count *atomic.Int64) (func() error, error) {
			return func() error {
				var got size
				if err := conn.Invoke(ctx, methodStatus, encoded(nil), &got); err != nil {
					return err
				}
				count.Add(1)
				return nil
			}, nil
		}
	}
	return measureRate(c, open)
}

// measureFlood runs streams that deliver messages as fast as possible.
func measureFlood(p *provider, c command) (answer, error) {
	name := fmt.Sprintf("flood/%d", c.Size)
	pages := newVisitors(c.Target)
	defer pages.close()
	open := func(ctx context.Context, count *atomic.Int64) (func() error, error) {
		pg, err := pages.open()
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, pg.close)
		r, err := pg.prepare(methodLogs, logsRequest(name))()
		if err != nil {
			return nil, err
		}
		buf := make([]byte, 64<<10)
		return func() error {
			messages, err := r.read(buf)
			count.Add(int64(messages))
			return err
		}, nil
	}
	if c.Target.Address == "" {
		conn, err := p.floods.native()
		if err != nil {
			return nil, err
		}
		open = func(ctx context.Context, count *atomic.Int64) (func() error, error) {
			stream, err := openNative(ctx, conn, name)
			if err != nil {
				return nil, err
			}
			return func() error { return receive(stream, count) }, nil
		}
	}
	return measureRate(c, open)
}

func receive(stream grpc.ClientStream, count *atomic.Int64) error {
	var got size
	if err := stream.RecvMsg(&got); err != nil {
		return err
	}
	count.Add(1)
	return nil
}

// measureRate opens c.Streams of something, repeats the step of each, and returns the
// rate of what they count and its cost to the bridge.
func measureRate(c command, open func(context.Context, *atomic.Int64) (func() error, error)) (answer, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	counts := make([]paddedCount, c.Streams)
	failed := make(chan error, c.Streams)
	var steps sync.WaitGroup
	defer func() { cancel(); steps.Wait() }()
	for i := range c.Streams {
		steps.Go(func() {
			step, err := open(ctx, &counts[i].Int64)
			for err == nil {
				err = step()
			}
			if ctx.Err() == nil {
				failed <- err
			}
		})
	}
	total := func() (n int64) {
		for i := range counts {
			n += counts[i].Load()
		}
		return n
	}
	if err := sleep(seconds(c.Warm), failed); err != nil {
		return nil, err
	}
	before := total()
	m, err := startMeter(c.Target.PID)
	if err != nil {
		return nil, err
	}
	if err := sleep(seconds(c.Seconds), failed); err != nil {
		return nil, err
	}
	wall, cpu, err := m.stop()
	if err != nil {
		return nil, err
	}
	n := float64(total() - before)
	if n == 0 {
		return nil, status.Error(codes.DeadlineExceeded, "nothing arrived")
	}
	result := answer{"perSecond": n / wall}
	if cpu >= 0 {
		result["cpuPerThousand"] = cpu / n * 1000
		result["perCpuSecond"] = n / cpu
	}
	return result, nil
}

// paddedCount is a counter with its own cache line.
type paddedCount struct {
	atomic.Int64
	_ [56]byte
}

// sleep waits, and returns early if something fails.
func sleep(d time.Duration, failed <-chan error) error {
	select {
	case <-time.After(d):
		return nil
	case err := <-failed:
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		return err
	}
}
