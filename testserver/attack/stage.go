package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"akash-provider-web/testserver/fake"
	"akash-provider-web/testserver/program"
)

// usualTime is how long the neighbour's usual latency is measured before each attack.
const usualTime = 2 * time.Second

// stage has the bridges that are attacked, one without TLS and one with it, and the
// neighbour's provider.
type stage struct {
	folder    string
	fake      *fake.Server
	plain     *program.Bridge
	secure    *program.Bridge
	chainPort int
	played    int    // attacks so far
	controls  bool   // measure the neighbour beside a harmless process, too
	profiles  string // the folder for profiles of the bridge, "" for none
}

func openStage(ctx context.Context, file string) (*stage, error) {
	folder, err := os.MkdirTemp("", "attack-")
	if err != nil {
		return nil, err
	}
	s := &stage{folder: folder}
	if s.fake, err = fake.Start(ctx, fake.Options{}); err != nil {
		s.close()
		return nil, err
	}
	// The chain's node is played by the attack that needs it.
	if s.chainPort, err = freePort(); err != nil {
		s.close()
		return nil, err
	}
	certificate, err := program.WriteCertificate(folder)
	if err != nil {
		s.close()
		return nil, err
	}
	args := []string{
		"--listen", "127.0.0.1:0", "--allow-private-networks", "--allow-host-override", "--allow-insecure",
		"--metrics-listen", "127.0.0.1:0", "--pprof",
		"--chain-rpc", fmt.Sprintf("http://127.0.0.1:%d", s.chainPort), "--chain-rest", fmt.Sprintf("http://127.0.0.1:%d/rest", s.chainPort),
	}
	if s.plain, err = program.Start(file, args...); err == nil {
		s.secure, err = program.Start(file, append(args, certificate...)...)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	for _, p := range []*program.Bridge{s.plain, s.secure} {
		if p != nil {
			p.End()
		}
	}
	if s.fake != nil {
		s.fake.Close()
	}
	os.RemoveAll(s.folder)
}

// goroutines asks a bridge how many it has; -1 if it does not say.
func goroutines(b *program.Bridge) int {
	metrics, err := b.Metrics()
	if err != nil {
		return -1
	}
	return int(metrics["go_goroutines"])
}

// settle waits until what an attack has left behind has ended, but not for long.
func settle(ctx context.Context, p *program.Bridge) {
	const calm = 300
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end) && ctx.Err() == nil && goroutines(p) > calm; {
		time.Sleep(50 * time.Millisecond)
	}
}

// play lets an attack happen, and measures what it does.
func (s *stage) play(ctx context.Context, a attack, length time.Duration) result {
	p := s.plain
	if a.tls {
		p = s.secure
	}
	r := result{Name: a.name, Load: program.Load()}
	provider := s.fake.Ready()
	n := neighbour{process: p, provider: provider.Provider, host: provider.HostURI}
	settle(ctx, p)
	usual := n.callFor(ctx, min(usualTime, length/2))
	r.Usual = percentile(usual.times, 0.99)
	r.RSSBefore = p.Memory("VmRSS")
	if err := p.ResetPeak(); err != nil {
		r.Failure = "the peak of the memory cannot be measured: " + err.Error()
		return r
	}
	roled := role{Attack: a.name, Bridge: p.URL, From: attackerAddress(s.played), ChainPort: s.chainPort, Length: length, Provider: provider.Provider, HostURI: provider.HostURI, JWT: provider.JWT, Lease: provider.Lease}
	s.played++
	took := p.Processor()
	child, err := startRole(ctx, roled)
	if err != nil {
		r.Failure = err.Error()
		return r
	}
	began := time.Now()
	var profiling sync.WaitGroup
	var profileErr error
	if s.profiles != "" {
		profiling.Go(func() { profileErr = s.profile(p, a.name, length) })
	}
	during := n.callFor(ctx, length)
	report, err := child.wait()
	lasted := time.Since(began)
	profiling.Wait()
	err = cmp.Or(err, profileErr)
	r.Bridge = float64(p.Processor()-took) / float64(lasted)
	r.Attacker = float64(child.used()) / float64(lasted)
	r.P99, r.Calls, r.Errors = percentile(during.times, 0.99), len(during.times), during.errors
	r.Caller, r.Note = report.Caller, report.Note
	after := n.callFor(ctx, 100*time.Millisecond)
	r.Goroutine = goroutines(p)
	r.RSSPeak = p.Memory("VmHWM")
	r.RSSAfter = p.Memory("VmRSS")
	if s.controls {
		var controlErr error
		if r.Control, r.Idle, controlErr = s.control(ctx, n, roled, r.Attacker); err == nil {
			err = controlErr
		}
	}
	grows := a.grows
	if grows == 0 {
		grows = defaultGrowth
	}
	switch {
	case err != nil:
		r.Failure = "the attack failed: " + err.Error()
	case !p.Alive():
		r.Failure = "the bridge died: " + p.Log()
	case len(after.times) == 0 || after.errors > 0:
		r.Failure = "the bridge does not answer the neighbour after the attack: " + after.last
	case r.RSSPeak-r.RSSBefore > grows:
		r.Failure = fmt.Sprintf("the bridge grew by %d MB, more than %d MB", (r.RSSPeak-r.RSSBefore)>>20, grows>>20)
	case report.Failure != "":
		r.Failure = report.Failure
	case during.errors > 0:
		r.Failure = fmt.Sprintf("%d of the neighbour's %d calls failed: %s", during.errors, during.errors+len(during.times), during.last)
	}
	return r
}

// profile writes a CPU profile of a bridge under an attack.
func (s *stage) profile(p *program.Bridge, name string, length time.Duration) error {
	profile, err := p.Profile(length)
	if err != nil {
		return err
	}
	letters := func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '-'
	}
	return os.WriteFile(filepath.Join(s.profiles, strings.Map(letters, name)+".pprof"), profile, 0o644)
}

// control returns the neighbour's p99 beside a process that takes a share of a processor and
// leaves the bridge alone, and how much of a processor the bridge takes then.
func (s *stage) control(ctx context.Context, n neighbour, r role, share float64) (p99, bridge float64, err error) {
	settle(ctx, n.process)
	r.Attack, r.Share = control.name, min(share, 1)
	took, began := n.process.Processor(), time.Now()
	child, err := startRole(ctx, r)
	if err != nil {
		return 0, 0, err
	}
	made := n.callFor(ctx, r.Length)
	_, err = child.wait()
	return percentile(made.times, 0.99), float64(n.process.Processor()-took) / float64(time.Since(began)), err
}

// neighbour calls a provider that does no harm.
type neighbour struct {
	process        *program.Bridge
	provider, host string
}

// calls are the neighbour's calls.
type calls struct {
	times  []time.Duration
	errors int
	last   string // the last error
}

// neighbourPause is the time between two calls of the neighbour.
const neighbourPause = 5 * time.Millisecond

func (n neighbour) callFor(ctx context.Context, length time.Duration) (made calls) {
	for end := time.Now().Add(length); time.Now().Before(end) && ctx.Err() == nil; {
		began := time.Now()
		answer := callStatus(ctx, n.process.Client, n.process.URL, n.provider, n.host, 10*time.Second)
		if answer.ok() {
			made.times = append(made.times, time.Since(began))
		} else {
			made.errors++
			made.last = answer.String()
		}
		time.Sleep(neighbourPause)
	}
	return made
}

// percentile returns a percentile of times in milliseconds.
func percentile(times []time.Duration, at float64) float64 {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Clone(times)
	slices.Sort(sorted)
	return float64(sorted[int(at*float64(len(sorted)-1))].Microseconds()) / 1000
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
