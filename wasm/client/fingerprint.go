package client

import (
	"math/bits"
	"unsafe"
)

// A fingerprint is a hash of a line, which may be written in pieces of any size. It is made
// for speed, as every line is hashed. It is not cryptographic: a tenant who constructs
// collisions only confuses the resumption of their own logs.
type fingerprint struct {
	sum  uint64
	word uint64 // bytes of an incomplete word
	n    uint64 // bytes written
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

// fill completes the incomplete word.
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

// finish returns the fingerprint of n bytes: sum is the hash of the complete words, and
// word holds the bytes after them.
func finish(sum, word, n uint64) uint64 {
	h := mix(mix(sum, word), n)
	h ^= h >> 32
	h *= printFinal
	return h ^ h>>29
}
