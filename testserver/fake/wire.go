package fake

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"sync"
)

// HTTP/2 as far as a broken server needs it (RFC 9113).
const (
	frameHeaderSize      = 9
	frameGoAway          = 7
	errorEnhanceYourCalm = 11
	tooManyPings         = "too_many_pings"
)

// garbageSize is how much nonsense a connection gets before it ends, in bytes.
const garbageSize = 512

// wire is a connection of the gRPC port after its handshake. It watches the frames
// that the server writes, so that it can break the connection between two of them.
type wire struct {
	net.Conn
	provider *provider

	mu     sync.Mutex
	head   [frameHeaderSize]byte
	filled int    // bytes of head read
	left   int    // bytes of the frame's payload still to come
	last   uint32 // highest stream seen
	broken bool
}

// newWire returns conn, known to its provider until it is closed.
func (p *provider) newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn, provider: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wires[w] = struct{}{}
	return w
}

// Close implements net.Conn.
func (w *wire) Close() error {
	w.provider.mu.Lock()
	delete(w.provider.wires, w)
	w.provider.mu.Unlock()
	return w.Conn.Close()
}

// Write implements net.Conn.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return 0, net.ErrClosed
	}
	atStart := w.atBoundary()
	w.follow(b)
	switch {
	case w.provider.faults.has(FaultGarbage):
		w.spoil()
		return 0, net.ErrClosed
	case atStart && w.last > 0 && w.provider.faults.has(FaultGoAway):
		// Instead of an answer. The stream of that answer counts as begun.
		w.goAway(w.last)
		return 0, net.ErrClosed
	}
	return w.Conn.Write(b)
}

// breakNow breaks a connection on which nothing may be written for long. One that
// is being written to meets the fault at its next write.
func (w *wire) breakNow() {
	if !w.mu.TryLock() {
		return
	}
	defer w.mu.Unlock()
	switch {
	case w.broken || !w.atBoundary():
		// The rest of the frame will meet the fault.
	case w.provider.faults.has(FaultGarbage):
		w.spoil()
	case w.last > 0 && w.provider.faults.has(FaultGoAway):
		w.goAway(w.last)
	}
}

func (w *wire) atBoundary() bool { return w.filled == 0 && w.left == 0 }

// follow reads the frame headers in what is about to be written.
func (w *wire) follow(b []byte) {
	for len(b) > 0 {
		if w.left > 0 {
			n := min(w.left, len(b))
			w.left -= n
			b = b[n:]
			continue
		}
		n := copy(w.head[w.filled:], b)
		w.filled += n
		b = b[n:]
		if w.filled < frameHeaderSize {
			return
		}
		w.filled = 0
		w.left = int(w.head[0])<<16 | int(w.head[1])<<8 | int(w.head[2])
		w.last = max(w.last, binary.BigEndian.Uint32(w.head[5:])&^(1<<31))
	}
}

// goAway says what a server says to a client that pings too often, and closes.
func (w *wire) goAway(last uint32) {
	frame := []byte{0, 0, byte(8 + len(tooManyPings)), frameGoAway, 0, 0, 0, 0, 0}
	frame = binary.BigEndian.AppendUint32(frame, last)
	frame = binary.BigEndian.AppendUint32(frame, errorEnhanceYourCalm)
	w.end(append(frame, tooManyPings...))
}

// spoil writes what no peer can read, and closes.
func (w *wire) spoil() {
	seed := derive(w.provider.seed, "garbage")
	garbage := make([]byte, garbageSize)
	rand.NewChaCha8(seed).Read(garbage)
	w.end(garbage)
}

// end writes the connection's last words. The lock is held.
func (w *wire) end(words []byte) {
	w.broken = true
	w.Conn.Write(words)
	w.Conn.Close()
}
