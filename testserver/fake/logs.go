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

// segment is a run of lines of a log: generated ones, which are made when they are
// read, or written ones, which are kept.
type segment struct {
	count int64
	from  int64  // index of the first generated line
	text  []byte // written lines, each with its newline; nil where generated
}

// journal is everything that one replica has written so far. What its store keeps
// is kept before anybody can read it.
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
	ended     bool  // nothing more will be written
	gone      bool  // the pod was deleted

	// The digest follows the log only when somebody asks for it.
	digest struct {
		sync.Mutex
		at    cursor
		sum   hash.Hash
		lines int64
		bytes int64
	}
}

// cursor is a place in a journal, between two lines.
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

// end says that nothing more will be written.
func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.store.append(keptLine{Service: j.service, Replica: j.replica, Ended: true})
	j.ended = true
}

// hasEnded reports whether nothing more will be written. Ask for it before reading,
// so that nothing written before the end is missed.
func (j *journal) hasEnded() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended
}

// podPhase is how far a pod has come.
type podPhase int

const (
	podStarting podPhase = iota // its container is being created: it has no log yet
	podRunning
	podEnded // its container has ended, and its log can be read
	podGone  // it was deleted, and its log with it
)

// phase returns how far the pod has come.
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

// setStarting says whether the container is being created.
func (j *journal) setStarting(starting bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.starting = starting
}

// remove ends the log of a pod that is deleted.
func (j *journal) remove() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended, j.gone = true, true
}

// at returns the segment that c stands in, and moves c on where it has read one to
// its end. It reports false at the end of the log.
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

// read appends lines from c on to dst until dst holds size bytes or more, and
// moves c. It appends nothing at the end of the log.
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

// tail returns the place n lines before the end; everything where n is negative.
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

// Log is what one replica has written so far.
type Log struct {
	Service string `json:"service"`
	Replica int    `json:"replica"`
	Lines   int64  `json:"lines"`
	Bytes   int64  `json:"bytes"`
	// SHA256 is the hex digest of the raw log, every line with its newline.
	SHA256 string `json:"sha256"`
}

// total sums up the log as it stands.
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

// logbook is the logs of all replicas of a lease, and the program that goes on
// writing them while somebody follows.
type logbook struct {
	seed  uint64
	size  int // of a line, in bytes
	texts *[bodies]string

	mu        sync.Mutex
	store     *store
	rate      int // generated lines a second, over all replicas
	journals  []*journal
	changed   chan struct{} // closed at the next write
	followers int
	stop      chan struct{} // ends the writer; nil while there is none
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

// all returns the logs that there are.
func (b *logbook) all() []*journal {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.journals)
}

// generate writes n lines, shared out evenly; the first replicas get the rest.
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

// announce wakes everybody who waits for new lines.
func (b *logbook) announce() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.changed)
	b.changed = make(chan struct{})
}

// news returns a channel that is closed at the next write. Ask for it before
// looking for lines, so that none is missed.
func (b *logbook) news() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// find returns the journal of a replica, the last one where it was replaced, or nil.
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

// follow starts the writer for the first follower; the function it returns stops
// it after the last.
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

// start starts the writer if there is something to do. The lock is held.
func (b *logbook) start() {
	if b.followers == 0 || b.rate == 0 || b.closed || b.stop != nil {
		return
	}
	stop, rate := make(chan struct{}), b.rate
	b.stop = stop
	b.writers.Go(func() { b.run(stop, rate) })
}

// setRate has n lines a second be written from now on. After it returns, none are
// written at the rate of before.
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

// tick is how often lines are written at rates too high for a timer each.
const tick = 10 * time.Millisecond

// run writes rate generated lines a second until stop is closed.
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

// write advances the logs unless stop is closed, and reports whether it did.
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

// advance writes generated lines number from to to, turn by turn over the replicas.
func (b *logbook) advance(from, to int64) {
	var journals []*journal
	for _, j := range b.all() {
		if j.phase() == podRunning {
			journals = append(journals, j)
		}
	}
	n := int64(len(journals))
	for i, j := range journals {
		// How many numbers below x are i modulo n.
		turns := func(x int64) int64 { return (x - int64(i) + n - 1) / n }
		j.generate(turns(to) - turns(from))
	}
	b.announce()
}

// close stops the writer for good.
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
