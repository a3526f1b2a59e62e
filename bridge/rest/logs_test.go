package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/rest/logs"
	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// listener is a page that reads a log.
type listener struct {
	t        testing.TB
	call     *Call
	book     logBook
	messages int
	arrived  chan logBook // gets the book after each message, if set
	cancel   context.CancelFunc
	result   chan error
}

// listen starts a call of ServiceLogs for the lease.
func (g *leaseGateway) listen(follow bool, change ...func(*Call, *leasev1.ServiceLogsRequest)) *listener {
	request := &leasev1.ServiceLogsRequest{LeaseId: testLease(), Filter: &leasev1.ServiceFilter{}, Follow: follow}
	call := callOf(g.t, g.Endpoint, leasev1.LeaseRPC_ServiceLogs_FullMethodName, request)
	for _, c := range change {
		c(call, request)
	}
	var err error
	call.Message, err = proto.Marshal(request)
	require.NoError(g.t, err)

	ctx, cancel := context.WithCancel(testContext(g.t))
	l := &listener{t: g.t, call: call, book: logBook{}, arrived: make(chan logBook), cancel: cancel, result: make(chan error, 1)}
	go func() { l.result <- testAdapter().Serve(ctx, call, func(m []byte) error { return l.take(ctx, m) }) }()
	g.t.Cleanup(func() { cancel() })
	return l
}

func (l *listener) take(ctx context.Context, message []byte) error {
	var response leasev1.ServiceLogsResponse
	if err := proto.Unmarshal(message, &response); err != nil {
		return err
	}
	book := logBook{}
	for replica, log := range l.book {
		book[replica] = log
	}
	for _, s := range response.GetServices() {
		book[fmt.Sprintf("%s/%d", s.GetName(), s.GetReplica())] += string(s.GetLogs())
	}
	l.book = book
	l.messages++
	select {
	case l.arrived <- book:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// until waits until the logs of the given replicas are as wanted.
func (l *listener) until(want logBook) {
	l.t.Helper()
	for {
		select {
		case book := <-l.arrived:
			same := true
			for replica, log := range want {
				require.True(l.t, strings.HasPrefix(log, book[replica]), "replica %s: want %q, got %q", replica, log, book[replica])
				same = same && book[replica] == log
			}
			if same {
				return
			}
		case err := <-l.result:
			require.FailNow(l.t, "the log ended early", "%v", err)
		}
	}
}

// end waits for the end of the call and returns all that arrived.
func (l *listener) end() (logBook, error) {
	var book logBook
	for {
		select {
		case book = <-l.arrived:
		case err := <-l.result:
			return book, err
		}
	}
}

// socket waits for the page to open a WebSocket.
func (g *leaseGateway) socket() *stream {
	g.t.Helper()
	select {
	case s := <-g.ready:
		g.t.Cleanup(s.drop)
		return s
	case <-testContext(g.t).Done():
		require.FailNow(g.t, "no socket was opened")
		return nil
	}
}

func (g *leaseGateway) query(n int) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opened[n].URL.RawQuery
}

// The history of a lease arrives by service and replica. A pod belongs to the service with
// the longest matching name, and replicas are numbered in the order of their pods' names,
// not in that of their lines.
func TestHistory(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(2), "web-api": pods(1), "db": pods(2)})
	g.sockets = []func(*stream){func(s *stream) {
		s.line("web-7f8b9c6d5-zzzzz", "zig")
		s.line("web-api-5c4d7f9b8-qk7lz", "<b>héllo</b> ✓ \"quoted\" \\ \t 日本 😀")
		s.line("web-7f8b9c6d5-aaaaa", "ant")
		s.line("db-1", "second of a stateful set")
		s.line("web-7f8b9c6d5-zzzzz", "zag")
		s.line("db-0", "")
		s.drop()
	}}
	book, err := g.listen(false, func(c *Call, _ *leasev1.ServiceLogsRequest) { c.Authorization = "Bearer not.a.token" }).end()
	require.NoError(t, err)
	assert.Equal(t, logBook{
		"web/0":     text("ant"),
		"web/1":     text("zig", "zag"),
		"web-api/0": text("<b>héllo</b> ✓ \"quoted\" \\ \t 日本 😀"),
		"db/0":      text(""),
		"db/1":      text("second of a stateful set"),
	}, book)
	assert.Equal(t, "follow=false&tail=-1", g.query(0))
	assert.Equal(t, "Bearer not.a.token", g.opened[0].Header.Get("Authorization"))
}

// The provider selects by name and tail, the adapter by replica.
func TestFilter(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(3)})
	g.sockets = []func(*stream){func(s *stream) {
		for _, pod := range []string{"web-1-c", "web-1-b", "web-1-a"} {
			s.line(pod, "I am %s", pod)
		}
		s.drop()
	}}
	book, err := g.listen(false, func(c *Call, r *leasev1.ServiceLogsRequest) {
		c.Tail = 7
		r.Filter = &leasev1.ServiceFilter{Name: "web", Replicas: []uint32{0, 2}}
	}).end()
	require.NoError(t, err)
	assert.Equal(t, logBook{"web/0": text("I am web-1-a"), "web/2": text("I am web-1-c")}, book)
	assert.Equal(t, "follow=false&service=web&tail=7", g.query(0))
}

// If the token does not permit the lease's status, services and numbers are derived from
// the pods' names.
func TestHistoryWithoutStatus(t *testing.T) {
	g := newLeaseGateway(t, nil)
	g.answerStatus(says(http.StatusUnauthorized, `{"message":"unauthorized access"}`))
	g.sockets = []func(*stream){func(s *stream) {
		s.line("my-web-7f8b9c6d5-bbbbb", "b")
		s.line("my-web-7f8b9c6d5-aaaaa", "a")
		s.line("db-12", "d")
		s.drop()
	}}
	book, err := g.listen(false).end()
	require.NoError(t, err)
	assert.Equal(t, logBook{"my-web/0": text("a"), "my-web/1": text("b"), "db/12": text("d")}, book)
}

// A burst of lines becomes few messages. A single line is sent at once.
func TestCoalescing(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(1)})
	l := g.listen(true)
	s := g.socket()
	s.line("web-1-a", "hello")
	l.until(logBook{"web/0": text("hello")})
	require.Equal(t, 1, l.messages)

	const n = 20_000
	go func() {
		for i := range n {
			s.line("web-1-a", "line %d", i)
		}
	}()
	var want strings.Builder
	want.WriteString("hello\n")
	for i := range n {
		fmt.Fprintf(&want, "line %d\n", i)
	}
	l.until(logBook{"web/0": want.String()})
	assert.Less(t, l.messages, n/10)
}

// A page learns that a quiet log is being followed.
func TestQuietLogIsOpen(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(1)})
	open := make(chan struct{})
	l := g.listen(true, func(c *Call, _ *leasev1.ServiceLogsRequest) { c.Opened = func() { close(open) } })
	g.socket()
	select {
	case <-open:
	case err := <-l.result:
		require.FailNow(t, "the log ended early", "%v", err)
	}
}

// Replicas of which only some write are numbered, too, after a short wait.
func TestQuietReplica(t *testing.T) {
	t.Parallel()
	g := newLeaseGateway(t, services{"web": pods(3)})
	l := g.listen(true)
	s := g.socket()
	s.line("web-1-c", "c")
	s.line("web-1-b", "b")
	l.until(logBook{"web/0": text("b"), "web/1": text("c")})
	s.line("web-1-a", "late, so the last")
	l.until(logBook{"web/2": text("late, so the last")})
}

// A followed log includes pods that start later. They need another socket, and what the
// gateway repeats on it is not sent again.
func TestFollowTakesUpNewPods(t *testing.T) {
	t.Parallel()
	g := newLeaseGateway(t, services{"web": pods(1)})
	l := g.listen(true)
	first := g.socket()
	for range 3 {
		first.line("web-1-a", "same")
	}
	l.until(logBook{"web/0": text("same", "same", "same")})

	g.setStatus(services{"web": pods(2)})
	second := g.socket()
	second.line("web-1-b", "I am new")
	for range 3 {
		second.line("web-1-a", "same")
	}
	second.line("web-1-a", "same") // the fourth: new, however alike
	second.line("web-1-b", "and here to stay")
	l.until(logBook{"web/0": text("same", "same", "same", "same"), "web/1": text("I am new", "and here to stay")})
	assert.Equal(t, "follow=true&tail=10000", g.query(1))

	// The new one takes the number of one that is gone.
	g.setStatus(services{"web": {Available: 2, Total: 2, Replicas: 2, ObservedGeneration: 2}})
	third := g.socket()
	third.line("web-1-b", "I am new")
	third.line("web-1-b", "and here to stay")
	third.line("web-2-c", "in the place of a")
	l.until(logBook{"web/0": text("same", "same", "same", "same", "in the place of a"), "web/1": text("I am new", "and here to stay")})
	l.cancel()
	_, err := l.end()
	assert.Equal(t, codes.Canceled, requireFault(t, err).Code)
}

// If pods start while a long history is still being sent, none of the history is lost: how
// much of it a slow page has not read yet is unknown, so all is requested again.
func TestGrowthDuringAHistory(t *testing.T) {
	const n = 30_000
	var want strings.Builder
	for i := range n {
		fmt.Fprintf(&want, "line %d\n", i)
	}
	history := func(s *stream) {
		for i := range n {
			s.line("web-1-a", "line %d", i)
		}
	}
	g := newLeaseGateway(t, services{"web": pods(1)})
	l := g.listen(true)
	first := g.socket()
	go history(first)
	<-l.arrived // and then the page does not read
	g.setStatus(services{"web": pods(2)})
	second := g.socket()
	assert.Equal(t, "follow=true&tail=-1", g.query(1))
	go func() {
		second.line("web-1-b", "I am new")
		history(second)
	}()
	l.until(logBook{"web/0": want.String(), "web/1": text("I am new")})
}

// If a gateway ends a log whose pods still run, the log is requested again, and the page
// does not notice, whether or not the container has restarted.
func TestFollowGoesOnWhereItWasDropped(t *testing.T) {
	t.Parallel()
	g := newLeaseGateway(t, services{"web": pods(1)})
	l := g.listen(true, func(c *Call, _ *leasev1.ServiceLogsRequest) { c.Tail = 2 })
	s := g.socket()
	s.line("web-1-a", "one")
	s.line("web-1-a", "two")
	l.until(logBook{"web/0": text("one", "two")})
	s.drop()

	s = g.socket()
	for _, line := range []string{"zero", "one", "two", "three"} {
		s.line("web-1-a", "%s", line)
	}
	l.until(logBook{"web/0": text("one", "two", "three")})
	s.drop()

	s = g.socket()
	s.line("web-1-a", "started anew")
	l.until(logBook{"web/0": text("one", "two", "three", "started anew")})
	s.close(4000, "no running pods") // for now: the lease is still there

	s = g.socket()
	s.line("web-1-a", "started anew")
	s.line("web-1-a", "once more")
	l.until(logBook{"web/0": text("one", "two", "three", "started anew", "once more")})
}

// A status that does not arrive delays a log only briefly.
func TestLogWithoutTheStatusItAskedFor(t *testing.T) {
	g := newLeaseGateway(t, nil)
	asked := make(chan struct{}, 1)
	g.answerStatus(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	g.sockets = []func(*stream){func(s *stream) { s.close(closeNotFound, "") }}
	adapter := testAdapter()
	adapter.statusPatience = 100 * time.Millisecond
	err := adapter.Serve(testContext(t), callOf(t, g.Endpoint, leasev1.LeaseRPC_ServiceLogs_FullMethodName,
		&leasev1.ServiceLogsRequest{LeaseId: testLease(), Follow: true}), nil)
	assert.Equal(t, rpcerror.ReasonUnknownLease, requireFault(t, err).Reason)
	<-asked
}

// A log does not wait forever for pods that only the status has.
func TestFollowEndsWithItsPods(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(1)})
	l := g.listen(true)
	s := g.socket()
	s.line("web-1-a", "last words")
	l.until(logBook{"web/0": text("last words")})
	s.drop()
	for range maxNoPods {
		g.socket().close(closeInternal, closeNoPods)
	}
	_, err := l.end()
	assert.NoError(t, err)
}

// How a followed log ends.
func TestFollowEnds(t *testing.T) {
	gone := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
	for _, tt := range []struct {
		name   string
		status http.HandlerFunc
		code   codes.Code
		reason rpcerror.Reason
	}{
		{"the lease was closed", says(http.StatusNotFound, ""), codes.OK, ""},
		{"the service was taken out", says(http.StatusOK, `{"services":{"db":{"available":1,"total":1}}}`), codes.OK, ""},
		{"the service was scaled to nothing", says(http.StatusOK, `{"services":{"web":{"available":0,"total":0}}}`), codes.OK, ""},
		{"the provider went away", gone, codes.Unavailable, rpcerror.ReasonProviderGone},
		{"its cluster is away", says(http.StatusServiceUnavailable, "kube unreachable"), codes.Unavailable, rpcerror.ReasonClusterUnavailable},
		{"the token has expired", says(http.StatusBadRequest, `{"message":"JWT has invalid claims"}`), codes.Unauthenticated, rpcerror.ReasonTokenInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newLeaseGateway(t, services{"web": pods(1)})
			l := g.listen(true, func(_ *Call, r *leasev1.ServiceLogsRequest) { r.Filter.Name = "web" })
			s := g.socket()
			s.line("web-1-a", "last words")
			l.until(logBook{"web/0": text("last words")})
			g.answerStatus(tt.status)
			s.drop()
			_, err := l.end()
			if tt.code == codes.OK {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, tt.code, requireFault(t, err).Code)
			assert.Equal(t, tt.reason, requireFault(t, err).Reason)
		})
	}
}

// A connection that breaks within a history is an error, not the end of the log.
func TestHistoryOfAProviderThatDies(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(1)})
	l := g.listen(false)
	s := g.socket()
	s.line("web-1-a", "half of it")
	l.until(logBook{"web/0": text("half of it")})
	g.answerStatus(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	s.drop()
	_, err := l.end()
	assert.Equal(t, codes.Unavailable, requireFault(t, err).Code)
	assert.Contains(t, err.Error(), "went away before it was done")
}

// Close frames before the first line say why there is no log.
func TestLogThatDoesNotBegin(t *testing.T) {
	running := says(http.StatusOK, `{"services":{"web":{"available":1,"total":1,"ready_replicas":1},"db":{"available":0,"total":0}}}`)
	for _, tt := range []struct {
		name    string
		service string
		close   websocket.StatusCode
		reason  string
		status  http.HandlerFunc // if not the lease's
		code    codes.Code
		want    rpcerror.Reason
		says    string
	}{
		{"no such service", "wbe", 4000, "no running pods", nil, codes.NotFound, rpcerror.ReasonUnknownService, `the lease has no service "wbe"; it has db, web`},
		{"all its pods are starting", "web", 4000, "no running pods", nil, codes.Unavailable, rpcerror.ReasonPodStarting, "web (0 of 1 pods ready); follow"},
		{"one of its pods is starting", "", 4000, "", says(http.StatusOK, `{"services":{"web":{"available":2,"total":2,"ready_replicas":2},"db":{"available":2,"total":2,"ready_replicas":1}}}`), codes.Unavailable, rpcerror.ReasonPodStarting, "starting: db (1 of 2 pods ready); follow"},
		{"none of its pods runs", "web", 4000, "no running pods", running, codes.NotFound, rpcerror.ReasonNoRunningPods, `no pod of service "web" is running`},
		{"no pod at all runs", "", 4000, "no running pods", running, codes.NotFound, rpcerror.ReasonNoRunningPods, "no pod of the lease is running"},
		{"no such lease", "", 4000, "no running pods", says(http.StatusNotFound, ""), codes.NotFound, rpcerror.ReasonUnknownLease, "holds no such lease"},
		{"who knows", "web", 4000, "no running pods", says(http.StatusUnauthorized, `{"message":"unauthorized access"}`), codes.NotFound, rpcerror.ReasonNoRunningPods, "does not permit to ask"},
		{"internal", "", 4000, "", running, codes.Unavailable, rpcerror.ReasonProviderFailed, "failed to open"},
		{"not found", "", 4001, "", nil, codes.NotFound, rpcerror.ReasonUnknownLease, "no lease 1234/1/1"},
		{"cluster away", "", 4002, "", nil, codes.Unavailable, rpcerror.ReasonClusterUnavailable, "cluster does not answer"},
		{"going away", "", 1001, "bye", nil, codes.Unavailable, rpcerror.ReasonProviderGone, "(1001): bye"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, follow := range []bool{false, true} {
				if follow && tt.name == "one of its pods is starting" {
					continue // the others are followed
				}
				g := newLeaseGateway(t, services{"web": {Total: 1}, "db": {Total: 1}})
				if tt.status != nil {
					g.answerStatus(tt.status)
				}
				g.sockets = []func(*stream){func(s *stream) { s.close(tt.close, tt.reason) }}
				_, err := g.listen(follow, func(c *Call, r *leasev1.ServiceLogsRequest) {
					c.Authorization, r.Filter.Name = "Bearer a.b.c", tt.service
				}).end()
				assert.Equal(t, tt.code, requireFault(t, err).Code)
				assert.Equal(t, tt.want, requireFault(t, err).Reason)
				assert.Contains(t, err.Error(), tt.says)
			}
		})
	}
}

// A page that does not read makes the provider wait, and gets every line once it reads
// again.
func TestPageThatDoesNotRead(t *testing.T) {
	const n, width = 2500, 16_000 // 40 MB, more than any buffer on the way
	var written atomic.Int64
	g := newLeaseGateway(t, services{"web": pods(1)})
	filler := strings.Repeat("x", width)
	g.sockets = []func(*stream){func(s *stream) {
		for i := range n {
			s.line("web-1-a", "%d %s", i, filler)
			written.Add(1)
		}
		s.drop()
	}}
	request, err := proto.Marshal(&leasev1.ServiceLogsRequest{LeaseId: testLease()})
	require.NoError(t, err)
	call := &Call{Endpoint: g.Endpoint, Provider: testProvider, Method: leasev1.LeaseRPC_ServiceLogs_FullMethodName, Message: request, Tail: -1}

	var log strings.Builder
	stalled := false
	err = testAdapter().Serve(testContext(t), call, func(message []byte) error {
		if !stalled {
			stalled = true
			// The provider's writes block long before the end.
			for before := int64(-1); before != written.Load(); time.Sleep(100 * time.Millisecond) {
				before = written.Load()
			}
			assert.Less(t, written.Load(), int64(n/2))
		}
		var m leasev1.ServiceLogsResponse
		require.NoError(t, proto.Unmarshal(message, &m))
		for _, s := range m.GetServices() {
			log.Write(s.GetLogs())
		}
		return nil
	})
	require.NoError(t, err)
	at := 0
	for line := range strings.Lines(log.String()) {
		require.Equal(t, fmt.Sprintf("%d %s\n", at, filler), line)
		at++
	}
	assert.Equal(t, n, at)
}

// The longest line that a gateway can send, of characters that JSON escapes.
func TestLongestLine(t *testing.T) {
	long := strings.Repeat("<", 64<<10)
	g := newLeaseGateway(t, services{"web": pods(1)})
	g.sockets = []func(*stream){func(s *stream) {
		s.line("web-1-a", "%s", long)
		s.line("web-1-a", "short")
		s.drop()
	}}
	book, err := g.listen(false).end()
	require.NoError(t, err)
	assert.Equal(t, logBook{"web/0": text(long, "short")}, book)
}

// A frame that is too long for a line ends the call. Lines before it are delivered.
func TestFrameThatIsTooLong(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(1)})
	g.sockets = []func(*stream){func(s *stream) {
		s.line("web-1-a", "fine")
		s.raw(strings.Repeat("x", maxSocketMessage+1))
		_, _, _ = s.conn.Read(context.Background())
	}}
	book, err := g.listen(false).end()
	assert.Equal(t, logBook{"web/0": text("fine")}, book)
	assert.Equal(t, codes.Internal, requireFault(t, err).Code)
	assert.Equal(t, rpcerror.ReasonProviderProtocol, requireFault(t, err).Reason)
}

// A connection without even pings times out. One with pings only does not.
func TestSilence(t *testing.T) {
	const patience = time.Second
	adapter := New(Options{Patience: patience, LeaseInterval: time.Hour})
	run := func(pings int) error {
		g := newLeaseGateway(t, services{"web": pods(1)})
		g.sockets = []func(*stream){func(s *stream) {
			s.line("web-1-a", "hello")
			ctx := s.conn.CloseRead(context.Background())
			for range pings {
				if s.conn.Ping(ctx) != nil {
					return
				}
				time.Sleep(patience / 20)
			}
			if pings > 0 {
				s.close(4001, "")
				return
			}
			<-ctx.Done()
		}}
		return adapter.Serve(testContext(t), callOf(t, g.Endpoint, leasev1.LeaseRPC_ServiceLogs_FullMethodName,
			&leasev1.ServiceLogsRequest{LeaseId: testLease(), Follow: true}), func([]byte) error { return nil })
	}
	err := run(0)
	assert.Equal(t, codes.Unavailable, requireFault(t, err).Code)
	assert.Contains(t, err.Error(), "not even a ping")

	assert.Equal(t, codes.NotFound, requireFault(t, run(40)).Code)
}

// If the page disconnects, the call ends with the error of send.
func TestPageThatGoesAway(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(1)})
	gone := errors.New("the page is gone")
	result := make(chan error, 1)
	go func() {
		result <- testAdapter().Serve(testContext(t), callOf(t, g.Endpoint, leasev1.LeaseRPC_ServiceLogs_FullMethodName,
			&leasev1.ServiceLogsRequest{LeaseId: testLease(), Follow: true}), func([]byte) error { return gone })
	}()
	s := g.socket()
	s.line("web-1-a", "anybody?")
	assert.Equal(t, gone, <-result)
	_, _, err := s.conn.Read(testContext(t))
	assert.ErrorIs(t, err, io.EOF, "the provider's side is closed")
}

// The number of replicas that a page can claim to know is limited.
func TestKnownReplicas(t *testing.T) {
	g := newLeaseGateway(t, services{"web": pods(2)})
	g.sockets = []func(*stream){func(s *stream) {
		s.line("web-1-a", "ant")
		s.line("web-1-b", "bee")
		s.drop()
	}}
	book, err := g.listen(false, func(_ *Call, r *leasev1.ServiceLogsRequest) {
		r.Known = []*leasev1.KnownReplica{{Pod: "web-1-b", Replica: 0}, {Pod: strings.Repeat("x", 5000), Replica: 1}}
	}).end()
	require.NoError(t, err)
	assert.Equal(t, logBook{"web/0": text("bee"), "web/1": text("ant")}, book)

	_, err = g.listen(false, func(_ *Call, r *leasev1.ServiceLogsRequest) {
		for range logs.MaxPods + 1 {
			r.Known = append(r.Known, &leasev1.KnownReplica{Pod: "web-1-b"})
		}
	}).end()
	assert.Equal(t, codes.InvalidArgument, requireFault(t, err).Code)
}
