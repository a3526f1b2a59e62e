package main

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/chainrpc"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/testserver/fake"
)

// A page lists all providers, in each protocol, without naming one. No provider is asked.
func TestListProviders(t *testing.T) {
	w := startWorld(t, fake.Options{Providers: 3})
	var want []string
	for _, p := range w.fake.Providers {
		want = append(want, p.Provider)
	}
	slices.Sort(want)

	s, messages, err := w.Call(t.Context(), chainrpc.ListProviders, http.Header{}, &webv1.ListProvidersRequest{})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	require.Len(t, messages, 1)
	assert.Equal(t, "one-node", s.Header.Get("Akash-Trust"))
	var list webv1.ListProvidersResponse
	require.NoError(t, proto.Unmarshal(messages[0], &list))
	assert.Equal(t, want, list.GetProviders())
	assert.Positive(t, list.GetHeight())

	native, err := webv1.NewChainClient(w.dial(t)).ListProviders(t.Context(), &webv1.ListProvidersRequest{})
	require.NoError(t, err)
	assert.Equal(t, want, native.GetProviders())
	response, body := w.post(t, chainrpc.ListProviders, http.Header{"Content-Type": {"application/json"}}, `{}`)
	assert.Equal(t, http.StatusOK, response.StatusCode, body)
	assert.Contains(t, body, want[0])
	for _, seen := range w.seen(t) {
		t.Errorf("%s reached the provider", seen.Method)
	}
}
