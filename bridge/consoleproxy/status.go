package consoleproxy

import (
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
)

// usage is what a WebSocket is used for.
type usage int

const (
	usageOther usage = iota
	usageLogs
	usageLogDownload
	usageEvents
	usageShell
	usages // the number of them
)

// usageOf tells a WebSocket's usage from its URL.
func usageOf(u *url.URL) usage {
	switch path := u.Path; {
	case strings.HasSuffix(path, "/logs") && u.Query().Get("follow") == "true":
		return usageLogs
	case strings.HasSuffix(path, "/logs"):
		return usageLogDownload
	case strings.HasSuffix(path, "/kubeevents"):
		return usageEvents
	case strings.HasSuffix(path, "/shell"):
		return usageShell
	}
	return usageOther
}

// stats counts WebSockets and what they carry.
type stats struct {
	mu    sync.Mutex
	open  int // clients' WebSockets
	count [usages]int
	bytes [usages]int
}

func (s *stats) clients(change int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += change
}

// opened counts a provider's WebSocket.
func (s *stats) opened(u usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[u]++
}

// carried counts bytes that were sent to a client.
func (s *stats) carried(u usage, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes[u] += n
}

// report is the answer to GET /status.
type report struct {
	OpenClientWebSocketCount int    `json:"openClientWebSocketCount"`
	TotalRequestCount        int    `json:"totalRequestCount"`
	TotalTransferred         string `json:"totalTransferred"`
	LogStreaming             string `json:"logStreaming"`
	LogDownload              string `json:"logDownload"`
	EventStreaming           string `json:"eventStreaming"`
	Shell                    string `json:"shell"`
	Version                  string `json:"version"`
}

func (s *stats) report() report {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := func(u usage) string { return fmt.Sprintf("%d (%s)", s.count[u], size(s.bytes[u])) }
	r := report{
		OpenClientWebSocketCount: s.open,
		LogStreaming:             one(usageLogs),
		LogDownload:              one(usageLogDownload),
		EventStreaming:           one(usageEvents),
		Shell:                    one(usageShell),
		Version:                  version,
	}
	bytes := 0
	for u := range usages {
		r.TotalRequestCount += s.count[u]
		bytes += s.bytes[u]
	}
	r.TotalTransferred = size(bytes)
	return r
}

// version is that of a released module, or what the protocol says for a local build.
var version = func() string {
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") && !strings.ContainsAny(info.Main.Version, "-+") {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "0.0.0-local"
}()

// size formats a number of bytes for people.
func size(bytes int) string {
	const step = 1024
	if bytes < step {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes), -1
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for value >= step && unit < len(units)-1 {
		value /= step
		unit++
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
