package logs

import (
	"hash/maphash"
	"slices"
)

// A gateway's log lines have neither a time nor a number. A log that is opened again
// starts with lines that were sent before, which can only be recognised by their text:
// history remembers the last lines of a pod, and overlap finds where they end in the
// repeated ones.
//
// wasm/client/replay.go recognises the lines that a bridge repeats to a page. It gets
// lines in pieces and keeps a sum instead of them; here lines are whole, and undecided ones
// are held back while another socket is read. Only the search (Knuth, Morris and Pratt) is
// the same, too little code for a package of its own.

// ReopenTail is how many lines of history to ask for, per pod, when a log is opened
// again of which everything has been read: what a new pod may have written by then,
// and more than what the others may have written meanwhile.
const ReopenTail = 10_000

const (
	// rememberedLines is how many lines of a pod are remembered: enough that a
	// banner or a health check every second is not taken for the spot.
	rememberedLines = 256
	// leastOverlap is how many lines at the start of a log that begins in the
	// midst of the remembered ones must fit.
	leastOverlap = 16
	// unrotated is how long a log is certainly still in one piece, in bytes:
	// Kubernetes rotates the logs of containers at 10 MiB, and shows the last
	// piece.
	unrotated = 4 << 20
)

// fingerprintSeed is of this process: fingerprints leave it as little as lines do.
var fingerprintSeed = maphash.MakeSeed()

func fingerprint(line []byte) uint64 { return maphash.Bytes(fingerprintSeed, line) }

// history is what is remembered of a pod's lines.
type history struct {
	// tail is how many lines were asked for when the log was opened first,
	// negative for all.
	tail   int
	first  uint64
	latest uint64
	ring   [rememberedLines]uint64
	lines  int // ever
	bytes  int
}

func (h *history) add(line uint64, bytes int) {
	if h.lines == 0 {
		h.first = line
	}
	h.latest = line
	h.ring[h.lines%rememberedLines] = line
	h.lines++
	h.bytes += bytes
}

// whole reports whether the first line was the first of the log: if fewer came
// than were asked for, there were no more.
func (h *history) whole() bool { return h.tail < 0 || h.lines < h.tail }

// last returns the remembered lines, oldest first.
func (h *history) last() []uint64 {
	if h.lines <= rememberedLines {
		return slices.Clone(h.ring[:h.lines])
	}
	at := h.lines % rememberedLines
	return slices.Concat(h.ring[at:], h.ring[:at])
}

// verdict is what the lines so far say about a log that was opened again.
type verdict int

const (
	// unsure: more lines are needed.
	unsure verdict = iota
	// repeated: all lines so far were sent before, and later ones may have been, too.
	repeated
	// caughtUp: all lines so far were sent before, and all later ones are new.
	caughtUp
	// different: it is another log, for example after a restart of the container.
	different
)

// overlap searches a log that was opened again for the end of a history.
//
// Where the log was read from its first line on and is short enough to be
// repeated whole, each line has its place, and the end is where the count says,
// however often the log says the same. Otherwise the remembered lines are
// searched for (Knuth, Morris and Pratt), and of several places that fit the
// last is taken.
type overlap struct {
	pattern []uint64
	first   uint64
	lines   int  // of the history
	placed  bool // each line has its place
	tail    int  // how many lines were asked to be repeated, negative for all

	seen    int      // lines so far
	looked  int      // lines when it was last asked what they are
	starts  []uint64 // the first of them, as many as the pattern has at most
	fail    []int    // per length of a partial match, the next shorter one
	matched int      // lines of the pattern that the lines so far end with
	found   bool     // a place that fits
	// blind says that lines were not kept because there were too many.
	blind bool
}

// newOverlap prepares the search for the end of h in a log that repeats tail
// lines at most, or all if tail is negative.
func newOverlap(h *history, tail int) *overlap {
	o := &overlap{
		pattern: h.last(),
		first:   h.first,
		lines:   h.lines,
		// Half of what is asked for is left for what was written meanwhile.
		placed: h.whole() && (tail < 0 || h.lines < tail/2) && h.bytes < unrotated,
		tail:   tail,
	}
	if !o.placed {
		o.fail = failures(o.pattern)
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

// next judges by the next line of the log.
func (o *overlap) next(line uint64) verdict {
	o.seen++
	if o.placed {
		return o.compare(line)
	}
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
	switch {
	case o.matched == len(o.pattern):
		o.found = true
		return repeated
	case 0 <= o.tail && o.tail < o.seen && !o.found:
		return different
	}
	return unsure
}

// compare holds a line against the one that was in its place.
func (o *overlap) compare(line uint64) verdict {
	remembered := o.seen - 1 - (o.lines - len(o.pattern))
	switch {
	case o.seen == 1 && line != o.first, remembered >= 0 && line != o.pattern[remembered]:
		return different
	case o.seen == o.lines:
		return caughtUp
	}
	return unsure
}

// rest returns, when no more can be waited for and nothing was found, how many
// of the lines so far were sent before after all: a log whose beginning was cut
// off begins in the midst of the remembered lines.
func (o *overlap) rest() int {
	if o.placed {
		return 0 // it begins at its beginning
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
