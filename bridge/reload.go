package main

import (
	"bytes"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"akash-provider-web/bridge/chain"
	"akash-provider-web/bridge/internal/settings"
)

// configCheckInterval is the time between two checks of the settings' file for changes. It
// is read rather than watched: a config map of Kubernetes is a link that is replaced, a
// file in a container may be on another machine, and both are found this way.
const configCheckInterval = 10 * time.Second

// reloads reads the settings again on SIGHUP and when their file has changed.
type reloads struct {
	server      *server
	certificate *certificate // nil for plain HTTP
	content     []byte       // of the file when it was last read

	hangup chan os.Signal
	done   chan struct{}
	ended  sync.WaitGroup
}

// startReloads starts to watch for reasons to read the settings again.
func (s *server) startReloads(certificate *certificate) *reloads {
	r := &reloads{server: s, certificate: certificate, hangup: make(chan os.Signal, 1), done: make(chan struct{})}
	r.content, _ = r.read()
	signal.Notify(r.hangup, syscall.SIGHUP)
	r.ended.Go(r.run)
	return r
}

func (r *reloads) stop() {
	signal.Stop(r.hangup)
	close(r.done)
	r.ended.Wait()
}

func (r *reloads) run() {
	ticker := time.NewTicker(configCheckInterval)
	defer ticker.Stop()
	for {
		select {
		case <-r.done:
			return
		case <-r.hangup:
			r.reload()
		case <-ticker.C:
			r.poll()
		}
	}
}

// read returns the content of the settings' file. A file that cannot be read right now, as
// while it is replaced, has none.
func (r *reloads) read() ([]byte, bool) {
	if r.server.config.file == "" {
		return nil, false
	}
	content, err := settings.ReadFile(r.server.config.file)
	return content, err == nil
}

// poll reloads the settings if their file has changed.
func (r *reloads) poll() {
	if content, ok := r.read(); ok && !bytes.Equal(content, r.content) {
		r.reload()
	}
}

// reload reads the settings again and applies those that can be changed. If any of them is
// wrong, all stay as they were.
func (r *reloads) reload() {
	s := r.server
	if r.certificate != nil {
		r.certificate.check()
	}
	if s.reread == nil {
		return
	}
	if content, ok := r.read(); ok {
		r.content = content
	}
	next, err := s.reread()
	if err == nil {
		err = r.apply(next)
	}
	s.metrics.Reloaded(err == nil)
	if err != nil {
		s.log.Error("the changed settings cannot be used; the old ones stay in use", "error", oneLine(err))
	}
}

// apply changes the settings of the running bridge. It does not change any if one cannot be
// used.
func (r *reloads) apply(next *config) error {
	s := r.server
	changed, fixed := s.config.flags.Changed(next.flags)
	var client *chain.Client
	if s.chain != nil && changesChain(changed) {
		var err error
		if client, err = next.newChain(s.log); err != nil {
			return err
		}
	}
	// The origins have been checked already, so only the keys can be refused.
	err := s.access.SetKeys(next.callerKeys)
	if err == nil {
		err = s.origins.Set(next.allowOrigins)
	}
	if err != nil {
		if client != nil {
			client.Close()
		}
		return err
	}
	if client != nil {
		s.chain.replace(client)
	}
	s.limits.Set(next.limits())
	for _, warning := range next.warnings() {
		s.log.Warn(warning)
	}
	if len(fixed) > 0 {
		s.log.Warn("some changed settings need a restart; until then their old values apply", "settings", strings.Join(fixed, ", "))
	}
	s.log.Info("the settings were reloaded", "changed", strings.Join(changed, ", "))
	// What needs a restart is compared with the values in use, at each reload.
	s.config.flags.Adopt(next.flags)
	return nil
}

// changesChain reports whether a setting of the chain is among those that have changed.
func changesChain(names []string) bool {
	for _, name := range names {
		if strings.HasPrefix(name, "chain-") {
			return true
		}
	}
	return false
}

// oneLine returns an error's text without line breaks.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
