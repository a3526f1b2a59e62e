package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/provider"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	"akash-provider-web/testserver/fake"
)

// fieldLog is a page that follows the log of the fake's lease.
type fieldLog struct {
	t      *testing.T
	server *fake.Server
	result chan error
	leave  context.CancelFunc

	mu    sync.Mutex
	pods  map[string]string // by service and replica, the pod that it is
	text  map[string]string // by pod, what came of it
	named map[string]int    // by pod, how often its log was said to begin
	cuts  map[string]string // by pod, what had come of it when that was said last
	news  chan struct{}     // closed with the next message
}

// followFake follows the log of a fake's lease, with the adapter's usual intervals.
func followFake(t *testing.T, server *fake.Server, tail int) *fieldLog {
	return readFake(t, server, true, tail)
}

// readFake reads the log of a fake's lease, with the adapter's usual intervals.
func readFake(t *testing.T, server *fake.Server, follow bool, tail int) *fieldLog {
	ready := server.Ready()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	l := ready.Lease
	call := callOf(t, &provider.Endpoint{HostURI: ready.HostURI, Transport: transport}, leasev1.LeaseRPC_ServiceLogs_FullMethodName, &leasev1.ServiceLogsRequest{
		LeaseId: &marketv1.LeaseID{Owner: l.Owner, Dseq: l.DSeq, Gseq: l.GSeq, Oseq: l.OSeq}, Follow: follow,
	})
	call.Authorization, call.Tail = "Bearer "+ready.JWT, tail
	ctx, leave := context.WithCancel(testContext(t))
	f := &fieldLog{
		t: t, server: server, result: make(chan error, 1), leave: leave,
		pods: make(map[string]string), text: make(map[string]string), named: make(map[string]int), cuts: make(map[string]string), news: make(chan struct{}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.result <- New(Options{}).Serve(ctx, call, f.take)
	}()
	t.Cleanup(func() {
		leave()
		<-done
		transport.CloseIdleConnections()
	})
	return f
}

func startFake(t *testing.T, o fake.Options) *fake.Server {
	o.LeaseRPC, o.ProviderVersion = fake.DialectNone, "0.14.0"
	server, err := fake.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	return server
}

func (f *fieldLog) take(message []byte) error {
	var m leasev1.ServiceLogsResponse
	if err := proto.Unmarshal(message, &m); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range m.GetServices() {
		replica := fmt.Sprintf("%s/%d", s.GetName(), s.GetReplica())
		if s.GetPod() != "" {
			f.pods[replica] = s.GetPod()
			f.named[s.GetPod()]++
			f.cuts[s.GetPod()] = f.text[s.GetPod()]
		}
		f.text[f.pods[replica]] += string(s.GetLogs())
	}
	close(f.news)
	f.news = make(chan struct{})
	return nil
}

// end waits for the end of a log that is not followed.
func (f *fieldLog) end() error {
	select {
	case err := <-f.result:
		return err
	case <-time.After(30 * time.Second):
		require.FailNow(f.t, "the log did not end")
		return nil
	}
}

// until waits until the lines that arrived are as wanted, at most for the given time.
func (f *fieldLog) until(patience time.Duration, what string, done func() bool) {
	f.t.Helper()
	late := time.After(patience)
	for {
		f.mu.Lock()
		ok, news := done(), f.news
		f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-news:
		case err := <-f.result:
			require.FailNow(f.t, "the log ended", "%s: %v", what, err)
		case <-late:
			f.mu.Lock()
			defer f.mu.Unlock()
			require.FailNow(f.t, "not in time: "+what, "named %v, text %.300q", f.named, f.text)
		}
	}
}

// ends reports whether a pod's lines so far end with text.
func (f *fieldLog) ends(pod, text string) func() bool {
	return func() bool { return strings.HasSuffix(f.text[pod], text) }
}

// gaps returns how often a gap was reported for a pod.
func (f *fieldLog) gaps(pod string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.named[pod] - 1
}

// post sends a request to the fake's control API, and returns the pod in its answer.
func (f *fieldLog) post(path, body string) string {
	response, err := http.Post(f.server.Ready().Control+path, "", strings.NewReader(body))
	require.NoError(f.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(f.t, err)
	require.Equal(f.t, http.StatusOK, response.StatusCode, "%s", text)
	var pod fake.Pod
	if len(bytes.TrimSpace(text)) > 0 {
		require.NoError(f.t, json.Unmarshal(text, &pod))
	}
	return pod.Pod
}

// write has a replica of web write lines.
func (f *fieldLog) write(replica int, lines ...string) {
	f.post(fmt.Sprintf("/write?service=web&replica=%d", replica), text(lines...))
}

// pod is the pod of a replica of web.
func (f *fieldLog) pod(replica int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pods[fmt.Sprintf("web/%d", replica)]
}

// begin has each replica of web write a line, and waits for them.
func (f *fieldLog) begin(replicas int) {
	for i := range replicas {
		f.write(i, fmt.Sprintf("I am %d", i))
	}
	f.until(10*time.Second, "the first lines", func() bool { return len(f.text) >= replicas })
}

func web(n int) []fake.Service { return []fake.Service{{Name: "web", Replicas: n}} }

const tooLong = 70_000

// A line over 64 KiB ended a replica's log, and nothing was reported to the page.
func TestFieldLongLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", tooLong)
	for _, replicas := range []int{1, 2} {
		t.Run(fmt.Sprintf("of %d", replicas), func(t *testing.T) {
			t.Parallel()
			server := startFake(t, fake.Options{Services: web(replicas)})
			f := followFake(t, server, -1)
			f.begin(replicas)
			pod := f.pod(0)
			f.write(0, long, "two", "three")
			f.until(20*time.Second, "lines after the long one", f.ends(pod, text("two", "three")))
			f.write(0, "four")
			f.until(5*time.Second, "later lines", f.ends(pod, text("two", "three", "four")))
			assert.Equal(t, text("I am 0", "two", "three", "four"), f.text[pod])
			assert.Equal(t, 1, f.gaps(pod))

			// A pod that comes later makes no difference.
			late := f.post("/grow?service=web", "")
			f.write(replicas, "I am late")
			f.until(15*time.Second, "the new pod", f.ends(late, text("I am late")))
			f.write(0, "five")
			f.until(10*time.Second, "later lines", f.ends(pod, text("four", "five")))
			assert.Equal(t, text("I am 0", "two", "three", "four", "five"), f.text[pod])
			assert.Equal(t, 1, f.gaps(pod))

			// Another page whose tail reaches back over the line gets what comes after it.
			other := followFake(t, server, -1)
			other.until(20*time.Second, "lines after the long one", other.ends(pod, text("two", "three", "four", "five")))
			assert.Equal(t, 1, other.gaps(pod))
		})
	}
}

// If the long line was the last one, even a new connection received nothing. Now a gap is
// reported, and later lines arrive.
func TestFieldLongLastLine(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{1, 2} {
		t.Run(fmt.Sprintf("of %d", replicas), func(t *testing.T) {
			t.Parallel()
			f := followFake(t, startFake(t, fake.Options{Services: web(replicas)}), -1)
			f.begin(replicas)
			pod := f.pod(0)
			f.write(0, strings.Repeat("x", tooLong))
			f.until(20*time.Second, "the gap", func() bool { return f.named[pod] == 2 })
			f.write(0, "two")
			f.until(10*time.Second, "later lines", f.ends(pod, text("two")))
			assert.Equal(t, text("I am 0", "two"), f.text[pod])
			assert.Equal(t, 1, f.gaps(pod))
		})
	}
}

// While another pod kept the socket open, the log of a replacement pod never arrived.
func TestFieldReplacedPod(t *testing.T) {
	t.Parallel()
	for name, query := range map[string]string{
		"no dip": "", "1 s": "&dip=1s", "4 s": "&dip=4s", "9 s": "&dip=9s",
		"rolling update": "&update=true", "slow rolling update": "&update=true&starting=3s",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := followFake(t, startFake(t, fake.Options{Services: web(2)}), -1)
			f.begin(2)
			old, other := f.pod(0), f.pod(1)
			pod := f.post("/replace?service=web&replica=0"+query, text("bye", "bye bye"))
			f.write(0, "here I am")
			started := time.Now()
			switch {
			case strings.Contains(query, "9s"):
				started = started.Add(9 * time.Second)
			case strings.Contains(query, "s"):
				started = started.Add(4 * time.Second)
			}
			f.until(time.Until(started)+10*time.Second, "the new pod", f.ends(pod, text("here I am")))
			f.write(1, "still here")
			f.until(5*time.Second, "the other pod", f.ends(other, text("I am 1", "still here")))
			f.mu.Lock()
			assert.Equal(t, text("I am 0", "bye", "bye bye"), f.text[old])
			f.mu.Unlock()
			assert.Zero(t, f.gaps(old)+f.gaps(pod)+f.gaps(other))
		})
	}
}

// A pod that was starting ended the logs of healthy ones: their socket was closed for a new
// one, which the gateway refused.
func TestFieldStartingPodCostsOthersNothing(t *testing.T) {
	t.Parallel()
	f := followFake(t, startFake(t, fake.Options{Services: []fake.Service{{Name: "web", Replicas: 1}, {Name: "db", Replicas: 1, Stateful: true}}}), -1)
	f.begin(1)
	pod := f.pod(0)
	late := f.post("/grow?service=web&starting=true", "")
	want := text("I am 0")
	for i := range 12 {
		line := fmt.Sprintf("line %d", i)
		want += text(line)
		f.write(0, line)
		f.until(2*time.Second, "the healthy pod", f.ends(pod, want))
		time.Sleep(time.Second) // several looks at the status pass
	}
	// A service that grows meanwhile is read on a socket of its own.
	second := f.post("/grow?service=db", "")
	f.post("/write?service=db&replica=1", text("second"))
	f.until(10*time.Second, "the other service's pod", f.ends(second, text("second")))

	f.write(1, "first words")
	f.post("/started?service=web&replica=1", "")
	f.until(15*time.Second, "the new pod", f.ends(late, text("first words")))
	f.write(0, "last")
	f.until(5*time.Second, "the healthy pod", f.ends(pod, want+text("last")))
	assert.Zero(t, f.gaps(pod)+f.gaps(late)+f.gaps(second))
}

// A log that is opened while a pod of one service starts includes the other services.
func TestFieldLogOfALeaseThatStarts(t *testing.T) {
	t.Parallel()
	server := startFake(t, fake.Options{Services: []fake.Service{{Name: "web", Replicas: 1}, {Name: "db", Replicas: 1, Stateful: true}}})
	prepare := &fieldLog{t: t, server: server}
	late := prepare.post("/grow?service=db&starting=true", "")
	f := followFake(t, server, -1)
	f.write(0, "hello")
	f.until(5*time.Second, "the service that runs", func() bool { return f.text[f.pods["web/0"]] == text("hello") })
	f.post("/write?service=db&replica=1", text("ready"))
	f.post("/started?service=db&replica=1", "")
	f.until(15*time.Second, "the service that was starting", f.ends(late, text("ready")))
	assert.Zero(t, f.gaps(late))
}

// For a pod whose first line was too long, no gap was reported.
func TestFieldLongFirstLine(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{1, 2} {
		t.Run(fmt.Sprintf("of %d", replicas), func(t *testing.T) {
			t.Parallel()
			f := followFake(t, startFake(t, fake.Options{Services: web(replicas)}), -1)
			f.write(0, strings.Repeat("x", tooLong), "two", "three")
			if replicas == 2 {
				f.write(1, "I am 1")
			}
			var pod string
			f.until(30*time.Second, "the lines after the long one", func() bool {
				for name, log := range f.text {
					if log == text("two", "three") {
						pod = name
					}
				}
				return pod != ""
			})
			assert.Equal(t, 1, f.gaps(pod))
			assert.Empty(t, f.cuts[pod])
			f.write(0, "four")
			f.until(10*time.Second, "later lines", f.ends(pod, text("two", "three", "four")))
			assert.Equal(t, 1, f.gaps(pod))
			assert.Empty(t, f.cuts[pod])
		})
	}
}

// A line over 64 KiB ended a log that was not followed, which looked complete.
func TestFieldLongLineNotFollowed(t *testing.T) {
	t.Parallel()
	long, many := strings.Repeat("x", tooLong), slices.Repeat([]string{"tick"}, 300)
	for name, test := range map[string]struct {
		tail   int
		log    []string
		before []string // nil where no gap is told
		after  []string
	}{
		"in the midst":       {-1, []string{"one", long, "two", "three"}, []string{"one"}, []string{"two", "three"}},
		"at the end":         {-1, []string{"one", "two", long}, []string{"one", "two"}, nil},
		"two at the end":     {-1, []string{"one", "two", long, long}, []string{"one", "two"}, nil},
		"at the start":       {-1, []string{long, "two"}, []string{}, []string{"two"}},
		"two of them":        {-1, []string{"one", long, "two", long, "three"}, []string{"one"}, []string{"three"}},
		"among equal lines":  {-1, slices.Concat(many, []string{long}, many, []string{"tock"}), many, slices.Concat(many, []string{"tock"})},
		"within the tail":    {5, []string{"one", "two", long, "three"}, []string{"one", "two"}, []string{"three"}},
		"before the tail":    {2, []string{"one", long, "two", "three"}, nil, []string{"two", "three"}},
		"nowhere":            {-1, []string{"one", "two", "three"}, nil, []string{"one", "two", "three"}},
		"among no others":    {-1, slices.Repeat([]string{"tick"}, 20), nil, slices.Repeat([]string{"tick"}, 20)},
		"in no line at all":  {-1, nil, nil, nil},
		"without any memory": {0, []string{"one", long, "two"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startFake(t, fake.Options{Services: web(2)})
			write := &fieldLog{t: t, server: server}
			if test.log != nil {
				write.write(0, test.log...)
			}
			write.write(1, "another", "pod")
			f := readFake(t, server, false, test.tail)
			require.NoError(t, f.end())
			pod := ""
			for name, log := range f.text {
				if !strings.HasPrefix(log, "another") {
					pod = name
				} else {
					assert.Equal(t, 1, f.named[name])
				}
			}
			want := ""
			for _, line := range slices.Concat(test.before, test.after) {
				want += line + "\n"
			}
			assert.Equal(t, want, f.text[pod])
			switch {
			case pod == "":
			case test.before == nil:
				assert.Zero(t, f.gaps(pod))
			default:
				assert.Equal(t, 1, f.gaps(pod))
				before := ""
				for _, line := range test.before {
					before += line + "\n"
				}
				assert.Equal(t, before, f.cuts[pod], "where the gap is")
			}
		})
	}
}

// No gap is reported for a log that grows while it is read.
func TestFieldGrowingLogNotFollowed(t *testing.T) {
	server := startFake(t, fake.Options{Services: web(1)})
	write := &fieldLog{t: t, server: server}
	write.write(0, "line 0")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				write.write(0, fmt.Sprintf("line %d", i), "same", "same")
			}
		}
	}()
	for range 20 {
		f := readFake(t, server, false, -1)
		assert.NoError(t, f.end())
		assert.Len(t, f.named, 1)
		for pod := range f.named {
			assert.Zero(t, f.gaps(pod))
		}
	}
	close(stop)
	<-stopped
}

// If the provider refuses the second socket of a log that is not followed, the log is still
// complete, and no gap is reported without evidence.
func TestFieldSecondSocketFails(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]http.HandlerFunc{
		"refused": says(http.StatusInternalServerError, "too many"),
		"broken":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"stuck":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newLeaseGateway(t, services{"web": pods(1)})
			g.look = fail
			g.sockets = []func(*stream){func(s *stream) {
				s.line("web-1-a", "one")
				s.drop()
			}}
			book, err := g.listen(false).end()
			require.NoError(t, err)
			assert.Equal(t, logBook{"web/0": text("one")}, book)
		})
	}
}

// With a token that does not permit the status, the rest of a log is read, too.
func TestFieldLongLineWithoutStatus(t *testing.T) {
	t.Parallel()
	g := newLeaseGateway(t, services{"web": pods(1)})
	g.answerStatus(says(http.StatusUnauthorized, `{"message":"unauthorized access"}`))
	g.written["web-1-a"] = nil
	for _, line := range []string{"one", "two"} {
		g.written["web-1-a"] = append(g.written["web-1-a"], `{"name":"web-1-a","message":"`+line+`"}`+"\n")
	}
	rest := func(lines ...string) func(*stream) {
		return func(s *stream) {
			for _, line := range lines {
				s.raw(`{"name":"web-1-a","message":"` + line + `"}` + "\n")
			}
			s.drop()
		}
	}
	// Three sockets: the log, which ends at a long line; the last two lines, which include
	// it; and the lines after it.
	g.sockets = []func(*stream){rest("one"), rest(), rest("two")}
	book, err := g.listen(false, func(c *Call, _ *leasev1.ServiceLogsRequest) { c.Authorization = "Bearer a.b.c" }).end()
	require.NoError(t, err)
	assert.Equal(t, logBook{"web/0": text("one", "two")}, book)
	for _, r := range g.opened[1:] {
		assert.Empty(t, r.URL.Query().Get("service"), "which services there are is not known")
	}
}
