package h2

import "sync"

// chunkSize holds the largest DATA frame of a peer that keeps to the default.
const chunkSize = defaultFrameSize

type chunk struct {
	data [chunkSize]byte
	next *chunk
	r, w int
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// queue is bytes in pooled chunks: it grows without copying what it has, and an
// empty one holds nothing.
type queue struct {
	head, tail *chunk
	size       int
}

// room returns space for at most n bytes at the queue's end; commit says how many
// were put there.
func (q *queue) room(n int) []byte {
	if q.tail == nil || q.tail.w == chunkSize {
		c := chunks.Get().(*chunk)
		c.next, c.r, c.w = nil, 0, 0
		if q.tail == nil {
			q.head = c
		} else {
			q.tail.next = c
		}
		q.tail = c
	}
	return q.tail.data[q.tail.w:min(chunkSize, q.tail.w+n)]
}

func (q *queue) commit(n int) {
	q.tail.w += n
	q.size += n
}

// read moves bytes into p and returns how many.
func (q *queue) read(p []byte) int {
	n := 0
	for q.size > 0 && n < len(p) {
		c := q.head
		m := copy(p[n:], c.data[c.r:c.w])
		c.r += m
		n += m
		q.size -= m
		if c.r == c.w {
			q.pop()
		}
	}
	return n
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
