package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"akash-provider-web/testserver/fake"
)

func sortStrings(s []string) { slices.Sort(s) }

// usualTime is how long the neighbour's usual latency is measured before each attack.
const usualTime = 2 * time.Second

// stage has the bridges that are attacked, one without TLS and one with it, and the
// neighbour's provider.
type stage struct {
	folder    string
	fake      *fake.Server
	plain     *process
	secure    *process
	chainPort int
}

// process is a bridge.
type process struct {
	cmd    *exec.Cmd
	url    string
	client *http.Client
	log    *bytes.Buffer
	ended  chan struct{}
}

func openStage(ctx context.Context, program string) (*stage, error) {
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
	certificate, err := writeCertificate(folder)
	if err != nil {
		s.close()
		return nil, err
	}
	args := []string{
		"--listen", "127.0.0.1:0", "--allow-private-networks", "--allow-host-override", "--allow-insecure",
		"--chain-rpc", fmt.Sprintf("http://127.0.0.1:%d", s.chainPort), "--chain-rest", fmt.Sprintf("http://127.0.0.1:%d/rest", s.chainPort),
	}
	if s.plain, err = startBridge(program, args); err == nil {
		s.secure, err = startBridge(program, append(args, certificate...))
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	for _, p := range []*process{s.plain, s.secure} {
		if p != nil {
			p.end()
		}
	}
	if s.fake != nil {
		s.fake.Close()
	}
	os.RemoveAll(s.folder)
}

// startBridge starts a bridge and waits until it is ready.
func startBridge(program string, args []string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), log: &bytes.Buffer{}, ended: make(chan struct{})}
	p.cmd.Stderr = &tail{buffer: p.log}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var ready struct {
		URL string `json:"url"`
	}
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		return nil, fmt.Errorf("the bridge did not start: %w\n%s", err, p.log)
	}
	p.url = ready.URL
	p.client = newClient()
	go func() {
		io.Copy(io.Discard, stdout)
		p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

func newClient() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // its own certificate, on this machine
		MaxIdleConnsPerHost: 100,
		ForceAttemptHTTP2:   true,
	}}
}

func (p *process) end() {
	p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
	}
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu     sync.Mutex
	buffer *bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	const limit = 16 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buffer.Len() > limit {
		t.buffer.Next(t.buffer.Len() - limit/2)
	}
	return t.buffer.Write(p)
}

// memory returns a line of the process's status in bytes: VmRSS, or VmHWM for the peak.
func (p *process) memory(name string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kilobytes, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}

// resetPeak lets the peak of the resident memory begin anew (proc_pid_clear_refs(5)).
func (p *process) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0)
}

var goroutinesLine = regexp.MustCompile(`(?m)^go_goroutines (\d+)`)

// goroutines asks the bridge how many it has.
func (p *process) goroutines() int {
	response, err := p.client.Get(p.url + "/metrics")
	if err != nil {
		return -1
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if found := goroutinesLine.FindSubmatch(text); found != nil {
		n, _ := strconv.Atoi(string(found[1]))
		return n
	}
	return -1
}

// settle waits until what an attack has left behind has ended, but not for long.
func (p *process) settle(ctx context.Context) {
	const calm = 300
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end) && ctx.Err() == nil && p.goroutines() > calm; {
		time.Sleep(50 * time.Millisecond)
	}
}

// play lets an attack happen, and measures what it does.
func (s *stage) play(ctx context.Context, a attack, length time.Duration) result {
	p := s.plain
	if a.tls {
		p = s.secure
	}
	r := result{Name: a.name, Load: load()}
	provider := s.fake.Ready()
	n := neighbour{process: p, provider: provider.Provider, host: provider.HostURI}
	p.settle(ctx)
	usual := n.callFor(ctx, min(usualTime, length))
	r.Usual = percentile(usual.times, 0.99)
	r.RSSBefore = p.memory("VmRSS")
	if err := p.resetPeak(); err != nil {
		r.Failure = "the peak of the memory cannot be measured: " + err.Error()
		return r
	}
	child, err := startRole(ctx, role{Attack: a.name, Bridge: p.url, ChainPort: s.chainPort, Length: length, Provider: provider.Provider, HostURI: provider.HostURI, JWT: provider.JWT, Lease: provider.Lease})
	if err != nil {
		r.Failure = err.Error()
		return r
	}
	during := n.callFor(ctx, length)
	report, err := child.wait()
	r.P99, r.Calls, r.Errors = percentile(during.times, 0.99), len(during.times), during.errors
	r.Caller, r.Note = report.Caller, report.Note
	after := n.callFor(ctx, 100*time.Millisecond)
	r.Goroutine = p.goroutines()
	r.RSSPeak = p.memory("VmHWM")
	r.RSSAfter = p.memory("VmRSS")
	grows := a.grows
	if grows == 0 {
		grows = defaultGrowth
	}
	switch {
	case err != nil:
		r.Failure = "the attack failed: " + err.Error()
	case !p.alive():
		r.Failure = "the bridge died: " + p.log.String()
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

// neighbour calls a provider that does no harm.
type neighbour struct {
	process        *process
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
		answer := callStatus(ctx, n.process.client, n.process.url, n.provider, n.host, 10*time.Second)
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

// load is the machine's load average over a minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}

// raiseLimit lets this process and those that it starts open as many files as the system
// allows.
func raiseLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// writeCertificate writes the bridge's own certificate, and returns the flags to use it.
func writeCertificate(folder string) ([]string, error) {
	certificate, key, err := newCertificate()
	if err != nil {
		return nil, err
	}
	certFile, keyFile := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	return []string{"--tls-cert", certFile, "--tls-key", keyFile},
		errors.Join(os.WriteFile(certFile, certificate, 0o600), os.WriteFile(keyFile, key, 0o600))
}
