package client

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/wasm/grpcweb"
)

// An entry is a line as a page gets it.
type entry struct {
	service   string
	replica   uint32
	text      string
	continues bool
}

// readStream drives a stream to its end, as a page would.
func readStream(t *testing.T, s *Stream) (entries []entry, f *RPCError) {
	t.Helper()
	page := page{t: t}
	f = page.readAll(s)
	return page.entries, f
}

func (page *page) readAll(s *Stream) *RPCError {
	t := page.t
	defer s.Close(grpcweb.Error(grpcweb.Canceled, "read"))
	for {
		response, f := s.Connect()
		if f != nil {
			return f
		}
		broke := ""
		for {
			piece, err := response.Read(&s.scope)
			if err != nil {
				broke = err.Error()
			}
			if piece == nil || page.feed(s, piece) == HasEnded {
				break
			}
		}
		ended := s.body.Ended()
		again, f := s.Finish(broke, false)
		if ended && s.body.Err() == nil {
			_, err := response.Read(&Scope{}) // the body's end
			require.NoError(t, err)
		}
		if again {
			continue
		}
		page.feed(s, nil)
		return f
	}
}

// A page collects the entries of batches.
type page struct {
	t        *testing.T
	batch    Batch
	services []string
	entries  []entry
	gaps     []gap
}

// A gap is a place where lines of a replica may be missing: before the entry at an index.
type gap struct {
	replica string
	at      int
}

func (p *page) feed(s *Stream, piece []byte) State {
	copy(s.Reserve(len(piece)), piece)
	s.Feed(len(piece), &p.batch)
	for p.batch.State == HasMore {
		p.read()
		s.Feed(0, &p.batch)
	}
	p.read()
	return p.batch.State
}

func (p *page) read() {
	b := &p.batch
	for rest := b.Services; len(rest) > 0; {
		n := int(rest[0]) | int(rest[1])<<8
		p.services = append(p.services, string(rest[2:2+n]))
		rest = rest[2+n:]
	}
	for i := 0; i < len(b.Gaps); i += 2 {
		p.gaps = append(p.gaps, gap{fmt.Sprintf("%s/%d", p.services[b.Gaps[i]], b.Gaps[i+1]), len(p.entries)})
	}
	require.Zero(p.t, len(b.Index)%3)
	ascii, others := p.texts(&b.ASCII), p.texts(&b.UTF8)
	for i := 0; i < len(b.Index); i += 3 {
		service, replica, end := b.Index[i], b.Index[i+1], b.Index[i+2]
		texts := &others
		if service&InASCII != 0 {
			texts = &ascii
		}
		text := texts.next(end)
		name := "" // only log pieces have one
		if len(p.services) > 0 {
			name = p.services[service&^(Continues|InASCII)]
		}
		p.entries = append(p.entries, entry{name, replica, text, service&Continues != 0})
	}
	require.Empty(p.t, ascii, "every text is an entry's")
	require.Empty(p.t, others, "every text is an entry's")
}

// groups holds groups of texts as JavaScript does, in UTF-16 code units, and how much of
// the first has been read.
type groups []struct {
	text          []uint16
	entries, read int
}

func (p *page) texts(t *Texts) (all groups) {
	require.Zero(p.t, len(t.Groups)%2)
	at, entries := 0, 0
	for i := 0; i < len(t.Groups); i += 2 {
		end, last := int(t.Groups[i]), int(t.Groups[i+1])
		all = append(all, groups{{utf16Of(string(t.Bytes[at:end])), last - entries, 0}}...)
		at, entries = end, last
	}
	require.Len(p.t, t.Bytes, at, "every text is in a group")
	return all
}

// next returns the text up to end, and removes a group that has been read.
func (g *groups) next(end uint32) string {
	first := &(*g)[0]
	text := stringOf(first.text[first.read:end])
	first.read = int(end)
	if first.entries--; first.entries == 0 && first.read == len(first.text) {
		*g = (*g)[1:]
	}
	return text
}

// logs returns a message with a piece of a log.
func logs(t *testing.T, service string, replica uint32, text string) []byte {
	return framed(t, &leasev1.ServiceLogsResponse{
		Services: []*leasev1.ServiceLogs{{Name: service, Replica: replica, Logs: []byte(text)}},
	})
}

var wellEnded = trailers("grpc-status: 0\r\n")

func streamOf(t *testing.T, body ...[]byte) (entries []entry, f *RPCError) {
	t.Helper()
	client, bridge := newClient(answer{body: body})
	call := newCall()
	call.Retries = 0
	entries, f = readStream(t, client.NewStream("streamLogs", call))
	require.Zero(t, bridge.open)
	return entries, f
}

// Lines are joined if messages split them, and split if a message holds several, for each
// replica separately. An incomplete line comes at the end.
func TestLines(t *testing.T) {
	both := framed(t, &leasev1.ServiceLogsResponse{Services: []*leasev1.ServiceLogs{
		{Name: "web", Replica: 1, Logs: []byte("st\n")},
		{Name: "db", Replica: 0, Logs: []byte("db one\ndb two\n")},
	}})
	entries, f := streamOf(t,
		logs(t, "web", 0, "one\ntwo\nth"),
		grpcweb.AppendHeader(nil, 0), // a heartbeat
		logs(t, "web", 1, "fir"),
		logs(t, "web", 0, "r"),
		both,
		logs(t, "web", 0, "ee\n\n漢"[:6]), // ends within a character
		logs(t, "web", 0, "漢字 \U0001f600\r\n"[2:]),
		logs(t, "web", 1, "never ended"),
		wellEnded,
	)
	require.Nil(t, f)
	assert.Equal(t, []entry{
		{"web", 0, "one", false},
		{"web", 0, "two", false},
		{"web", 1, "first", false},
		{"db", 0, "db one", false},
		{"db", 0, "db two", false},
		{"web", 0, "three", false},
		{"web", 0, "", false},
		{"web", 0, "漢字 \U0001f600\r", false},
		{"web", 1, "never ended", false},
	}, entries)
}

// ASCII texts and others are separate, and lines keep their order.
func TestASCIITextsAreSeparate(t *testing.T) {
	client, _ := newClient(answer{})
	stream := client.NewStream("streamLogs", newCall())
	_, f := stream.Connect()
	require.Nil(t, f)
	p := &page{t: t}
	p.feed(stream, logs(t, "web", 0, "plain\nbeyond ✓\nplain too\n\xffbroken\n"))
	assert.Equal(t, "plainplain too", string(p.batch.ASCII.Bytes))
	assert.Equal(t, "beyond ✓\ufffdbroken", string(p.batch.UTF8.Bytes))
	assert.Equal(t, []uint32{InASCII, 0, 5, 0, 0, 8, InASCII, 0, 14, 0, 0, 15}, p.batch.Index)
	assert.Len(t, p.entries, 4)
}

func TestLinesThatAreNotText(t *testing.T) {
	entries, f := streamOf(t, logs(t, "web", 0, "a\xff\xfeb\n\xf0\x9f\x98\n\xef\xbb\xbfmark\nplain\n"), wellEnded)
	require.Nil(t, f)
	assert.Equal(t, []entry{
		{"web", 0, "a\ufffd\ufffdb", false},
		{"web", 0, "\ufffd", false},
		{"web", 0, "\ufeffmark", false},
		{"web", 0, "plain", false},
	}, entries)
}

// However replicas, messages and the network split the logs, every line arrives, in order
// for each replica.
func TestLogsInPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("abcdefgh é漢😀\u0301")
	written := map[string][]string{}
	raw := map[string]*bytes.Buffer{}
	for _, replica := range []string{"web/0", "web/1", "db/0"} {
		raw[replica] = &bytes.Buffer{}
		for range 3000 {
			line := make([]rune, random.IntN(60))
			for i := range line {
				line[i] = alphabet[random.IntN(len(alphabet))]
			}
			written[replica] = append(written[replica], string(line))
			raw[replica].WriteString(string(line) + "\n")
		}
	}
	var body []byte
	for len(raw) > 0 {
		for replica, rest := range raw {
			piece := rest.Next(random.IntN(2000))
			service, number, _ := strings.Cut(replica, "/")
			body = append(body, logs(t, service, uint32(number[0]-'0'), string(piece))...)
			if rest.Len() == 0 {
				delete(raw, replica)
			}
		}
	}
	body = append(body, wellEnded...)
	var pieces [][]byte
	for len(body) > 0 {
		n := min(1+random.IntN(5000), len(body))
		pieces, body = append(pieces, body[:n]), body[n:]
	}

	entries, f := streamOf(t, pieces...)
	require.Nil(t, f)
	read := map[string][]string{}
	for _, e := range entries {
		replica := fmt.Sprintf("%s/%d", e.service, e.replica)
		read[replica] = append(read[replica], e.text)
	}
	assert.Equal(t, written, read)
}

// A message of many lines comes in batches that do not block a page.
func TestBigMessage(t *testing.T) {
	text := strings.Repeat("0123456789\n", 300_000)
	client, _ := newClient(answer{body: [][]byte{logs(t, "web", 0, text), wellEnded}})
	stream := client.NewStream("streamLogs", newCall())
	response, f := stream.Connect()
	require.Nil(t, f)
	piece, err := response.Read(&stream.scope)
	require.NoError(t, err)

	copy(stream.Reserve(len(piece)), piece)
	var b Batch
	n := 0
	for stream.Feed(len(piece), &b); ; stream.Feed(0, &b) {
		n += len(b.Index) / 3
		require.LessOrEqual(t, len(b.ASCII.Bytes)+len(b.UTF8.Bytes), 2*fullText)
		require.LessOrEqual(t, len(b.Index), fullIndex+3)
		if b.State != HasMore {
			break
		}
	}
	assert.Equal(t, 300_000, n)
	assert.Equal(t, NeedsBody, b.State)
}

// A line that is too long for one entry becomes several, marked as continued.
func TestLongLine(t *testing.T) {
	long := strings.Repeat("漢", maxLine/3) + strings.Repeat("x", 100) // the limit is within a character
	entries, f := streamOf(t,
		logs(t, "web", 0, long[:1000]), logs(t, "web", 0, long[1000:]), logs(t, "web", 0, "\nnext\n"), wellEnded)
	require.Nil(t, f)
	require.Len(t, entries, 3)
	assert.True(t, entries[0].continues)
	assert.False(t, entries[1].continues)
	assert.True(t, long == entries[0].text+entries[1].text)
	assert.Equal(t, entry{"web", 0, "next", false}, entries[2])
}

// A provider that sends only incomplete lines cannot fill the page's memory.
func TestManyIncompleteLines(t *testing.T) {
	client, _ := newClient(answer{unending: true})
	stream := client.NewStream("streamLogs", newCall())
	_, f := stream.Connect()
	require.Nil(t, f)
	p := page{t: t}
	part := strings.Repeat("x", maxLine-10)
	for replica := range uint32(40) {
		p.feed(stream, logs(t, "web", replica, part))
		require.LessOrEqual(t, stream.lines.held, maxPartial)
	}
	assert.NotEmpty(t, p.entries)
}

func TestTooManyReplicas(t *testing.T) {
	body := make([][]byte, 0, maxReplicas+2)
	for replica := range uint32(maxReplicas + 1) {
		body = append(body, logs(t, "web", replica, "x\n"))
	}
	entries, f := streamOf(t, append(body, wellEnded)...)
	assert.Len(t, entries, maxReplicas)
	assert.Equal(t, grpcweb.ResourceExhausted, f.Code)

	_, f = streamOf(t, logs(t, strings.Repeat("x", maxServiceName+1), 0, "x\n"), wellEnded)
	assert.Equal(t, grpcweb.ResourceExhausted, f.Code)
}

// Lines received before a failure are delivered before the error.
func TestStreamThatFails(t *testing.T) {
	line := logs(t, "web", 0, "one\ntw")
	want := []entry{{"web", 0, "one", false}, {"web", 0, "tw", false}}
	for name, c := range map[string]struct {
		answer answer
		code   grpcweb.Code
	}{
		"the provider is gone":    {answer{body: [][]byte{line, trailers("grpc-status: 14\r\n")}}, grpcweb.Unavailable},
		"the bridge is gone":      {answer{body: [][]byte{line}, broken: "network error"}, grpcweb.Unavailable},
		"the body is cut short":   {answer{body: [][]byte{line}}, grpcweb.Unavailable},
		"a message that is none":  {answer{body: [][]byte{line, {0, 0, 0, 0, 1, 0x0a}}, unending: true}, grpcweb.Internal},
		"a piece that is none":    {answer{body: [][]byte{line, {0, 0, 0, 0, 3, 0x0a, 1, 0x0a}}, unending: true}, grpcweb.Internal},
		"no frames":               {answer{body: [][]byte{line, []byte("<html>")}, unending: true}, grpcweb.Internal},
		"a frame above the limit": {answer{body: [][]byte{line, {0, 0xff, 0xff, 0xff, 0xff}}, unending: true}, grpcweb.ResourceExhausted},
	} {
		client, bridge := newClient(c.answer)
		entries, f := readStream(t, client.NewStream("streamLogs", newCall()))
		assert.Equal(t, want, entries, name)
		require.NotNil(t, f, name)
		assert.Equal(t, c.code, f.Code, name)
		assert.Contains(t, f.Message, provider, name)
		assert.Len(t, bridge.requests, 1, "%s: what has been delivered is not asked for again", name)
		assert.Zero(t, bridge.open, name)
	}
}

// A stream that fails before its first message is retried, whether its status is in headers
// or in the trailers of an empty body.
func TestStreamThatFailsAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, bridge := newClient(
			refusal("14", "down", ""),
			answer{body: [][]byte{trailers("grpc-status: 14\r\n")}},
			answer{hang: true},
			answer{body: [][]byte{logs(t, "web", 0, "one\n"), wellEnded}},
		)
		entries, f := readStream(t, client.NewStream("streamLogs", newCall()))
		require.Nil(t, f)
		assert.Equal(t, []entry{{"web", 0, "one", false}}, entries)
		assert.Equal(t, []time.Duration{0, 200 * ms, 600 * ms, 2400 * ms}, bridge.at)
	})
}

// The page calls Hurry when its network is back.
func TestHurryEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, bridge := newClient(
			refusal("14", "down", ""),
			refusal("14", "down", ""),
			answer{body: [][]byte{logs(t, "web", 0, "one\n"), wellEnded}},
		)
		stream := client.NewStream("streamLogs", newCall())
		stream.Hurry() // it does not wait yet
		read := make(chan *RPCError)
		go func() {
			_, f := readStream(t, stream)
			read <- f
		}()
		time.Sleep(50 * ms)
		synctest.Wait()
		stream.Hurry()
		synctest.Wait()
		require.Nil(t, <-read)
		assert.Equal(t, []time.Duration{0, 50 * ms, 450 * ms}, bridge.at, "the second wait is whole")
	})
}

// A stream that follows may be silent for longer than Timeout. One that does not must begin
// in time.
func TestQuietStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newClient(answer{hang: true})
		call := newCall()
		call.Retries = 0
		_, f := client.NewStream("streamLogs", call).Connect()
		assert.Equal(t, grpcweb.DeadlineExceeded, f.Code)

		call = newCall()
		call.Lease.Follow = true
		stream := client.NewStream("streamLogs", call)
		time.AfterFunc(time.Hour, func() { stream.Close(grpcweb.Error(grpcweb.Canceled, "enough")) })
		began := time.Now()
		_, f = stream.Connect()
		assert.Equal(t, grpcweb.Canceled, f.Code)
		assert.Equal(t, time.Hour, time.Since(began))
	})
}

func statuses(t *testing.T, active ...uint32) (body [][]byte) {
	for _, n := range active {
		body = append(body, framed(t, &providerv1.Status{Cluster: &providerv1.ClusterStatus{Leases: &providerv1.Leases{Active: n}}}))
	}
	return body
}

func statusText(active int) string {
	return fmt.Sprintf(`{"errors":[],"cluster":{"leases":{"active":%d}},"publicHostnames":[]}`, active)
}

// A stream of a provider's status reconnects however its connections end, until it is
// closed or the error is permanent.
func TestStatusStreamReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, bridge := newClient(
			answer{body: statuses(t, 1, 2), broken: "network error"},
			answer{body: append(statuses(t, 3), trailers("grpc-status: 1\r\ngrpc-message: context canceled\r\n"))},
			answer{body: append(statuses(t, 4), wellEnded)},
			refusal("14", "starting", ""),
			answer{body: statuses(t, 5)},
			refusal("5", "gone from the chain", "unknownProvider"),
		)
		call := newCall()
		call.Reconnect = true
		entries, f := readStream(t, client.NewStream("streamProviderStatus", call))
		var texts []string
		for _, e := range entries {
			texts = append(texts, e.text)
		}
		assert.Equal(t, []string{statusText(1), statusText(2), statusText(3), statusText(4), statusText(5)}, texts)
		assert.Equal(t, grpcweb.NotFound, f.Code)
		assert.Equal(t, 6, f.Attempts)
		assert.Equal(t, []time.Duration{0, 200 * ms, 400 * ms, 600 * ms, 1000 * ms, 1200 * ms}, bridge.at)
	})
}

// A stream whose bridge was never reached gives up. Once a bridge has answered, it retries
// until it is closed.
func TestStatusStreamGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, bridge := newClient(answer{err: "Failed to fetch"})
		call := newCall()
		call.Retries, call.Reconnect = 2, true
		_, f := readStream(t, client.NewStream("streamProviderStatus", call))
		assert.Equal(t, grpcweb.Unavailable, f.Code)
		assert.Len(t, bridge.requests, 3)
	})
	synctest.Test(t, func(t *testing.T) {
		client, bridge := newClient(answer{body: [][]byte{wellEnded}}, answer{err: "Failed to fetch"})
		call := newCall()
		call.Retries, call.Reconnect = 2, true
		_, _, f := follow(t, client, "streamProviderStatus", call, time.Hour)
		assert.Equal(t, grpcweb.Canceled, f.Code)
		assert.GreaterOrEqual(t, len(bridge.requests), 360)
	})
}

// Feeding allocates nothing once buffers have grown.
func TestFeedAllocatesNothing(t *testing.T) {
	var body []byte
	for i := range 500 {
		body = append(body, logs(t, "web", uint32(i%6), strings.Repeat("x", i%150)+"\n漢字\nhalf a li")...)
	}
	client, _ := newClient(answer{unending: true})
	call := newCall()
	call.Reconnect = true
	stream := client.NewStream("streamLogs", call)
	_, f := stream.Connect()
	require.Nil(t, f)
	var b Batch
	feed := func() {
		for rest := body; len(rest) > 0; {
			n := copy(stream.Reserve(min(10_000, len(rest))), rest)
			rest = rest[n:]
			for stream.Feed(n, &b); b.State == HasMore; {
				stream.Feed(0, &b)
			}
		}
	}
	feed()
	assert.Zero(t, testing.AllocsPerRun(50, feed))
}

// Whatever a provider sends, and however the network splits it, the entries are the lines
// of its logs.
func FuzzStream(f *testing.F) {
	f.Add([]byte("one\ntwo"), []byte("\n\xf0\x9f"), []byte("\x98\x80\n"), 3)
	f.Fuzz(func(t *testing.T, first, second, third []byte, size int) {
		var body []byte
		for _, log := range [][]byte{first, second, third} {
			piece := protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), log)
			message := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), piece)
			body = append(grpcweb.AppendHeader(body, len(message)), message...)
		}
		body = append(body, wellEnded...)
		var pieces [][]byte
		for n := 1 + int(uint(size)%100); len(body) > 0; {
			n = min(n, len(body))
			pieces, body = append(pieces, body[:n]), body[n:]
		}
		entries, failure := streamOf(t, pieces...)
		require.Nil(t, failure)

		whole := string(first) + string(second) + string(third)
		lines := strings.Split(whole, "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		require.Len(t, entries, len(lines))
		for i, line := range lines {
			require.Equal(t, replaced(line), entries[i].text)
		}
	})
}

// With heartbeats, even a stream that follows must begin in time.
func TestStreamWithHeartbeatTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, bridge := newClient(answer{hang: true})
		call := newCall()
		call.Retries, call.Heartbeat, call.Lease.Follow = 0, 1500, true
		began := time.Now()
		_, f := client.NewStream("streamLogs", call).Connect()
		assert.Equal(t, grpcweb.DeadlineExceeded, f.Code)
		assert.Equal(t, 3*time.Second, time.Since(began))
		assert.Contains(t, bridge.requests[0].Header, grpcweb.Field{Name: "akash-heartbeat", Value: "1.500"})
	})
}
