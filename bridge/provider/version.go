package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

const (
	// firstGRPC is the first version with a gRPC port; the suffix lets its
	// pre-releases count (proto/akash-provider-api.md, section 1.1).
	firstGRPC = "v0.5.0-0"
	// firstTokens is the first version that reads tokens (proto/akash-provider-api.md,
	// section 2.7).
	firstTokens = "v0.7.0-0"
	// firstSafe is the first version that survives an authorization header on a
	// unary gRPC call (proto/akash-provider-api.md, section 1.4).
	firstSafe = "v0.16.0"
)

const (
	// versionLifetime is how long a provider's version is believed. The provider
	// may be replaced by another version at any time, and what is safe to send
	// depends on it.
	versionLifetime = time.Minute
	// heldVersionLifetime is the same while a gRPC connection lives: a provider
	// that restarts drops it, and its version is forgotten with it.
	heldVersionLifetime = 10 * time.Minute
	// noVersionLifetime is the same for an answer without a readable version.
	noVersionLifetime = 30 * time.Second
	// versionHeadStart is what the question has over the search for a gRPC port,
	// which most providers need next.
	versionHeadStart = time.Second
	// maxVersionBody bounds the answer; build_deps makes 9 KB of it.
	maxVersionBody = 256 << 10
)

// safePreRelease matches the pre-releases of firstSafe that are known to be
// safe; what a developer built on the way is not.
var safePreRelease = regexp.MustCompile(`^-(a|rc)[0-9]+$`)

// canonical returns version with a leading v, or "" if it is not a semantic
// version.
func canonical(version string) string {
	if !strings.HasPrefix(version, "v") {
		version = "v" + version
	}
	if !semver.IsValid(version) {
		return ""
	}
	return version
}

// speaksGRPC tells whether a provider of this version has a gRPC port.
func speaksGRPC(version string) bool {
	return semver.Compare(canonical(version), firstGRPC) >= 0
}

// AuthorizationSafe tells whether a provider of this version is known to survive
// authorization metadata on a unary gRPC call. Versions from 0.7 to 0.15 crash
// (proto/akash-provider-api.md, section 1.4), so what is not known for sure is not safe.
func AuthorizationSafe(version string) bool {
	v := canonical(version)
	if v == "" {
		return false
	}
	if semver.Compare(v, firstSafe) >= 0 {
		return true
	}
	release, _, _ := strings.Cut(strings.TrimSuffix(v, semver.Build(v)), "-")
	return release == firstSafe && safePreRelease.MatchString(semver.Prerelease(v))
}

// versionAnswer is what came of asking a provider's version.
type versionAnswer struct {
	version string // "" if err
	err     error
	reached bool // the REST gateway answered, be it nonsense
	took    time.Duration
}

var errNoVersion = errors.New("no version in it")

// knownVersion returns the last answer, and whether it will still do.
func (rt *route) knownVersion(lifetime time.Duration) (versionAnswer, bool) {
	rt.mu.Lock()
	known, asked := rt.lastVersion, rt.versionAsked
	rt.mu.Unlock()
	if known.err != nil {
		lifetime = noVersionLifetime
	}
	return known, !asked.IsZero() && rt.pool.now().Sub(asked) < lifetime
}

// version asks the REST gateway for the provider's version, or remembers it.
func (rt *route) version(ctx context.Context, lifetime time.Duration) versionAnswer {
	if known, ok := rt.knownVersion(lifetime); ok {
		return known
	}
	answer, err := share(ctx, rt, "version", func(ctx context.Context) (versionAnswer, error) {
		ctx, cancel := context.WithTimeout(ctx, rt.pool.patience.version)
		defer cancel()
		version, reached, err := rt.askVersion(ctx)
		answer := versionAnswer{version: version, err: err, reached: reached}
		if reached {
			rt.mu.Lock()
			rt.lastVersion, rt.versionAsked = answer, rt.pool.now()
			rt.mu.Unlock()
		}
		return answer, nil
	})
	if err != nil {
		return versionAnswer{err: err}
	}
	return answer
}

func (rt *route) askVersion(ctx context.Context) (version string, reached bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rt.key.host.String()+"/version", nil)
	if err != nil {
		return "", false, err
	}
	res, err := rt.rest.RoundTrip(req)
	if err != nil {
		return "", false, explain(ctx, err, rt.key.host.Port, "the question for its version")
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxVersionBody))
	if err != nil {
		return "", true, err
	}
	if res.StatusCode != http.StatusOK {
		return "", true, fmt.Errorf("HTTP status %d", res.StatusCode)
	}
	var answer struct {
		Akash struct {
			Version string `json:"version"`
		} `json:"akash"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", true, err
	}
	if canonical(answer.Akash.Version) == "" || len(answer.Akash.Version) > 100 {
		return "", true, errNoVersion
	}
	return answer.Akash.Version, true, nil
}
