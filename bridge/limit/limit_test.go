package limit

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

func at(address string) Caller { return Caller{Address: netip.MustParseAddr(address)} }

// open admits calls of a caller until one is refused, and returns how many were admitted
// and the refusal.
func open(t *testing.T, l *Limiter, c Caller, most int) (calls []*Call, refusal *rpcerror.Error) {
	t.Helper()
	for len(calls) < most {
		call, err := l.Admit(c)
		if err != nil {
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, codes.ResourceExhausted, refusal.Code)
			assert.Positive(t, refusal.RetryAfter, "it says when to try again")
			return calls, refusal
		}
		calls = append(calls, call)
	}
	return calls, nil
}

// A caller that opens as many calls as it can leaves something for the next one, who
// does, too.
func TestOneCallerDoesNotShutOutOthers(t *testing.T) {
	var refused []string
	l := New(Options{Open: 1000}, func(by string) { refused = append(refused, by) })
	free := 1000
	for i := range 4 {
		calls, refusal := open(t, l, at(fmt.Sprintf("192.0.2.%d", i)), 1000)
		require.NotNil(t, refusal)
		assert.Equal(t, rpcerror.ReasonTooManyCalls, refusal.Reason)
		assert.InDelta(t, free/2, len(calls), 1, "half of what is free")
		free -= len(calls)
	}
	assert.Equal(t, []string{ByCaller, ByCaller, ByCaller, ByCaller}, refused)
	assert.False(t, l.Full())
	calls, _ := open(t, l, at("192.0.2.99"), 10)
	assert.Len(t, calls, 10, "a caller with a few calls")
}

// While there is capacity, a few calls are always admitted, so that small limits are
// reached by one caller.
func TestASmallLimitMayBeUsedByOneCaller(t *testing.T) {
	l := New(Options{Open: 20}, nil)
	calls, refusal := open(t, l, at("192.0.2.1"), 100)
	assert.Len(t, calls, 20)
	assert.Equal(t, rpcerror.ReasonBridgeBusy, refusal.Reason)
	assert.Contains(t, refusal.Message, "--max-streams")
	assert.True(t, l.Full())
	calls[0].Release()
	calls[0].Release()
	assert.Equal(t, 19, l.Open(), "a call is released once")
	_, err := l.Admit(at("192.0.2.1"))
	assert.NoError(t, err)
}

func TestAFixedLimitForACaller(t *testing.T) {
	l := New(Options{Open: 1000, OpenPerCaller: 3}, nil)
	calls, refusal := open(t, l, at("192.0.2.1"), 100)
	assert.Len(t, calls, 3)
	assert.Contains(t, refusal.Message, "--max-streams-per-caller")
	for _, call := range calls {
		call.Release()
	}
	assert.Empty(t, l.callers, "nothing is remembered of a caller without calls")
}

// A host has all addresses of its IPv6 network.
func TestAnIPv6NetworkIsOneCaller(t *testing.T) {
	l := New(Options{Open: 1000, OpenPerCaller: 1}, nil)
	_, err := l.Admit(at("2001:db8:0:1::1"))
	require.NoError(t, err)
	_, err = l.Admit(at("2001:db8:0:1::2"))
	assert.Error(t, err)
	_, err = l.Admit(at("2001:db8:0:2::1"))
	assert.NoError(t, err)
}

// Pages of one origin, opened by many people, leave something for other pages.
func TestOneOriginDoesNotShutOutOthers(t *testing.T) {
	var refused []string
	l := New(Options{Open: 900}, func(by string) { refused = append(refused, by) })
	admitted := 0
	for i := range 900 {
		c := at(fmt.Sprintf("198.51.%d.%d", i/250, i%250))
		c.Origin = "https://popular.example"
		if _, err := l.Admit(c); err != nil {
			break
		}
		admitted++
	}
	assert.InDelta(t, 800, admitted, 2, "eight ninths")
	assert.Equal(t, []string{ByOrigin}, refused)
	other := at("192.0.2.1")
	other.Origin = "https://other.example"
	_, err := l.Admit(other)
	assert.NoError(t, err)
}

func TestCallsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Open: 100_000, Rate: 10, Burst: 100}, nil)
		begin := func(c Caller, n int) (admitted int, refusal *rpcerror.Error) {
			for range n {
				calls, r := open(t, l, c, 1)
				if r != nil {
					refusal = r
					continue
				}
				admitted++
				calls[0].Release()
			}
			return admitted, refusal
		}
		flood := at("192.0.2.1")
		admitted, refusal := begin(flood, 500)
		assert.Equal(t, 100, admitted)
		assert.Equal(t, rpcerror.ReasonTooManyCalls, refusal.Reason)
		assert.Contains(t, refusal.Message, "--max-call-rate")
		assert.InDelta(t, 100, refusal.RetryAfter.Milliseconds(), 1, "until the next call may begin")

		time.Sleep(refusal.RetryAfter)
		admitted, _ = begin(flood, 5)
		assert.Equal(t, 1, admitted, "after the time that the refusal names")
		admitted, _ = begin(at("192.0.2.2"), 50)
		assert.Equal(t, 50, admitted, "of somebody else")
		admitted, _ = begin(at("127.0.0.1"), 500)
		assert.Equal(t, 500, admitted, "from the bridge's own machine")
		time.Sleep(time.Minute)
		admitted, _ = begin(flood, 500)
		assert.Equal(t, 100, admitted)

		l.Set(Options{Open: 100_000})
		admitted, _ = begin(flood, 500)
		assert.Equal(t, 500, admitted, "without a limit")
	})
}

// Whoever calls from many addresses does not fill the bridge's memory.
func TestCallersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Open: 100, Rate: 1, Burst: 2}, nil)
		call := func(i int) {
			calls, _ := open(t, l, at(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)), 1)
			calls[0].Release()
		}
		for i := range 3 * maxIdle {
			call(i)
			require.LessOrEqual(t, len(l.callers), maxIdle+1)
		}
		assert.Equal(t, len(l.callers), l.idle)
		time.Sleep(time.Minute)
		for i := range maxIdle {
			call(1<<20 + i)
		}
		assert.LessOrEqual(t, len(l.callers), maxIdle+1)
		assert.Equal(t, len(l.callers), l.idle)
	})
}

// Requests that arrive slowly fill no more than their share of the memory.
func TestRequestsInMemory(t *testing.T) {
	l := New(Options{Open: 1000, Waiting: 1000}, nil)
	calls, _ := open(t, l, at("192.0.2.1"), 3)
	require.NoError(t, calls[0].Wait(400))
	require.NoError(t, calls[1].Wait(200))
	var refusal *rpcerror.Error
	require.ErrorAs(t, calls[2].Wait(10), &refusal)
	assert.Equal(t, rpcerror.ReasonBridgeBusy, refusal.Reason)
	assert.Positive(t, refusal.RetryAfter)
	others, _ := open(t, l, at("192.0.2.2"), 1)
	assert.NoError(t, others[0].Wait(300), "of somebody else")
	calls[0].Sent()
	assert.NoError(t, calls[2].Wait(10))
	for _, call := range append(calls, others...) {
		call.Release()
	}
	assert.Zero(t, l.waiting)
	assert.Error(t, New(Options{Open: 1, Waiting: 10}, nil).mustAdmit(t).Wait(11), "more than there is")
}

func (l *Limiter) mustAdmit(t *testing.T) *Call {
	calls, _ := open(t, l, at("192.0.2.1"), 1)
	return calls[0]
}

func TestConcurrentCallers(t *testing.T) {
	l := New(Options{Open: 50, Rate: 1e6, Burst: 1e6, Waiting: 1 << 20}, nil)
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for range 500 {
				call, err := l.Admit(at(fmt.Sprintf("192.0.2.%d", i%4)))
				if err != nil {
					continue
				}
				_ = call.Wait(100)
				call.Sent()
				call.Release()
			}
		})
	}
	callers.Wait()
	assert.Zero(t, l.Open())
	assert.Zero(t, l.waiting)
	assert.Empty(t, l.origins)
	assert.Equal(t, len(l.callers), l.idle)
}
