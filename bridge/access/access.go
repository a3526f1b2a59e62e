// Package access decides who may use the bridge, where its operator restricts that. It
// has nothing to do with what providers allow.
package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// Header is the request header, in canonical form, with the key or the ID token of the
// caller. It is a header of its own, since "authorization" is the provider's.
const Header = "Akash-Bridge-Key"

const (
	// MinKey is the least length of a key, in bytes.
	MinKey = 16
	// maxToken bounds an ID token, in bytes.
	maxToken = 16 << 10
	// issuerTimeout bounds a request to the issuer.
	issuerTimeout = 5 * time.Second
	// issuerPause is the least time between two requests to the issuer for the same
	// document, since a token with an unknown key makes the bridge ask for the keys.
	issuerPause = 5 * time.Second
)

// Options say who may use the bridge. Whoever has one of the keys may, and whoever has an
// ID token of the issuer.
type Options struct {
	// Keys are secrets of at least MinKey bytes.
	Keys []string
	// Issuer is the URL of an OpenID Connect provider (OpenID Connect Discovery 1.0,
	// section 4); "" accepts no tokens.
	Issuer string
	// Audience is the value that a token's aud claim must have.
	Audience string
	// Transport sends the requests to the issuer; nil means [http.DefaultTransport].
	Transport http.RoundTripper
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// Control decides. Its methods may be called concurrently.
type Control struct {
	options Options
	keys    atomic.Pointer[[][sha256.Size]byte]
	client  *http.Client

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier // nil until the issuer has answered
}

// New returns a Control. It sends no requests yet.
func New(o Options) (*Control, error) {
	c := &Control{options: o}
	if err := c.setKeys(o.Keys); err != nil {
		return nil, err
	}
	if o.Now == nil {
		c.options.Now = time.Now
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	c.client = &http.Client{Transport: &sparing{next: o.Transport, now: c.options.Now, last: map[string]time.Time{}}, Timeout: issuerTimeout}
	return c, nil
}

// SetKeys replaces the keys, as of the next call. It returns an error, and changes nothing,
// if the bridge would not be restricted any more: a file that lost its keys by mistake must
// not open the bridge to everybody.
func (c *Control) SetKeys(keys []string) error {
	if len(keys) == 0 && c.options.Issuer == "" && c.Restricted() {
		return errors.New("without its last key this bridge would serve everybody: restart it if you want that")
	}
	return c.setKeys(keys)
}

func (c *Control) setKeys(keys []string) error {
	hashes := make([][sha256.Size]byte, 0, len(keys))
	for _, key := range keys {
		if err := CheckKey(key); err != nil {
			return err
		}
		hashes = append(hashes, sha256.Sum256([]byte(key)))
	}
	c.keys.Store(&hashes)
	return nil
}

// CheckKey checks the form of a key.
func CheckKey(key string) error {
	if len(key) < MinKey {
		return fmt.Errorf("a key has %d characters: want at least %d, which nobody can guess", len(key), MinKey)
	}
	for _, b := range []byte(key) {
		if b <= ' ' || b > '~' {
			return errors.New("a key has a character that headers cannot have: want visible ASCII characters")
		}
	}
	return nil
}

// CheckIssuer checks the form of an issuer's URL.
func CheckIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && !isLoopback(u) {
		return errors.New("want the issuer's URL, such as https://accounts.example.com")
	}
	return nil
}

// isLoopback reports whether a URL is http:// on this machine, as in tests.
func isLoopback(u *url.URL) bool {
	return u.Scheme == "http" && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
}

// Restricted reports whether anybody is refused.
func (c *Control) Restricted() bool { return len(*c.keys.Load()) > 0 || c.options.Issuer != "" }

// Check returns an error for a request whose header says that its caller may not use the
// bridge. It is a *rpcerror.Error with the reason bridgeKeyRefused.
func (c *Control) Check(ctx context.Context, header http.Header) error {
	if !c.Restricted() {
		return nil
	}
	values := header[Header]
	if len(values) != 1 || values[0] == "" {
		return refuse("this bridge serves only callers with a key: send it in the header akash-bridge-key (bridgeKey in createClient)")
	}
	given := strings.TrimPrefix(values[0], "Bearer ")
	hash, known := sha256.Sum256([]byte(given)), 0
	for _, key := range *c.keys.Load() {
		known |= subtle.ConstantTimeCompare(key[:], hash[:])
	}
	if known == 1 {
		return nil
	}
	if c.options.Issuer == "" || strings.Count(given, ".") != 2 || len(given) > maxToken {
		return refuse("the key in akash-bridge-key is not one of this bridge's")
	}
	return c.checkToken(ctx, given)
}

func (c *Control) checkToken(ctx context.Context, token string) error {
	ctx = oidc.ClientContext(ctx, c.client)
	verifier, err := c.issuer(ctx)
	if err == nil {
		_, err = verifier.Verify(ctx, token)
	}
	var expired *oidc.TokenExpiredError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &expired):
		return refuse("the token in akash-bridge-key has expired: get a new one")
	case errors.Is(err, errIssuer):
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonBridgeKeyRefused, "the issuer of tokens for this bridge does not answer, so that no token can be checked; try again later (%w)", err)
	}
	// The text may have parts of the token, and the cause is in the log only.
	refusal := refuse("the token in akash-bridge-key is not a valid one of this bridge's issuer and audience")
	refusal.Err = errors.New("the ID token does not verify")
	return refusal
}

// issuer returns the verifier of the issuer's tokens, and finds the issuer's keys first
// where that has not been done.
func (c *Control) issuer(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.verifier != nil {
		return c.verifier, nil
	}
	provider, err := oidc.NewProvider(ctx, c.options.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIssuer, err)
	}
	c.verifier = provider.VerifierContext(oidc.ClientContext(context.Background(), c.client),
		&oidc.Config{ClientID: c.options.Audience, Now: c.options.Now})
	return c.verifier, nil
}

// errIssuer is the error of a token whose issuer cannot be asked.
var errIssuer = errors.New("the issuer does not answer")

// sparing sends requests for the same URL with a pause between them.
type sparing struct {
	next http.RoundTripper
	now  func() time.Time

	mu   sync.Mutex
	last map[string]time.Time
}

// RoundTrip implements http.RoundTripper.
func (s *sparing) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	u, now := r.URL.String(), s.now()
	recent := now.Sub(s.last[u]) < issuerPause
	if !recent {
		s.last[u] = now
	}
	s.mu.Unlock()
	if recent {
		return nil, fmt.Errorf("%w: it was asked a moment ago", errIssuer)
	}
	response, err := s.next.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIssuer, err)
	}
	response.Body = http.MaxBytesReader(nil, response.Body, 1<<20)
	return response, nil
}

func refuse(message string) *rpcerror.Error {
	return rpcerror.New(codes.PermissionDenied, rpcerror.ReasonBridgeKeyRefused, "%s", message)
}
