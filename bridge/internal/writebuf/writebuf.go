// Package writebuf combines small writes into larger ones. Buffers come from a pool,
// so an answer uses memory only while data is waiting to be written.
package writebuf

import (
	"io"
	"sync"
)

const (
	// Max is the capacity of a Buffer for Add, in bytes.
	Max = 16 << 10
	// MaxLarge is that for AddLarge.
	MaxLarge = 64 << 10
)

// Buffer holds data to be written. The zero value is empty.
type Buffer struct {
	b *[]byte // from pool; nil if empty
}

var pool = sync.Pool{New: func() any {
	b := make([]byte, 0, 4<<10)
	return &b
}}

// large has buffers of MaxLarge.
var large = sync.Pool{New: func() any {
	b := make([]byte, 0, MaxLarge)
	return &b
}}

// put gives a buffer back.
func put(b *[]byte) {
	*b = (*b)[:0]
	if cap(*b) >= MaxLarge {
		large.Put(b)
	} else {
		pool.Put(b)
	}
}

// Empty reports whether the buffer is empty.
func (w *Buffer) Empty() bool { return w.b == nil }

// Len returns the number of buffered bytes.
func (w *Buffer) Len() int {
	if w.b == nil {
		return 0
	}
	return len(*w.b)
}

// Bytes returns the buffered data, for the caller to append to.
func (w *Buffer) Bytes() *[]byte {
	if w.b == nil {
		w.b = pool.Get().(*[]byte)
	}
	return w.b
}

// Add appends p and reports whether there was room for it.
func (w *Buffer) Add(p []byte) bool {
	b := w.Bytes()
	if len(*b)+len(p) > Max {
		return false
	}
	*b = append(*b, p...)
	return true
}

// AddLarge is like Add for a buffer of up to MaxLarge bytes.
func (w *Buffer) AddLarge(p []byte) bool {
	if w.Add(p) {
		return true
	}
	b := w.b
	if len(*b)+len(p) > MaxLarge {
		return false
	}
	if cap(*b) < MaxLarge {
		w.b = large.Get().(*[]byte)
		*w.b = append(*w.b, *b...)
		put(b)
	}
	*w.b = append(*w.b, p...)
	return true
}

// WriteTo writes the data to dst in one call and empties the buffer.
func (w *Buffer) WriteTo(dst io.Writer) (int64, error) {
	b := w.b
	if b == nil {
		return 0, nil
	}
	w.b = nil
	var n int
	var err error
	if len(*b) > 0 {
		n, err = dst.Write(*b)
	}
	put(b)
	return int64(n), err
}
