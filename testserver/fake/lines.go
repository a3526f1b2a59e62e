package fake

import (
	"math/rand/v2"
	"strconv"
	"unicode/utf8"
)

const (
	bodies     = 64 // variants of a line's text; a power of two
	jitter     = 8  // bytes by which a line may deviate from the requested length
	shortLine  = 72 // below this many bytes a line has no time and no name
	dayMillis  = 24 * 60 * 60 * 1000
	lineMillis = 7 // milliseconds between the timestamps of two lines
)

// words are the contents of log lines: mostly ASCII, but also runes of two, three and
// four bytes, combining marks, a flag, an emoji of several code points, terminal
// colors, and text that resembles markup.
var words = [...]string{
	"GET /api/v1/orders 200", "cache miss", "retrying", "connection pool", "took 12ms", "user=4711",
	"trace=9f86d081884c7d65", "checkpoint complete", "vacuum", "shard 3 of 8", "\"quoted\"", "path=C:\\tmp",
	"\x1b[32mok\x1b[0m", "\ttab", "<script>alert(1)</script>", "a&b", "100%", "it's", "retry in 250ms",
	"GET /healthz 204", "flushed 18 segments", "lease renewed", "upstream 10.42.0.17:8080",
}

var foreignWords = [...]string{
	"héllo ✓ request served", "größe=12µs", "日本語のログ", "请求已处理", "사용자 로그인", "Привет", "e\u0301te\u0301",
	"🚀 deployed", "👩‍💻 signed in", "🇩🇪", "שלום", "नमस्ते", "𝛌=0.25", "naïve café", "\u2028",
}

// lineMaker generates the lines of a replica's log. Line i always has the same content
// for the same seed, service and replica, so a log of any length needs no memory.
type lineMaker struct {
	size int
	seed uint64
	name string // ` info web[0] #`
	text *[bodies]string
}

// newTexts returns the texts for lines of about size bytes.
func newTexts(seed uint64, size int) *[bodies]string {
	rng := rand.New(rand.NewPCG(seed, uint64(size)))
	var texts [bodies]string
	for i := range texts {
		text := make([]byte, 0, size+jitter+64)
		for len(text) < size+jitter {
			if i%4 == 3 && rng.IntN(2) == 0 {
				text = append(text, foreignWords[rng.IntN(len(foreignWords))]...)
			} else {
				text = append(text, words[rng.IntN(len(words))]...)
			}
			text = append(text, ' ')
		}
		texts[i] = string(text)
	}
	return &texts
}

func newLineMaker(seed uint64, service string, replica, size int, texts *[bodies]string) *lineMaker {
	sum := derive(seed, "lines", service, replica)
	return &lineMaker{
		size: size,
		seed: uint64(sum[0])<<56 | uint64(sum[1])<<48 | uint64(sum[2])<<40 | uint64(sum[3]),
		name: " info " + service + "[" + strconv.Itoa(replica) + "] #",
		text: texts,
	}
}

// appendLine appends line i, with its newline, to dst.
func (m *lineMaker) appendLine(dst []byte, i int64) []byte {
	r := mix(m.seed + uint64(i))
	start := len(dst)
	size := m.size
	if m.size >= shortLine {
		size += int(r>>8%(2*jitter+1)) - jitter
		dst = appendTime(dst, i)
		dst = append(dst, m.name...)
		dst = strconv.AppendInt(dst, i, 10)
	} else {
		dst = append(dst, '#')
		dst = strconv.AppendInt(dst, i, 10)
	}
	dst = append(dst, ' ')
	if room := size - (len(dst) - start) - 1; room > 0 {
		text := m.text[r%bodies]
		for !utf8.RuneStart(text[room]) {
			room--
		}
		dst = append(dst, text[:room]...)
	}
	return append(dst, '\n')
}

// appendTime appends the timestamp of line i by the log's own clock, which always
// shows the same day.
func appendTime(dst []byte, i int64) []byte {
	ms := i * lineMillis % dayMillis
	s := ms / 1000
	dst = append(dst, "2026-11-20T"...)
	dst = append2(dst, s/3600)
	dst = append(dst, ':')
	dst = append2(dst, s/60%60)
	dst = append(dst, ':')
	dst = append2(dst, s%60)
	dst = append(dst, '.', byte('0'+ms/100%10))
	dst = append2(dst, ms%100)
	return append(dst, 'Z')
}

func append2(dst []byte, n int64) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// mix is the finalizer of SplitMix64, a good and fast hash of a counter.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
