package client

import (
	"math/bits"
	"unsafe"
)

// A fingerprint identifies a line, taken over its bytes in pieces of any
// size. It is made for speed, as it is taken of every line: it tells lines apart
// that were not made to be confused, and whoever makes some confuses only logs of
// their own.
type fingerprint struct {
	sum  uint64
	word uint64 // the bytes that do not fill a word yet
	n    uint64 // bytes
}

const (
	printFactor = 0x9e3779b97f4a7c15
	printFinal  = 0xd6e8feb86659fd93
)

func mix(sum, word uint64) uint64 { return bits.RotateLeft64(sum, 23) + word*printFactor }

func (p *fingerprint) write(b []byte) {
	p.fill(&b)
	sum, i := p.sum, 0
	for ; i+8 <= len(b); i += 8 {
		sum = mix(sum, *(*uint64)(unsafe.Pointer(&b[i])))
	}
	p.sum = sum
	p.n += uint64(i)
	for ; i < len(b); i++ {
		p.word |= uint64(b[i]) << (p.n & 7 * 8)
		p.n++
	}
}

// fill completes a word that was begun.
func (p *fingerprint) fill(b *[]byte) {
	for p.n&7 != 0 && len(*b) > 0 {
		p.word |= uint64((*b)[0]) << (p.n & 7 * 8)
		*b = (*b)[1:]
		if p.n++; p.n&7 == 0 {
			p.sum, p.word = mix(p.sum, p.word), 0
		}
	}
}

// end returns the fingerprint.
func (p *fingerprint) end() uint64 { return finish(p.sum, p.word, p.n) }

// finish returns the fingerprint of n bytes: sum is over their words, and word the
// bytes after the last.
func finish(sum, word, n uint64) uint64 {
	h := mix(mix(sum, word), n)
	h ^= h >> 32
	h *= printFinal
	return h ^ h>>29
}
