package rest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// bearer returns an authorization header with the given claims. The signature is invalid,
// because the adapter does not check it.
func bearer(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return "Bearer " + encode([]byte(`{"alg":"ES256K","typ":"JWT"}`)) + "." + encode(payload) + "." + encode([]byte("a signature, which is a secret"))
}

// token returns the claims of a valid token with full access, with the given changes.
func token(change map[string]any) map[string]any {
	now := time.Now().Unix()
	claims := map[string]any{"iss": testOwner, "iat": now - 60, "nbf": now - 60, "exp": now + 600, "version": "v1", "leases": map[string]any{"access": "full"}}
	for name, value := range change {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	return claims
}

// Each way of being refused reaches the page as what it is (proto/akash-provider-api.md, section
// 2.7), on a request and on a WebSocket, and never with the credential in it.
func TestRefusedCredentials(t *testing.T) {
	const (
		unauthorized  = `{"message":"unauthorized access"}`
		invalidClaims = `{"message":"JWT has invalid claims"}`
	)
	now := time.Now().Unix()
	granular := func(p, scope string) map[string]any {
		return map[string]any{"access": "granular", "permissions": []any{map[string]any{
			"provider": p, "access": "granular", "deployments": []any{map[string]any{"dseq": 99, "scope": []string{scope}}}}}}
	}
	for _, tt := range []struct {
		name   string
		header string
		status int
		body   string
		code   codes.Code
		reason rpcerror.Reason
		says   string
	}{
		{"none", "", 401, unauthorized, codes.Unauthenticated, rpcerror.ReasonCredentialMissing, "needs a credential"},
		{"expired", bearer(token(map[string]any{"exp": now - 5})), 400, invalidClaims, codes.Unauthenticated, rpcerror.ReasonTokenExpired, "expired at"},
		{"not yet valid", bearer(token(map[string]any{"nbf": now + 300})), 400, invalidClaims, codes.Unauthenticated, rpcerror.ReasonTokenNotYetValid, "set the clock"},
		{"without a date", bearer(token(map[string]any{"nbf": nil})), 400, invalidClaims, codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "lacks the claim nbf"},
		{"an unknown scope", bearer(token(nil)), 400, invalidClaims, codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "knows only the scopes of its time"},
		{"expired, before v0.11.2", bearer(token(map[string]any{"exp": now - 5})), 500, `{"message":"unknown error while processing JWT. token has invalid claims: token is expired"}`, codes.Unauthenticated, rpcerror.ReasonTokenExpired, "sign a new one"},
		{"expired by its clock alone", bearer(token(nil)), 500, `{"message":"unknown error while processing JWT. token is expired"}`, codes.Unauthenticated, rpcerror.ReasonTokenExpired, "expired"},
		{"a wrong signature", bearer(token(nil)), 401, `{"message":"JWT is invalid"}`, codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "cannot verify the token's signature"},
		{"not a token", "Bearer abc", 400, invalidClaims, codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "not a JWT"},
		{"not a bearer", "Basic dXNlcjpwYXNzd29yZA==", 400, `{"message":"invalid authorization header"}`, codes.Unauthenticated, rpcerror.ReasonTokenInvalid, "cannot read the authorization header"},
		{"no scope", bearer(token(map[string]any{"leases": map[string]any{"access": "scoped", "scope": []string{"shell"}}})), 401, unauthorized, codes.PermissionDenied, rpcerror.ReasonScopeMissing, "lacks the scope"},
		{"another provider's", bearer(token(map[string]any{"leases": granular(testOwner, "logs")})), 401, unauthorized, codes.PermissionDenied, rpcerror.ReasonScopeMissing, "grants nothing at this provider"},
		{"another deployment's", bearer(token(map[string]any{"leases": granular(testProvider, "logs")})), 401, unauthorized, codes.PermissionDenied, rpcerror.ReasonScopeMissing, ""},
		{"a token before v0.7.0", bearer(token(nil)), 401, "", codes.Unauthenticated, rpcerror.ReasonTokenUnsupported, "does not know tokens"},
		{"both", bearer(token(nil)), 400, `{"message":"auth: ambiguous authentication. may not use mTLS and JWT at the same time"}`, codes.InvalidArgument, rpcerror.ReasonAmbiguousCredentials, "send one"},
		{"a parameter", bearer(token(nil)), 400, `parameter "tail" contains invalid value`, codes.InvalidArgument, rpcerror.ReasonRequestRefused, "invalid value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := gatewayOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, tt.header, r.Header.Get("Authorization"))
				// A provider that repeats what it was sent.
				body := strings.Replace(tt.body, `"}`, ` [`+r.Header.Get("Authorization")+`]"}`, 1)
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(body))
			}))
			for _, method := range []string{leasev1.LeaseRPC_ServiceLogs_FullMethodName, leasev1.LeaseRPC_ServiceStatus_FullMethodName} {
				call := callOf(t, e, method, &leasev1.ServiceLogsRequest{LeaseId: testLease()})
				call.Authorization = tt.header
				err := requireFault(t, testAdapter().Serve(testContext(t), call, func([]byte) error { return nil }))
				assert.Equal(t, tt.code, err.Code, err)
				assert.Equal(t, tt.reason, err.Reason, err)
				assert.Contains(t, err.Error(), tt.says)
				_, secret, _ := strings.Cut(tt.header, " ")
				for e := error(err); secret != "" && e != nil; e = errors.Unwrap(e) {
					assert.NotContains(t, e.Error(), secret)
				}
			}
		})
	}
}

// The provider's clock decides, since the bridge's may be wrong.
func TestTokenAndTheProvidersClock(t *testing.T) {
	e := gatewayOf(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"message":"JWT has invalid claims"}`))
	}))
	call := callOf(t, e, leasev1.LeaseRPC_ServiceStatus_FullMethodName, &leasev1.ServiceStatusRequest{LeaseId: testLease()})
	call.Authorization = bearer(token(nil))
	err := requireFault(t, testAdapter().Serve(testContext(t), call, nil))
	assert.Equal(t, rpcerror.ReasonTokenNotYetValid, err.Reason)
	assert.Contains(t, err.Error(), "by the provider's clock")
}

// clientCertificate is a self-signed certificate of the lease's owner.
func clientCertificate(t *testing.T, notAfter time.Time) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: testOwner}, NotBefore: time.Now().Add(-time.Hour), NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Before v0.7.0 a gateway checks a client certificate after the handshake, and its 401 has
// no message.
func TestRefusedClientCertificate(t *testing.T) {
	e := gatewayOf(t, says(401, ""))
	e.Version = "v0.6.4"
	for _, method := range []string{leasev1.LeaseRPC_ServiceLogs_FullMethodName, leasev1.LeaseRPC_ServiceStatus_FullMethodName} {
		call := callOf(t, e, method, &leasev1.ServiceLogsRequest{LeaseId: testLease()})
		call.ClientCertificate = clientCertificate(t, time.Now().Add(time.Hour))
		err := requireFault(t, testAdapter().Serve(testContext(t), call, nil))
		assert.Equal(t, codes.Unauthenticated, err.Code)
		assert.Equal(t, rpcerror.ReasonCertificateNotOnChain, err.Reason, err)
		assert.NotContains(t, err.Error(), "token")

		call.Authorization = bearer(token(nil))
		err = requireFault(t, testAdapter().Serve(testContext(t), call, nil))
		assert.Equal(t, rpcerror.ReasonAmbiguousCredentials, err.Reason)

		call.Authorization, call.ClientCertificate = "", nil
		err = requireFault(t, testAdapter().Serve(testContext(t), call, nil))
		assert.Equal(t, rpcerror.ReasonCredentialMissing, err.Reason)
		assert.NotContains(t, err.Error(), "token", "which this provider does not know")
	}
}

// No text in place of a token makes reading its claims panic.
func FuzzReadClaims(f *testing.F) {
	f.Add(bearer(token(nil)))
	f.Add("Bearer ..")
	f.Add(bearer(map[string]any{"exp": 1e300, "nbf": -1e300, "leases": map[string]any{"access": "granular", "permissions": []any{nil}}}))
	f.Fuzz(func(t *testing.T, header string) {
		c := newCredential(header, nil)
		_ = c.owner()
		if c.claims != nil {
			_ = c.claims.grants("logs", testProvider)
			_ = c.claims.names(testProvider)
		}
	})
}

// A provider's text becomes one line that is safe to show.
func TestWords(t *testing.T) {
	assert.Equal(t, "a b  c", words([]byte(" a\nb\t\x00\x1b \xffc\r\n")))
	assert.Len(t, words([]byte(strings.Repeat("x", 5000))), maxWords)
	assert.True(t, strings.HasPrefix(strings.Repeat("日", 1000), words([]byte(strings.Repeat("日", 1000)))))
}
