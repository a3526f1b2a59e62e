package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificatePause is how long a certificate is served before its files are looked
// at again.
const certificatePause = 10 * time.Second

// certificate is what the bridge serves HTTPS with. It is read again when its files
// have changed, so that a renewal needs no restart, which would end every stream.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu     sync.Mutex
	pair   *tls.Certificate
	stamp  [2]fileStamp // of the files, when they were last read
	looked time.Time
}

// fileStamp tells one state of a file from another.
type fileStamp struct {
	changed time.Time
	size    int64
}

// loadCertificate reads a certificate and its key.
func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	c.looked = c.now()
	if err := c.load(c.stamps()); err != nil {
		return nil, usageError{fmt.Errorf("--tls-cert, --tls-key: %w", err)}
	}
	return c, nil
}

// get returns the certificate, for tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= certificatePause {
		c.looked = now
		c.renew()
	}
	return c.pair, nil
}

// renew reads the files if they have changed. What cannot be used, as when only one
// of them has been written yet, is looked at again in a while; until then the old
// certificate is served. c.mu is held.
func (c *certificate) renew() {
	stamp := c.stamps()
	if stamp == c.stamp {
		return
	}
	if err := c.load(stamp); err != nil {
		c.log.Warn("the changed certificate cannot be used; the old one is still served", "error", err)
		return
	}
	c.log.Info("the certificate was read again", "file", c.certFile)
}

func (c *certificate) load(stamp [2]fileStamp) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair, c.stamp = &pair, stamp
	return nil
}

// stamps returns the states of the files; that of one that is not there is zero.
func (c *certificate) stamps() (stamps [2]fileStamp) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			stamps[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return stamps
}
