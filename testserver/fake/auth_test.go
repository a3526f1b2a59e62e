package fake_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	authv1beta1 "akash-provider-web/proto/cosmos/auth/v1beta1"
	secp256k1pb "akash-provider-web/proto/cosmos/crypto/secp256k1"
	"akash-provider-web/testserver/fake"
)

// leasePath is the REST path of the first provider's lease.
func leasePath(s *fake.Server) string {
	return "/lease/" + strconv.FormatUint(s.Ready().Lease.DSeq, 10) + "/1/1"
}

// token makes a token.
func token(t *testing.T, s *fake.Server, query, claims string) string {
	t.Helper()
	var answer struct{ Token string }
	control(t, s, http.MethodPost, "/token?"+query, claims, &answer)
	return answer.Token
}

// get makes a REST request with an Authorization header.
func get(t *testing.T, s *fake.Server, path, authorization string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Ready().REST+path, nil)
	require.NoError(t, err)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	return do(t, browser(t), request)
}

func do(t *testing.T, c *http.Client, request *http.Request) (int, string) {
	t.Helper()
	response, err := c.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var body json.RawMessage
	err = json.NewDecoder(response.Body).Decode(&body)
	if err != nil {
		return response.StatusCode, ""
	}
	return response.StatusCode, string(body)
}

// grants returns a claim "leases".
func grants(leases string) string { return `{"leases":` + leases + `}` }

// Tokens are accepted or refused with the gateway's messages.
func TestTokens(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	provider := s.Ready().Provider
	dseq := strconv.FormatUint(s.Ready().Lease.DSeq, 10)
	stranger := s.Ready().Lease.Owner // an address that is no provider's
	deployment := func(dseq, scope string) string {
		return grants(`{"access":"granular","permissions":[{"provider":"` + provider +
			`","access":"granular","deployments":[{"dseq":` + dseq + `,"scope":["` + scope + `"],"services":["web"]}]}]}`)
	}
	const (
		ok           = ""
		unauthorized = `{"message":"unauthorized access"}`
		badHeader    = `{"message":"invalid authorization header"}`
		invalid      = `{"message":"JWT is invalid"}`
		badClaims    = `{"message":"JWT has invalid claims"}`
	)
	for name, c := range map[string]struct {
		header string
		code   int
		body   string
	}{
		"of the ready line":     {"Bearer " + s.Ready().JWT, 200, ok},
		"scheme in any case":    {"bEARER  " + s.Ready().JWT, 200, ok},
		"adr36":                 {"Bearer " + token(t, s, "alg=ES256KADR36", ""), 200, ok},
		"full":                  {"Bearer " + token(t, s, "", grants(`{"access":"full"}`)), 200, ok},
		"scoped":                {"Bearer " + token(t, s, "", grants(`{"access":"scoped","scope":["status"]}`)), 200, ok},
		"granular":              {"Bearer " + token(t, s, "", deployment(dseq, "status")), 200, ok},
		"a day long":            {"Bearer " + token(t, s, "life=24h", ""), 200, ok},
		"none":                  {"", 401, unauthorized},
		"no scheme":             {s.Ready().JWT, 400, badHeader},
		"another scheme":        {"Basic " + s.Ready().JWT, 400, badHeader},
		"three words":           {"Bearer a b", 400, badHeader},
		"garbage":               {"Bearer x.y.z", 401, invalid},
		"forged":                {"Bearer " + token(t, s, "key=forged", ""), 401, invalid},
		"an unknown account's":  {"Bearer " + token(t, s, "key=stranger", ""), 401, invalid},
		"expired":               {"Bearer " + s.Ready().ExpiredJWT, 400, badClaims},
		"not yet valid":         {"Bearer " + token(t, s, "start=1h&life=2h", ""), 400, badClaims},
		"without iat":           {"Bearer " + token(t, s, "", `{"iat":null}`), 400, badClaims},
		"without nbf":           {"Bearer " + token(t, s, "", `{"nbf":null}`), 400, badClaims},
		"without exp":           {"Bearer " + token(t, s, "", `{"exp":null}`), 400, badClaims},
		"of version 2":          {"Bearer " + token(t, s, "", `{"version":"v2"}`), 400, badClaims},
		"of unknown scope":      {"Bearer " + token(t, s, "", grants(`{"access":"scoped","scope":["fly"]}`)), 400, badClaims},
		"without access":        {"Bearer " + token(t, s, "", grants(`{}`)), 400, badClaims},
		"full with scope":       {"Bearer " + token(t, s, "", grants(`{"access":"full","scope":["logs"]}`)), 400, badClaims},
		"scope missing":         {"Bearer " + token(t, s, "", grants(`{"access":"scoped","scope":["logs"]}`)), 401, unauthorized},
		"of another deployment": {"Bearer " + token(t, s, "", deployment("1", "status")), 401, unauthorized},
		"of another scope":      {"Bearer " + token(t, s, "", deployment(dseq, "logs")), 401, unauthorized},
		"for another provider": {"Bearer " + token(t, s, "", grants(`{"access":"granular","permissions":[{"provider":"`+
			stranger+`","access":"full"}]}`)), 401, unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			code, body := get(t, s, leasePath(s)+"/status", c.header)
			assert.Equal(t, c.code, code, body)
			if c.body != ok {
				assert.Equal(t, c.body, body)
			}
		})
	}
}

// The control API signs like a wallet, to which a page gives a token's text.
func TestATokenThatAWalletSigned(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	text := strings.Join(strings.Split(token(t, s, "alg=ES256KADR36", ""), ".")[:2], ".")
	document := `{"account_number":"0","chain_id":"","fee":{"amount":[],"gas":"0"},"memo":"","msgs":[{"type":"sign/MsgSignData",` +
		`"value":{"data":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `","signer":"` + s.Ready().Lease.Owner + `"}}],"sequence":"0"}`

	response, err := http.Post(s.Ready().Control+"/sign", "text/plain", strings.NewReader(document))
	require.NoError(t, err)
	defer response.Body.Close()
	signature, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, response.Body))
	require.NoError(t, err)
	code, _ := get(t, s, leasePath(s)+"/status", "Bearer "+text+"."+base64.RawURLEncoding.EncodeToString(signature))
	assert.Equal(t, http.StatusOK, code)
}

// A token expires, and a later one is valid, by the provider's clock.
func TestTheClockThatTokensAreVerifiedBy(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	soon, later := token(t, s, "life=5m", ""), token(t, s, "start=8m&life=20m", "")
	status := func(token string) int {
		code, _ := get(t, s, leasePath(s)+"/status", "Bearer "+token)
		return code
	}
	assert.Equal(t, http.StatusOK, status(soon))
	assert.NotEqual(t, http.StatusOK, status(later))
	control(t, s, http.MethodPost, "/clock?ahead=10m", "", nil)
	assert.NotEqual(t, http.StatusOK, status(soon))
	assert.Equal(t, http.StatusOK, status(later))
	control(t, s, http.MethodPost, "/clock?ahead=0s", "", nil)
	assert.Equal(t, http.StatusOK, status(soon))
}

// An invalid credential is refused even if none is needed.
func TestTokenOnAPublicRoute(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	code, _ := get(t, s, "/status", "Bearer "+s.Ready().JWT)
	assert.Equal(t, 200, code)
	code, _ = get(t, s, "/status", "Bearer "+s.Ready().ExpiredJWT)
	assert.Equal(t, 400, code)
	code, _ = get(t, s, "/version", "Bearer x.y.z")
	assert.Equal(t, 401, code)
}

// Older releases have other messages, or none.
func TestTokensByVersion(t *testing.T) {
	old := start(t, fake.Options{Seed: 7, ProviderVersion: "0.10.4"})
	for _, header := range []string{"Bearer " + old.Ready().ExpiredJWT, "Bearer x.y.z", "nonsense"} {
		code, body := get(t, old, leasePath(old)+"/status", header)
		assert.Equal(t, 500, code)
		assert.Contains(t, body, `{"message":"unknown error while processing JWT. `)
	}
	code, body := get(t, old, leasePath(old)+"/status", "")
	assert.Equal(t, 401, code)
	assert.Equal(t, `{"message":"unauthorized access"}`, body)

	older := start(t, fake.Options{Seed: 7, ProviderVersion: "0.8.4"})
	code, _ = get(t, older, leasePath(older)+"/status", "Bearer "+token(t, older, "alg=ES256KADR36", ""))
	assert.Equal(t, 500, code)

	oldest := start(t, fake.Options{Seed: 7, ProviderVersion: "0.6.4"})
	code, body = get(t, oldest, leasePath(oldest)+"/status", "Bearer "+oldest.Ready().JWT)
	assert.Equal(t, 401, code)
	assert.Empty(t, body)
}

// clientCertificate creates one for the tenant.
func clientCertificate(t *testing.T, s *fake.Server, kind string) tls.Certificate {
	t.Helper()
	var answer struct{ CertPem, KeyPem string }
	control(t, s, http.MethodPost, "/client-certificate?kind="+kind, "", &answer)
	c, err := tls.X509KeyPair([]byte(answer.CertPem), []byte(answer.KeyPem))
	require.NoError(t, err)
	return c
}

// presenting returns an HTTP client with a certificate.
func presenting(t *testing.T, c tls.Certificate) *http.Client {
	client := browser(t)
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{c}
	return client
}

// A client certificate on the chain lets its owner in; any other fails the
// handshake with the alert bad_certificate.
func TestClientCertificates(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	request, err := http.NewRequest(http.MethodGet, "https://"+s.Ready().REST+leasePath(s)+"/status", nil)
	require.NoError(t, err)

	files, err := tls.LoadX509KeyPair(s.Ready().ClientCertFile, s.Ready().ClientKeyFile)
	require.NoError(t, err)
	code, _ := do(t, presenting(t, files), request)
	assert.Equal(t, 200, code)
	code, _ = do(t, presenting(t, clientCertificate(t, s, "valid")), request)
	assert.Equal(t, 200, code)

	both := request.Clone(t.Context())
	both.Header.Set("Authorization", "Bearer "+s.Ready().JWT)
	code, body := do(t, presenting(t, files), both)
	assert.Equal(t, 400, code)
	assert.Equal(t, `{"message":"auth: ambiguous authentication. may not use mTLS and JWT at the same time"}`, body)

	for _, kind := range []string{"expired", "notYetValid", "revoked", "absent", "otherKey"} {
		_, err := presenting(t, clientCertificate(t, s, kind)).Do(request)
		assert.ErrorContains(t, err, "bad certificate", kind)
	}
	info, err := os.Stat(s.Ready().ClientKeyFile)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// Before v0.7 the handshake accepts any certificate, and the route refuses it.
func TestOldClientCertificates(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, ProviderVersion: "0.6.4"})
	request, err := http.NewRequest(http.MethodGet, "https://"+s.Ready().REST+leasePath(s)+"/status", nil)
	require.NoError(t, err)
	code, _ := do(t, presenting(t, clientCertificate(t, s, "valid")), request)
	assert.Equal(t, 200, code)
	code, _ = do(t, presenting(t, clientCertificate(t, s, "revoked")), request)
	assert.Equal(t, 401, code)
}

// LeaseRPC requires a token or a certificate.
func TestLeaseRPCAuthentication(t *testing.T) {
	s := start(t, fake.Options{Seed: 7, LogLines: 5})
	client := leasev1.NewLeaseRPCClient(dial(t, s))
	request := &leasev1.ServiceLogsRequest{LeaseId: leaseID(s)}
	for name, c := range map[string]struct {
		header string
		code   codes.Code
		text   string
	}{
		"none":    {"", codes.Unauthenticated, "unauthorized access"},
		"garbage": {"Bearer x.y.z", codes.Unauthenticated, "JWT is invalid"},
		"expired": {"Bearer " + s.Ready().ExpiredJWT, codes.Unauthenticated, "JWT has invalid claims"},
		"scope": {"Bearer " + token(t, s, "", grants(`{"access":"scoped","scope":["status"]}`)),
			codes.PermissionDenied, "unauthorized: logs scope required"},
		"valid": {"Bearer " + s.Ready().JWT, codes.OK, ""},
	} {
		ctx := deadline(t)
		if c.header != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", c.header)
		}
		stream, err := client.ServiceLogs(ctx, request)
		require.NoError(t, err)
		_, err = stream.Recv()
		assert.Equal(t, c.code, status.Code(err), name)
		if err != nil {
			assert.Equal(t, c.text, status.Convert(err).Message(), name)
		}
	}

	config := insecure()
	files, err := tls.LoadX509KeyPair(s.Ready().ClientCertFile, s.Ready().ClientKeyFile)
	require.NoError(t, err)
	config.Certificates = []tls.Certificate{files}
	conn, err := grpc.NewClient(s.Ready().GRPC, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	require.NoError(t, err)
	defer conn.Close()
	stream, err := leasev1.NewLeaseRPCClient(conn).ServiceLogs(deadline(t), request)
	require.NoError(t, err)
	_, err = stream.Recv()
	assert.NoError(t, err)
}

// From v0.16 on the interceptor reads the token of every unary call, and refuses
// without a code.
func TestUnaryInterceptor(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	client := providerv1.NewProviderRPCClient(dial(t, s))
	_, err := client.GetStatus(authorized(t, s), &emptypb.Empty{})
	require.NoError(t, err)
	bad := metadata.AppendToOutgoingContext(deadline(t), "authorization", "Bearer x.y.z")
	_, err = client.GetStatus(bad, &emptypb.Empty{})
	assert.Equal(t, codes.Unknown, status.Code(err))
	assert.Equal(t, "JWT is invalid", status.Convert(err).Message())
}

// The chain has an account's public key once the account has signed something.
func TestAccounts(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	account := func(address string) *authv1beta1.BaseAccount {
		answer := ask(t, s, "/cosmos.auth.v1beta1.Query/Account", &authv1beta1.QueryAccountRequest{Address: address})
		require.Zero(t, answer.Result.Response.Code, answer.Result.Response.Log)
		var got authv1beta1.QueryAccountResponse
		require.NoError(t, proto.Unmarshal(answer.Result.Response.Value, &got))
		assert.Equal(t, "/cosmos.auth.v1beta1.BaseAccount", got.GetAccount().GetTypeUrl())
		var base authv1beta1.BaseAccount
		require.NoError(t, proto.Unmarshal(got.GetAccount().GetValue(), &base))
		return &base
	}
	tenant := account(s.Ready().Lease.Owner)
	assert.Equal(t, "/cosmos.crypto.secp256k1.PubKey", tenant.GetPubKey().GetTypeUrl())
	var key secp256k1pb.PubKey
	require.NoError(t, proto.Unmarshal(tenant.GetPubKey().GetValue(), &key))
	_, err := secp256k1.ParsePubKey(key.GetKey())
	require.NoError(t, err)
	assert.Len(t, key.GetKey(), secp256k1.PubKeyBytesLenCompressed)

	control(t, s, http.MethodPost, "/certificate?kind=wrongCN", "", nil)
	stranger := served(t, s.Ready().REST).Subject.CommonName
	assert.Nil(t, account(stranger).GetPubKey())
	unknown := &authv1beta1.QueryAccountRequest{Address: "akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"}
	assert.Equal(t, 22, ask(t, s, "/cosmos.auth.v1beta1.Query/Account", unknown).Result.Response.Code)
}
