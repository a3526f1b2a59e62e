package fake

import "google.golang.org/protobuf/encoding/protowire"

const (
	// maxChunk is the size of the largest piece of a log in a message, in bytes. The
	// message still fits into a 32 KiB buffer of grpc's pool.
	maxChunk  = 32<<10 - 128
	minChunk  = 1 << 10
	fullChunk = maxChunk - minChunk
)

// feed is a reader's position in the logs of some replicas. It reads each journal by
// index, so a slow reader needs no memory. It splits the logs into the pieces of a
// ServiceLogs stream: single lines, and chunks of many lines, which sometimes end
// within a line or a rune. Some messages have pieces of several replicas.
type feed struct {
	sources []source
	chunk   int // largest piece in bytes; 0 is a mixture
	turn    int
	count   uint64 // messages so far
	seed    uint64
	scratch []byte
}

// source is a feed's position in one journal.
type source struct {
	journal *journal
	at      cursor
	rest    []byte // the rest of a partly sent line
}

func newFeed(journals []*journal, seed uint64, chunk int) *feed {
	f := &feed{seed: seed, chunk: chunk}
	for _, j := range journals {
		f.sources = append(f.sources, source{journal: j})
	}
	return f
}

// append appends the next ServiceLogsResponse to dst, encoded. It appends nothing if
// there are no new lines.
func (f *feed) append(dst []byte) []byte {
	r := mix(f.seed ^ f.count)
	f.count++
	entries := 1
	if f.chunk == 0 && r>>8%16 == 0 {
		entries = 2
	}
	for range f.sources {
		s := &f.sources[f.turn]
		f.turn = (f.turn + 1) % len(f.sources)
		piece := f.piece(s, r)
		if len(piece) == 0 {
			continue
		}
		dst = appendEntry(dst, s.journal, piece)
		if entries--; entries == 0 {
			break
		}
		r = mix(r)
	}
	return dst
}

// piece reads the next piece of a source into the scratch buffer.
func (f *feed) piece(s *source, r uint64) []byte {
	size := 1 // read stops after the line that reaches it
	switch {
	case f.chunk > 0:
		size = f.chunk
	case r&1 == 0:
		size = minChunk + int(r>>16%fullChunk)
	}
	f.scratch = append(f.scratch[:0], s.rest...)
	s.rest = s.rest[:0]
	f.scratch = s.journal.read(&s.at, f.scratch, size)
	piece := f.scratch
	if limit := max(size, maxChunk); len(piece) > limit {
		// The last line is cut if it exceeds the size, as is one longer than any
		// message.
		piece = piece[:limit]
	} else if f.chunk == 0 && r>>32%8 == 0 && len(piece) > 1 {
		piece = piece[:len(piece)-1-int(r>>40)%min(len(piece)-1, 40)]
	}
	s.rest = append(s.rest, f.scratch[len(piece):]...)
	return piece
}

// appendEntry appends an element of ServiceLogsResponse.services.
func appendEntry(dst []byte, j *journal, logs []byte) []byte {
	size := protowire.SizeTag(1) + protowire.SizeBytes(len(j.service)) +
		protowire.SizeTag(3) + protowire.SizeBytes(len(logs))
	if j.replica != 0 {
		size += protowire.SizeTag(2) + protowire.SizeVarint(uint64(j.replica))
	}
	dst = protowire.AppendTag(dst, 1, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(size))
	dst = protowire.AppendTag(dst, 1, protowire.BytesType)
	dst = protowire.AppendString(dst, j.service)
	if j.replica != 0 {
		dst = protowire.AppendTag(dst, 2, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(j.replica))
	}
	dst = protowire.AppendTag(dst, 3, protowire.BytesType)
	return protowire.AppendBytes(dst, logs)
}
