package rest

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// A lease whose status cannot be read again and again is asked for less, by the same tenant
// only, and is served again soon after it can be.
func TestALeaseWhoseStatusCannotBeReadIsAskedForLess(t *testing.T) {
	var well atomic.Bool
	var asked atomic.Int32
	e := gatewayOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if well.Load() {
			says(http.StatusOK, `{"services":{"web":{"available":1,"total":1}}}`)(w, r)
			return
		}
		says(http.StatusOK, `<html>`)(w, r)
	}))
	a := testAdapter()
	ask := func(token string, dseq uint64) (failure *rpcerror.Error, later bool) {
		call := callOf(t, e, leasev1.LeaseRPC_ServiceStatus_FullMethodName, &leasev1.ServiceStatusRequest{
			LeaseId: &marketv1.LeaseID{Dseq: dseq, Gseq: 1, Oseq: 1},
		})
		call.Authorization = "Bearer " + token
		before := asked.Load()
		err := a.Serve(testContext(t), call, func([]byte) error { return nil })
		if err == nil {
			return nil, false
		}
		failure = requireFault(t, err)
		require.Equal(t, rpcerror.ReasonProviderProtocol, failure.Reason)
		require.Equal(t, failure.RetryAfter > 0, asked.Load() == before, "it is asked, or the caller is told when it will be")
		return failure, failure.RetryAfter > 0
	}
	began := time.Now()
	var refused *rpcerror.Error
	for later := false; !later; refused, later = ask("mine", 1) {
		require.Less(t, time.Since(began), time.Minute)
	}
	assert.Equal(t, codes.Unavailable, refused.Code)
	assert.Contains(t, refused.Message, "times in a row, the last time because its status of the lease is not a JSON object; it is asked again in ")
	assert.LessOrEqual(t, refused.RetryAfter, 2*time.Second)

	for _, other := range []func() (*rpcerror.Error, bool){
		func() (*rpcerror.Error, bool) { return ask("another's", 1) },
		func() (*rpcerror.Error, bool) { return ask("mine", 2) },
	} {
		_, later := other()
		assert.False(t, later)
	}

	well.Store(true)
	for {
		failure, later := ask("mine", 1)
		if failure == nil {
			break
		}
		require.True(t, later)
		time.Sleep(failure.RetryAfter)
	}
	for range 5 {
		failure, _ := ask("mine", 1)
		assert.Nil(t, failure)
	}
}
