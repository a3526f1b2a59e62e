package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/chainrpc"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/testserver/fake"
)

// A page lists an account's leases, in each protocol, without naming a provider. The answer
// says how it is known, and a lying node changes nothing in it.
func TestListLeases(t *testing.T) {
	w, server := startWithNodes(t, 3)
	require.NoError(t, server.SetChainLie(1, "lease-added"))
	owner := w.fake.Lease.Owner
	s, messages, err := w.Call(t.Context(), chainrpc.ListLeases, http.Header{}, &webv1.ListLeasesRequest{Owner: owner, State: "active"})
	require.NoError(t, err)
	require.Equal(t, codes.OK, s.Code(), s.Message())
	require.Len(t, messages, 1)
	assert.Equal(t, "quorum=2/3", s.Header.Get("Akash-Trust"))
	var list webv1.ListLeasesResponse
	require.NoError(t, proto.Unmarshal(messages[0], &list))
	assert.Equal(t, "quorum=2/3", list.GetCompleteness())
	require.Len(t, list.GetLeases(), 2)
	lease := w.fake.Providers[0].Lease
	assert.True(t, proto.Equal(&webv1.ListedLease{
		Id:    &marketv1.LeaseID{Owner: owner, Dseq: lease.DSeq, Gseq: 1, Oseq: 1, Provider: lease.Provider},
		State: marketv1.Lease_active, Price: "0.75", Denom: "uakt", CreatedAt: int64(lease.DSeq) + 10,
	}, list.GetLeases()[1]), "%v", list.GetLeases()[1])

	native, err := webv1.NewChainClient(w.dial(t)).ListLeases(t.Context(), &webv1.ListLeasesRequest{Owner: owner})
	require.NoError(t, err)
	assert.Len(t, native.GetLeases(), 2)
	response, body := w.post(t, chainrpc.ListLeases, http.Header{"Content-Type": {"application/json"}}, `{"owner":"`+owner+`"}`)
	assert.Equal(t, http.StatusOK, response.StatusCode, body)
	assert.Contains(t, body, `"completeness":"quorum=2/3"`)

	s, _, err = w.Call(t.Context(), chainrpc.ListLeases, http.Header{}, &webv1.ListLeasesRequest{Owner: "akash1nobody"})
	require.NoError(t, err)
	assert.Equal(t, codes.InvalidArgument, s.Code())
	assert.Equal(t, "malformedAddress", s.Get("akash-error"))
	for _, seen := range w.seen(t) {
		t.Errorf("%s reached the provider", seen.Method)
	}
}

// The leases of a bridge that restricts its callers are for these only.
func TestListLeasesNeedsTheKey(t *testing.T) {
	w := startWorld(t, fake.Options{}, "--caller-key", "0123456789abcdef")
	request := &webv1.ListLeasesRequest{Owner: w.fake.Lease.Owner}
	s, _, err := w.Call(t.Context(), chainrpc.ListLeases, http.Header{}, request)
	require.NoError(t, err)
	assert.Equal(t, "bridgeKeyRefused", s.Get("akash-error"))
	s, _, err = w.Call(t.Context(), chainrpc.ListLeases, http.Header{"Akash-Bridge-Key": {"0123456789abcdef"}}, request)
	require.NoError(t, err)
	assert.Equal(t, codes.OK, s.Code(), s.Message())
}
