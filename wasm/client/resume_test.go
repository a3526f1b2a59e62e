package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/wasm/grpcweb"
)

// A logProvider writes logs, and breaks connections.
type logProvider struct {
	t       *testing.T
	random  *rand.Rand
	rest    bool
	logs    map[string]*servedLog
	order   []string
	asked   []string // the value of akash-tail for each connection, "-" for none
	connect func(n int)
	// cut returns after how many bytes of its body a connection breaks, negative for never.
	cut func(n, length int) int
}

// A servedLog is the log of one replica: what it wrote, and what the provider still has.
type servedLog struct {
	service string
	replica uint32
	written []string
	rotated int // number of first lines that were rotated away
}

func newLogProvider(t *testing.T, seed uint64, replicas ...string) *logProvider {
	p := &logProvider{
		t: t, random: rand.New(rand.NewPCG(seed, 7)), logs: map[string]*servedLog{},
		connect: func(int) {}, cut: func(int, int) int { return -1 },
	}
	for _, name := range replicas {
		p.add(name)
	}
	return p
}

func (p *logProvider) add(name string) {
	service, number, _ := strings.Cut(name, "/")
	replica, err := strconv.Atoi(number)
	require.NoError(p.t, err)
	p.logs[name] = &servedLog{service: service, replica: uint32(replica)}
	p.order = append(p.order, name)
}

func (p *logProvider) write(name string, lines ...string) {
	p.logs[name].written = append(p.logs[name].written, lines...)
}

func (p *logProvider) Open(_ *Scope, request *Request) (Response, error) {
	asked, tail := "-", -1
	if text, ok := request.Header.Get("akash-tail"); ok {
		asked = text
		tail, _ = strconv.Atoi(text)
	}
	n := len(p.asked)
	p.asked = append(p.asked, asked)
	p.connect(n)

	rest := map[string]string{}
	for name, log := range p.logs {
		lines := log.written[log.rotated:]
		if p.rest && tail >= 0 {
			lines = lines[max(0, len(lines)-tail):]
		}
		for _, line := range lines {
			rest[name] += line + "\n"
		}
	}
	var body []byte
	for len(rest) > 0 {
		name := p.order[p.random.IntN(len(p.order))]
		text, ok := rest[name]
		if !ok {
			continue
		}
		cut := min(1+p.random.IntN(400), len(text))
		if text != "" {
			body = append(body, logs(p.t, p.logs[name].service, p.logs[name].replica, text[:cut])...)
		}
		if rest[name] = text[cut:]; rest[name] == "" {
			delete(rest, name)
		}
	}
	header := map[string]string{"akash-method": "grpc"}
	if p.rest {
		header["akash-method"] = "rest"
	}
	a := answer{header: header}
	if at := p.cut(n, len(body)); at >= 0 {
		body, a.broken = body[:min(at, len(body))], "network error"
	} else {
		body = append(body, wellEnded...)
	}
	for len(body) > 0 {
		n := min(1+p.random.IntN(3000), len(body))
		a.body, body = append(a.body, body[:n]), body[n:]
	}
	return &fakeResponse{bridge: &fakeBridge{}, answer: a, rest: slices.Clone(a.body)}, nil
}

// read follows the logs to their end, as a page would.
func (p *logProvider) read(change func(*Call)) (*page, *RPCError) {
	call := newCall()
	call.Reconnect, call.Lease.Follow = true, true
	if change != nil {
		change(call)
	}
	client := &Client{Transport: p, Clock: realClock{}, Random: func() float64 { return 0.5 }}
	page := &page{t: p.t}
	return page, page.readAll(client.NewStream("streamLogs", call))
}

// delivered returns the lines that the page has of each replica, with long lines joined.
func (p *page) delivered() map[string][]string {
	read := map[string][]string{}
	goesOn := map[string]bool{}
	for _, e := range p.entries {
		replica := fmt.Sprintf("%s/%d", e.service, e.replica)
		if goesOn[replica] {
			last := len(read[replica]) - 1
			read[replica][last] += e.text
		} else {
			read[replica] = append(read[replica], e.text)
		}
		goesOn[replica] = e.continues
	}
	return read
}

func (p *logProvider) written() map[string][]string {
	all := map[string][]string{}
	for name, log := range p.logs {
		if len(log.written) > 0 {
			all[name] = log.written
		}
	}
	return all
}

// Wherever connections break, however similar the lines are, and whatever is written in the
// meantime: every line comes once, in order, without a gap.
func TestResumeIsExact(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(strconv.Itoa(int(seed)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newLogProvider(t, seed, "web/0", "web/1", "db/0")
				p.rest = seed%2 == 0
				kinds := 1 + p.random.IntN(4) // of lines; 1: all are the same
				write := func(most int) {
					for range p.random.IntN(most) {
						name := p.order[p.random.IntN(len(p.order))]
						p.write(name, strings.Repeat("é", p.random.IntN(3))+strconv.Itoa(p.random.IntN(kinds)))
					}
				}
				write(1500)
				breaks := 1 + p.random.IntN(8)
				p.connect = func(n int) {
					if n > 0 {
						write(300)
					}
					if n == 2 {
						p.add("late/0")
					}
				}
				p.cut = func(n, length int) int {
					if n == breaks {
						return -1
					}
					return p.random.IntN(length + 1)
				}
				page, f := p.read(nil)
				require.Nil(t, f)
				assert.Equal(t, p.written(), page.delivered())
				assert.Empty(t, page.gaps)
				assert.Len(t, p.asked, breaks+1)
			})
		})
	}
}

// The same for a line that is longer than an entry, so that part of it may have been
// delivered.
func TestResumeWithinALongLine(t *testing.T) {
	long := strings.Repeat("漢", maxLine) // three entries
	for cut := range 6 {
		synctest.Test(t, func(t *testing.T) {
			p := newLogProvider(t, 1, "web/0")
			p.write("web/0", "first", long, "last")
			p.cut = func(n, length int) int {
				if n > 2 {
					return -1
				}
				return length / 8 * (cut + n)
			}
			// The provider's messages are small, so a line of 3 MB takes many.
			page, f := p.read(nil)
			require.Nil(t, f)
			require.Empty(t, page.gaps)
			got := page.delivered()["web/0"]
			require.Len(t, got, 3)
			require.True(t, got[0] == "first" && got[1] == long && got[2] == "last")
		})
	}
}

func numbered(from, to int) (lines []string) {
	for i := from; i < to; i++ {
		lines = append(lines, "line "+strconv.Itoa(i))
	}
	return lines
}

// A log that was rotated while the connection was down resumes where it is recognised.
func TestResumeOfARotatedLog(t *testing.T) {
	for _, rotated := range []int{1, 100, 2900, 2990} {
		synctest.Test(t, func(t *testing.T) {
			p := newLogProvider(t, 3, "web/0")
			p.write("web/0", numbered(0, 3000)...)
			p.connect = func(n int) {
				if n == 1 {
					p.logs["web/0"].rotated = rotated
					p.write("web/0", numbered(3000, 3200)...)
				}
			}
			p.cut = func(n, length int) int { return []int{length, length / 2, -1}[min(n, 2)] }
			page, f := p.read(nil)
			require.Nil(t, f)
			if rotated <= 3000-certainWindow {
				assert.Equal(t, p.written(), page.delivered())
				assert.Empty(t, page.gaps)
				return
			}
			// Fewer lines are left than are searched for: a gap is reported.
			assert.NotEmpty(t, page.gaps)
			assert.Equal(t, "line 3199", page.entries[len(page.entries)-1].text)
		})
	}
}

// A log that started over is delivered from its beginning, after a gap.
func TestResumeOfAnotherLog(t *testing.T) {
	for _, same := range []int{0, 1, 5, 200} {
		synctest.Test(t, func(t *testing.T) {
			p := newLogProvider(t, 4, "web/0", "db/0")
			p.write("web/0", numbered(0, 1000)...)
			p.write("db/0", numbered(0, 1000)...)
			p.connect = func(n int) {
				if n == 1 {
					p.logs["web/0"].written = append(numbered(0, same), "other", "lines")
				}
			}
			p.cut = func(n, length int) int { return []int{length, -1}[min(n, 1)] }
			page, f := p.read(nil)
			require.Nil(t, f)
			require.Equal(t, []gap{{"web/0", 2000}}, page.gaps)
			assert.Equal(t, numbered(0, 1000), page.delivered()["db/0"])
			assert.Equal(t, []string{"other", "lines"}, page.delivered()["web/0"][1000+same:])
		})
	}
}

// If only the end of a log was asked for, it is recognised by its last lines.
func TestResumeOfATail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLogProvider(t, 5, "web/0", "web/1")
		p.rest = true
		p.write("web/0", numbered(0, 1000)...)
		p.write("web/1", numbered(0, 10)...)
		p.connect = func(n int) {
			if n > 0 {
				p.write("web/0", numbered(1000*n, 1000*n+1000)...)
			}
		}
		p.cut = func(n, length int) int { return []int{length, length, -1}[min(n, 2)] }
		tail := uint32(100)
		page, f := p.read(func(c *Call) { c.Tail = &tail })
		require.Nil(t, f)
		assert.Equal(t, []string{"100", "10000", "10000"}, p.asked)
		assert.Equal(t, map[string][]string{"web/0": numbered(900, 3000), "web/1": numbered(0, 10)}, page.delivered())
		assert.Empty(t, page.gaps)
	})
}

// If more was written than the tail that is asked for, the whole log is asked for.
func TestResumeAfterLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLogProvider(t, 6, "web/0")
		p.rest = true
		p.write("web/0", numbered(0, 1000)...)
		p.connect = func(n int) {
			if n == 1 {
				p.write("web/0", numbered(1000, 12_000)...)
			}
		}
		p.cut = func(n, length int) int { return []int{length, -1}[min(n, 1)] }
		tail := uint32(100)
		page, f := p.read(func(c *Call) { c.Tail = &tail })
		require.Nil(t, f)
		assert.Equal(t, []string{"100", "10000", "-"}, p.asked)
		assert.Equal(t, numbered(900, 12_000), page.delivered()["web/0"])
		assert.Empty(t, page.gaps)
	})
}

// A stream that does not follow gives up after too many connections in a row that brought
// nothing new. A connection that brings something resets the count.
func TestResumeGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLogProvider(t, 8, "web/0")
		p.write("web/0", numbered(0, 1000)...)
		p.cut = func(n, length int) int {
			if n < 6 {
				return length * (n + 1) / 10
			}
			return length / 2
		}
		page, f := p.read(func(c *Call) { c.Lease.Follow = false })
		require.NotNil(t, f)
		assert.Equal(t, grpcweb.Unavailable, f.Code)
		assert.Len(t, p.asked, 6+3)
		assert.Equal(t, numbered(0, len(page.entries)-1), page.delivered()["web/0"][:len(page.entries)-1])
	})
}

// A stream that follows retries until it is closed.
func TestResumeRetriesForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLogProvider(t, 9, "web/0")
		p.write("web/0", "one")
		p.cut = func(n, length int) int {
			if n == 30 {
				p.write("web/0", "two") // for the next
			}
			if n == 31 {
				return -1
			}
			return length
		}
		page, f := p.read(nil)
		require.Nil(t, f)
		assert.Equal(t, []string{"one", "two"}, page.delivered()["web/0"])
	})
}

// lostTransport fails after the first connection, once per error.
type lostTransport struct {
	*logProvider
	errs []error
}

func (l *lostTransport) Open(scope *Scope, request *Request) (Response, error) {
	if len(l.asked) > 0 && len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	return l.logProvider.Open(scope, request)
}

func TestResumeAfterManyFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLogProvider(t, 10, "web/0")
		p.write("web/0", numbered(0, 100)...)
		p.cut = func(n, length int) int { return []int{length / 2, -1}[min(n, 1)] }
		transport := &lostTransport{p, slices.Repeat([]error{errors.New("Failed to fetch")}, 20)}
		call := newCall()
		call.Reconnect, call.Lease.Follow = true, true
		client := &Client{Transport: transport, Clock: realClock{}, Random: func() float64 { return 1 }}
		page := &page{t: t}
		require.Nil(t, page.readAll(client.NewStream("streamLogs", call)))
		assert.Equal(t, p.written(), page.delivered())
	})
}

// A fingerprint does not depend on the pieces in which a line is written.
func TestFingerprint(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	seen := map[uint64]string{}
	for range 5000 {
		line := make([]byte, random.IntN(40))
		for i := range line {
			line[i] = "abc"[random.IntN(3)]
		}
		whole, pieces := fingerprint{sum: 5}, fingerprint{sum: 5}
		whole.write(line)
		for rest := line; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			pieces.write(rest[:n])
			rest = rest[n:]
		}
		require.Equal(t, whole.end(), pieces.end())
		end, _, fingerprint := lineEnd(append(slices.Clone(line), "\nmore of the log"...), 5)
		require.Equal(t, len(line), end)
		require.Equal(t, whole.end(), fingerprint)
		_, _, fingerprint = lineEnd(append(slices.Clone(line), '\n'), 5)
		require.Equal(t, whole.end(), fingerprint)
		if other, ok := seen[whole.end()]; ok {
			require.Equal(t, other, string(line))
		}
		seen[whole.end()] = string(line)
	}
}
