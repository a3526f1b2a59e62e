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
	rounds    int    // of each attack
	played    int    // rounds so far
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

// play lets an attack happen, round after round, and measures what it does. After each round
// follows the control's, so that both meet the same machine.
func (s *stage) play(ctx context.Context, a attack, length time.Duration) result {
	p := s.plain
	if a.tls {
		p = s.secure
	}
	r := result{Name: a.name, Load: program.Load(), Caller: map[string]int{}}
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
	roled := role{Attack: a.name, Bridge: p.URL, ChainPort: s.chainPort, Length: length, Provider: provider.Provider, HostURI: provider.HostURI, JWT: provider.JWT, Lease: provider.Lease}
	var beside, controls []time.Duration
	var ratios []float64
	for range s.rounds {
		roled.From = attackerAddress(s.played)
		s.played++
		one, failure := s.round(ctx, n, a, roled)
		r.Attacker += one.attacker / float64(s.rounds)
		r.Bridge += one.bridge / float64(s.rounds)
		r.Calls += len(one.calls.times)
		r.Errors += one.calls.errors
		beside = append(beside, one.calls.times...)
		for text, n := range one.report.Caller {
			r.Caller[text] += n
		}
		r.Note = one.report.Note
		r.Goroutine = goroutines(p)
		r.RSSPeak = p.Memory("VmHWM")
		r.RSSAfter = p.Memory("VmRSS")
		if s.controls && failure == "" {
			made, idle, err := s.control(ctx, n, roled, one.attacker)
			if err != nil {
				failure = "the control failed: " + err.Error()
			}
			r.Idle += idle / float64(s.rounds)
			controls = append(controls, made.times...)
			ratios = append(ratios, percentile(one.calls.times, 0.99)/percentile(made.times, 0.99))
		}
		grows := a.grows
		if grows == 0 {
			grows = defaultGrowth
		}
		if failure == "" && r.RSSPeak-r.RSSBefore > grows {
			failure = fmt.Sprintf("the bridge grew by %d MB, more than %d MB", (r.RSSPeak-r.RSSBefore)>>20, grows>>20)
		}
		if failure != "" {
			r.Failure = failure
			break
		}
	}
	r.P99, r.Control, r.Ratio = percentile(beside, 0.99), percentile(controls, 0.99), median(ratios)
	return r
}

// played is one round of an attack.
type played struct {
	calls            calls // the neighbour's
	report           report
	attacker, bridge float64 // how much of a processor each took
}

// round lets an attack happen once. It returns why the bridge did not hold, "" if it did.
func (s *stage) round(ctx context.Context, n neighbour, a attack, r role) (one played, failure string) {
	p := n.process
	settle(ctx, p)
	took := p.Processor()
	child, err := startRole(ctx, r)
	if err != nil {
		return one, err.Error()
	}
	began := time.Now()
	var profiling sync.WaitGroup
	var profileErr error
	if s.profiles != "" {
		profiling.Go(func() { profileErr = s.profile(p, a.name, r.Length) })
	}
	one.calls = n.callFor(ctx, r.Length)
	one.report, err = child.wait()
	lasted := time.Since(began)
	profiling.Wait()
	one.bridge = float64(p.Processor()-took) / float64(lasted)
	one.attacker = float64(child.used()) / float64(lasted)
	after := n.callFor(ctx, 100*time.Millisecond)
	switch err := cmp.Or(err, profileErr); {
	case err != nil:
		failure = "the attack failed: " + err.Error()
	case !p.Alive():
		failure = "the bridge died: " + p.Log()
	case len(after.times) == 0 || after.errors > 0:
		failure = "the bridge does not answer the neighbour after the attack: " + after.last
	case one.report.Failure != "":
		failure = one.report.Failure
	case one.calls.errors > 0:
		failure = fmt.Sprintf("%d of the neighbour's %d calls failed: %s", one.calls.errors, one.calls.errors+len(one.calls.times), one.calls.last)
	}
	return one, failure
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

// control returns the neighbour's calls beside a process that takes a share of a processor
// and leaves the bridge alone, and how much of a processor the bridge takes then.
func (s *stage) control(ctx context.Context, n neighbour, r role, share float64) (made calls, bridge float64, err error) {
	settle(ctx, n.process)
	r.Attack, r.Share = control.name, min(share, 1)
	took, began := n.process.Processor(), time.Now()
	child, err := startRole(ctx, r)
	if err != nil {
		return made, 0, err
	}
	made = n.callFor(ctx, r.Length)
	_, err = child.wait()
	return made, float64(n.process.Processor()-took) / float64(time.Since(began)), err
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
const neighbourPause = 2 * time.Millisecond

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

// median returns the median of values, 0 without any.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
