package h2

import "sync/atomic"

// The unread bytes of an answer are bounded by the stream's window. A new stream has the
// smallest window, which suffices for a small answer. The first bytes that are read widen
// it, up to the largest one, or less if there are many streams: together they may have
// about windowBudget unread bytes, or the smallest window each.
const (
	smallestWindow = 64 << 10
	streamWindow   = 512 << 10
	windowBudget   = 256 << 20
)

// openStreams is the number of streams of all connections that have not been closed.
var openStreams atomic.Int64

// widestWindow returns how wide a stream's window may be at the moment.
func widestWindow() int {
	return min(max(windowBudget/max(1, int(openStreams.Load())), smallestWindow), streamWindow)
}

// returned returns by how much to widen a window that is allowed wide when its reader has
// consumed bytes since it last was, and how wide it is then. Steps are large, so that few
// frames are sent; 0 means not yet. A window that has become too wide narrows, because less
// is returned than was consumed.
func returned(consumed, allowed, widest int) (increment, wide int) {
	if consumed < allowed/4 {
		return 0, allowed
	}
	if increment = consumed + widest - allowed; increment < widest/4 {
		return 0, allowed
	}
	return increment, widest
}
