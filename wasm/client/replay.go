package client

import "akash-provider-web/wasm/message"

// Log lines carry neither time nor sequence number. When a connection breaks and the log is
// opened again, it begins with lines that were delivered before. The only way to find them
// is to recognise their text. While lines are delivered, a history is kept for each
// replica; a replay compares the repeated lines with it.
//
// If the log was read from its first line and is repeated from its first line, lines are
// identified by position: they are counted up to the number that was delivered, and a
// fingerprint over all of them tells whether it is the same log. That is exact, even if
// lines repeat. Otherwise (the log was rotated, or only its end was asked for) the last
// delivered lines are searched for. If they are not found, or occur more than once, lines
// may have been lost, and the page gets a gap.
//
// A bridge that numbers a provider's pods itself sends their names. The next connection
// sends the bridge their numbers, whichever bridge answers. Without names, a log that
// differs from the one delivered under its number is also compared with the service's other
// replicas.
//
// bridge/rest/logs/overlap.go recognises the lines that a provider repeats to a bridge. It
// compares whole lines and holds undecided ones back; here a sum stands for all lines, so
// that a log of any length can be recognised without being kept. Only the search (Knuth,
// Morris and Pratt) is the same, too little code for a package of its own.

const (
	// windowLines is how many of a replica's last lines can be searched for. A lease has as
	// many replicas with that window as windowReplicas; each window takes 8 KB.
	windowLines    = 2048
	windowReplicas = 512
	// smallWindow is the window of further replicas.
	smallWindow = 64
	// certainWindow is how many consecutive lines do not repeat by chance. With fewer, the
	// last match is used, not the first.
	certainWindow = 32
	// maxKept limits the lines of all replicas that are kept until it is known whether they
	// are new, in bytes.
	maxKept = 4 << 20
	// maxWhole is the number of lines up to which a whole log is asked for again although
	// its end could be.
	maxWhole = 200_000
	// resumeTail is how many lines of history are asked for otherwise, per replica.
	resumeTail = 10_000
	// maxKnown is the maximum number of pods sent to a bridge.
	maxKnown = 1000
	// reviewInterval is the time between two reviews of undecided logs, in milliseconds.
	// resumeHeartbeat is the heartbeat interval asked for meanwhile. It is slightly longer,
	// so that a review is due whenever a heartbeat arrives.
	reviewInterval  = 9500
	resumeHeartbeat = 10_000
)

// A history summarises the lines of one replica.
type history struct {
	lines uint64   // number of lines
	sum   uint64   // fingerprint of all of them
	sums  []uint64 // fingerprints of the first 1, 2, 4, 8, … lines
	// tail is how many lines of history were asked for when the log was first read,
	// negative for all.
	tail int
}

// add adds a line. Like others below it is not inlined, to keep the module small.
//
//go:noinline
func (h *history) add(line uint64) {
	h.lines++
	h.sum = mix(h.sum, line)
	if h.lines&(h.lines-1) == 0 {
		h.sums = append(h.sums, h.sum)
	}
}

// whole reports whether the history begins with the log's first line: if fewer lines came
// than were asked for, there were no more.
func (h *history) whole() bool { return h.tail < 0 || h.lines < uint64(h.tail) }

// A replay compares a replica's log on a new connection with its history, until it is known
// where the new lines begin.
type replay struct {
	history             // of the lines on this connection
	current fingerprint // of the incomplete line

	placed  bool     // lines are identified by position
	ignored bool     // all lines are dropped until the log is idle
	pattern []uint32 // the lines to search for
	fail    []uint16 // for each length of a match, the next shorter one
	matched int
	found   bool
	place   history // at the last match
	repeats int     // number of matches
	kept    []byte  // the lines after the last match, or all
	blind   bool    // lines were dropped because there were too many

	looked uint64 // lines at the last review
	quiet  int    // reviews in a row without new lines
}

// remember adds a delivered line to a replica's history.
func (r *replica) remember(line uint64) {
	if len(r.window) < r.limit {
		r.window = append(r.window, uint32(line))
	} else {
		r.window[r.oldest] = uint32(line)
		if r.oldest++; r.oldest == len(r.window) {
			r.oldest = 0
		}
	}
	r.add(line)
}

// last returns the remembered lines, oldest first.
func (r *replica) last() []uint32 {
	last := make([]uint32, 0, len(r.window))
	return append(append(last, r.window[r.oldest:]...), r.window[:r.oldest]...)
}

// begin starts a new log for the replica. The lines that follow are its last tail lines, or
// all if tail is negative.
//
//go:noinline
func (r *replica) begin(tail int) {
	r.history, r.window, r.oldest = history{tail: tail}, nil, 0
	r.gone, r.skip, r.moved, r.lost, r.unusual, r.replay = 0, 0, false, false, false, nil
}

// reopen prepares for a new connection, on which each log begins with its last tail lines,
// or all if tail is negative.
func (l *lines) reopen(tail int) {
	l.tail = tail
	l.log, l.releases = nil, nil
	l.pieces.Reset(nil)
	l.again, l.held, l.kept = false, 0, 0
	for _, r := range l.order {
		r.partial, r.skip, r.replay, r.named, r.former = nil, 0, nil, false, nil
		switch {
		case r.anew:
			r.anew = false
			l.cut(r)
			r.begin(tail)
		case r.lines > 0:
			r.replay = &replay{history: history{tail: tail}, current: l.seed}
			r.replay.placed = !r.moved && tail < 0 && r.whole()
			if !r.replay.placed {
				r.replay.search(r.last())
			}
		case l.ignores:
			r.replay = &replay{ignored: true, current: l.seed}
		case r.gone > 0 && tail < 0 && r.tail < 0:
			r.skip = r.gone
		case r.gone > 0:
			l.cut(r)
		}
		r.unusual = r.replay != nil || r.gone > 0 || r.lost
	}
}

// search switches from counting lines to searching for the given last lines.
//
//go:noinline
func (p *replay) search(last []uint32) {
	p.placed = false
	p.pattern = last
	p.fail = make([]uint16, len(p.pattern)+1)
	for i, k := 1, 0; i < len(p.pattern); i++ {
		for k > 0 && p.pattern[i] != p.pattern[k] {
			k = int(p.fail[k])
		}
		if p.pattern[i] == p.pattern[k] {
			k++
		}
		p.fail[i+1] = uint16(k)
	}
}

// match adds a line and reports whether the lines now end with the pattern
// (Knuth–Morris–Pratt).
//
//go:noinline
func (p *replay) match(line uint32) bool {
	if p.matched == len(p.pattern) {
		p.matched = int(p.fail[p.matched])
	}
	for p.matched > 0 && p.pattern[p.matched] != line {
		p.matched = int(p.fail[p.matched])
	}
	if p.pattern[p.matched] == line {
		p.matched++
	}
	return p.matched == len(p.pattern)
}

// repeat adds part of a line that may have been delivered before.
func (l *lines) repeat(r *replica, part []byte) {
	p := r.replay
	p.current.write(part)
	l.keep(p, part)
}

//go:noinline
func (l *lines) keep(p *replay, part []byte) {
	// Only the first line is kept: at its end it is known whether it is the same.
	if p.placed && p.lines > 0 || p.ignored || p.blind {
		return
	}
	p.kept = append(p.kept, part...)
	// A match is settled at the end of a line, so the limit may be exceeded a little.
	if l.kept += len(part); l.kept > 2*maxKept || l.kept > maxKept && !p.found {
		l.drop(p)
		p.blind = true
	}
}

//go:noinline
func (l *lines) drop(p *replay) {
	l.kept -= len(p.kept)
	p.kept = p.kept[:0]
}

var newline = []byte{'\n'}

// recognise adds the rest of a line that may have been delivered before and decides, if
// possible, whether it and the lines before it are new.
func (l *lines) recognise(r *replica, rest []byte) {
	p := r.replay
	p.current.write(rest)
	line := p.current.end()
	p.current = l.seed
	p.add(line)
	if p.ignored {
		return
	}
	if p.placed {
		first := p.kept
		l.drop(p)
		n, same := p.lines, true
		if n&(n-1) == 0 {
			same = p.sum == r.sums[len(p.sums)-1]
		}
		if n == r.lines {
			if same = p.sum == r.sum; same {
				l.resume(r, p.history)
				return
			}
		}
		switch {
		case same:
			return
		case n > 1:
			// The previous lines were not kept, so they have to be read again.
			r.moved, l.again = true, true
			return
		}
		p.search(r.last())
		l.keep(p, first)
	}
	l.keep(p, rest)
	l.keep(p, newline)
	switch {
	case p.match(uint32(line)):
		l.drop(p)
		p.found, p.blind = true, false
		p.repeats++
		p.place = p.history
		p.place.sums = p.sums[:len(p.sums):len(p.sums)]
	case p.found && (p.matched == 0 && len(p.pattern) >= certainWindow || l.kept > maxKept):
		l.settle(r)
	case !p.found && p.tail >= 0 && p.lines == uint64(p.tail):
		l.deep, l.again = true, true
	}
}

// resume ends the replay of a replica whose delivered lines have all been repeated. h is
// the log's history up to there, as far as known.
func (l *lines) resume(r *replica, h history) {
	r.skip = r.gone
	r.unusual = r.gone > 0 || r.lost
	r.moved, r.replay = false, nil
	if h.tail < 0 {
		r.history = h
	}
}

// settle accepts the match that was found and delivers the lines after it.
func (l *lines) settle(r *replica) {
	p := r.replay
	if p.repeats > 1 || p.blind || l.kept > maxKept {
		l.addGap(r)
	}
	l.resume(r, p.place)
	l.release(r, p)
}

// startAnew treats a replica's log as a new one, unless it is the same log without its
// beginning.
func (l *lines) startAnew(r *replica) {
	p := r.replay
	if p.blind {
		// The lines that were not kept have to be read again.
		r.anew, l.again = true, true
		return
	}
	if end, sure := l.overlap(r.last(), p.kept); end > 0 {
		if !sure {
			l.addGap(r)
		}
		l.resumeAfter(r, p, end)
	} else {
		l.cut(r)
		former := *r
		r.begin(l.tail)
		r.former = &former
		l.inherit(r, p)
	}
	l.release(r, p)
}

// resumeAfter resumes a replica after the first end bytes of the kept lines, which were
// delivered before.
func (l *lines) resumeAfter(r *replica, p *replay, end int) {
	gone := r.gone
	r.begin(l.tail)
	r.gone, r.skip, r.unusual = gone, gone, gone > 0
	for line, at := l.next(p.kept, 0); at > 0 && at <= end; line, at = l.next(p.kept, at) {
		r.remember(line)
	}
	l.kept -= end
	p.kept = p.kept[end:]
}

// overlap returns the length in bytes of the beginning of log that equals the end of the
// last delivered lines, as in a log that was rotated. It returns 0 if too few lines match,
// and sure is false if the number of equal lines is ambiguous.
func (l *lines) overlap(last []uint32, log []byte) (end int, sure bool) {
	first := make([]uint32, 0, len(last))
	for line, at := l.next(log, 0); at > 0 && len(first) < len(last); line, at = l.next(log, at) {
		first = append(first, uint32(line))
	}
	if len(first) < certainWindow {
		return 0, false
	}
	var p replay
	p.search(first)
	for _, line := range last {
		p.match(line)
	}
	if p.matched < certainWindow {
		return 0, false
	}
	for range p.matched {
		_, end = l.next(log, end)
	}
	return end, p.fail[p.matched] == 0
}

// next returns the fingerprint of the line at a position of a log and the position of the
// next line, or 0 if there is no complete line.
//
//go:noinline
func (l *lines) next(log []byte, at int) (line uint64, next int) {
	n, _, line := lineEnd(log[at:], l.seed.sum)
	if at += n + 1; at > len(log) {
		return 0, 0
	}
	return line, at
}

// inherit looks for another replica of the service whose history matches the kept lines of
// r, and lets r resume it. This happens when a provider renumbers its replicas.
func (l *lines) inherit(r *replica, p *replay) {
	for _, q := range l.order {
		h := q
		if q.former != nil {
			h = q.former
		}
		if q == r || q.service != r.service || h.replay == nil || h.lines < certainWindow {
			continue
		}
		var other replay
		other.search(h.last())
		end := 0
		for line, at := l.next(p.kept, 0); at > 0; line, at = l.next(p.kept, at) {
			if other.match(uint32(line)) {
				end = at
			}
		}
		if end > 0 {
			l.resumeAfter(r, p, end)
			q.former = &replica{} // the history is used once
			return
		}
	}
}

// cut reports a gap for a replica, and ends a partly delivered line whose rest is lost.
func (l *lines) cut(r *replica) {
	l.addGap(r)
	if r.gone > 0 {
		l.releases = append(l.releases, release{r: r})
		r.gone, r.skip = 0, 0
	}
}

// addGap reports that lines of a replica may be missing from here on.
//
//go:noinline
func (l *lines) addGap(r *replica) { l.gaps = append(l.gaps, r.service, r.number) }

// moveGaps moves gaps to the batch and reports whether none is left. A batch's gaps come
// before its entries, so a gap that occurs between entries waits for the next batch.
//
//go:noinline
func (l *lines) moveGaps(b *Batch) bool {
	if len(b.Index) > 0 {
		return len(l.gaps) == 0
	}
	b.Gaps = append(b.Gaps, l.gaps...)
	l.gaps = l.gaps[:0]
	return true
}

// A release is text of a replica that was found to be new; nil ends a line whose rest is
// lost.
type release struct {
	r    *replica
	text []byte
}

//go:noinline
func (l *lines) release(r *replica, p *replay) {
	if len(p.kept) > 0 {
		l.kept -= len(p.kept)
		l.releases = append(l.releases, release{r, p.kept})
	}
}

// review decides replays that have been undecided for long, and reports whether any remain.
func (l *lines) review() (open bool) {
	for _, r := range l.order {
		p := r.replay
		if p == nil {
			continue
		}
		open = true
		if p.lines == 0 {
			continue
		}
		whole := p.current.n == 0 // there is no incomplete line
		switch {
		case p.ignored && whole:
			r.history, r.replay, r.unusual = history{}, nil, false
			l.addGap(r)
		case p.found && (whole || !p.blind):
			l.settle(r)
		case p.ignored || p.found:
		case p.lines != p.looked:
			p.looked, p.quiet = p.lines, 0
		case p.quiet == 0:
			p.quiet++
		case p.placed:
			// The log has fewer lines than were delivered, so it is a different one.
			r.moved, l.again = true, true
		case whole || !p.blind:
			l.startAnew(r)
		}
	}
	return open
}

// ended is called when all logs have ended: one that is shorter than what was delivered is
// a different log.
func (l *lines) ended() {
	for _, r := range l.order {
		switch p := r.replay; {
		case p == nil || p.lines == 0:
		case p.placed:
			r.moved, l.again = true, true
		case p.blind:
			r.anew, l.again = true, true
		}
	}
}

// finish decides all replays when the stream ends; well says that all logs were read to
// their end.
func (l *lines) finish(well bool) {
	for _, r := range l.order {
		switch p := r.replay; {
		case p == nil:
		case p.found:
			l.settle(r)
		case !well || p.ignored:
		case p.placed || p.lines == 0:
			l.addGap(r)
		default:
			l.startAnew(r)
		}
	}
}

// replays reports whether any replica's lines may still be repeated.
func (l *lines) replays() bool {
	for _, r := range l.order {
		if r.replay != nil {
			return true
		}
	}
	return false
}

// known returns the replicas whose pods are known, so that the bridge keeps their numbers.
func (l *lines) known() (known []message.KnownReplica) {
	for _, r := range l.order {
		if r.pod != "" && r.pod != elsewhere && len(known) < maxKnown {
			known = append(known, message.KnownReplica{Pod: r.pod, Replica: r.number})
		}
	}
	return known
}

// resumeTail returns how many lines of history to ask for so that all logs can be resumed,
// negative for all.
func (l *lines) resumeTail() int {
	total := uint64(0)
	for _, r := range l.order {
		total += r.lines
		if !r.whole() {
			total = maxWhole
			break
		}
	}
	if l.deep || total < maxWhole {
		return -1
	}
	return resumeTail
}
