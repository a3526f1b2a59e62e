package client

import "akash-provider-web/wasm/message"

// A Batch is a stream's output since the last one, laid out so that a page can
// read it out of memory in one go: all texts one after the other, and for each a
// triple that says what it is and where it ends. Its slices are used again for
// the next batch.
type Batch struct {
	// ASCII and UTF8 hold the texts of entries: of those that are ASCII, and of the
	// others. They are apart because a browser keeps a string in two bytes for each
	// character, and takes three times as long to make it, if one of them needs that.
	ASCII, UTF8 Texts
	// Index holds three numbers for each entry: the service's id, with InASCII set
	// where its text is there, and Continues where the line goes on in the replica's
	// next entry; the replica; and the end of the entry's text, in UTF-16 code units
	// from the beginning of its group.
	Index []uint32
	// Services holds the names of services that occur for the first time, each
	// after its length in two bytes, little endian. Ids count from 0 in the order
	// of the names.
	Services []byte
	// Gaps holds two numbers for each replica of which lines may be missing before
	// those in the batch: the service's id and the replica.
	Gaps []uint32
	// State says what comes next.
	State State
}

// Texts are those of entries, in their order.
type Texts struct {
	// Bytes is valid UTF-8.
	Bytes []byte
	// Groups holds two numbers for each group of entries: where its texts end in
	// Bytes, and how many of the entries that have their texts here there are up to
	// its end. A page decodes a group at once, which costs far less than entry by
	// entry; but a line that it keeps then keeps its whole group in memory, so groups
	// are small.
	Groups []uint32

	entries int
	grouped int // entries in groups that are closed
	begun   int // where the current group began in Bytes
	utf16   int // of the current group
}

// Marks of an entry, beside its service's id.
const (
	// InASCII marks one whose text is among those that are ASCII.
	InASCII = 1 << 30
	// Continues marks one whose line is too long for one.
	Continues = 1 << 31
)

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
	b.ASCII.reset()
	b.UTF8.reset()
	b.Index, b.Services, b.Gaps, b.State = b.Index[:0], b.Services[:0], b.Gaps[:0], NeedsBody
}

func (t *Texts) reset() { *t = Texts{Bytes: t.Bytes[:0], Groups: t.Groups[:0]} }

func (b *Batch) full() bool {
	return len(b.ASCII.Bytes)+len(b.UTF8.Bytes) >= fullText || len(b.Index) >= fullIndex
}

// addASCII adds an entry of which it is known that its text is ASCII.
func (b *Batch) addASCII(service, replica uint32, text []byte) {
	b.ASCII.Bytes = append(b.ASCII.Bytes, text...)
	b.Index = append(b.Index, service|InASCII, replica, b.ASCII.close(len(text)))
}

// add adds an entry whose text may be anything.
func (b *Batch) add(service, replica uint32, text []byte) {
	if message.IsASCII(text) {
		b.addASCII(service, replica, text)
		return
	}
	b.addUTF8(service, replica, text)
}

// addUTF8 adds an entry of which it is known that its text is not ASCII.
func (b *Batch) addUTF8(service, replica uint32, text []byte) {
	var utf16 int
	b.UTF8.Bytes, utf16 = message.AppendText(b.UTF8.Bytes, text)
	b.Index = append(b.Index, service, replica, b.UTF8.close(utf16))
}

// close ends an entry, for which so many UTF-16 code units were appended, and returns
// where in its group it ends.
func (t *Texts) close(utf16 int) uint32 {
	t.entries++
	t.utf16 += utf16
	end := uint32(t.utf16)
	if len(t.Bytes)-t.begun >= fullGroup {
		t.closeGroup()
	}
	return end
}

func (t *Texts) closeGroup() {
	if t.entries == t.grouped {
		return
	}
	t.Groups = append(t.Groups, uint32(len(t.Bytes)), uint32(t.entries))
	t.grouped, t.begun, t.utf16 = t.entries, len(t.Bytes), 0
}

// closeGroups ends the groups that are not full.
func (b *Batch) closeGroups() {
	b.ASCII.closeGroup()
	b.UTF8.closeGroup()
}
