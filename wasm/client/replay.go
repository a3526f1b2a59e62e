package client

import "akash-provider-web/wasm/message"

// A log's lines carry neither time nor number. When a connection breaks and the
// log is opened again, it begins with lines that were delivered before, and the
// only way to tell is to recognise them. For each replica a history is kept while
// lines are delivered, and a replay compares what comes again with it.
//
// Where the log was read from its first line on and is repeated from its first
// line on, each line has its place: lines are counted until there are as many as
// were delivered, and a fingerprint over all of them tells whether it is the same
// log. That is exact however often the log says the same. Where that is not so (the
// log was rotated, or only its end was asked for), the last lines that were
// delivered are searched for. Where they are not found, or might be elsewhere too,
// lines may have been lost, and the page is told.
//
// A bridge that numbers a provider's pods itself names them, and is told on the next
// connection which numbers they have, whichever bridge that is. Of others nothing is
// known but their numbers, so a log that is not the one that was delivered under its
// number is also held against those of the service's other replicas.

const (
	// windowLines is how many last lines of a replica can be searched for, for as
	// many replicas as a lease has; what a stream keeps for its history is 8 KB for
	// each.
	windowLines    = 2048
	windowReplicas = 512
	// smallWindow is the same for further replicas.
	smallWindow = 64
	// certainWindow is how many lines in a row do not occur twice by chance. Where
	// fewer can be searched for, the last place that fits is taken, not the first.
	certainWindow = 32
	// maxKept bounds the lines that are kept for all replicas together until it is
	// known whether they are new, in bytes.
	maxKept = 4 << 20
	// maxWhole is up to how many lines a log is asked for as a whole again where
	// its end could be had.
	maxWhole = 200_000
	// resumeTail is how many lines of history, per replica, are asked for then.
	resumeTail = 10_000
	// maxKnown is how many pods a bridge can be told.
	maxKnown = 1000
	// settleTime is the time between two looks at what is not decided yet, in
	// milliseconds. So that there is something to look at, a sign of life is asked
	// for a little less often than that.
	settleTime = 9500
	settleBeat = 10_000
)

// A history is what is remembered of the lines of one replica.
type history struct {
	lines uint64   // ever
	sum   uint64   // the fingerprint of all of them
	sums  []uint64 // that of the first 1, 2, 4, 8, …
	// tail is how many lines of history were asked for when the log was read first,
	// negative for all.
	tail int
}

// add adds a line. A copy of it in every caller would only make the module bigger, as
// with the others that are kept from being inlined.
//
//go:noinline
func (h *history) add(line uint64) {
	h.lines++
	h.sum = mix(h.sum, line)
	if h.lines&(h.lines-1) == 0 {
		h.sums = append(h.sums, h.sum)
	}
}

// whole reports whether the first line was the log's first: if fewer came than
// were asked for, there were no more.
func (h *history) whole() bool { return h.tail < 0 || h.lines < uint64(h.tail) }

// A replay is a replica's log on a connection on which it may begin with lines
// that were delivered before.
type replay struct {
	history             // of the lines on this connection
	current fingerprint // the line that is coming

	placed  bool     // each line has its place
	ignored bool     // all lines are old until it is quiet
	pattern []uint32 // the lines to search for
	fail    []uint16 // for each length of a match, the next shorter one
	matched int
	found   bool
	place   history // at the last place that fits
	repeats int     // places that fit
	kept    []byte  // the lines after that place, or all
	blind   bool    // lines were not kept because there were too many

	looked uint64 // lines at the last look
	quiet  int    // looks in a row at which there were no new ones
}

// remember adds a line that is delivered to a replica's history.
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

// begin has the lines that follow begin another log of the replica, of which there
// are the last tail lines, or all if tail is negative.
//
//go:noinline
func (r *replica) begin(tail int) {
	r.history, r.window, r.oldest = history{tail: tail}, nil, 0
	r.gone, r.skip, r.moved, r.lost, r.unusual, r.replay = 0, 0, false, false, false, nil
}

// reopen prepares for a connection on which each log begins with its last tail
// lines, or all if tail is negative.
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

// search goes over from counting lines to searching for these, the last ones.
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

// match takes the next line and reports whether the lines now end with the
// pattern (Knuth, Morris and Pratt).
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

// repeat takes a part of a line that may have been delivered.
func (l *lines) repeat(r *replica, part []byte) {
	p := r.replay
	p.current.write(part)
	l.keep(p, part)
}

//go:noinline
func (l *lines) keep(p *replay, part []byte) {
	// Whether the first line is the same is known at its end.
	if p.placed && p.lines > 0 || p.ignored || p.blind {
		return
	}
	p.kept = append(p.kept, part...)
	// What is found is settled at the end of a line, so there are a few more bytes.
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

// recognise takes the rest of a line that may have been delivered and decides, if
// it can, about it and those before.
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
			// The lines before were not kept, so they have to come once more.
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

// resume goes on with a replica whose delivered lines have all come again; as far
// as known, the log's history up to there is h.
func (l *lines) resume(r *replica, h history) {
	r.skip = r.gone
	r.unusual = r.gone > 0 || r.lost
	r.moved, r.replay = false, nil
	if h.tail < 0 {
		r.history = h
	}
}

// settle takes the place that was found for the right one.
func (l *lines) settle(r *replica) {
	p := r.replay
	if p.repeats > 1 || p.blind || l.kept > maxKept {
		l.lose(r)
	}
	l.resume(r, p.place)
	l.release(r, p)
}

// startAnew takes a replica's log for another than before, unless it is the same
// without its beginning.
func (l *lines) startAnew(r *replica) {
	p := r.replay
	if p.blind {
		// What was not kept has to come once more.
		r.anew, l.again = true, true
		return
	}
	if end, sure := l.overlap(r.last(), p.kept); end > 0 {
		if !sure {
			l.lose(r)
		}
		l.goOn(r, p, end)
	} else {
		l.cut(r)
		former := *r
		r.begin(l.tail)
		r.former = &former
		l.inherit(r, p)
	}
	l.release(r, p)
}

// goOn goes on after the first bytes of what is kept of a replica, which were
// delivered.
func (l *lines) goOn(r *replica, p *replay, end int) {
	gone := r.gone
	r.begin(l.tail)
	r.gone, r.skip, r.unusual = gone, gone, gone > 0
	for line, at := l.next(p.kept, 0); at > 0 && at <= end; line, at = l.next(p.kept, at) {
		r.remember(line)
	}
	l.kept -= end
	p.kept = p.kept[end:]
}

// overlap returns how much of a log are the lines that the last ones end with, in
// bytes: a log that was rotated begins in their midst. It is 0 where these are too
// few to tell, and not sure where they may be more or fewer.
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

// next returns the fingerprint of the line of a log at a place, and where the next
// one is; 0 where there is no whole line left.
//
//go:noinline
func (l *lines) next(log []byte, at int) (line uint64, next int) {
	n, _, line := lineEnd(log[at:], l.seed.sum)
	if at += n + 1; at > len(log) {
		return 0, 0
	}
	return line, at
}

// inherit has a replica, whose lines on this connection are kept, go on with the
// history of another one of its service where they are that one's: a provider gave
// it another number.
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
			l.goOn(r, p, end)
			q.former = &replica{} // its history is had
			return
		}
	}
}

// cut has the page told that lines of a replica may be missing, and ends a line of
// which a part was delivered and the rest is not to be had.
func (l *lines) cut(r *replica) {
	l.lose(r)
	if r.gone > 0 {
		l.releases = append(l.releases, release{r: r})
		r.gone, r.skip = 0, 0
	}
}

// lose has the page told that lines of a replica may be missing from here on.
//
//go:noinline
func (l *lines) lose(r *replica) { l.gaps = append(l.gaps, r.service, r.number) }

// tell moves gaps to the batch, and reports whether there are none left: they are
// told before the entries of a batch, so those that come in the midst of one wait for
// the next.
//
//go:noinline
func (l *lines) tell(b *Batch) bool {
	if len(b.Index) > 0 {
		return len(l.gaps) == 0
	}
	b.Gaps = append(b.Gaps, l.gaps...)
	l.gaps = l.gaps[:0]
	return true
}

// A release is text of a replica that turned out to be new, or nil to end a line
// that was cut.
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

// look decides what has been open for long, and reports whether anything still is.
func (l *lines) look() (open bool) {
	for _, r := range l.order {
		p := r.replay
		if p == nil {
			continue
		}
		open = true
		if p.lines == 0 {
			continue
		}
		whole := p.current.n == 0 // no line is half there
		switch {
		case p.ignored && whole:
			r.history, r.replay, r.unusual = history{}, nil, false
			l.lose(r)
		case p.found && (whole || !p.blind):
			l.settle(r)
		case p.ignored || p.found:
		case p.lines != p.looked:
			p.looked, p.quiet = p.lines, 0
		case p.quiet == 0:
			p.quiet++
		case p.placed:
			// There are fewer lines than were delivered: it is another log.
			r.moved, l.again = true, true
		case whole || !p.blind:
			l.startAnew(r)
		}
	}
	return open
}

// ended takes note that all logs have come to their end, so that one which is
// shorter than what was delivered of it is another.
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

// finish decides what is open when no more will come: well says that the logs are
// at their end, all of them.
func (l *lines) finish(well bool) {
	for _, r := range l.order {
		switch p := r.replay; {
		case p == nil:
		case p.found:
			l.settle(r)
		case !well || p.ignored:
		case p.placed || p.lines == 0:
			l.lose(r)
		default:
			l.startAnew(r)
		}
	}
}

// replays reports whether lines of a replica may come that were delivered.
func (l *lines) replays() bool {
	for _, r := range l.order {
		if r.replay != nil {
			return true
		}
	}
	return false
}

// known returns the replicas whose pods are known, for the bridge to keep their
// numbers.
func (l *lines) known() (known []message.KnownReplica) {
	for _, r := range l.order {
		if r.pod != "" && r.pod != elsewhere && len(known) < maxKnown {
			known = append(known, message.KnownReplica{Pod: r.pod, Replica: r.number})
		}
	}
	return known
}

// resumeTail is how many lines of history to ask for so that all logs can be
// resumed, negative for all.
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
