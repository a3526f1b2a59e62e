package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"akash-provider-web/testserver/fake"
)

// roleVariable is the environment variable that makes this program the attacker.
const roleVariable = "AKASH_ATTACK_ROLE"

// loweredVariable says that the attacker's process has its priority.
const loweredVariable = "AKASH_ATTACK_LOWERED"

// lower gives the attacker the processor only while nobody else wants it: an attacker has a
// machine of its own. A priority is a thread's, and Go has several by now, so that the
// program begins anew.
func lower() error {
	if os.Getenv(loweredVariable) != "" {
		return nil
	}
	runtime.LockOSThread()
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, append(os.Environ(), loweredVariable+"=1"))
}

// role tells the attacker's process what to do.
type role struct {
	Attack    string
	Bridge    string
	From      string // the IP address of attacks on the bridge's listener
	ChainPort int
	Length    time.Duration
	Share     float64 // of a processor, for the control
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

// used is how much time of a processor the attacker took, once it has ended.
func (a *attacker) used() time.Duration {
	if a.cmd.ProcessState == nil {
		return 0
	}
	return a.cmd.ProcessState.UserTime() + a.cmd.ProcessState.SystemTime()
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
	t := &target{caller: map[string]int{}}
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, "attacker:", err)
		os.Exit(1)
	}
	if err := lower(); err != nil {
		fail(err)
	}
	if err := json.Unmarshal([]byte(os.Getenv(roleVariable)), &t.role); err != nil {
		fail(err)
	}
	for _, a := range append(attacks, control) {
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
