// Package writebuf combines small writes into larger ones. Buffers come from a pool,
// so an answer uses memory only while data is waiting to be written.
package writebuf

import (
	"io"
	"sync"
)

// Max is the capacity of a Buffer, in bytes.
const Max = 16 << 10

// Buffer holds data to be written. The zero value is empty.
type Buffer struct {
	b *[]byte // from pool; nil if empty
}

var pool = sync.Pool{New: func() any {
	b := make([]byte, 0, 4<<10)
	return &b
}}

// Empty reports whether the buffer is empty.
func (w *Buffer) Empty() bool { return w.b == nil }

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
	*b = (*b)[:0]
	pool.Put(b)
	return int64(n), err
}
