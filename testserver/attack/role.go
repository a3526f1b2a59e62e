package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"akash-provider-web/testserver/fake"
)

// roleVariable is the environment variable that makes this program the attacker.
const roleVariable = "AKASH_ATTACK_ROLE"

// attackerNice is the attacker's priority. An attacker has a machine of its own; here it
// should not take the processor from the neighbour.
const attackerNice = 19

// role tells the attacker's process what to do.
type role struct {
	Attack    string
	Bridge    string
	ChainPort int
	Length    time.Duration
	// Provider, HostURI, JWT and Lease are of the provider that does no harm.
	Provider, HostURI, JWT string
	Lease                  fake.Lease
}

// report is what the attacker saw.
type report struct {
	Caller  map[string]int
	Note    string
	Failure string
}

// attacker is a process that attacks.
type attacker struct {
	cmd *exec.Cmd
	out []byte
	err chan error
}

func startRole(ctx context.Context, r role) (*attacker, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a := &attacker{cmd: exec.CommandContext(ctx, self), err: make(chan error, 1)}
	a.cmd.Env = append(os.Environ(), roleVariable+"="+string(text), "GOMAXPROCS=1")
	a.cmd.Stderr = os.Stderr
	go func() {
		var err error
		a.out, err = a.cmd.Output()
		a.err <- err
	}()
	return a, nil
}

func (a *attacker) wait() (r report, err error) {
	if err := <-a.err; err != nil {
		return r, err
	}
	return r, json.Unmarshal(a.out, &r)
}

// target is the bridge that is attacked.
type target struct {
	role
	fine   bool // answers may be successes
	mu     sync.Mutex
	caller map[string]int
	note   string
	failed string
}

// answered counts what an attacked caller was answered. An answer that is no clear error
// fails the attack.
func (t *target) answered(a answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.caller[a.String()]++
	if !a.clear() && !(t.fine && a.ok()) {
		t.failed = "the attacked caller got no clear error: " + a.String() + ": " + a.message
	}
}

func (t *target) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note = fmt.Sprintf(format, args...)
}

// playRole is the attacker's process.
func playRole(ctx context.Context) {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, attackerNice)
	t := &target{caller: map[string]int{}}
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, "attacker:", err)
		os.Exit(1)
	}
	if err := json.Unmarshal([]byte(os.Getenv(roleVariable)), &t.role); err != nil {
		fail(err)
	}
	for _, a := range attacks {
		if a.name != t.Attack {
			continue
		}
		t.fine = a.fine
		ctx, cancel := context.WithTimeout(ctx, t.Length)
		defer cancel()
		if err := a.run(ctx, t); err != nil {
			fail(err)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if err := json.NewEncoder(os.Stdout).Encode(report{Caller: maps.Clone(t.caller), Note: t.note, Failure: t.failed}); err != nil {
			fail(err)
		}
		return
	}
	fail(fmt.Errorf("there is no attack %q", t.Attack))
}
