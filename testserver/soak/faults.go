package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"akash-provider-web/testserver/fake"
)

// faults breaks things, and remembers when.
type faults struct {
	provider *fake.Server
	mu       sync.Mutex
	broken   []window
}

// window is a time in which errors are to be expected.
type window struct{ from, to time.Time }

const (
	faultEvery = 20 * time.Second
	// aftermath is how long after a fault calls may still fail: bridges give a provider that
	// is away half a minute until they report it to the followers of its status.
	aftermath = 8 * time.Second
)

// run breaks something every faultEvery, but not in the beginning and near the end.
func (f *faults) run(ctx context.Context, length time.Duration) {
	post := func(method, path string) {
		if r, err := http.NewRequestWithContext(ctx, method, f.provider.Ready().Control+path, nil); err == nil {
			if response, err := http.DefaultClient.Do(r); err == nil {
				response.Body.Close()
			}
		}
	}
	end := time.Now().Add(length - faultEvery)
	for i := 0; wait(ctx, faultEvery) && time.Now().Before(end); i++ {
		f.begin()
		switch i % 3 {
		case 0:
			post(http.MethodPost, "/cut")
		case 1:
			post(http.MethodPost, "/crash")
			wait(ctx, time.Second)
			post(http.MethodPost, "/revive")
		case 2:
			post(http.MethodPost, "/fault?name=chain-down")
			wait(ctx, 2*time.Second)
			post(http.MethodDelete, "/fault?name=chain-down")
		}
		f.end()
	}
}

func (f *faults) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = append(f.broken, window{time.Now(), time.Now().Add(time.Minute)})
}

func (f *faults) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken[len(f.broken)-1].to = time.Now().Add(aftermath)
}

// explain reports whether something was broken when a call failed.
func (f *faults) explain(failed time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.broken {
		if !failed.Before(w.from) && failed.Before(w.to) {
			return true
		}
	}
	return false
}
