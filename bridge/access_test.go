package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	"akash-provider-web/bridge/reflection"
	"akash-provider-web/testserver/fake"
)

// A bridge with a key serves those who have it, in each protocol, and the key goes no
// further.
func TestABridgeWithAKey(t *testing.T) {
	const key = "0123456789abcdef"
	w := startWorld(t, fake.Options{}, "--caller-key", key)
	s, _, err := w.Call(t.Context(), pathGetStatus, w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.PermissionDenied, s.Code())
	assert.Equal(t, "bridgeKeyRefused", s.Get("akash-error"))

	s, _, err = w.Call(t.Context(), pathGetStatus, w.to("Akash-Bridge-Key", key), &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.OK, s.Code(), s.Message())

	post := func(path, contentType, body, key string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", contentType)
		if key != "" {
			r.Header.Set("Akash-Bridge-Key", key)
		}
		response, err := w.HTTP.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		return response.StatusCode
	}
	connect := "/" + w.fake.Provider + pathGetStatus
	assert.Equal(t, http.StatusForbidden, post(connect, "application/json", "{}", ""))
	assert.Equal(t, http.StatusOK, post(connect, "application/json", "{}", key))
	assert.Equal(t, http.StatusUnauthorized, post("/provider-proxy", "application/json", "{}", "wrong"))
	assert.Equal(t, http.StatusBadRequest, post("/provider-proxy", "application/json", "{}", key))
	s, _, err = w.Call(t.Context(), reflection.Paths[0], w.to(), &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, "bridgeKeyRefused", s.Get("akash-error"), "to see the methods, too")

	for _, request := range w.seen(t) {
		assert.NotContains(t, request.Metadata, "akash-bridge-key")
	}
	assert.NotContains(t, w.stderr.String(), key)
}
