package client

import (
	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// A Batch holds a stream's output since the previous batch, laid out so that a page can
// copy it from memory in a few reads: all texts one after the other, and three numbers per
// entry that say what it is and where its text ends. Its slices are reused for the next
// batch.
type Batch struct {
	// ASCII and UTF8 hold the texts of entries: those that are ASCII, and the others. They
	// are separate because a browser stores a string with two bytes per character, and
	// takes three times as long to create it, if a single character needs that.
	ASCII, UTF8 Texts
	// Index holds three numbers for each entry: the service's id, with InASCII set if its
	// text is there, and Continues if the line goes on in the replica's next entry; the
	// replica; and the end of the entry's text in UTF-16 code units, counted from the start
	// of its group.
	Index []uint32
	// Services holds the names of services that occur for the first time, each preceded by
	// its length in two bytes, little endian. Ids count from 0 in the order of the names.
	Services []byte
	// Gaps holds two numbers for each replica that may have lost lines before those in the
	// batch: the service's id and the replica.
	Gaps []uint32
	// State says what the caller does next.
	State State
}

// Texts holds the texts of entries, in order.
type Texts struct {
	// Bytes is valid UTF-8.
	Bytes []byte
	// Groups holds two numbers for each group of entries: where its texts end in Bytes, and
	// how many entries there are up to its end. A page decodes a group at once, which costs
	// far less than entry by entry. But a line that the page keeps then keeps its whole
	// group in memory, so groups are small.
	Groups []uint32

	entries int
	grouped int // entries in closed groups
	begun   int // start of the current group in Bytes
	utf16   int // length of the current group in UTF-16 code units
}

// Flags of an entry, set in its service's id.
const (
	// InASCII marks an entry whose text is in Batch.ASCII.
	InASCII = 1 << 30
	// Continues marks an entry whose line goes on in the next one.
	Continues = 1 << 31
)

// A State says what a stream needs after a batch was read.
type State uint32

// The states of a stream.
const (
	// NeedsBody asks for more of the response's body.
	NeedsBody State = iota
	// HasMore asks for another Feed, of 0 bytes: the batch was full.
	HasMore
	// HasEnded asks for Finish: the trailers have arrived, or the body cannot be read.
	HasEnded
)

// Limits of a batch. What exceeds them waits for the next one, so that one large message
// does not block a page.
const (
	fullText  = 128 << 10 // bytes
	fullIndex = 3 * 8192
	// fullGroup is the size in bytes at which a group is closed. With half of it, a line of
	// 120 bytes costs a third more; double saves nothing measurable.
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

// addASCII adds an entry whose text is ASCII.
func (b *Batch) addASCII(service, replica uint32, text []byte) {
	b.ASCII.Bytes = append(b.ASCII.Bytes, text...)
	b.Index = append(b.Index, service|InASCII, replica, b.ASCII.close(len(text)))
}

// add adds an entry with any text.
func (b *Batch) add(service, replica uint32, text []byte) {
	if message.IsASCII(text) {
		b.addASCII(service, replica, text)
		return
	}
	b.addUTF8(service, replica, text)
}

// addUTF8 adds an entry whose text is not ASCII.
func (b *Batch) addUTF8(service, replica uint32, text []byte) {
	var utf16 int
	b.UTF8.Bytes, utf16 = message.AppendText(b.UTF8.Bytes, text)
	b.Index = append(b.Index, service, replica, b.UTF8.close(utf16))
}

// addShell adds a response of a shell. Its entry is its kind, its number, and where its
// bytes, which need not be UTF-8, end in UTF8.Bytes.
func (b *Batch) addShell(wire []byte) *grpcweb.Status {
	kind, number, text, err := message.ReadShell(wire)
	if err != nil {
		return grpcweb.Error(grpcweb.Internal, "its shell cannot be read: "+err.Error())
	}
	b.UTF8.Bytes = append(b.UTF8.Bytes, text...)
	b.Index = append(b.Index, kind, number, uint32(len(b.UTF8.Bytes)))
	return nil
}

// close ends an entry for which utf16 code units were appended, and returns where in its
// group it ends.
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

// closeGroups closes the groups that are not full.
func (b *Batch) closeGroups() {
	b.ASCII.closeGroup()
	b.UTF8.closeGroup()
}
