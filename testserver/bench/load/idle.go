package main

import (
	"sync"
	"time"
)

const (
	// openers is the number of streams that are opened at once.
	openers = 16
	// settleTime is how long memory is measured after the last stream was opened. The
	// minimum counts, which is the memory in use after garbage collection.
	settleTime = 3 * time.Second
)

// measureIdle measures the bridge's memory per idle stream. The bridge must be new.
func measureIdle(p *provider, c command) (answer, error) {
	if err := warmUp(p, c.Target); err != nil {
		return nil, err
	}
	before, err := residentMemory(c.Target.PID)
	if err != nil {
		return nil, err
	}
	pages := newVisitors(c.Target)
	defer pages.close()
	calls, err := openIdle(p, pages, c.Streams)
	defer func() { leaveAll(p, calls) }()
	if err != nil {
		return nil, err
	}
	least := 0
	for end := time.Now().Add(settleTime); time.Now().Before(end); time.Sleep(settleTime / 10) {
		now, err := residentMemory(c.Target.PID)
		if err != nil {
			return nil, err
		}
		if least == 0 || now < least {
			least = now
		}
	}
	return answer{"bytesPerStream": float64(least-before) / float64(c.Streams)}, nil
}

// warmUp makes a bridge's first calls, whose one-time costs are not counted.
func warmUp(p *provider, t target) error {
	pages := newVisitors(t)
	defer pages.close()
	calls, err := openIdle(p, pages, openers)
	leaveAll(p, calls)
	time.Sleep(settleTime / 3)
	return err
}

// openIdle opens quiet streams and returns the calls by name.
func openIdle(p *provider, pages *visitors, n int) (map[string]*quietCall, error) {
	var (
		mu     sync.Mutex
		calls  = map[string]*quietCall{}
		failed error
		work   = make(chan string)
		all    sync.WaitGroup
	)
	for range openers {
		all.Go(func() {
			for name := range work {
				call, err := openQuiet(p, pages, name)
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					calls[name] = call
				}
				mu.Unlock()
			}
		})
	}
	for range n {
		work <- quietName()
	}
	close(work)
	all.Wait()
	return calls, failed
}

func leaveAll(p *provider, calls map[string]*quietCall) {
	for name, call := range calls {
		call.leave()
		p.cancelledAt(name)
		p.remove(name)
	}
}
