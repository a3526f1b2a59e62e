package fake

import (
	"testing"
)

// BenchmarkFeed is the cost of a line, without the network.
func BenchmarkFeed(b *testing.B) {
	book := newLogbook(1, 0, DefaultLogBytes, newTexts(1, DefaultLogBytes))
	book.add("web", 0, "")
	book.add("web", 1, "")
	book.generate(1 << 30)
	f := newFeed(book.all(), 1, 0)
	var buf []byte
	var bytes int64
	for bytes < int64(b.N)*DefaultLogBytes {
		buf = f.append(buf[:0])
		bytes += int64(len(buf))
	}
	b.SetBytes(DefaultLogBytes)
}
