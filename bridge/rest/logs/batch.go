package logs

import "google.golang.org/protobuf/encoding/protowire"

// Field numbers of ServiceLogsResponse and ServiceLogs (AEP-37). The bytes are
// put together by hand: a message of many lines is one copy of them, where
// messages of protobuf-go would take two and an allocation for each replica.
const (
	fieldServices protowire.Number = 1
	fieldName     protowire.Number = 1
	fieldReplica  protowire.Number = 2
	fieldLogs     protowire.Number = 3
	fieldPod      protowire.Number = 1000 // not AEP-37's
)

// batch is the text of log lines on its way into one message. The lines of
// several pods mix; a message has those of one pod together.
type batch struct {
	text     []byte
	segments []segment
	pods     []*pod // that have segments, in the order of their first
	marks    []*pod // to be named, though they may have no lines
	message  []byte
}

// segment is a run of lines of one pod in the text of a batch.
type segment struct {
	start, end int32
	next       int32 // of the same pod, 0 for none
}

// size is how many bytes of text there are.
func (b *batch) size() int { return len(b.text) }

// extend notes that the text from start to its end is of p.
func (b *batch) extend(p *pod, start int) {
	end := len(b.text)
	last := len(b.segments) - 1
	switch {
	case start == end:
		return
	case p.size == 0:
		p.first = int32(last + 1)
		b.pods = append(b.pods, p)
	case int(p.last) == last:
		b.segments[last].end = int32(end)
		p.size += end - start
		return
	default:
		b.segments[p.last].next = int32(last + 1)
	}
	p.last = int32(last + 1)
	p.size += end - start
	b.segments = append(b.segments, segment{start: int32(start), end: int32(end)})
}

// mark tells the page that a pod's log begins here, even if it has no lines.
func (b *batch) mark(p *pod) { b.marks = append(b.marks, p) }

// encode returns the batch as a ServiceLogsResponse, valid until the next call,
// and leaves it empty.
func (b *batch) encode() []byte {
	m := b.message[:0]
	for _, p := range b.marks {
		if p.size == 0 && !p.named {
			b.pods = append(b.pods, p)
		}
	}
	for _, p := range b.pods {
		size := protowire.SizeTag(fieldName) + protowire.SizeBytes(len(p.service)) +
			protowire.SizeTag(fieldLogs) + protowire.SizeBytes(p.size)
		if p.replica != 0 {
			size += protowire.SizeTag(fieldReplica) + protowire.SizeVarint(uint64(p.replica))
		}
		if !p.named {
			size += protowire.SizeTag(fieldPod) + protowire.SizeBytes(len(p.name))
		}
		if p.gap {
			// A pod that is named twice has a gap there.
			m = appendName(m, p)
			p.gap = false
		}
		m = protowire.AppendTag(m, fieldServices, protowire.BytesType)
		m = protowire.AppendVarint(m, uint64(size))
		m = protowire.AppendTag(m, fieldName, protowire.BytesType)
		m = protowire.AppendString(m, p.service)
		if p.replica != 0 {
			m = protowire.AppendTag(m, fieldReplica, protowire.VarintType)
			m = protowire.AppendVarint(m, uint64(p.replica))
		}
		m = protowire.AppendTag(m, fieldLogs, protowire.BytesType)
		m = protowire.AppendVarint(m, uint64(p.size))
		for i := p.first; p.size > 0; i = b.segments[i].next {
			s := b.segments[i]
			m = append(m, b.text[s.start:s.end]...)
			if i == p.last {
				break
			}
		}
		if !p.named {
			m = protowire.AppendTag(m, fieldPod, protowire.BytesType)
			m = protowire.AppendString(m, p.name)
			p.named, p.told = true, true
		}
		p.size = 0
	}
	b.message = m
	clear(b.pods)
	clear(b.marks)
	b.marks = b.marks[:0]
	b.text, b.segments, b.pods = b.text[:0], b.segments[:0], b.pods[:0]
	if cap(b.text) > 2*maxPending { // one very long line, or many released at once
		b.text, b.message = nil, nil
	}
	return m
}

// appendName appends a piece of a pod's log that has the pod's name and no lines.
func appendName(m []byte, p *pod) []byte {
	piece := protowire.AppendTag(nil, fieldName, protowire.BytesType)
	piece = protowire.AppendString(piece, p.service)
	if p.replica != 0 {
		piece = protowire.AppendTag(piece, fieldReplica, protowire.VarintType)
		piece = protowire.AppendVarint(piece, uint64(p.replica))
	}
	piece = protowire.AppendTag(piece, fieldPod, protowire.BytesType)
	piece = protowire.AppendString(piece, p.name)
	m = protowire.AppendTag(m, fieldServices, protowire.BytesType)
	return protowire.AppendBytes(m, piece)
}
