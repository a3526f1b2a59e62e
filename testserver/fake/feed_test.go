package fake

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// newTestLogbook returns two replicas' logs, some lines generated and some written,
// among them empty and very long ones.
func newTestLogbook() *logbook {
	b := newLogbook(1, 0, DefaultLogBytes, newTexts(1, DefaultLogBytes))
	b.add("web", 0, "web-0")
	b.add("web", 1, "web-1")
	for range 20 {
		b.generate(31)
		for _, j := range b.all() {
			j.write([]byte("\n\nwritten größe\n" + strings.Repeat("x", 100<<10) + "\n"))
		}
	}
	b.generate(7)
	return b
}

// whole returns the whole content of a logbook.
func whole(j *journal) []byte {
	var at cursor
	return j.read(&at, nil, 1<<30)
}

// However a log is split into messages, the pieces of each replica are its whole log.
func TestFeedIsComplete(t *testing.T) {
	for _, chunk := range []int{0, 1, 500, 64 << 10} {
		for seed := range uint64(5) {
			b := newTestLogbook()
			f := newFeed(b.all(), seed, chunk)
			got := map[uint32][]byte{}
			for {
				message := f.append(nil)
				if len(message) == 0 {
					break
				}
				var m leasev1.ServiceLogsResponse
				require.NoError(t, proto.Unmarshal(message, &m))
				for _, entry := range m.GetServices() {
					require.NotEmpty(t, entry.GetLogs())
					require.LessOrEqual(t, len(entry.GetLogs()), max(chunk, maxChunk))
					got[entry.GetReplica()] = append(got[entry.GetReplica()], entry.GetLogs()...)
				}
			}
			for _, j := range b.all() {
				require.True(t, bytes.Equal(whole(j), got[uint32(j.replica)]), "chunk %d, seed %d", chunk, seed)
			}
		}
	}
}

// A tail is the last lines, wherever it starts.
func TestTail(t *testing.T) {
	b := newTestLogbook()
	j := b.all()[0]
	lines := bytes.SplitAfter(whole(j), []byte{'\n'})
	lines = lines[:len(lines)-1]
	require.EqualValues(t, j.lines, len(lines))
	for n := range len(lines) + 2 {
		at := j.tail(int64(n))
		want := bytes.Join(lines[max(0, len(lines)-n):], nil)
		require.True(t, bytes.Equal(want, j.read(&at, nil, 1<<30)), "tail %d", n)
	}
}

// The digest is updated as a log grows.
func TestDigestFollows(t *testing.T) {
	b := newTestLogbook()
	j := b.all()[0]
	before := j.total()
	assert.EqualValues(t, len(whole(j)), before.Bytes)
	assert.Equal(t, before, j.total())
	j.generate(1)
	after := j.total()
	assert.Equal(t, before.Lines+1, after.Lines)
	assert.NotEqual(t, before.SHA256, after.SHA256)
}

// Lines are valid UTF-8, end in one newline, and are about as long as asked.
func TestLines(t *testing.T) {
	for _, size := range []int{1, 20, 71, 72, 120, 5000, 70 << 10} {
		m := newLineMaker(1, "web", 0, size, newTexts(1, size))
		foreign := false
		for i := range int64(300) {
			line := m.appendLine(nil, i)
			require.True(t, utf8.Valid(line), "size %d, line %d", size, i)
			require.Equal(t, len(line)-1, bytes.IndexByte(line, '\n'))
			require.Equal(t, line, m.appendLine(nil, i))
			if size >= shortLine {
				require.InDelta(t, size, len(line), jitter+utf8.UTFMax)
			}
			foreign = foreign || utf8.RuneCount(line) != len(line)
		}
		if size >= shortLine {
			assert.True(t, foreign, "size %d", size)
		}
	}
}

// Lines written at a rate are distributed evenly over time.
func TestAdvance(t *testing.T) {
	b := newLogbook(1, 0, DefaultLogBytes, newTexts(1, DefaultLogBytes))
	for i := range 3 {
		b.add("web", i, "")
	}
	b.advance(0, 1)
	b.advance(1, 5)
	b.advance(5, 6)
	var counts []int64
	for _, j := range b.all() {
		counts = append(counts, j.lines)
	}
	assert.Equal(t, []int64{2, 2, 2}, counts)
}

// BenchmarkFeed measures the cost of a line, without the network.
func BenchmarkFeed(b *testing.B) {
	book := newLogbook(1, 0, DefaultLogBytes, newTexts(1, DefaultLogBytes))
	book.add("web", 0, "")
	book.add("web", 1, "")
	book.generate(1 << 30)
	f := newFeed(book.all(), 1, 0)
	var buf []byte
	var bytes int64
	for bytes < int64(b.N)*DefaultLogBytes {
		buf = f.append(buf[:0])
		bytes += int64(len(buf))
	}
	b.SetBytes(DefaultLogBytes)
}
