package h2

import "sync"

// chunkSize is the size of the largest DATA frame that a peer sends by default.
const chunkSize = defaultFrameSize

type chunk struct {
	data [chunkSize]byte
	next *chunk
	r, w int
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// queue is a byte queue in pooled chunks. It grows without copying, and takes no
// memory while it is empty.
type queue struct {
	head, tail *chunk
	size       int
}

// write appends a copy of b.
func (q *queue) write(b []byte) {
	for len(b) > 0 {
		if q.tail == nil || q.tail.w == chunkSize {
			q.grow()
		}
		n := copy(q.tail.data[q.tail.w:], b)
		q.tail.w += n
		q.size += n
		b = b[n:]
	}
}

func (q *queue) grow() {
	c := chunks.Get().(*chunk)
	c.next, c.r, c.w = nil, 0, 0
	if q.tail == nil {
		q.head = c
	} else {
		q.tail.next = c
	}
	q.tail = c
}

// peek appends the queue's data to pieces without copying it, chunk by chunk until
// these have at least enough bytes. It returns the number of bytes.
func (q *queue) peek(pieces [][]byte, enough int) ([][]byte, int) {
	n := 0
	for c := q.head; c != nil && n < enough; c = c.next {
		pieces = append(pieces, c.data[c.r:c.w])
		n += c.w - c.r
	}
	return pieces, n
}

// discard removes the first n bytes.
func (q *queue) discard(n int) {
	q.size -= n
	for n > 0 {
		c := q.head
		m := min(n, c.w-c.r)
		c.r += m
		n -= m
		if c.r == c.w {
			q.pop()
		}
	}
}

func (q *queue) pop() {
	c := q.head
	q.head = c.next
	if q.head == nil {
		q.tail = nil
	}
	chunks.Put(c)
}

func (q *queue) release() {
	for q.head != nil {
		q.pop()
	}
	q.size = 0
}
