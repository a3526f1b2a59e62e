package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// measureScale measures the bridge's cost per stream with many streams: the CPU time
// of messages, and memory. The bridge must be new.
func measureScale(p *provider, c command) (answer, error) {
	warm := target{Address: c.Target.Address, Door: c.Target.Door, Header: p.header(0)}
	if err := warmUp(p, warm); err != nil {
		return nil, err
	}
	before, err := residentMemory(c.Target.PID)
	if err != nil {
		return nil, err
	}
	var (
		mu       sync.Mutex
		pages    []page
		broken   error // the first error of opening
		opening  sync.WaitGroup
		reading  sync.WaitGroup
		messages atomic.Int64
		ending   atomic.Bool
		failed   = make(chan error, c.Streams)
	)
	defer func() {
		ending.Store(true)
		for _, pg := range pages {
			pg.close()
		}
		reading.Wait()
	}()
	name := fmt.Sprintf("paced/%g", c.Rate)
	visitors := make([]*visitors, c.Providers)
	for i := range visitors {
		visitors[i] = newVisitors(target{Address: c.Target.Address, Door: c.Target.Door, Header: p.header(i)})
	}
	open := func(i int) error {
		pg, err := visitors[i%c.Providers].open()
		if err != nil {
			return err
		}
		mu.Lock()
		pages = append(pages, pg)
		mu.Unlock()
		r, err := pg.prepare(methodLogs, logsRequest(name))()
		if err != nil {
			return err
		}
		reading.Go(func() {
			buf := make([]byte, 1<<10)
			for {
				n, err := r.read(buf)
				messages.Add(int64(n))
				if err != nil {
					if !ending.Load() {
						failed <- err
					}
					return
				}
			}
		})
		return nil
	}
	for first := range openers {
		opening.Go(func() {
			for i := first; i < c.Streams; i += openers {
				if err := open(i); err != nil {
					mu.Lock()
					broken = err
					mu.Unlock()
					return
				}
			}
		})
	}
	opening.Wait()
	if broken != nil {
		return nil, broken
	}
	if err := sleep(seconds(c.Warm), failed); err != nil {
		return nil, err
	}
	m, err := startMeter(c.Target.PID)
	if err != nil {
		return nil, err
	}
	start := messages.Load()
	if err := sleep(seconds(c.Seconds), failed); err != nil {
		return nil, err
	}
	wall, cpu, err := m.stop()
	if err != nil {
		return nil, err
	}
	n := float64(messages.Load() - start)
	if want := float64(c.Streams) * c.Rate * wall; n < want/2 {
		return nil, fmt.Errorf("%.0f of %.0f messages arrived: %w", n, want, io.ErrShortWrite)
	}
	after, err := residentMemory(c.Target.PID)
	if err != nil {
		return nil, err
	}
	return answer{
		"cpuPerMessage":  cpu / n * float64(time.Second/time.Microsecond),
		"bytesPerStream": float64(after-before) / float64(c.Streams),
		"bytes":          after,
	}, nil
}
