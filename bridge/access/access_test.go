package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/access"
	"akash-provider-web/bridge/rpcerror"
)

const key = "a-key-that-nobody-guesses"

// check returns the refusal of a request with a key, or nil.
func check(t *testing.T, c *access.Control, keys ...string) *rpcerror.Error {
	t.Helper()
	err := c.Check(t.Context(), http.Header{access.Header: keys})
	if err == nil {
		return nil
	}
	var refusal *rpcerror.Error
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, rpcerror.ReasonBridgeKeyRefused, refusal.Reason)
	for _, key := range keys {
		if key != "" {
			assert.NotContains(t, refusal.Error(), key)
			assert.NotContains(t, fmt.Sprint(refusal.Err), key)
		}
	}
	return refusal
}

func TestWithoutKeysEverybodyMay(t *testing.T) {
	c, err := access.New(access.Options{})
	require.NoError(t, err)
	assert.Nil(t, check(t, c))
	assert.Nil(t, check(t, c, "anything"))
}

func TestKeys(t *testing.T) {
	c, err := access.New(access.Options{Keys: []string{"another-long-key", key}})
	require.NoError(t, err)
	assert.Nil(t, check(t, c, key))
	assert.Nil(t, check(t, c, "Bearer "+key))
	for _, wrong := range [][]string{nil, {""}, {key + "x"}, {key[1:]}, {key, key}, {"a.b.c"}} {
		refusal := check(t, c, wrong...)
		require.NotNil(t, refusal, wrong)
		assert.Equal(t, codes.PermissionDenied, refusal.Code)
		assert.Contains(t, refusal.Message, "akash-bridge-key")
	}
}

func TestKeysThatAreTooWeak(t *testing.T) {
	for _, bad := range []string{"", "short", "with a space in it", "with-a-newline-\n-in-it", "ümlauts-are-no-ascii"} {
		_, err := access.New(access.Options{Keys: []string{bad}})
		require.Error(t, err, bad)
		if bad != "" {
			assert.NotContains(t, err.Error(), bad)
		}
	}
	for _, bad := range []string{"", "accounts.example.com", "http://accounts.example.com", "https://u:p@accounts.example.com", "https://a.example?x"} {
		assert.Error(t, access.CheckIssuer(bad), bad)
	}
	assert.NoError(t, access.CheckIssuer("https://accounts.example.com/realm"))
}

// issuer is an OpenID Connect provider with real keys.
type issuer struct {
	*httptest.Server
	key      *ecdsa.PrivateKey
	requests atomic.Int32
	down     atomic.Bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	var err error
	i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.requests.Add(1)
		var answer any
		switch {
		case i.down.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case r.URL.Path == "/.well-known/openid-configuration":
			answer = map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/auth",
				"token_endpoint": i.URL + "/token", "id_token_signing_alg_values_supported": []string{"ES256"}}
		default:
			answer = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &i.key.PublicKey, KeyID: "1", Algorithm: "ES256", Use: "sig"}}}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) token(t *testing.T, with func(*jwt.Claims), keyID string, key any) string {
	t.Helper()
	claims := jwt.Claims{Issuer: i.URL, Subject: "someone", Audience: jwt.Audience{"bridge"},
		Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour)), IssuedAt: jwt.NewNumericDate(time.Now())}
	if with != nil {
		with(&claims)
	}
	if key == nil {
		key = i.key
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", keyID))
	require.NoError(t, err)
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(t, err)
	return token
}

func TestTokensOfAnIssuer(t *testing.T) {
	i := newIssuer(t)
	var now atomic.Int64 // offset of the clock, in nanoseconds
	c, err := access.New(access.Options{Issuer: i.URL, Audience: "bridge", Keys: []string{key},
		Now: func() time.Time { return time.Now().Add(time.Duration(now.Load())) }})
	require.NoError(t, err)
	assert.Zero(t, i.requests.Load(), "nothing is sent before the first token comes")

	i.down.Store(true)
	refusal := check(t, c, i.token(t, nil, "1", nil))
	require.NotNil(t, refusal)
	assert.Equal(t, codes.Unavailable, refusal.Code)
	assert.Contains(t, refusal.Message, "try again later")
	i.down.Store(false)
	now.Add(int64(10 * time.Second))
	assert.Nil(t, check(t, c, i.token(t, nil, "1", nil)), "an issuer that is back is asked again")
	assert.Nil(t, check(t, c, key), "keys work, too")

	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for name, token := range map[string]string{
		"of another audience": i.token(t, func(c *jwt.Claims) { c.Audience = jwt.Audience{"somebody else"} }, "1", nil),
		"of another issuer":   i.token(t, func(c *jwt.Claims) { c.Issuer = "https://evil.example" }, "1", nil),
		"of another key":      i.token(t, nil, "1", stranger),
		"nonsense":            "a.b.c",
	} {
		refusal := check(t, c, token)
		require.NotNil(t, refusal, name)
		assert.Contains(t, refusal.Message, "not a valid one", name)
	}
	expired := check(t, c, i.token(t, func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(time.Now().Add(-time.Hour)) }, "1", nil))
	require.NotNil(t, expired)
	assert.Contains(t, expired.Message, "expired")
}

// Whoever sends tokens with invented keys does not make the bridge flood the issuer.
func TestTheIssuerIsNotFlooded(t *testing.T) {
	i := newIssuer(t)
	c, err := access.New(access.Options{Issuer: i.URL, Audience: "bridge"})
	require.NoError(t, err)
	require.Nil(t, check(t, c, i.token(t, nil, "1", nil)))
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for range 50 {
		assert.NotNil(t, check(t, c, i.token(t, nil, "2", stranger)))
	}
	assert.LessOrEqual(t, i.requests.Load(), int32(3))
	assert.Nil(t, check(t, c, i.token(t, nil, "1", nil)))
}
