package client

import (
	"math/bits"
	"unsafe"

	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// Limits of what a log stream keeps, so that no provider can fill a page's memory.
const (
	// maxLine is the longest line that becomes one entry, in bytes. A longer line becomes
	// several entries, all but the last marked as continued.
	maxLine = 1 << 20
	// maxPartial limits the incomplete lines of all replicas together, in bytes.
	maxPartial = 16 << 20
	// maxReplicas limits the number of logs in one stream.
	maxReplicas = 16 << 10
	// maxServiceName limits a service's name, in bytes. Kubernetes allows 63.
	maxServiceName = 1 << 10
)

// lines splits the log pieces of many replicas into lines. A piece may hold many lines or
// part of one. An incomplete line is kept until the replica's next piece.
type lines struct {
	services map[string]uint32   // ids
	replicas map[string]*replica // by number and name
	key      []byte              // of the last lookup, reused
	order    []*replica          // in order of first occurrence
	recent   [64]*replica
	held     int // bytes of all incomplete lines

	pieces  message.LogPieces // of the current message
	current *replica
	log     []byte // the unread rest of the current piece, which is current's

	// State for recognising repeated logs, used if remembers is set.
	remembers bool
	seed      fingerprint // of every line
	tail      int         // lines of history that each log begins with, negative for all
	ignores   bool        // drop the history of replicas that are new on this connection
	misses    bool        // replicas that are new on this connection may have lost lines
	early     bool        // a new replica may have more history than was asked for
	releases  []release
	kept      int      // bytes in all replays
	gaps      []uint32 // services and numbers of replicas, for the next batch
	again     bool     // the log has to be read once more, over a new connection
	deep      bool     // with its whole history
}

type replica struct {
	name            string
	service, number uint32
	partial         []byte // an incomplete line
	pod             string // the pod's name, if known
	named           bool   // the pod was named on this connection
	lost            bool   // lines are missing after the last one; the gap was reported

	history
	window  []uint32 // fingerprints of the last lines, limit at most
	limit   int
	oldest  int         // index of the oldest line in a full window
	replay  *replay     // set while lines may be repeated
	moved   bool        // lines cannot be identified by their position any more
	anew    bool        // the next connection's lines are all new
	former  *replica    // the state before a different log was found
	current fingerprint // of the part of the current line that was delivered
	gone    int         // its length
	skip    int         // bytes of it that are still repeated
	unusual bool        // replay, gone or lost is set: line must not take its fast path
}

// start begins reading a message, which must stay valid until take has consumed it.
func (l *lines) start(response []byte) { l.pieces.Reset(response) }

// take moves lines to the batch. It returns true when the message is used up, and false
// when the batch is full.
func (l *lines) take(b *Batch) (done bool, status *grpcweb.Status) {
	for {
		for len(l.releases) > 0 {
			if b.full() || !l.moveGaps(b) {
				return false, nil
			}
			l.released(b)
		}
		if l.again {
			l.log = nil
			return true, nil
		}
		if len(l.log) > 0 {
			if b.full() || len(l.gaps) > 0 && !l.moveGaps(b) {
				return false, nil
			}
			l.line(b)
			continue
		}
		if !l.pieces.Next() {
			if err := l.pieces.Err(); err != nil {
				return true, grpcweb.Error(grpcweb.Internal, "its log stream cannot be read: "+err.Error())
			}
			return true, nil
		}
		if len(l.pieces.Log) == 0 && l.pieces.Pod == nil {
			continue
		}
		if l.current, status = l.replica(b, l.pieces.Service, l.pieces.Replica); status != nil {
			return true, status
		}
		if l.pieces.Pod != nil {
			l.name(b, l.current)
		}
		if l.early && l.current.lines == 0 && l.current.replay == nil && len(l.pieces.Log) > 0 {
			// Everything in this log is new, and may be more than the tail that was asked for.
			l.deep, l.again = true, true
		}
		l.log = l.pieces.Log
	}
}

// elsewhere stands for the pod of a replica whose pod has another number now.
const elsewhere = "-"

// name handles a piece that names its pod, which starts the pod's log or follows lost
// lines.
func (l *lines) name(b *Batch, r *replica) {
	before, same := r.pod, r.pod == string(l.pieces.Pod)
	again := r.named
	r.named = true
	if !same {
		r.pod = string(l.pieces.Pod)
	}
	for _, q := range l.order {
		if q != r && q.service == r.service && q.pod == r.pod {
			q.pod = elsewhere
		}
	}
	if before == "" || same && !again {
		return
	}
	if same {
		l.interrupt(b, r)
		return
	}
	if !l.remembers {
		return
	}
	// A new log begins. The end of the previous one was certainly received only if it was
	// another pod's and the connection was open until then.
	if len(r.partial) > 0 {
		l.finishLine(b, r)
	}
	tail := l.tail
	if again {
		tail = resumeTail // as the bridge asks the provider for
	}
	if !again {
		l.cut(r)
	}
	r.begin(tail)
}

// interrupt handles lines that are missing from a replica's log at this place. If the log
// may still repeat delivered lines, it is read on, because the last delivered lines may
// follow.
//
//go:noinline
func (l *lines) interrupt(b *Batch, r *replica) {
	p := r.replay
	if p != nil && p.found {
		l.settle(r)
	} else if p != nil && !p.ignored && len(l.pieces.Log) > 0 {
		l.drop(p)
		r.replay = &replay{history: history{tail: resumeTail}, current: l.seed}
		r.replay.search(r.last())
		return
	}
	if len(r.partial) > 0 {
		l.finishLine(b, r)
	}
	if !r.lost {
		l.cut(r)
	}
	r.lost, r.unusual = true, true
}

// line takes one line, or an incomplete one, from the current piece.
func (l *lines) line(b *Batch) {
	r := l.current
	end, plain, fingerprint := lineEnd(l.log, l.seed.sum)
	if end == len(l.log) {
		l.hold(b, r, l.log)
		l.log = nil
		return
	}
	line := l.log[:end]
	l.log = l.log[end+1:]
	if len(r.partial) == 0 && end <= maxLine && !r.unusual {
		if l.remembers {
			r.remember(fingerprint)
		}
		if plain {
			b.addASCII(r.service, r.number, line)
		} else {
			b.addUTF8(r.service, r.number, line)
		}
		return
	}
	if r.replay != nil {
		l.recognise(r, line)
		return
	}
	if r.lost {
		r.begin(resumeTail) // as the bridge asks the provider for
	}
	l.hold(b, r, line)
	l.finishLine(b, r)
}

// released delivers one line of the text that was found to be new.
func (l *lines) released(b *Batch) {
	first := &l.releases[0]
	if first.text == nil {
		first.r.emit(b, nil, 0)
		l.releases = l.releases[1:]
		return
	}
	end, _, _ := lineEnd(first.text, 0)
	l.hold(b, first.r, first.text[:end])
	if end < len(first.text) {
		l.finishLine(b, first.r)
		end++
	}
	if first.text = first.text[end:]; len(first.text) == 0 {
		l.releases = l.releases[1:]
	}
}

// hold keeps part of a line. What exceeds the limits is delivered at once.
func (l *lines) hold(b *Batch, r *replica, part []byte) {
	if r.replay != nil {
		l.repeat(r, part)
		return
	}
	if r.skip > 0 {
		n := min(r.skip, len(part))
		part, r.skip = part[n:], r.skip-n
	}
	r.partial = append(r.partial, part...)
	l.held += len(part)
	for len(r.partial) > maxLine || l.held > maxPartial {
		n := wholeRunes(r.partial, min(maxLine, len(r.partial)))
		if n == 0 {
			return
		}
		r.emit(b, r.partial[:n], Continues)
		if l.remembers {
			if r.gone == 0 {
				r.current = l.seed
			}
			r.current.write(r.partial[:n])
			r.gone, r.unusual = r.gone+n, true
		}
		r.partial = append(r.partial[:0], r.partial[n:]...)
		l.held -= n
	}
}

// finishLine delivers a replica's line, which is complete.
func (l *lines) finishLine(b *Batch, r *replica) {
	if r.skip > 0 {
		// The line is shorter than the part that was delivered, so it is a different one.
		l.addGap(r)
		r.skip = 0
	}
	if l.remembers {
		p := l.seed
		if r.gone > 0 {
			p = r.current
		}
		p.write(r.partial)
		r.remember(p.end())
		r.gone, r.unusual = 0, false
	}
	r.emit(b, r.partial, 0)
	l.held -= len(r.partial)
	r.partial = r.partial[:0]
	if cap(r.partial) > 64<<10 {
		r.partial = nil
	}
}

// flush delivers all incomplete lines.
func (l *lines) flush(b *Batch) {
	for _, r := range l.order {
		if len(r.partial) > 0 {
			l.finishLine(b, r)
		}
	}
}

func (r *replica) emit(b *Batch, line []byte, flag uint32) {
	b.add(r.service|flag, r.number, line)
}

// replica returns the replica with the name and number. Recent ones are found without
// hashing the name.
func (l *lines) replica(b *Batch, name []byte, number uint32) (*replica, *grpcweb.Status) {
	slot := number
	if n := len(name); n > 0 {
		slot += uint32(name[0]) + 5*uint32(name[n-1]) + 3*uint32(n)
	}
	recent := &l.recent[slot%uint32(len(l.recent))]
	if r := *recent; r != nil && r.number == number && r.name == string(name) {
		return r, nil
	}
	l.key = append(append(l.key[:0], byte(number), byte(number>>8), byte(number>>16), byte(number>>24)), name...)
	r := l.replicas[string(l.key)]
	if r == nil {
		if len(l.order) == maxReplicas || len(name) > maxServiceName {
			return nil, grpcweb.Error(grpcweb.ResourceExhausted, "its log stream names more or longer services than a lease can have")
		}
		if l.replicas == nil {
			l.replicas = make(map[string]*replica)
			l.services = make(map[string]uint32)
		}
		service, ok := l.services[string(name)]
		if !ok {
			service = uint32(len(l.services))
			l.services[string(name)] = service
			b.Services = append(b.Services, byte(len(name)), byte(len(name)>>8))
			b.Services = append(b.Services, name...)
		}
		r = &replica{name: string(name), service: service, number: number}
		r.tail, r.limit = l.tail, windowLines
		if len(l.order) >= windowReplicas {
			r.limit = smallWindow
		}
		if l.ignores {
			r.replay, r.unusual = &replay{ignored: true, current: l.seed}, true
		}
		if l.misses {
			l.addGap(r)
		}
		l.replicas[string(l.key)] = r
		l.order = append(l.order, r)
	}
	*recent = r
	return r, nil
}

// lineEnd returns the position of the first line feed, or the length of log; whether the
// bytes before it are known to be ASCII; and their fingerprint. It reads eight bytes at a
// time.
func lineEnd(log []byte, seed uint64) (end int, ascii bool, fingerprint uint64) {
	const ones, highs, feeds = 0x0101010101010101, 0x8080808080808080, 0x0a0a0a0a0a0a0a0a
	seen := uint64(0)
	i := 0
	for ; i+8 <= len(log); i += 8 {
		word := *(*uint64)(unsafe.Pointer(&log[i]))
		x := word ^ feeds
		if found := (x - ones) &^ x & highs; found != 0 {
			at := bits.TrailingZeros64(found)
			rest := word & (1<<(at&^7) - 1)
			seen |= rest
			return i + at/8, seen&highs == 0, finish(seed, rest, uint64(i+at/8))
		}
		seen |= word
		seed = mix(seed, word)
	}
	rest := uint64(0)
	for ; i < len(log) && log[i] != '\n'; i++ {
		rest |= uint64(log[i]) << (i & 7 * 8)
	}
	return i, (seen|rest)&highs == 0, finish(seed, rest, uint64(i))
}

// wholeRunes returns the length of the longest prefix of text, at most n bytes, that does
// not end within a character.
func wholeRunes(text []byte, n int) int {
	for i := n - 1; i >= 0 && i >= n-3; i-- {
		size := 1
		switch c := text[i]; {
		case c&0xc0 == 0x80: // not the first byte of a character
			continue
		case c >= 0xf0:
			size = 4
		case c >= 0xe0:
			size = 3
		case c >= 0xc0:
			size = 2
		}
		if i+size > n {
			return i
		}
		return n
	}
	return n
}
