package client

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/wasm/grpcweb"
)

// Field: grpc-status 14 in the headers and an empty trailer frame became INTERNAL,
// "trailers hold no grpc-status".
func TestFieldStatusInHeaders(t *testing.T) {
	status := answer{
		header: map[string]string{
			"grpc-status": "14", "grpc-message": "no%20upstream", "akash-error": "providerUnreachable",
		},
		body: [][]byte{trailers("")},
	}

	t.Run("one answer", func(t *testing.T) {
		c, _ := newClient(status)
		call := newCall()
		call.Retries = 0
		result := parse(t, c.Do(&Scope{}, "getProviderStatus", call))
		assert.Equal(t, object{
			"code": "UNAVAILABLE", "reason": "providerUnreachable", "attempts": 1.0,
			"message": "provider " + provider + ": no upstream", "provider": provider,
		}, result["error"])
	})

	t.Run("a stream", func(t *testing.T) {
		c, _ := newClient(status)
		call := newCall()
		call.Retries = 0
		s := c.NewStream("streamProviderStatus", call)
		defer s.Close(grpcweb.Error(grpcweb.Canceled, "the test is over"))
		_, f := s.Connect()
		require.Nil(t, f)
		var b Batch
		s.Feed(copy(s.Reserve(5), trailers("")), &b)
		assert.EqualValues(t, HasEnded, b.State)
		again, f := s.Finish("", false)
		assert.False(t, again)
		require.NotNil(t, f)
		assert.Equal(t, grpcweb.Unavailable, f.Code)
		assert.Equal(t, "providerUnreachable", f.Reason)
		assert.Equal(t, "provider "+provider+": no upstream", f.Message)
	})
}

// Field: a stream that a proxy buffered waited, as after a failure, before it switched to
// another transport.
func TestFieldSwitchedStreamReconnectsAtOnce(t *testing.T) {
	c, bridge := newClient(answer{})
	call := newCall()
	call.Retries, call.Reconnect, call.Lease.Follow = 0, true, true
	s := c.NewStream("streamLogs", call)
	defer s.Close(grpcweb.Error(grpcweb.Canceled, "the test is over"))
	_, f := s.Connect()
	require.Nil(t, f)
	assert.True(t, bridge.requests[0].LongLived)

	s.SwitchTransport("websocket")
	again, f := s.Finish("a proxy buffers the response", false)
	assert.True(t, again)
	assert.Nil(t, f)
	assert.Zero(t, s.Wait)
	_, f = s.Connect()
	require.Nil(t, f)
	assert.Equal(t, "websocket", bridge.requests[1].Transport)

	// A connection that breaks later counts as failed.
	again, _ = s.Finish("connection reset", false)
	assert.True(t, again)
	assert.NotZero(t, s.Wait)
}
