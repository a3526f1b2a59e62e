package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// reader is a Merger with one feed at a time.
type reader struct {
	*Merger
	feed *Feed
}

func newReader(services []string, replicas []uint32, follow bool) *reader {
	return &reader{NewMerger(services, replicas, follow), nil}
}

// reopen goes over to another feed.
func reopen(j *reader, running map[string]int, tail int) {
	if j.feed != nil {
		j.feed.Close()
	}
	j.feed = j.Open(Opening{Running: running, Tail: tail})
}

// drain takes messages until the merger ends, and returns what they hold.
func drain(t *testing.T, j *reader) (map[string]string, error) {
	book := make(map[string]string)
	for {
		message, err := j.Next(context.Background())
		if err != nil {
			return book, err
		}
		var m leasev1.ServiceLogsResponse
		require.NoError(t, proto.Unmarshal(message, &m))
		for _, s := range m.GetServices() {
			book[fmt.Sprintf("%s/%d", s.GetName(), s.GetReplica())] += string(s.GetLogs())
		}
	}
}

// numbered adds lines from ≤ i < to of a pod.
func numbered(t *testing.T, j *reader, pod string, from, to int) {
	for i := from; i < to; i++ {
		require.NoError(t, j.feed.Add(fmt.Appendf(nil, `{"name":"%s","message":"line %d, of a length that adds up %s"}`+"\n", pod, i, strings.Repeat("x", 60))))
	}
}

// isReason reports whether err is a fault for that reason.
func isReason(err error, reason rpcerror.Reason) bool {
	var e *rpcerror.Error
	return errors.As(err, &e) && e.Reason == reason
}

func countLines(text string) (n, first, last int) {
	n = strings.Count(text, "\n")
	_, _ = fmt.Sscanf(text, "line %d", &first)
	_, _ = fmt.Sscanf(text[strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n")+1:], "line %d", &last)
	return n, first, last
}

// A repetition that is longer than what may be held back is recognised all the
// same, whether the log was read from its start or not.
func TestLongRepetition(t *testing.T) {
	const repeated = 4 * maxHeld / 100
	for _, tail := range []int{-1, 10} {
		j := newReader([]string{"web"}, nil, true)
		type result struct {
			book map[string]string
			err  error
		}
		taken := make(chan result)
		go func() {
			book, err := drain(t, j)
			taken <- result{book, err}
		}()
		reopen(j, map[string]int{"web": 1}, tail)
		start := 0
		if tail > 0 {
			start = repeated - tail
		}
		numbered(t, j, "web-1-a", start, repeated)
		reopen(j, map[string]int{"web": 1}, -1)
		numbered(t, j, "web-1-a", 0, repeated+1000)
		j.Finish(nil)

		r := <-taken
		assert.Equal(t, io.EOF, r.err)
		n, first, last := countLines(r.book["web/0"])
		assert.Equal(t, []int{repeated + 1000 - start, start, repeated + 999}, []int{n, first, last})
	}
}

// Where so much came that nothing could be kept, and it was not a repetition
// after all, the log ends rather than have a gap.
func TestRepetitionThatWasNone(t *testing.T) {
	j := newReader([]string{"web"}, nil, true)
	taken := make(chan error)
	go func() {
		_, err := drain(t, j)
		taken <- err
	}()
	reopen(j, map[string]int{"web": 1}, 10)
	numbered(t, j, "web-1-a", 0, 100)
	reopen(j, map[string]int{"web": 1}, -1)
	numbered(t, j, "web-1-a", 1000, 1000+2*maxHeld/100)
	j.Finish(nil)
	assert.True(t, isReason(<-taken, rpcerror.ReasonProviderGone))
}

// A batch never holds much more than it may, however many replicas mix.
func TestManyReplicas(t *testing.T) {
	const replicas, each = 300, 200
	j := newReader([]string{"db"}, nil, false)
	go func() {
		reopen(j, nil, -1)
		for i := range each {
			for r := range replicas {
				if j.feed.Add(fmt.Appendf(nil, `{"name":"db-%d","message":"%d"}`, r, i)) != nil {
					return
				}
			}
		}
		j.Finish(nil)
	}()
	book, err := drain(t, j)
	assert.Equal(t, io.EOF, err)
	var want strings.Builder
	for i := range each {
		fmt.Fprintf(&want, "%d\n", i)
	}
	for r := range replicas {
		require.Equal(t, want.String(), book[fmt.Sprintf("db/%d", r)])
	}

	crowd := newReader([]string{"db"}, nil, false)
	reopen(crowd, nil, -1)
	for r := range MaxPods {
		require.NoError(t, crowd.feed.Add(fmt.Appendf(nil, `{"name":"db-%d","message":"x"}`, r)))
		_, _, _ = crowd.take()
	}
	assert.True(t, isReason(crowd.feed.Add([]byte(`{"name":"one-more","message":"x"}`)), rpcerror.ReasonProviderProtocol))
}
