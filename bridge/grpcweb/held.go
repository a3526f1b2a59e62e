package grpcweb

import (
	"io"
	"net/http"
	"sync"
)

// maxHeld is how much of an answer is held until it is flushed or complete, so that
// it goes out in one piece.
const maxHeld = 16 << 10

// held is bytes that wait to go out together. Its zero value holds none.
type held struct {
	b *[]byte // from heldPool; nil for none
}

var heldPool = sync.Pool{New: func() any {
	b := make([]byte, 0, 4<<10)
	return &b
}}

func (h *held) empty() bool { return h.b == nil }

// room returns what is held, to be appended to.
func (h *held) room() *[]byte {
	if h.b == nil {
		h.b = heldPool.Get().(*[]byte)
	}
	return h.b
}

// add holds p as well, and reports whether there was room for it.
func (h *held) add(p []byte) bool {
	b := h.room()
	if len(*b)+len(p) > maxHeld {
		return false
	}
	*b = append(*b, p...)
	return true
}

// release writes what is held, in one piece, and holds nothing more.
func (h *held) release(w io.Writer) error {
	b := h.b
	if b == nil {
		return nil
	}
	h.b = nil
	var err error
	if len(*b) > 0 {
		_, err = w.Write(*b)
	}
	*b = (*b)[:0]
	heldPool.Put(b)
	return err
}

// gathered is an http.ResponseWriter over a WebSocket: what is written between two
// flushes goes out as one message, for each costs the page an event.
type gathered struct {
	http.ResponseWriter
	held held
	err  error // why nothing more is sent
}

// Write sends messages, at the latest when they are flushed.
func (g *gathered) Write(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	if g.held.add(p) {
		return len(p), nil
	}
	if g.Flush(); g.err != nil {
		return 0, g.err
	}
	if g.held.add(p) {
		return len(p), nil
	}
	n, err := g.ResponseWriter.Write(p)
	g.err = err
	return n, err
}

// Flush implements http.Flusher. The next Write tells of an error.
func (g *gathered) Flush() {
	if g.err == nil {
		g.err = g.held.release(g.ResponseWriter)
	}
}
