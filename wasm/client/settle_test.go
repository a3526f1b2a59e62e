package client

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
	"akash-provider-web/wasm/grpcweb"
)

// A script is a bridge that sends given messages at given times.
type script struct {
	method      string
	connections [][]step
	asked       []string // akash-tail for each connection, "-" for none
	beats       []string // akash-heartbeat for each
	known       [][]*leasev1.KnownReplica
}

// A step is what a connection sends next, and after how long. Without a body the connection
// breaks.
type step struct {
	after time.Duration
	body  []byte
	then  func()
}

func (s *script) Open(_ *Scope, request *Request) (Response, error) {
	header := func(name string) string {
		if text, ok := request.Header.Get(name); ok {
			return text
		}
		return "-"
	}
	var logs leasev1.ServiceLogsRequest
	if err := proto.Unmarshal(request.Body[5:], &logs); err == nil {
		s.known = append(s.known, logs.GetKnown())
	}
	s.asked, s.beats = append(s.asked, header("akash-tail")), append(s.beats, header("akash-heartbeat"))
	steps := []step{wellOver} // after the end of the script
	if n := len(s.asked); n <= len(s.connections) {
		steps = s.connections[n-1]
	}
	a := answer{header: map[string]string{"akash-method": s.method}}
	return &scriptResponse{fakeResponse{bridge: &fakeBridge{}, answer: a}, steps}, nil
}

type scriptResponse struct {
	fakeResponse
	steps []step
}

func (r *scriptResponse) Read(*Scope) ([]byte, error) {
	if len(r.steps) == 0 {
		return nil, nil
	}
	next := r.steps[0]
	r.steps = r.steps[1:]
	time.Sleep(next.after)
	if next.then != nil {
		next.then()
	}
	if next.body == nil {
		return nil, errors.New("network error")
	}
	return next.body, nil
}

var (
	broken    = step{}
	heartbeat = step{after: 10 * time.Second, body: grpcweb.AppendHeader(nil, 0)}
	wellOver  = step{body: wellEnded}
)

// piece returns a piece of the log of a replica such as "web/0".
func piece(t *testing.T, replica, pod string, lines ...string) step {
	service, number, _ := strings.Cut(replica, "/")
	n, err := strconv.Atoi(number)
	require.NoError(t, err)
	text := ""
	if len(lines) > 0 {
		text = strings.Join(lines, "\n") + "\n"
	}
	return step{body: framed(t, &leasev1.ServiceLogsResponse{
		Services: []*leasev1.ServiceLogs{{Name: service, Replica: uint32(n), Logs: []byte(text), Pod: pod}},
	})}
}

// follow reads a stream of the script's bridge to its end.
func (s *script) follow(t *testing.T, method string, change func(*Call)) *page {
	call := newCall()
	call.Reconnect, call.Lease.Follow, call.Heartbeat = true, true, 15_000
	if change != nil {
		change(call)
	}
	client := &Client{Transport: s, Clock: realClock{}, Random: func() float64 { return 0.5 }}
	page := &page{t: t}
	require.Nil(t, page.readAll(client.NewStream(method, call)))
	assert.Len(t, s.asked, len(s.connections), "connections")
	return page
}

func asksFor(tail uint32) func(*Call) { return func(c *Call) { c.Tail = &tail } }

// Each case is what happened to a log while the connection was down, and what the page
// gets.
func TestResumedLog(t *testing.T) {
	p := func(replica, pod string, lines ...string) step { return piece(t, replica, pod, lines...) }
	old, other := numbered(0, 50), numbered(100, 150)
	long := slices.Concat(numbered(0, 5), numbered(20_000, 20_000+resumeTail))
	large := slices.Repeat([]string{strings.Repeat("x", 9999)}, 250)
	for name, test := range map[string]struct {
		method      string
		change      func(*Call)
		connections [][]step
		want        map[string][]string
		gaps        []gap
		asked       []string
	}{
		"it continues": {
			connections: [][]step{{p("web/0", "a", old...), broken}, {p("web/0", "a", numbered(0, 60)...), wellOver}},
			want:        map[string][]string{"web/0": numbered(0, 60)},
			asked:       []string{"-", "-"},
		},
		"the bridge skipped a line that was too long, and skips it again": {
			connections: [][]step{
				{p("web/0", "a", numbered(0, 20)...), p("web/0", "a", numbered(21, 30)...), broken},
				{p("web/0", "a", numbered(0, 20)...), heartbeat, p("web/0", "a", numbered(21, 40)...), wellOver},
			},
			want:  map[string][]string{"web/0": slices.Concat(numbered(0, 20), numbered(21, 40))},
			gaps:  []gap{{"web/0", 20}},
			asked: []string{"-", "-"},
		},
		"the line that was too long was the last one": {
			connections: [][]step{
				{p("web/0", "a", numbered(0, 20)...), p("web/0", "a"), p("web/0", "", numbered(21, 30)...), broken},
				{p("web/0", "a", numbered(0, 20)...), heartbeat, p("web/0", "a", numbered(21, 40)...), wellOver},
			},
			want:  map[string][]string{"web/0": slices.Concat(numbered(0, 20), numbered(21, 40))},
			gaps:  []gap{{"web/0", 20}},
			asked: []string{"-", "-"},
		},
		"the line that was too long was the last one, and still is": {
			connections: [][]step{
				{p("web/0", "a", numbered(0, 20)...), p("web/0", "a"), broken},
				{p("web/0", "a", numbered(0, 20)...), p("web/0", "a"), p("web/0", "", numbered(21, 40)...), wellOver},
			},
			want:  map[string][]string{"web/0": slices.Concat(numbered(0, 20), numbered(21, 40))},
			gaps:  []gap{{"web/0", 20}},
			asked: []string{"-", "-"},
		},
		"its container restarted and has written less than before": {
			connections: [][]step{{p("web/0", "a", old...), broken}, {
				p("web/0", "a", "I begin"), heartbeat, heartbeat, heartbeat, heartbeat, p("web/0", "", "I go on"), wellOver}},
			want: map[string][]string{"web/0": append(numbered(0, 50), "I begin", "I go on")},
			gaps: []gap{{"web/0", 50}},
		},
		"its pod was replaced: this is known at once": {
			connections: [][]step{{p("web/0", "a", old...), broken}, {p("web/0", "b", "line 0", "I am b"), wellOver}},
			want:        map[string][]string{"web/0": append(numbered(0, 50), "line 0", "I am b")},
			gaps:        []gap{{"web/0", 50}},
		},
		"its pod was replaced while the connection was open: nothing is lost": {
			connections: [][]step{{p("web/0", "a", old...), p("web/0", "b", "line 0"), p("web/0", "", "line 1"), broken}, {
				p("web/0", "b", numbered(0, 4)...), wellOver}},
			want: map[string][]string{"web/0": append(numbered(0, 50), numbered(0, 4)...)},
		},
		"the bridge saw its container restart": {
			connections: [][]step{{p("web/0", "a", old...), p("web/0", "a", "I begin"), broken}, {
				p("web/0", "a", "I begin", "I go on"), wellOver}},
			want: map[string][]string{"web/0": append(numbered(0, 50), "I begin", "I go on")},
			gaps: []gap{{"web/0", 50}},
		},
		"the provider renumbered the replicas": {
			method: "grpc",
			connections: [][]step{{p("web/0", "", old...), p("web/1", "", other...), p("web/2", "", numbered(200, 250)...), broken}, {
				p("web/1", "", numbered(200, 260)...), p("web/0", "", numbered(0, 55)...), p("web/2", "", "I am new"), heartbeat, heartbeat, heartbeat, heartbeat, wellOver}},
			want: map[string][]string{
				"web/0": numbered(0, 55), "web/1": append(numbered(100, 150), numbered(250, 260)...), "web/2": append(numbered(200, 250), "I am new"),
			},
			gaps: []gap{{"web/1", 155}, {"web/2", 155}},
		},
		"no history was asked for, and it was silent: what it wrote meanwhile is lost": {
			change:      asksFor(0),
			connections: [][]step{{heartbeat, broken}, {heartbeat, p("web/0", "a", "two"), wellOver}},
			want:        map[string][]string{"web/0": {"two"}},
			gaps:        []gap{{"web/0", 0}},
			asked:       []string{"0", "0"},
		},
		"no history was asked for, and another replica was silent": {
			change: asksFor(0),
			connections: [][]step{{p("web/0", "a", "one"), broken}, {
				p("web/0", "a", "zero", "one", "two"), p("web/1", "b", "old, or not"), heartbeat, p("web/1", "", "new"), wellOver}},
			want:  map[string][]string{"web/0": {"one", "two"}, "web/1": {"new"}},
			gaps:  []gap{{"web/1", 1}},
			asked: []string{"0", "10000"},
		},
		"no history was asked for, over gRPC, which always sends it": {
			method: "grpc", change: asksFor(0),
			connections: [][]step{{p("web/0", "", "one"), broken}, {p("web/0", "", "one", "two"), p("web/1", "", "all of it"), wellOver}},
			want:        map[string][]string{"web/0": {"one", "two"}, "web/1": {"all of it"}},
		},
		"some history was asked for, and there was none: everything is new": {
			change:      asksFor(2),
			connections: [][]step{{heartbeat, broken}, {p("web/0", "a", numbered(0, 9)...), wellOver}},
			want:        map[string][]string{"web/0": numbered(0, 9)},
			asked:       []string{"2", "-"},
		},
		"it broke before its history came": {
			change:      asksFor(2),
			connections: [][]step{{broken}, {p("web/0", "a", numbered(7, 9)...), wellOver}},
			want:        map[string][]string{"web/0": numbered(7, 9)},
			asked:       []string{"2", "2"},
		},
		"a new pod wrote more than is asked for": {
			change: asksFor(5),
			connections: [][]step{{p("web/0", "a", numbered(1, 6)...), broken},
				{p("web/0", "a", numbered(0, 7)...), p("web/1", "b", long[5:]...), heartbeat},
				{p("web/1", "b", long...), p("web/0", "a", numbered(0, 7)...), wellOver}},
			want:  map[string][]string{"web/0": numbered(1, 7), "web/1": long},
			asked: []string{"5", "10000", "-"},
		},
		"a pod was replaced, and the new one wrote more than is asked for": {
			change: asksFor(5),
			connections: [][]step{{p("web/0", "a", numbered(1, 6)...), broken},
				{p("web/0", "b", long[5:]...)}, {p("web/0", "b", long...), wellOver}},
			want:  map[string][]string{"web/0": slices.Concat(numbered(1, 6), long)},
			gaps:  []gap{{"web/0", 5}},
			asked: []string{"5", "10000", "-"},
		},
		"a new pod starts later: the bridge sends its whole log": {
			change: asksFor(5),
			connections: [][]step{{p("web/0", "a", numbered(1, 6)...), broken},
				{p("web/0", "a", numbered(0, 6)...), heartbeat, p("web/1", "b", "I am new"), wellOver}},
			want:  map[string][]string{"web/0": numbered(1, 6), "web/1": {"I am new"}},
			asked: []string{"5", "10000"},
		},
		"it is a different log, and too long to keep": {
			change: asksFor(5),
			connections: [][]step{{p("web/0", "a", numbered(1, 6)...), broken},
				{p("web/0", "a", large...), p("web/0", "", large...), heartbeat, heartbeat, heartbeat, heartbeat, heartbeat},
				{p("web/0", "a", "short"), heartbeat}, {p("web/0", "a", "short"), wellOver}},
			want:  map[string][]string{"web/0": append(numbered(1, 6), "short")},
			gaps:  []gap{{"web/0", 5}},
			asked: []string{"5", "10000", "10000", "-"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{method: test.method, connections: test.connections}
				if s.method == "" {
					s.method = "rest"
				}
				page := s.follow(t, "streamLogs", test.change)
				assert.Equal(t, test.want, page.delivered())
				assert.Equal(t, test.gaps, page.gaps)
				if test.asked != nil {
					assert.Equal(t, test.asked, s.asked)
				}
			})
		})
	}
}

// An undecided log is settled within a minute, even if the page asked for no heartbeats or
// rare ones: further connections ask for them.
func TestUndecidedLogIsSettled(t *testing.T) {
	for _, every := range []int{0, 1500, 3_600_000} {
		synctest.Test(t, func(t *testing.T) {
			p := &page{}
			s := &script{method: "rest", connections: [][]step{
				{piece(t, "web/0", "a", numbered(0, 9)...), broken},
				{piece(t, "web/0", "a", "I begin"), heartbeat, heartbeat, heartbeat, heartbeat, {after: time.Second, body: []byte{}, then: func() {
					assert.Len(t, p.entries, 10)
					assert.Equal(t, []gap{{"web/0", 9}}, p.gaps)
				}}, wellOver},
			}}
			call := newCall()
			call.Reconnect, call.Lease.Follow, call.Heartbeat = true, true, every
			client := &Client{Transport: s, Clock: realClock{}, Random: func() float64 { return 0.5 }}
			p.t = t
			require.Nil(t, p.readAll(client.NewStream("streamLogs", call)))
			assert.Equal(t, map[int][]string{0: {"-", "10"}, 1500: {"1.500", "1.500"}, 3_600_000: {"3600", "10"}}[every], s.beats)
		})
	}
}

// A further connection sends the bridge the numbers of the known pods, whichever bridge it
// is.
func TestReplicasKeepTheirNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{method: "rest", connections: [][]step{
			{piece(t, "web/0", "a", "1"), piece(t, "web/1", "b", "1"), piece(t, "web/1", "c", "2"), piece(t, "db/0", "", "1"), broken},
			// Pod a gets another number while this connection is open.
			{piece(t, "web/1", "c", "2"), piece(t, "web/0", "a", "1"), piece(t, "web/2", "a", "2"), broken},
			{piece(t, "web/2", "a", "1", "2", "3"), wellOver},
		}}
		page := s.follow(t, "streamLogs", nil)
		assert.Equal(t, map[string][]string{"web/0": {"1"}, "web/1": {"1", "2"}, "web/2": {"2", "3"}, "db/0": {"1"}}, page.delivered())
		require.Len(t, s.known, 3)
		pods := func(n int) (pods []string) {
			for _, k := range s.known[n] {
				pods = append(pods, k.GetPod()+"/"+strconv.Itoa(int(k.GetReplica())))
			}
			return pods
		}
		assert.Empty(t, pods(0))
		assert.Equal(t, []string{"a/0", "c/1"}, pods(1))
		assert.ElementsMatch(t, []string{"a/2", "c/1"}, pods(2))
	})
}

// event returns a step with a Kubernetes event.
func event(t *testing.T, reason, note string) step {
	return step{body: framed(t, &webv1.LeaseEvent{Type: "Normal", Reason: reason, Note: note, Object: &webv1.LeaseEventObject{Kind: "Pod", Name: "web-0"}})}
}

// Events that are repeated on a further connection are not delivered again. Events that
// happen again later are.
func TestResumeOfEvents(t *testing.T) {
	e := func(reason string) step { return event(t, reason, "…") }
	for name, test := range map[string]struct {
		once        bool // not followed
		connections [][]step
		want        []string
	}{
		"a new one": {false, [][]step{{e("Scheduled"), e("Started"), broken}, {e("Started"), e("Killing"), e("Scheduled"), wellOver}},
			[]string{"Scheduled", "Started", "Killing"}},
		"one that was repeated": {false, [][]step{{e("BackOff"), e("BackOff"), broken}, {e("BackOff"), e("BackOff"), wellOver}},
			[]string{"BackOff", "BackOff", "BackOff"}},
		"one that happens again much later": {false, [][]step{{e("BackOff"), broken}, {heartbeat, heartbeat, e("BackOff"), wellOver}},
			[]string{"BackOff", "BackOff"}},
		"a long history that comes slowly": {false, [][]step{{e("A"), e("B"), e("C"), broken}, {e("A"), heartbeat, e("B"), heartbeat, e("C"), e("D"), wellOver}},
			[]string{"A", "B", "C", "D"}},
		"a list with two equal events, which broke off": {true, [][]step{{e("A"), e("A"), broken}, {e("A"), e("A"), e("A"), e("B"), wellOver}},
			[]string{"A", "A", "A", "B"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{method: "rest", connections: test.connections}
				page := s.follow(t, "streamLeaseEvents", func(c *Call) { c.Lease.Follow = !test.once })
				var reasons []string
				for _, e := range page.entries {
					reasons = append(reasons, parse(t, []byte(e.text))["reason"].(string))
				}
				assert.Equal(t, test.want, reasons)
			})
		})
	}
}

// The number of remembered events is limited.
func TestManyEvents(t *testing.T) {
	seen := seenMessages{limit: maxSeen, once: true}
	for i := range 3 * maxSeen {
		require.False(t, seen.seenBefore([]byte(strconv.Itoa(i))))
	}
	assert.Len(t, seen.messages, maxSeen)
	seen.reopen()
	assert.False(t, seen.seenBefore([]byte("0")))
	assert.True(t, seen.seenBefore([]byte(strconv.Itoa(3*maxSeen-1))))
	assert.Equal(t, maxSeen-2, seen.waiting)
}

// A status that is the same as before the connection broke is not delivered again. An
// earlier one is.
func TestResumeOfAStatus(t *testing.T) {
	status := func(total int32) step {
		return step{body: framed(t, &leasev1.ServiceStatusResponse{
			Services: []*leasev1.ServiceStatus{{Name: "web", Status: &leasev1.LeaseServiceStatus{Total: total}}},
		})}
	}
	synctest.Test(t, func(t *testing.T) {
		s := &script{method: "rest", connections: [][]step{
			{status(1), status(2), broken}, {status(2), status(1), broken}, {status(2), status(2), wellOver},
		}}
		page := s.follow(t, "streamServiceStatus", nil)
		var totals []float64
		for _, e := range page.entries {
			service := parse(t, []byte(e.text))["services"].([]any)[0].(object)
			totals = append(totals, service["status"].(object)["total"].(float64))
		}
		assert.Equal(t, []float64{1, 2, 1, 2, 2}, totals)
	})
}
