package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateCheckInterval is the least time between two checks of the certificate's
// files for changes.
const certificateCheckInterval = 10 * time.Second

// certificate is the bridge's TLS certificate. It is reloaded when its files have
// changed, so that a renewal needs no restart, which would end every stream.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	cert    *tls.Certificate
	state   [2]fileState // of the files when they were last loaded
	checked time.Time
}

// fileState identifies a version of a file.
type fileState struct {
	modTime time.Time
	size    int64
}

// loadCertificate loads a certificate and its key.
func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	c.checked = c.now()
	if err := c.load(c.fileStates()); err != nil {
		return nil, usageError{fmt.Errorf("--tls-cert, --tls-key: %w", err)}
	}
	return c, nil
}

// get returns the certificate, for tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked) >= certificateCheckInterval {
		c.checked = now
		c.reload()
	}
	return c.cert, nil
}

// check reloads the files now if they have changed.
func (c *certificate) check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = c.now()
	c.reload()
}

// reload loads the files if they have changed. If they cannot be used, for example
// because only one has been written yet, the old certificate stays in use until a
// later check succeeds. The caller holds c.mu.
func (c *certificate) reload() {
	state := c.fileStates()
	if state == c.state {
		return
	}
	if err := c.load(state); err != nil {
		c.log.Warn("the changed certificate cannot be used; the old one stays in use", "error", err)
		return
	}
	c.log.Info("the certificate was reloaded", "file", c.certFile)
}

func (c *certificate) load(state [2]fileState) error {
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.cert, c.state = &cert, state
	return nil
}

// fileStates returns the states of the files. That of a missing file is zero.
func (c *certificate) fileStates() (states [2]fileState) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			states[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return states
}
