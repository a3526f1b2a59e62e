// Soak runs a bridge under a mixed load for long, with faults, and looks for what grows:
// goroutines, memory, descriptors. Half of the streams are over HTTP/2 with TLS and half
// over WebSockets with TLS. Clients come and go. Every 20 s the provider's connections are
// cut, or it crashes for a second, or the chain is away.
//
//	go run ./testserver/soak [--minutes 10] [--hours N] [--streams 1000] [--bridge FILE]
//
// It prints a line every ten seconds, and at the end for each figure its slope and writes
// bin/soak.json. It exits with 1 if a figure grew, or if a call failed while nothing was
// broken.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"akash-provider-web/testserver/fake"
	"akash-provider-web/testserver/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	minutes := flag.Float64("minutes", 10, "how long to run")
	hours := flag.Float64("hours", 0, "how long to run, instead of --minutes")
	streams := flag.Int("streams", 1000, "how many streams are open at once")
	file := flag.String("bridge", "bin/akash-provider-bridge", "the bridge's program")
	out := flag.String("json", "bin/soak.json", "the file to write the results to")
	flag.Parse()
	length := time.Duration(*minutes * float64(time.Minute))
	if *hours > 0 {
		length = time.Duration(*hours * float64(time.Hour))
	}
	program.RaiseLimit()
	folder, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	provider, err := fake.Start(ctx, fake.Options{LogLines: 100, LogRate: 5})
	if err != nil {
		return err
	}
	defer provider.Close()
	certificate, err := program.WriteCertificate(folder)
	if err != nil {
		return err
	}
	bridge, err := program.Start(*file, append([]string{
		"--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--pprof", "--allow-private-networks", "--chain-rpc", provider.Ready().ChainRPC,
	}, certificate...)...)
	if err != nil {
		return err
	}
	defer bridge.End()

	s := &soak{bridge: bridge, ready: provider.Ready(), faults: &faults{provider: provider}, failures: map[string]int{}}
	for range (*streams + streamsPerClient - 1) / streamsPerClient {
		client := program.NewClient()
		defer client.CloseIdleConnections()
		s.clients = append(s.clients, client)
	}
	began := time.Now()
	running, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var workers sync.WaitGroup
	for i := range *streams {
		// They open over five seconds.
		workers.Go(func() {
			if wait(running, time.Duration(i)*5*time.Second/time.Duration(*streams)) {
				s.stream(running, i)
			}
		})
	}
	workers.Go(func() { s.calls(running) })
	workers.Go(func() { s.faults.run(running, length) })
	fmt.Printf("%8s %8s %8s %8s %8s %8s %10s %9s %8s  load\n", "time", "streams", "gorout.", "GC MB", "RSS MB", "files", "messages", "churned", "injected")
	var samples []sample
	for every := time.NewTicker(min(10*time.Second, length/20)); running.Err() == nil; {
		select {
		case <-running.Done():
			every.Stop()
			continue
		case <-every.C:
		}
		one, err := s.measure(time.Since(began))
		if err != nil {
			if !bridge.Alive() {
				return fmt.Errorf("the bridge died: %s", bridge.Log())
			}
			fmt.Println(err)
			continue
		}
		samples = append(samples, one)
		one.print()
	}
	workers.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.report(samples, length, *streams, *out)
}

// soak is a load.
type soak struct {
	bridge *program.Bridge
	ready  fake.Ready
	faults *faults
	// clients are those over HTTP/2. Each has a connection, which many streams share.
	clients []*http.Client

	mu       sync.Mutex
	open     int
	messages int
	churned  int
	injected int
	made     int            // calls for the status
	failures map[string]int // errors while nothing was broken
}

// wait waits, and reports whether ctx is still on.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// failed counts an error.
func (s *soak) failed(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.explain(time.Now()) {
		s.injected++
		return
	}
	s.failures[what+": "+err.Error()]++
}

// calls asks for the provider's status all the time.
func (s *soak) calls(ctx context.Context) {
	client := program.NewClient()
	defer client.CloseIdleConnections()
	for wait(ctx, 50*time.Millisecond) {
		if err := s.status(ctx, client); err != nil {
			s.failed(ctx, "status", err)
		}
		s.mu.Lock()
		s.made++
		s.mu.Unlock()
	}
}

func (s *soak) status(ctx context.Context, client *http.Client) error {
	body, err := s.post(ctx, client, pathStatus, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = readMessages(body, func(int) {})
	return err
}

// report judges what was measured.
func (s *soak) report(samples []sample, length time.Duration, streams int, out string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	trends, problems := judge(samples, streams)
	if len(s.failures) > 0 {
		for what, n := range s.failures {
			problems = append(problems, fmt.Errorf("%d× %s, while nothing was broken", n, what))
		}
	}
	for _, t := range trends {
		fmt.Println(t)
	}
	fmt.Printf("%d messages on %d streams, %d of which were replaced, and %d calls; %d errors while something was broken, %d while nothing was\n",
		s.messages, streams, s.churned, s.made, s.injected, total(s.failures))
	text, err := json.MarshalIndent(map[string]any{
		"seconds": length.Seconds(), "streams": streams, "messages": s.messages, "churned": s.churned, "calls": s.made,
		"injectedErrors": s.injected, "otherErrors": s.failures, "trends": trends, "samples": samples,
	}, "", "  ")
	if err == nil {
		err = os.WriteFile(out, append(text, '\n'), 0o644)
	}
	return errors.Join(append(problems, err)...)
}

func total(counts map[string]int) (n int) {
	for _, one := range counts {
		n += one
	}
	return n
}
