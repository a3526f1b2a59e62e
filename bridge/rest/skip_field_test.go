package rest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// skips has an adapter's log and counters of skipped frames.
type skips struct {
	mu     sync.Mutex
	counts map[Frame]int
	log    bytes.Buffer
}

// adapter returns an adapter that reports to s.
func (s *skips) adapter() *Adapter {
	s.counts = make(map[Frame]int)
	return New(Options{
		Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
		Skipped: func(kind Frame) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.counts[kind]++
		},
	})
}

// notEvents are frames that are no events; the first is what a provider sends of a
// closed lease.
var notEvents = []string{`{"exit_code":0}`, "[", "", `"text"`, `{"type":7}`, "{}"}

// An {"exit_code":0} among a lease's events arrived as an event with empty fields.
func TestFieldFrameThatIsNoEvent(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(1)})
	g.sockets = []func(*stream){func(s *stream) {
		for _, frame := range notEvents {
			s.raw(frame)
		}
		s.raw(`{"type":"Normal","reason":"Started","note":"secret of the tenant","object":{"kind":"Pod","namespace":"x","name":"web-7f8b9c6d5-x2x9p"}}`)
		s.close(websocket.StatusNormalClosure, "")
	}}
	var told skips
	var got received[webv1.LeaseEvent, *webv1.LeaseEvent]
	call := callOf(t, g.Endpoint, webv1.LeaseREST_StreamLeaseEvents_FullMethodName, &webv1.StreamLeaseEventsRequest{LeaseId: testLease()})
	require.NoError(t, told.adapter().Serve(testContext(t), call, got.take))
	require.Len(t, got.messages, 1)
	assert.Equal(t, "Started", got.messages[0].GetReason())
	assert.Equal(t, map[Frame]int{FrameEvent: len(notEvents)}, told.counts)
	assert.Equal(t, 1, strings.Count(told.log.String(), "\n"), "logged once a call: %s", &told.log)
	assert.NotContains(t, told.log.String(), "exit_code", "what a tenant's lease says is not for the operator")
}

// One frame that was not JSON ended a whole log.
func TestFieldFrameThatIsNoLogLine(t *testing.T) {
	frames := []string{"<html>", `{"exit_code":0}`, `{"name":"../../etc","message":"x"}`,
		`{"name":"` + strings.Repeat("a", 300) + `","message":"x"}`, `{"message":"x"}`, `{"name":"web-1-a","message":"\x"}`}
	g := newLeaseGateway(t, services{"web": pods(1)})
	g.sockets = []func(*stream){func(s *stream) {
		s.line("web-1-a", "one")
		for _, frame := range frames {
			s.raw(frame)
		}
		s.line("web-1-a", "two")
		s.drop()
	}}
	var told skips
	var lines string
	call := callOf(t, g.Endpoint, leasev1.LeaseRPC_ServiceLogs_FullMethodName, &leasev1.ServiceLogsRequest{LeaseId: testLease()})
	got := received[leasev1.ServiceLogsResponse, *leasev1.ServiceLogsResponse]{after: func(m *leasev1.ServiceLogsResponse) error {
		for _, s := range m.GetServices() {
			lines += string(s.GetLogs())
		}
		return nil
	}}
	require.NoError(t, told.adapter().Serve(testContext(t), call, got.take))
	assert.Equal(t, text("one", "two"), lines)
	assert.Equal(t, map[Frame]int{FrameLogLine: len(frames)}, told.counts)
	assert.Equal(t, 1, strings.Count(told.log.String(), "\n"), "logged once a call: %s", &told.log)
}
