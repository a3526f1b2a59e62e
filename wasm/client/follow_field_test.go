package client

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/wasm/grpcweb"
)

// overREST returns the answer as it comes from a provider reached over REST.
func overREST(a answer) answer {
	header := map[string]string{"akash-method": "rest"}
	for name, value := range a.header {
		header[name] = value
	}
	a.header = header
	return a
}

// followed returns a call with Follow and a token.
func followed() *Call {
	call := newCall()
	call.Reconnect, call.Lease.Follow = true, true
	call.Credentials.Token = func(*Scope, string) (string, error) {
		return makeToken(time.Now(), `{"access":"full"}`), nil
	}
	return call
}

// follow reads a stream until it ends or is closed after leave. It returns the entries and
// the reasons of retries, without consecutive duplicates.
func follow(t *testing.T, c *Client, method string, call *Call, leave time.Duration) (entries []entry, waits []string, f *RPCError) {
	t.Helper()
	s := c.NewStream(method, call)
	s.OnRetry = func(f *RPCError) {
		reason := f.Code.String() + "/" + f.Reason
		if len(waits) == 0 || waits[len(waits)-1] != reason {
			waits = append(waits, reason)
		}
	}
	timer := time.AfterFunc(leave, func() { s.Close(grpcweb.Error(grpcweb.Canceled, "left")) })
	defer timer.Stop()
	entries, f = readStream(t, s)
	return entries, waits, f
}

// within returns the number of connections in the first n seconds.
func (b *fakeBridge) within(n int) (count int) {
	for _, at := range b.at {
		if at <= time.Duration(n)*time.Second {
			count++
		}
	}
	return count
}

func startedEvent(t *testing.T) []byte {
	return framed(t, &webv1.LeaseEvent{Type: "Normal", Reason: "Started", Object: &webv1.LeaseEventObject{Kind: "Pod", Name: "web-0"}})
}

func serviceStatus(t *testing.T, available int32) []byte {
	return framed(t, &leasev1.ServiceStatusResponse{Services: []*leasev1.ServiceStatus{{
		Name: "web", Status: &leasev1.LeaseServiceStatus{Available: available},
	}}})
}

// A provider that repeated one known event and closed was called 82 times in 10 s.
func TestFieldRepeatedEventDoesNotResetBackoff(t *testing.T) {
	heartbeat := grpcweb.AppendHeader(nil, 0)
	closed := trailers("grpc-status: 14\r\nakash-error: providerGone\r\n")
	for name, c := range map[string]struct {
		method string
		body   [][]byte
	}{
		"an event":                 {"streamLeaseEvents", [][]byte{startedEvent(t), closed}},
		"a status":                 {"streamServiceStatus", [][]byte{serviceStatus(t, 1), closed}},
		"lines":                    {"streamLogs", [][]byte{logs(t, "web", 0, "one\ntwo\nthree\n"), closed}},
		"an event and a heartbeat": {"streamLeaseEvents", [][]byte{startedEvent(t), heartbeat, closed}},
		"a status that ends well":  {"streamProviderStatus", append(statuses(t, 1), wellEnded)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, random := range []float64{0, 0.5, 1} {
				synctest.Test(t, func(t *testing.T) {
					client, bridge := newClient(overREST(answer{body: c.body}))
					client.Random = func() float64 { return random }
					entries, _, f := follow(t, client, c.method, followed(), time.Hour)
					assert.Equal(t, grpcweb.Canceled, f.Code)
					assert.LessOrEqual(t, len(entries), 3, "nothing comes twice")
					assert.LessOrEqual(t, bridge.within(10), 7)
					assert.GreaterOrEqual(t, len(bridge.at), 360, "it retries at most 10 s apart")
				})
			}
		})
	}
}

// The backoff starts over after a connection that brought something new, or that lasted.
func TestBackoffReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := overREST(refusal("14", "down", "providerGone"))
		client, bridge := newClient(
			down, down, down,
			answer{body: [][]byte{startedEvent(t)}, broken: "network error"},
			down,
			answer{body: [][]byte{startedEvent(t)}, broken: "network error", after: 9 * time.Second}, // nothing new
			down,
			answer{broken: "network error", after: 10 * time.Second},
			down,
		)
		_, _, f := follow(t, client, "streamLeaseEvents", followed(), 40*time.Second)
		assert.Equal(t, grpcweb.Canceled, f.Code)
		var waits []time.Duration
		for i := range bridge.at[:9] {
			waits = append(waits, bridge.at[i+1]-bridge.at[i])
		}
		assert.Equal(t, []time.Duration{
			200 * ms, 400 * ms, 800 * ms,
			200 * ms, 400 * ms, 9*time.Second + 800*ms,
			1600 * ms, 10*time.Second + 200*ms, 400 * ms,
		}, waits)
	})
}

// A provider that closed events or logs before the first of them (1011, 1013 or 4000)
// made a follower throw within 10 ms.
func TestFieldFollowerRetriesFromTheStart(t *testing.T) {
	for _, reason := range []string{"providerGone", "providerFailed", "clusterUnavailable", "podStarting", ""} {
		for _, method := range []string{"streamLogs", "streamLeaseEvents", "streamServiceStatus"} {
			synctest.Test(t, func(t *testing.T) {
				client, bridge := newClient(overREST(answer{body: [][]byte{trailers("grpc-status: 14\r\nakash-error: " + reason + "\r\n")}}))
				call := followed()
				call.Retries = 0
				_, waits, f := follow(t, client, method, call, time.Hour)
				assert.Equal(t, grpcweb.Canceled, f.Code)
				assert.Equal(t, []string{"UNAVAILABLE/" + reason}, waits)
				assert.GreaterOrEqual(t, len(bridge.at), 360)
				if reason == "podStarting" {
					assert.GreaterOrEqual(t, len(bridge.at), 1800, "a pod starts within seconds")
				}
			})
		}
	}
}

// A log that was opened while its pod started, just after the manifest was sent, threw
// at once.
func TestFieldLogOfAPodThatIsStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, bridge := newClient(
			overREST(refusal("5", "no pod of the lease is running", "noRunningPods")),
			overREST(refusal("14", "its cluster does not answer", "clusterUnavailable")),
			overREST(refusal("14", "its pod is starting", "podStarting")),
			overREST(answer{body: [][]byte{trailers("grpc-status: 14\r\nakash-error: podStarting\r\n")}}),
			overREST(answer{body: [][]byte{logs(t, "web", 0, "hello\n"), wellEnded}}),
		)
		call := followed()
		call.Retries = 0
		entries, waits, f := follow(t, client, "streamLogs", call, time.Hour)
		require.Nil(t, f)
		assert.Equal(t, []entry{{"web", 0, "hello", false}}, entries)
		assert.Equal(t, []string{"NOT_FOUND/noRunningPods", "UNAVAILABLE/clusterUnavailable", "UNAVAILABLE/podStarting"}, waits)
		assert.Len(t, bridge.requests, 5)
	})
}

// Without Follow, a stream retries only Retries times. Permanent errors are not retried at
// all.
func TestWhatIsNotRetried(t *testing.T) {
	once := func(call *Call) { call.Lease.Follow = false }
	broken := func(call *Call) { call.Reconnect = false }
	for name, c := range map[string]struct {
		answer   answer
		change   func(*Call)
		attempts int
	}{
		"a pod that starts, not followed":      {overREST(refusal("14", "x", "podStarting")), once, 4},
		"no pods, not followed":                {overREST(refusal("5", "x", "noRunningPods")), once, 1},
		"a pod that starts, without reconnect": {overREST(refusal("14", "x", "podStarting")), broken, 4},
		"no such lease":                        {overREST(refusal("5", "x", "unknownLease")), nil, 1},
		"no such service":                      {overREST(refusal("5", "x", "unknownService")), nil, 1},
		"a token that lacks a scope":           {overREST(refusal("7", "x", "scopeMissing")), nil, 1},
		"a refused certificate":                {overREST(refusal("16", "x", "certificateNotOnChain")), nil, 1},
		"arguments":                            {overREST(refusal("3", "x", "malformedMetadata")), nil, 1},
		"no method":                            {overREST(refusal("12", "x", "notImplemented")), nil, 1},
		"a bridge that is not there":           {answer{err: "Failed to fetch"}, nil, 4},
		"a provider that shuts down, always":   {overREST(refusal("1", "x", "")), nil, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, bridge := newClient(c.answer)
				call := followed()
				if c.change != nil {
					c.change(call)
				}
				_, _, f := follow(t, client, "streamLogs", call, time.Hour)
				require.NotNil(t, f)
				assert.NotEqual(t, "left", f.Message)
				assert.Len(t, bridge.requests, c.attempts)
				assert.Equal(t, c.attempts, f.Attempts)
			})
		})
	}
}

// getManifest was not retried after a 503 of a provider over REST, where credentials crash
// nothing.
func TestFieldManifestOfAProviderThatIsBusy(t *testing.T) {
	busy := overREST(refusal("14", "its Kubernetes cluster does not answer", "clusterUnavailable"))
	call := followed()
	call.Reconnect, call.Lease.Follow = false, false
	result, _ := try(t, "getManifest", call, busy)
	assert.Equal(t, 4.0, result["attempts"])

	result, _ = try(t, "sendManifest", call, busy)
	assert.Equal(t, 1.0, result["attempts"], "a method with side effects is sent once")

	result, _ = try(t, "getManifest", call, refusal("14", "x", "providerGone"))
	assert.Equal(t, 1.0, result["attempts"], "over gRPC, or an unknown way")
}
