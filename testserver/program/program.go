// Package program runs a bridge's program for the harnesses that are written in Go, and
// measures it.
package program

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Bridge is a bridge that runs.
type Bridge struct {
	// URL is where it listens.
	URL string
	// Client calls it, and accepts its certificate.
	Client *http.Client

	metrics string // the URL of its metrics

	cmd   *exec.Cmd
	log   tail
	ended chan struct{}
}

// Start starts a bridge and waits until it is ready.
func Start(file string, args ...string) (*Bridge, error) {
	b := &Bridge{Client: NewClient(), cmd: exec.Command(file, args...), ended: make(chan struct{})}
	b.cmd.Stderr = &b.log
	stdout, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var ready struct {
		URL        string `json:"url"`
		MetricsURL string `json:"metricsUrl"` // if they have a listener of their own
	}
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		b.cmd.Process.Kill()
		b.cmd.Wait()
		return nil, fmt.Errorf("the bridge did not start: %w\n%s", err, b.Log())
	}
	b.URL = ready.URL
	b.metrics = cmp.Or(ready.MetricsURL, ready.URL+"/metrics")
	go func() {
		io.Copy(io.Discard, stdout)
		b.cmd.Wait()
		close(b.ended)
	}()
	return b, nil
}

// NewClient returns a client for bridges with certificates of their own, on this machine.
func NewClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		MaxIdleConnsPerHost: 100,
		ForceAttemptHTTP2:   true,
	}}
}

// End asks the bridge to end, and ends it if it does not.
func (b *Bridge) End() {
	b.cmd.Process.Signal(os.Interrupt)
	select {
	case <-b.ended:
	case <-time.After(10 * time.Second):
		b.cmd.Process.Kill()
		<-b.ended
	}
}

// Alive reports whether the bridge runs.
func (b *Bridge) Alive() bool {
	select {
	case <-b.ended:
		return false
	default:
		return true
	}
}

// Log returns the end of the bridge's log.
func (b *Bridge) Log() string {
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	return b.log.text.String()
}

// Memory returns the bridge's resident memory in bytes: VmRSS, or VmHWM for its peak.
func (b *Bridge) Memory(name string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.cmd.Process.Pid))
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

// Processor returns how much time of a processor the bridge has taken (proc_pid_stat(5)).
func (b *Bridge) Processor() time.Duration {
	const tick = time.Second / 100 // on every system that Go runs on
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may have blanks.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick
}

// ResetPeak lets the peak of the memory begin anew (proc_pid_clear_refs(5)).
func (b *Bridge) ResetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", b.cmd.Process.Pid), []byte("5"), 0)
}

// Files returns how many files and connections the bridge has open.
func (b *Bridge) Files() int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	return len(entries)
}

// Collect has the bridge collect its garbage. It needs --metrics-listen and --pprof.
func (b *Bridge) Collect() error {
	_, err := b.pprof("heap?gc=1")
	return err
}

// Profile returns what took the bridge's processor time for so long, at least a second. It
// needs --metrics-listen and --pprof.
func (b *Bridge) Profile(length time.Duration) ([]byte, error) {
	return b.pprof(fmt.Sprintf("profile?seconds=%d", max(1, int(length.Seconds()))))
}

// pprof returns a profile.
func (b *Bridge) pprof(query string) ([]byte, error) {
	response, err := b.Client.Get(strings.TrimSuffix(b.metrics, "/metrics") + "/debug/pprof/" + query)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the bridge serves no profiles: %s", response.Status)
	}
	return io.ReadAll(response.Body)
}

// Metrics returns the bridge's metrics that have no labels.
func (b *Bridge) Metrics() (map[string]float64, error) {
	response, err := b.Client.Get(b.metrics)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	metrics := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if number, err := strconv.ParseFloat(value, 64); ok && err == nil {
			metrics[name] = number
		}
	}
	return metrics, nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	const limit = 16 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text.Len() > limit {
		t.text.Next(t.text.Len() - limit/2)
	}
	return t.text.Write(p)
}

// NewCertificate returns a self-signed certificate for this machine, with a common name,
// and its key, in PEM.
func NewCertificate(commonName string) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: commonName}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), nil
}

// WriteCertificate writes a certificate into a folder, and returns the flags of a bridge
// that serves it.
func WriteCertificate(folder string) ([]string, error) {
	certificate, key, err := NewCertificate("bridge")
	if err != nil {
		return nil, err
	}
	certFile, keyFile := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	return []string{"--tls-cert", certFile, "--tls-key", keyFile},
		errors.Join(os.WriteFile(certFile, certificate, 0o600), os.WriteFile(keyFile, key, 0o600))
}

// RaiseLimit lets this process and those that it starts open as many files as the system
// allows.
func RaiseLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}

// Load is the machine's load average over a minute.
func Load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}
