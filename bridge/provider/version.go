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

	"akash-provider-web/bridge/rpcerror"
)

const (
	// firstGRPC is the first version with a gRPC port. The suffix includes its
	// pre-releases (proto/akash-provider-api.md, section 1.1).
	firstGRPC = "v0.5.0-0"
	// firstTokens is the first version that supports tokens
	// (proto/akash-provider-api.md, section 2.7).
	firstTokens = "v0.7.0-0"
	// firstSafe is the first version that survives an authorization header on a
	// unary gRPC call (proto/akash-provider-api.md, section 1.4).
	firstSafe = "v0.16.0"
)

const (
	// versionLifetime is how long a provider's version is cached. The provider may be
	// upgraded or downgraded at any time, and what is safe to send depends on the
	// version.
	versionLifetime = time.Minute
	// heldVersionLifetime is the same while a gRPC connection is open. A provider
	// that restarts closes it, which drops the cached version.
	heldVersionLifetime = 10 * time.Minute
	// noVersionLifetime is the same for an answer without a valid version.
	noVersionLifetime = 30 * time.Second
	// versionHeadStart is how long a call waits for the answer once the gRPC port has
	// answered or, while there are many searches, before it searches for that.
	versionHeadStart = time.Second
	// maxSearchesAlong bounds the searches for a gRPC port that go along with the question
	// for the version. When a page looks at hundreds of providers, what these take is
	// better used for connections that are certain to be needed.
	maxSearchesAlong = 8
	// silenceLifetime is how long calls over gRPC do not wait for a REST gateway that was
	// silent. Then it is asked again.
	silenceLifetime = 30 * time.Second
	// maxVersionBody bounds the answer, which has 9 KB because of build_deps.
	maxVersionBody = 256 << 10
)

// safePreRelease matches the pre-releases of firstSafe that are known to be safe.
// Development builds are not.
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

// speaksGRPC reports whether a provider of this version has a gRPC port.
func speaksGRPC(version string) bool {
	return semver.Compare(canonical(version), firstGRPC) >= 0
}

// AuthorizationSafe reports whether a provider of this version certainly survives
// authorization metadata on a unary gRPC call. Versions 0.7 to 0.15 crash
// (proto/akash-provider-api.md, section 1.4), so unknown versions are not safe.
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

// versionAnswer is the result of a request for a provider's version.
type versionAnswer struct {
	version string // "" if err
	err     error
	reached bool // the REST gateway answered, even if not with a version
	pending bool // with err: the request has not ended yet
	took    time.Duration
}

// silence is what is remembered of a REST gateway that was silent for as long as a call
// over gRPC waits for it; the zero value stands for none.
type silence struct {
	answer versionAnswer
	since  time.Time
}

// knownSilence returns the answer for a call if the REST gateway was silent before. After
// silenceLifetime it asks the gateway again, for later calls.
func (rt *route) knownSilence() (versionAnswer, bool) {
	rt.mu.Lock()
	now := rt.pool.now()
	again := rt.silent.answer.err != nil && now.Sub(rt.silent.since) >= silenceLifetime
	if again {
		rt.silent.answer.pending, rt.silent.since = true, now
	}
	answer := rt.silent.answer
	rt.mu.Unlock()
	if again {
		begin(context.Background(), rt, "version", rt.requestVersion)
	}
	return answer, answer.err != nil
}

// remember remembers a request for the version that was not answered in time.
func (rt *route) remember(answer versionAnswer) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.silent = silence{answer, rt.pool.now()}
}

var errNoVersion = errors.New("no version in it")

// knownVersion returns the cached answer, and whether it may still be used.
func (rt *route) knownVersion(lifetime time.Duration) (versionAnswer, bool) {
	rt.mu.Lock()
	known, asked := rt.lastVersion, rt.versionAsked
	rt.mu.Unlock()
	if known.err != nil {
		lifetime = noVersionLifetime
	}
	return known, !asked.IsZero() && rt.pool.now().Sub(asked) < lifetime
}

// version returns the provider's version, from the cache or the REST gateway.
func (rt *route) version(ctx context.Context, lifetime time.Duration) versionAnswer {
	if known, ok := rt.knownVersion(lifetime); ok {
		return known
	}
	answer, err := share(ctx, rt, "version", rt.requestVersion)
	if err != nil {
		return versionAnswer{err: err}
	}
	return answer
}

// requestVersion requests the version from the REST gateway, and remembers the answer.
func (rt *route) requestVersion(ctx context.Context) (versionAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, rt.pool.timeouts.version)
	defer cancel()
	began := time.Now()
	version, reached, err := rt.askVersion(ctx)
	answer := versionAnswer{version: version, err: err, reached: reached}
	switch {
	case reached:
		rt.mu.Lock()
		rt.lastVersion, rt.versionAsked, rt.silent = answer, rt.pool.now(), silence{}
		rt.mu.Unlock()
	case time.Since(began) >= rt.pool.timeouts.head && hasReason(err, rpcerror.ReasonProviderUnreachable):
		rt.remember(answer)
	}
	return answer, nil
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
