// Attack attacks a bridge from every side, on this machine only: as a caller of its
// listener, as a provider that it calls, and as the chain node that it asks. Beside each
// attack a neighbour calls another provider. For each it prints whether the bridge lives,
// its memory, the neighbour's latency beside the usual one, and what the attacked caller
// was answered. An attack is made several times, each time with a control after it, and the
// ratio of the two latencies is the median of these rounds.
//
//	go run ./testserver/attack [--short] [--for 5s] [--rounds 3] [--bridge FILE] [--profile FOLDER] [WORD…]
//
// It writes the same to bin/attack.json, and exits with 1 if the bridge died or grew beyond
// its bound, or if an attacked caller got no clear error. Latency depends on the machine's
// load, which is printed, so it is not judged.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"akash-provider-web/testserver/program"
)

// An attack is one way to harm a bridge. It runs in a process of its own.
type attack struct {
	name string
	// short says that it is part of the short form.
	short bool
	// tls says that the attack is on a listener with TLS.
	tls bool
	// fine says that an attacked caller may be answered.
	fine bool
	// grows is how many bytes the bridge may grow by.
	grows int64
	run   func(ctx context.Context, t *target) error
}

// defaultGrowth bounds the growth of the bridge's resident memory, unless an attack says
// otherwise.
const defaultGrowth = 64 << 20

// attacks are all attacks, in the order in which they run.
var attacks = func() (all []attack) {
	all = append(all, listenerAttacks...)
	all = append(all, browserAttacks...)
	all = append(all, grpcAttacks...)
	all = append(all, restAttacks...)
	return append(all, chainAttacks...)
}()

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv(roleVariable) != "" {
		playRole(ctx)
		return
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	short := flag.Bool("short", false, "run a few attacks, for half a second each")
	length := flag.Duration("for", 5*time.Second, "how long each round of an attack lasts")
	rounds := flag.Int("rounds", 3, "how often each attack is made, each time with a control")
	bridge := flag.String("bridge", "bin/akash-provider-bridge", "the bridge's program")
	out := flag.String("json", "bin/attack.json", "the file to write the results to")
	profiles := flag.String("profile", "", "a folder for a CPU profile of the bridge under each attack")
	flag.Parse()
	if *short {
		*length, *rounds = 500*time.Millisecond, 1
	}
	if *rounds < 1 {
		return errors.New("--rounds: want 1 or more")
	}
	program.RaiseLimit()
	s, err := openStage(ctx, *bridge)
	if err != nil {
		return err
	}
	defer s.close()
	s.controls, s.rounds, s.profiles = !*short, *rounds, *profiles
	fmt.Printf("%-34s %-9s %9s %9s %8s %8s %6s %8s %6s %6s %6s  %s\n", "attack", "bridge", "peak", "after", "p99", "control", "ratio", "usual", "att.", "bridge", "alone", "attacked caller")
	var results []result
	failed := 0
	for _, a := range attacks {
		if *short && !a.short || !matches(a.name, flag.Args()) {
			continue
		}
		r := s.play(ctx, a, *length)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.print()
		if r.Failure != "" {
			failed++
			fmt.Printf("    FAILED: %s\n", r.Failure)
		}
		results = append(results, r)
	}
	text, err := json.MarshalIndent(results, "", "  ")
	if err == nil {
		err = os.WriteFile(*out, append(text, '\n'), 0o644)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%d attacks, %d rounds of %s each, %d failed; load %s\n", len(results), *rounds, *length, failed, program.Load())
	if s.controls {
		calm := 0
		for _, r := range results {
			if r.Ratio <= 2 {
				calm++
			}
		}
		fmt.Printf("in %d the neighbour's p99 is at most twice that of the control, in the median of the rounds\n", calm)
	}
	if failed > 0 {
		return errors.New("the bridge did not hold")
	}
	return nil
}

func matches(name string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(strings.ToLower(name), strings.ToLower(word)) {
			return false
		}
	}
	return true
}

// result is what an attack came to.
type result struct {
	Name string `json:"name"`
	// RSSBefore, RSSPeak and RSSAfter are the bridge's resident memory, in bytes.
	RSSBefore int64 `json:"rssBefore"`
	RSSPeak   int64 `json:"rssPeak"`
	RSSAfter  int64 `json:"rssAfter"`
	// P99 is the 99th percentile of the neighbour's calls during the attack, and Usual
	// that of the calls before it, in milliseconds.
	P99   float64 `json:"p99Ms"`
	Usual float64 `json:"usualP99Ms"`
	// Control is the 99th percentile beside a process that takes as much of the processor
	// as the attacker, and leaves the bridge alone; Ratio is the median, of the rounds, of
	// the percentile during the attack divided by that of the control.
	Control float64 `json:"controlP99Ms,omitempty"`
	Ratio   float64 `json:"p99Ratio,omitempty"`
	// Attacker and Bridge are how much of a processor they take during the attack, and Idle
	// what the bridge takes for the neighbour alone.
	Attacker  float64 `json:"attackerProcessor"`
	Bridge    float64 `json:"bridgeProcessor"`
	Idle      float64 `json:"bridgeProcessorControl,omitempty"`
	Calls     int     `json:"neighbourCalls"`
	Errors    int     `json:"neighbourErrors"`
	Goroutine int     `json:"goroutinesAfter"`
	// Caller is what attacked callers were answered, and how often.
	Caller  map[string]int `json:"caller,omitempty"`
	Note    string         `json:"note,omitempty"`
	Load    string         `json:"load"`
	Failure string         `json:"failure,omitempty"`
}

func (r result) print() {
	alive := "alive"
	if r.Failure != "" {
		alive = "see below"
	}
	fmt.Printf("%-34s %-9s %6d MB %6d MB %5.1f ms %5.1f ms %6.1f %5.1f ms %4.0f %% %4.0f %% %4.0f %%  %s\n", r.Name, alive, r.RSSPeak>>20, r.RSSAfter>>20,
		r.P99, r.Control, r.Ratio, r.Usual, 100*r.Attacker, 100*r.Bridge, 100*r.Idle, r.said())
}

// said is what the attacked callers were answered, in one line.
func (r result) said() string {
	var parts []string
	for _, text := range slices.Sorted(maps.Keys(r.Caller)) {
		parts = append(parts, fmt.Sprintf("%d× %s", r.Caller[text], text))
	}
	if r.Note != "" {
		parts = append(parts, r.Note)
	}
	return strings.Join(parts, "; ")
}
