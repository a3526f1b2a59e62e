package rest

import (
	"hash/maphash"
	"slices"
)

// A gateway's log lines carry neither time nor number. When a log is opened
// anew, it starts with a part that was sent before, and the only way to tell is
// to recognise it: history remembers the last lines of a pod, and overlap finds
// where they end in what comes again.

const (
	// rememberedLines is how many lines of a pod are remembered: enough that a
	// repeated banner or a health check every second is not taken for the spot.
	rememberedLines = 256
	// leastOverlap is how many lines at the start of a log that begins in the
	// midst of the remembered ones (Kubernetes rotates logs) must fit.
	leastOverlap = 16
)

// fingerprintSeed is of this process: fingerprints leave it as little as lines do.
var fingerprintSeed = maphash.MakeSeed()

func fingerprint(line []byte) uint64 { return maphash.Bytes(fingerprintSeed, line) }

// history is the fingerprints of the last lines of a pod.
type history struct {
	ring  [rememberedLines]uint64
	lines int // ever
	// whole says that the first of them was the first of the log.
	whole bool
}

func (h *history) add(line uint64) {
	h.ring[h.lines%rememberedLines] = line
	h.lines++
}

// last returns the remembered lines, oldest first.
func (h *history) last() []uint64 {
	if h.lines <= rememberedLines {
		return slices.Clone(h.ring[:h.lines])
	}
	at := h.lines % rememberedLines
	return slices.Concat(h.ring[at:], h.ring[:at])
}

// overlap looks for the end of a history in a log that was opened anew. It is
// the Knuth-Morris-Pratt search, with the remembered lines for the pattern.
type overlap struct {
	pattern []uint64
	fail    []int // per length of a partial match, the next shorter one
	matched int   // lines of the pattern that the lines so far end with
	seen    int   // lines so far
	exact   int   // where the match must end, 0 if not known
	found   bool
	starts  []uint64 // the first lines, as many as the pattern has at most
	// blind says that lines were not kept because there were too many: if no
	// match is found, they are lost.
	blind bool
}

// newOverlap prepares the search for the end of h.
func newOverlap(h *history) *overlap {
	o := &overlap{pattern: h.last()}
	o.fail = failures(o.pattern)
	if h.whole {
		o.exact = h.lines
	}
	return o
}

// failures returns, for each length of a part of the pattern, the length of the
// longest shorter part that it ends and begins with.
func failures(pattern []uint64) []int {
	fail := make([]int, len(pattern)+1)
	for i, k := 1, 0; i < len(pattern); i++ {
		for k > 0 && pattern[i] != pattern[k] {
			k = fail[k]
		}
		if pattern[i] == pattern[k] {
			k++
		}
		fail[i+1] = k
	}
	return fail
}

// next takes the next line of the log. match says that everything up to and
// with this line was sent before; sure, that no later line can say so again, so
// that the search is over.
func (o *overlap) next(line uint64) (match, sure bool) {
	o.seen++
	if len(o.starts) < len(o.pattern) {
		o.starts = append(o.starts, line)
	}
	if o.matched == len(o.pattern) {
		o.matched = o.fail[o.matched]
	}
	for o.matched > 0 && o.pattern[o.matched] != line {
		o.matched = o.fail[o.matched]
	}
	if o.pattern[o.matched] == line {
		o.matched++
	}
	if o.matched < len(o.pattern) {
		return false, false
	}
	o.found = true
	// A pod whose log was read from its first line on ends exactly where the
	// count says, however often it repeats itself.
	return true, o.seen == o.exact
}

// rest returns, when no more can be waited for and nothing was found, how many
// of the lines so far were sent before after all: a log whose beginning was cut
// off begins in the midst of the remembered lines.
func (o *overlap) rest() int {
	if o.found {
		return 0
	}
	// The longest end of the pattern that the log begins with is the last value
	// of the failure function of the log's start, a separator and the pattern.
	joined := slices.Concat(o.starts, []uint64{0}, o.pattern)
	fail := failures(joined)
	k := fail[len(joined)]
	for k > len(o.starts) { // a line whose fingerprint is the separator's
		k = fail[k]
	}
	if k < leastOverlap {
		return 0
	}
	return k
}
