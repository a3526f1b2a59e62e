package fake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"sync"
	"time"
)

// segment is a sequence of lines: generated ones, which are created when they are
// read, or written ones, which are stored.
type segment struct {
	count int64
	from  int64  // index of the first generated line
	text  []byte // written lines, each with its newline; nil where generated
}

// journal is the log of one replica so far. What its store keeps is stored before it
// can be read.
type journal struct {
	service string
	replica int
	pod     string
	maker   *lineMaker
	store   *store
	// onStarted, if set, is called when the pod's container has started.
	onStarted func()

	mu        sync.Mutex
	segments  []segment
	lines     int64
	generated int64 // index of the next generated line
	starting  bool  // the container is being created
	ended     bool  // no more lines will be written
	gone      bool  // the pod was deleted

	// The digest is updated only when it is requested.
	digest struct {
		sync.Mutex
		at    cursor
		sum   hash.Hash
		lines int64
		bytes int64
	}
}

// cursor is a position in a journal, between two lines.
type cursor struct {
	segment int
	line    int64 // lines of the segment already read
	offset  int   // bytes of a written segment already read
}

// generate appends n generated lines.
func (j *journal) generate(n int64) {
	if n <= 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.store.append(keptLine{Service: j.service, Replica: j.replica, Generated: n})
	last := len(j.segments) - 1
	if last >= 0 && j.segments[last].text == nil {
		j.segments[last].count += n
	} else {
		j.segments = append(j.segments, segment{count: n, from: j.generated})
	}
	j.generated += n
	j.lines += n
}

// write appends text, which ends in a newline.
func (j *journal) write(text []byte) {
	n := int64(bytes.Count(text, []byte{'\n'}))
	j.mu.Lock()
	defer j.mu.Unlock()
	j.store.append(keptLine{Service: j.service, Replica: j.replica, Text: text})
	j.segments = append(j.segments, segment{count: n, text: text})
	j.lines += n
}

// end records that no more lines will be written.
func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.store.append(keptLine{Service: j.service, Replica: j.replica, Ended: true})
	j.ended = true
}

// hasEnded reports whether no more lines will be written. Call it before reading, so
// that no line before the end is missed.
func (j *journal) hasEnded() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended
}

// podPhase is the phase of a pod.
type podPhase int

const (
	podStarting podPhase = iota // its container is being created: it has no log yet
	podRunning
	podEnded // its container has ended, and its log can be read
	podGone  // it was deleted, and its log with it
)

// phase returns the pod's phase.
func (j *journal) phase() podPhase {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.gone:
		return podGone
	case j.starting:
		return podStarting
	case j.ended:
		return podEnded
	}
	return podRunning
}

// setStarting sets whether the container is being created.
func (j *journal) setStarting(starting bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.starting = starting
}

// remove ends the log of a deleted pod.
func (j *journal) remove() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended, j.gone = true, true
}

// at returns the segment at c, and advances c past a segment that has been read
// completely. It returns false at the end of the log.
func (j *journal) at(c *cursor) (segment, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for c.segment < len(j.segments) {
		s := j.segments[c.segment]
		if c.line < s.count {
			return s, true
		}
		if c.segment == len(j.segments)-1 {
			return segment{}, false // it may grow
		}
		*c = cursor{segment: c.segment + 1}
	}
	return segment{}, false
}

// read appends lines from c on to dst until dst has size bytes or more, and advances
// c. It appends nothing at the end of the log.
func (j *journal) read(c *cursor, dst []byte, size int) []byte {
	for len(dst) < size {
		s, ok := j.at(c)
		if !ok {
			break
		}
		if s.text == nil {
			for ; c.line < s.count && len(dst) < size; c.line++ {
				dst = j.maker.appendLine(dst, s.from+c.line)
			}
			continue
		}
		for ; c.line < s.count && len(dst) < size; c.line++ {
			rest := s.text[c.offset:]
			n := bytes.IndexByte(rest, '\n') + 1
			dst = append(dst, rest[:n]...)
			c.offset += n
		}
	}
	return dst
}

// tail returns the position n lines before the end, or the beginning if n is negative.
func (j *journal) tail(n int64) cursor {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n < 0 || n >= j.lines {
		return cursor{}
	}
	skip := j.lines - n
	for i, s := range j.segments {
		if skip >= s.count && i < len(j.segments)-1 {
			skip -= s.count
			continue
		}
		c := cursor{segment: i, line: skip}
		if s.text != nil {
			for range skip {
				c.offset += bytes.IndexByte(s.text[c.offset:], '\n') + 1
			}
		}
		return c
	}
	return cursor{}
}

// Log summarizes the log of one replica.
type Log struct {
	Service string `json:"service"`
	Replica int    `json:"replica"`
	Lines   int64  `json:"lines"`
	Bytes   int64  `json:"bytes"`
	// SHA256 is the hex digest of the raw log, including newlines.
	SHA256 string `json:"sha256"`
}

// total summarizes the current log.
func (j *journal) total() Log {
	d := &j.digest
	d.Lock()
	defer d.Unlock()
	if d.sum == nil {
		d.sum = sha256.New()
	}
	var buf []byte
	for {
		buf = j.read(&d.at, buf[:0], 256<<10)
		if len(buf) == 0 {
			break
		}
		d.sum.Write(buf)
		d.bytes += int64(len(buf))
		d.lines += int64(bytes.Count(buf, []byte{'\n'}))
	}
	return Log{
		Service: j.service,
		Replica: j.replica,
		Lines:   d.lines,
		Bytes:   d.bytes,
		SHA256:  hex.EncodeToString(d.sum.Sum(nil)),
	}
}

// logbook has the logs of all replicas of a lease, and the writer that extends them
// while there are followers.
type logbook struct {
	seed  uint64
	size  int // the size of a line, in bytes
	texts *[bodies]string

	mu        sync.Mutex
	store     *store
	rate      int // generated lines a second, over all replicas
	journals  []*journal
	changed   chan struct{} // closed at the next write
	followers int
	stop      chan struct{} // stops the writer; nil if there is none
	turn      sync.Mutex    // held while the writer writes
	writers   sync.WaitGroup
	closed    bool
}

// newLogbook returns an empty logbook.
func newLogbook(seed uint64, rate, size int, texts *[bodies]string) *logbook {
	return &logbook{seed: seed, rate: rate, size: size, texts: texts, changed: make(chan struct{})}
}

// add starts the log of a replica.
func (b *logbook) add(service string, replica int, pod string) *journal {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := &journal{
		service: service,
		replica: replica,
		pod:     pod,
		maker:   newLineMaker(b.seed, service, replica, b.size, b.texts),
		store:   b.store,
	}
	b.journals = append(b.journals, j)
	return j
}

// all returns all logs.
func (b *logbook) all() []*journal {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.journals)
}

// generate writes n lines, distributed evenly; the first replicas get the remainder.
func (b *logbook) generate(n int) {
	journals := b.all()
	for i, j := range journals {
		share := n / len(journals)
		if i < n%len(journals) {
			share++
		}
		j.generate(int64(share))
	}
	b.announce()
}

// announce wakes all goroutines that wait for new lines.
func (b *logbook) announce() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.changed)
	b.changed = make(chan struct{})
}

// news returns a channel that is closed at the next write. Call it before reading, so
// that no line is missed.
func (b *logbook) news() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// find returns the journal of a replica, the latest one if it was replaced, or nil.
func (b *logbook) find(service string, replica int) *journal {
	var found *journal
	for _, j := range b.all() {
		if j.service == service && j.replica == replica {
			found = j
		}
	}
	return found
}

// ofPod returns the latest journal of a pod, or nil.
func (b *logbook) ofPod(name string) *journal {
	var found *journal
	for _, j := range b.all() {
		if j.pod == name {
			found = j
		}
	}
	return found
}

// follow starts the writer for the first follower. The returned function stops it
// after the last one.
func (b *logbook) follow() (unfollow func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.followers++
	b.start()
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.followers--
		if b.followers == 0 && b.stop != nil {
			close(b.stop)
			b.stop = nil
		}
	})
}

// start starts the writer if there is something to write. The caller holds the lock.
func (b *logbook) start() {
	if b.followers == 0 || b.rate == 0 || b.closed || b.stop != nil {
		return
	}
	stop, rate := make(chan struct{}), b.rate
	b.stop = stop
	b.writers.Go(func() { b.run(stop, rate) })
}

// setRate sets the number of lines per second. After it returns, no lines are written
// at the previous rate.
func (b *logbook) setRate(n int) {
	b.mu.Lock()
	if b.stop != nil {
		close(b.stop)
		b.stop = nil
	}
	b.rate = n
	b.start()
	b.mu.Unlock()
	b.turn.Lock() // who writes at this moment has finished
	defer b.turn.Unlock()
}

// tick is the interval of writes at rates too high for a timer per line.
const tick = 10 * time.Millisecond

// run writes rate generated lines per second until stop is closed.
func (b *logbook) run(stop <-chan struct{}, rate int) {
	every := max(tick, time.Second/time.Duration(rate))
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	start := time.Now()
	var written int64
	for {
		select {
		case <-stop:
			return
		case now := <-ticker.C:
			due := int64(now.Sub(start).Seconds() * float64(rate))
			if due == written {
				continue
			}
			if !b.write(written, due, stop) {
				return
			}
			written = due
		}
	}
}

// write extends the logs unless stop is closed, and reports whether it did.
func (b *logbook) write(from, to int64, stop <-chan struct{}) bool {
	b.turn.Lock()
	defer b.turn.Unlock()
	select {
	case <-stop:
		return false
	default:
		b.advance(from, to)
		return true
	}
}

// advance writes the generated lines with the numbers from to to, distributed over the
// replicas in turn.
func (b *logbook) advance(from, to int64) {
	var journals []*journal
	for _, j := range b.all() {
		if j.phase() == podRunning {
			journals = append(journals, j)
		}
	}
	n := int64(len(journals))
	for i, j := range journals {
		// The count of numbers below x that are i modulo n.
		turns := func(x int64) int64 { return (x - int64(i) + n - 1) / n }
		j.generate(turns(to) - turns(from))
	}
	b.announce()
}

// close stops the writer permanently.
func (b *logbook) close() {
	b.mu.Lock()
	b.closed = true
	if b.stop != nil {
		close(b.stop)
		b.stop = nil
	}
	b.mu.Unlock()
	b.writers.Wait()
}
