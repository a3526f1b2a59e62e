package rest

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/rpcerror"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

func (g *leaseGateway) events(follow bool) ([]*webv1.LeaseEvent, error) {
	call := callOf(g.t, g.Endpoint, webv1.LeaseREST_StreamLeaseEvents_FullMethodName,
		&webv1.StreamLeaseEventsRequest{LeaseId: testLease(), Service: "web", Follow: follow})
	var got received[webv1.LeaseEvent, *webv1.LeaseEvent]
	err := testAdapter().Serve(testContext(g.t), call, got.take)
	return got.messages, err
}

// The events of a real lease, one of which is of the service asked for.
func TestLeaseEvents(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(1)})
	g.sockets = []func(*stream){func(s *stream) {
		for _, event := range bytes.Split(bytes.TrimSpace(fixture(t, "ws.kubeevents.jsonl")), []byte("\n")) {
			_ = s.conn.Write(context.Background(), websocket.MessageText, append(event, '\n'))
		}
		s.close(websocket.StatusNormalClosure, "")
	}}
	events, err := g.events(false)
	require.NoError(t, err)
	require.Len(t, events, 1)
	assert.Equal(t, "follow=false", g.query(0))

	var want webv1.LeaseEvent
	require.NoError(t, protojson.Unmarshal([]byte(`{
		"type": "Normal", "reportingController": "kubelet", "reportingInstance": "node1", "reason": "Scheduled", "note": "event 0 for web",
		"object": {"kind": "Pod", "namespace": "o4qkfc4nds8hk0dq7vtcr0hptqdb4shsbjnqqqpc9ghd4", "name": "web-7f8b9c6d5-x2x9p"}}`), &want))
	assert.True(t, proto.Equal(&want, events[0]), "got %s", protojson.Format(events[0]))
}

// How a stream of events ends.
func TestLeaseEventsEnd(t *testing.T) {
	drop := func(s *stream) { s.drop() }
	bye := func(s *stream) { s.close(websocket.StatusNormalClosure, "") }
	for _, tt := range []struct {
		name   string
		follow bool
		end    func(*stream)
		status http.HandlerFunc
		code   codes.Code
		reason rpcerror.Reason
	}{
		{"listed", false, bye, nil, codes.OK, ""},
		{"listed, and dropped", false, drop, nil, codes.OK, ""},
		{"the lease was closed", true, drop, says(404, ""), codes.OK, ""},
		{"the provider shuts down", true, bye, nil, codes.Unavailable, rpcerror.ReasonProviderGone},
		{"the provider is gone", false, drop, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, codes.Unavailable, rpcerror.ReasonProviderGone},
		{"no such lease", true, func(s *stream) { s.close(4001, "") }, nil, codes.NotFound, rpcerror.ReasonUnknownLease},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newLeaseGateway(t, services{"web": pods(1)})
			if tt.status != nil {
				g.answerStatus(tt.status)
			}
			g.sockets = []func(*stream){tt.end}
			_, err := g.events(tt.follow)
			if tt.code == codes.OK {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, tt.code, requireFault(t, err).Code)
			assert.Equal(t, tt.reason, requireFault(t, err).Reason)
		})
	}
}
