package improbable

import (
	"net/http"
	"sync"
	"time"

	"akash-provider-web/bridge/internal/writebuf"
)

const (
	// burst within burstTime is what begins a burst, in bytes. Less is no burden for a
	// page, and what somebody types and waits for is less.
	burst     = 16 << 10
	burstTime = 4 * time.Millisecond
	// maxDelay is how long messages of a burst wait for more.
	maxDelay = 4 * time.Millisecond
	// maxBatch is the size of a WebSocket message that waits for no more, in bytes. A
	// page takes about a millisecond for the log lines in it. A message is also no more
	// than one of windowParts of the window, so that the page reads one while others are
	// under way.
	maxBatch    = writebuf.MaxLarge - 4<<10
	windowParts = 4
)

// batchWriter is an http.ResponseWriter over a WebSocket. It sends what is written
// between two flushes as one WebSocket message, because each message costs the page an
// event. In a burst messages wait for more, so that there are fewer, larger ones.
type batchWriter struct {
	http.ResponseWriter
	most int // bytes in a message, unless one that is written has more

	mu      sync.Mutex
	waiting writebuf.Buffer
	err     error // the first error, which ends sending
	closed  bool

	sent  int       // bytes sent since then
	since time.Time // at most burstTime ago, if there is a burst
	timer *time.Timer
	armed bool // the timer will send what waits
}

// newBatchWriter returns a batchWriter over w for a page with a window of the given size.
func newBatchWriter(w http.ResponseWriter, window int) *batchWriter {
	return &batchWriter{ResponseWriter: w, most: min(maxBatch, window/windowParts)}
}

// Write buffers or sends messages. Flush sends what is buffered.
func (b *batchWriter) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	if b.add(p) {
		return len(p), nil
	}
	if b.send(); b.err != nil {
		return 0, b.err
	}
	if b.add(p) {
		return len(p), nil
	}
	n, err := b.ResponseWriter.Write(p)
	b.err = err
	return n, err
}

// add buffers p and reports whether there was room. The caller holds b.mu.
func (b *batchWriter) add(p []byte) bool {
	return b.waiting.Len()+len(p) <= b.most && b.waiting.AddLarge(p)
}

// Flush implements http.Flusher: it sends what is buffered, in a burst within maxDelay.
// The next Write returns its error.
func (b *batchWriter) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.waiting.Empty() || b.armed:
	case b.bursts() && b.waiting.Len() < b.most:
		b.armed = true
		if b.timer == nil {
			b.timer = time.AfterFunc(maxDelay, b.late)
		} else {
			b.timer.Reset(maxDelay)
		}
	default:
		b.send()
	}
}

// late sends what has waited for maxDelay.
func (b *batchWriter) late() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.armed && !b.closed {
		b.send()
	}
}

// bursts reports whether much was sent just now. The caller holds b.mu.
func (b *batchWriter) bursts() bool {
	return b.sent >= burst && time.Since(b.since) < burstTime+maxDelay
}

// send sends what is buffered. The caller holds b.mu.
func (b *batchWriter) send() {
	b.armed = false
	if b.err != nil || b.waiting.Empty() {
		return
	}
	if now := time.Now(); now.Sub(b.since) >= burstTime {
		b.sent, b.since = 0, now
	}
	n, err := b.waiting.WriteTo(b.ResponseWriter)
	b.sent += int(n)
	b.err = err
}

// close sends what is buffered. Nothing is sent after it has returned.
func (b *batchWriter) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.send()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
}
