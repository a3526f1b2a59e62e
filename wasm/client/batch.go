package client

// A Batch is a stream's output since the last one, laid out so that a page can
// read it out of memory in one go: all texts one after the other, and for each a
// triple that says what it is and where it ends. Its slices are used again for
// the next batch.
type Batch struct {
	// Text is valid UTF-8.
	Text []byte
	// Index holds three numbers for each entry: the service's id, with
	// Continues set where the line goes on in the replica's next entry; the
	// replica; and the end of the entry's text, in UTF-16 code units from the
	// beginning of its group.
	Index []uint32
	// Groups holds two numbers for each group of entries: where its texts end in
	// Text, in bytes, and how many entries there are up to its end. A page decodes
	// a group at once, which costs far less than entry by entry; but a line that it
	// keeps then keeps its whole group in memory, so groups are small.
	Groups []uint32
	// Services holds the names of services that occur for the first time, each
	// after its length in two bytes, little endian. Ids count from 0 in the order
	// of the names.
	Services []byte
	// Gaps holds two numbers for each replica of which lines may be missing before
	// those in the batch: the service's id and the replica.
	Gaps []uint32
	// State says what comes next.
	State State

	grouped int // entries in groups that are closed
	begun   int // where the current group began in Text
	utf16   int // of the current group
}

// Continues marks an entry whose line is too long for one.
const Continues = 1 << 31

// A State says what a stream needs after a batch.
type State uint32

// The states of a stream.
const (
	// NeedsBody asks for more of the response's body.
	NeedsBody State = iota
	// HasMore asks to be fed again, without more of the body: the batch is full.
	HasMore
	// HasEnded asks for Finish: the body's trailers have come, or it is broken.
	HasEnded
)

// Bounds of a batch, beyond which what has arrived waits for the next one, so
// that one big message cannot block a page.
const (
	fullText  = 128 << 10 // bytes
	fullIndex = 3 * 8192
	// fullGroup is the length of a group's texts, in bytes, from which on the next
	// entry begins another. Half of it costs a third more per line of 120 bytes,
	// double saves nothing that can be measured.
	fullGroup = 4 << 10
)

func (b *Batch) reset() {
	b.Text, b.Index, b.Groups, b.Services = b.Text[:0], b.Index[:0], b.Groups[:0], b.Services[:0]
	b.Gaps = b.Gaps[:0]
	b.State, b.grouped, b.begun, b.utf16 = NeedsBody, 0, 0, 0
}

func (b *Batch) full() bool {
	return len(b.Text) >= fullText || len(b.Index) >= fullIndex
}

// close ends an entry, for which so many UTF-16 code units were appended.
func (b *Batch) close(service, replica uint32, utf16 int) {
	b.utf16 += utf16
	b.Index = append(b.Index, service, replica, uint32(b.utf16))
	if len(b.Text)-b.begun >= fullGroup {
		b.closeGroup()
	}
}

func (b *Batch) closeGroup() {
	entries := len(b.Index) / 3
	if entries == b.grouped {
		return
	}
	b.Groups = append(b.Groups, uint32(len(b.Text)), uint32(entries))
	b.grouped, b.begun, b.utf16 = entries, len(b.Text), 0
}
