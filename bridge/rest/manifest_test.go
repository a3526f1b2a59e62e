package rest

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

const testManifest = `[{"name":"akash","services":[{"name":"web","image":"nginx"}]}]`

func sendTo(t *testing.T, h http.HandlerFunc, manifest string) (sent int, err error) {
	var puts atomic.Int32
	e := gatewayOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		puts.Add(1)
		h(w, r)
	}))
	call := callOf(t, e, webv1.LeaseREST_SendManifest_FullMethodName, &webv1.SendManifestRequest{LeaseId: testLease(), Manifest: []byte(manifest)})
	call.Authorization = bearer(token(nil))
	var got received[webv1.SendManifestResponse, *webv1.SendManifestResponse]
	err = testAdapter().Serve(testContext(t), call, got.take)
	if err == nil {
		require.Len(t, got.messages, 1)
	}
	return int(puts.Load()), err
}

// A manifest reaches the provider as the page wrote it, once.
func TestSendManifest(t *testing.T) {
	sent, err := sendTo(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "PUT /deployment/1234/manifest", r.Method+" "+r.URL.Path)
		assert.True(t, strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "))
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, testManifest, string(body))
	}, testManifest)
	require.NoError(t, err)
	assert.Equal(t, 1, sent)

	sent, err = sendTo(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, testManifest)
	require.NoError(t, err, "a success without a body is one")
	assert.Equal(t, 1, sent)
}

// The error of a refused manifest has the provider's message. A manifest is never sent
// again.
func TestRefusedManifest(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		code   codes.Code
		reason rpcerror.Reason
		says   string
	}{
		{"version", says(422, "manifest version validation failed\n"), codes.InvalidArgument, rpcerror.ReasonManifestRefused, "it refuses the manifest: manifest version validation failed"},
		{"JSON", says(422, "invalid character 'x'"), codes.InvalidArgument, rpcerror.ReasonManifestRefused, "invalid character 'x'"},
		{"before v0.11.2", says(500, "manifest cross-validation error: group \"a\": service \"b\""), codes.InvalidArgument, rpcerror.ReasonManifestRefused, `it refuses the manifest: manifest cross-validation error: group "a": service "b"`},
		{"host name", says(500, "hostname not allowed: example.org"), codes.InvalidArgument, rpcerror.ReasonManifestRefused, "hostname not allowed: example.org"},
		{"no lease", says(404, "no lease for deployment"), codes.NotFound, rpcerror.ReasonUnknownLease, "no lease for deployment"},
		{"failure", says(500, "out of memory"), codes.Internal, rpcerror.ReasonProviderFailed, "out of memory"},
		{"no scope", says(401, `{"message":"unauthorized access"}`), codes.PermissionDenied, rpcerror.ReasonScopeMissing, "send-manifest"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/manifest", http.StatusTemporaryRedirect)
		}, codes.Internal, rpcerror.ReasonProviderProtocol, "redirects (HTTP 307), which is not followed"},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, codes.Unknown, rpcerror.ReasonOutcomeUnknown, "may be in effect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent, err := sendTo(t, tt.answer, testManifest)
			assert.Equal(t, tt.code, requireFault(t, err).Code)
			assert.Equal(t, tt.reason, requireFault(t, err).Reason)
			assert.Contains(t, err.Error(), tt.says)
			assert.Equal(t, 1, sent)
		})
	}
}

// Data that cannot be a manifest is not sent.
func TestManifestThatIsNone(t *testing.T) {
	for _, manifest := range []string{"", "{}", "[", "null", `"x"`, "[]" + strings.Repeat(" ", maxManifest)} {
		sent, err := sendTo(t, says(200, ""), manifest)
		assert.Equal(t, codes.InvalidArgument, requireFault(t, err).Code)
		assert.Zero(t, sent)
	}
}

func TestGetManifest(t *testing.T) {
	get := func(h http.HandlerFunc) (*webv1.GetManifestResponse, error) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /lease/1234/1/1/manifest", h)
		var got received[webv1.GetManifestResponse, *webv1.GetManifestResponse]
		err := testAdapter().Serve(testContext(t), callOf(t, gatewayOf(t, mux), webv1.LeaseREST_GetManifest_FullMethodName, &webv1.GetManifestRequest{LeaseId: testLease()}), got.take)
		if err != nil {
			return nil, err
		}
		return got.messages[0], nil
	}
	m, err := get(says(200, testManifest))
	require.NoError(t, err)
	assert.Equal(t, testManifest, string(m.GetManifest()))

	_, err = get(says(200, "<html>"))
	assert.Equal(t, codes.Internal, requireFault(t, err).Code)
	_, err = get(says(404, ""))
	assert.Equal(t, rpcerror.ReasonUnknownLease, requireFault(t, err).Reason)
}
