package client

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// A cluster runs a lease's pods while a page follows their logs. Connections break
// anywhere, containers restart, pods are replaced, and logs are rotated. It plays both the
// provider and the bridge.
type cluster struct {
	t        *testing.T
	random   *rand.Rand
	rest     bool // with a bridge that names pods and numbers them
	alike    int  // number of different lines, 0 if every line is different
	breaks   int  // number of connections that will break
	calm     bool // connections break, but nothing else happens
	pods     []*pod
	pages    *page
	written  int
	open     int
	asked    int // lines of history that the page asked for, -1 for all
	disturbs map[string]int
	// followed holds, for each replica, the whole logs of the containers it had.
	followed map[string][]*container
}

// A pod has a name and, at any time, one container.
type pod struct {
	service, name string
	number        uint32
	*container
}

// A container has one log, whose beginning may have been rotated away.
type container struct {
	lines   []string
	rotated int
	start   int // first line that the page must get if nothing is lost
}

func (c *cluster) log(p *pod) string { return fmt.Sprintf("%s/%d", p.service, p.number) }

func (c *cluster) add(service string, number uint32) *pod {
	p := &pod{service: service, number: number, name: service + "-" + strconv.FormatUint(c.random.Uint64(), 36), container: &container{}}
	c.pods = append(c.pods, p)
	c.followed[c.log(p)] = append(c.followed[c.log(p)], p.container)
	return p
}

func (c *cluster) line() string {
	c.written++
	if c.alike > 0 {
		return []string{"", "tick", "漢字 😀", strings.Repeat("so long, ", 40), "é", "tock"}[c.random.IntN(c.alike)]
	}
	text := "line " + strconv.Itoa(c.written)
	if c.random.IntN(100) == 0 {
		text += strings.Repeat(" 長い", c.random.IntN(2000))
	}
	return text
}

func (c *cluster) write(n int) {
	for range n {
		p := c.pods[c.random.IntN(len(c.pods))]
		p.lines = append(p.lines, c.line())
	}
}

// happen changes the cluster while the page is not connected.
func (c *cluster) happen() {
	c.write(c.random.IntN(60))
	if c.calm {
		return
	}
	p := c.pods[c.random.IntN(len(c.pods))]
	switch c.random.IntN(6) {
	case 0:
		p.container = &container{}
		c.followed[c.log(p)] = append(c.followed[c.log(p)], p.container)
		c.disturbs[c.log(p)]++
	case 1:
		c.disturbs[c.log(p)]++
		c.pods = slices.DeleteFunc(c.pods, func(other *pod) bool { return other == p })
		c.add(p.service, p.number)
	case 2:
		if n := len(p.lines); n > 0 {
			p.rotated = max(p.rotated, c.random.IntN(n+1))
			c.disturbs[c.log(p)]++
		}
	case 3:
		if len(c.pods) < 6 {
			c.add("web", uint32(len(c.pods)))
		}
	}
	c.write(c.random.IntN(60))
}

func (c *cluster) Open(_ *Scope, request *Request) (Response, error) {
	if c.open++; c.open > 1 {
		c.happen()
	}
	tail := -1
	if text, ok := request.Header.Get("akash-tail"); ok && c.rest {
		tail, _ = strconv.Atoi(text)
	}
	// The page cannot notice lost lines of a log it has not seen yet.
	heard := c.pages.delivered()
	for _, p := range c.pods {
		if len(heard[c.log(p)]) > 0 {
			continue
		}
		if p.start = max(p.start, p.rotated); c.rest && c.asked >= 0 && len(heard) == 0 {
			p.start = max(p.start, len(p.lines)-c.asked)
		}
	}
	var wanted leasev1.ServiceLogsRequest
	require.NoError(c.t, proto.Unmarshal(request.Body[5:], &wanted))
	for _, known := range wanted.GetKnown() {
		for _, p := range c.pods {
			require.True(c.t, p.name != known.GetPod() || p.number == known.GetReplica())
		}
	}

	rest, named := map[*pod]string{}, map[*pod]bool{}
	for _, p := range c.pods {
		lines := p.lines[p.rotated:]
		if tail >= 0 {
			lines = lines[max(0, len(lines)-tail):]
		}
		if len(lines) > 0 {
			rest[p] = strings.Join(lines, "\n") + "\n"
		}
	}
	var body []byte
	for len(rest) > 0 {
		var response leasev1.ServiceLogsResponse
		for range 1 + c.random.IntN(3) {
			p := c.pods[c.random.IntN(len(c.pods))]
			text := rest[p]
			if text == "" {
				continue
			}
			cut := min(1+c.random.IntN(2000), len(text))
			if c.rest {
				cut += strings.IndexByte(text[cut-1:], '\n') // the bridge sends whole lines
			}
			piece := &leasev1.ServiceLogs{Name: p.service, Replica: p.number, Logs: []byte(text[:cut])}
			if c.rest && !named[p] {
				piece.Pod, named[p] = p.name, true
			}
			response.Services = append(response.Services, piece)
			if rest[p] = text[cut:]; rest[p] == "" {
				delete(rest, p)
			}
		}
		body = append(body, framed(c.t, &response)...)
	}
	a := answer{header: map[string]string{"akash-method": "grpc"}}
	if c.rest {
		a.header["akash-method"] = "rest"
	}
	if c.open <= c.breaks {
		body, a.broken = body[:c.random.IntN(len(body)+1)], "network error"
	} else {
		body = append(body, wellEnded...)
	}
	for len(body) > 0 {
		n := min(1+c.random.IntN(8000), len(body))
		a.body, body = append(a.body, body[:n]), body[n:]
	}
	return &fakeResponse{bridge: &fakeBridge{}, answer: a, rest: a.body}, nil
}

// runs splits the lines that the page has of a replica at its gaps.
func (p *page) runs(replica string) (runs [][]string) {
	var run []string
	goesOn := false
	for i := 0; ; i++ {
		for _, g := range p.gaps {
			if g.at == i && g.replica == replica {
				runs, run, goesOn = append(runs, run), nil, false
			}
		}
		if i == len(p.entries) {
			return append(runs, run)
		}
		e := p.entries[i]
		if e.service+"/"+strconv.Itoa(int(e.replica)) != replica {
			continue
		}
		if goesOn {
			run[len(run)-1] += e.text
		} else {
			run = append(run, e.text)
		}
		goesOn = e.continues
	}
}

// within reports whether a run is a contiguous part of the log: with first, one that begins
// at or before start; with last, one that ends at the log's end.
func (log *container) within(run []string, first, last bool) bool {
	for at := 0; at+len(run) <= len(log.lines); at++ {
		if slices.Equal(log.lines[at:at+len(run)], run) && (!first || at <= log.start) && (!last || at+len(run) == len(log.lines)) {
			return true
		}
	}
	return false
}

func describe(logs []*container) string {
	var text strings.Builder
	for _, log := range logs {
		fmt.Fprintf(&text, "%d lines, from %d on, rotated %d: %.600q\n", len(log.lines), log.start, log.rotated, log.lines)
	}
	return text.String()
}

// check requires that the page has every line once, or got a gap.
func (c *cluster) check(page *page) {
	for replica, logs := range c.followed {
		runs := page.runs(replica)
		last := logs[len(logs)-1]
		if c.disturbs[replica] == 0 && c.asked < 0 {
			require.Len(c.t, runs, 1, "%s: a gap was reported although no line is missing", replica)
			require.Equal(c.t, last.lines, append([]string(nil), runs[0]...), replica)
			continue
		}
		if c.disturbs[replica] > 0 && c.alike > 0 {
			continue // a different log with the same lines cannot be told from a continuation
		}
		for i, run := range runs {
			is := func(log *container) bool {
				return log.within(run, i == 0 && log == logs[0] && len(run) > 0, i == len(runs)-1 && log == last)
			}
			require.True(c.t, len(run) == 0 && i < len(runs)-1 || slices.ContainsFunc(logs, is),
				"%s: run %d of %d is not part of its logs: %.400q; they are\n%s", replica, i, len(runs), run, describe(logs))
		}
		if c.rest && c.alike == 0 && !slices.ContainsFunc(logs, func(log *container) bool { return log.rotated > 0 }) {
			seen := map[string]bool{}
			for _, line := range slices.Concat(runs...) {
				require.False(c.t, seen[line], "%s: %.40q came twice", replica, line)
				seen[line] = true
			}
		}
	}
}

// Whatever happens, every line is delivered once and in order, or a gap is reported where
// some may be missing. No gap is reported for a log to which nothing happened.
func TestEveryLineOnceOrAGap(t *testing.T) {
	for seed := range uint64(2000) {
		everyLineOnceOrAGap(t, seed)
		if t.Failed() {
			return
		}
	}
}

// everyLineOnceOrAGap lets a page follow the logs of a cluster that seed describes.
func everyLineOnceOrAGap(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{}
		defer func() {
			if t.Failed() {
				t.Logf("with seed %d: REST %t, tail %d, %d breaks, alike %d", seed, c.rest, c.asked, c.breaks, c.alike)
			}
		}()
		random := rand.New(rand.NewPCG(seed, 11))
		*c = cluster{t: t, random: random, rest: random.IntN(3) > 0, calm: random.IntN(3) == 0, breaks: random.IntN(4),
			asked: -1, disturbs: map[string]int{}, followed: map[string][]*container{}, pages: &page{t: t}}
		if random.IntN(2) == 0 {
			c.alike = 1 + random.IntN(6)
		}
		call := newCall()
		call.Reconnect, call.Lease.Follow = true, true
		if random.IntN(4) == 0 {
			tail := uint32([]int{0, 1, 5, 40}[random.IntN(4)])
			call.Tail, c.asked = &tail, int(tail)
		}
		for i := range 1 + random.IntN(3) {
			c.add("web", uint32(i))
		}
		c.add("db", 0)
		c.write(random.IntN(300))
		client := &Client{Transport: c, Clock: realClock{}, Random: random.Float64}
		require.Nil(t, c.pages.readAll(client.NewStream("streamLogs", call)))
		c.check(c.pages)
	})
}
