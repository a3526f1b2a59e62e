package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// What the WebAssembly specification calls these bytes
// (https://webassembly.github.io/spec/core/binary/modules.html).
const (
	preamble    = "\x00asm\x01\x00\x00\x00"
	dataSection = 11
	activeIn0   = 0 // a segment that is copied to memory 0 at the start
	i32Const    = 0x41
	end         = 0x0b
)

// maxGap is how many zeros are written out rather than beginning another segment.
const maxGap = 128

// maxData is the end of the memory that a program's data may use, in bytes.
const maxData = 256 << 20

// A segment is data and where in memory it goes.
type segment struct {
	offset uint64
	data   []byte
}

// editData returns the module with other data: edit gets the memory that the data
// segments make, and returns what it is to be. Zeros between segments are left out
// only where there are many, so it merges segments even where edit changes nothing.
func editData(module []byte, edit func(memory []byte) ([]byte, error)) ([]byte, error) {
	if !bytes.HasPrefix(module, []byte(preamble)) {
		return nil, errors.New("not a WebAssembly module of version 1")
	}
	edited := []byte(preamble)
	r := reader{rest: module[len(preamble):]}
	found := false
	for len(r.rest) > 0 && r.err == nil {
		id := r.byte()
		body := r.bytes(r.uint())
		if id == dataSection && r.err == nil {
			found = true
			segments, err := readSegments(body)
			if err != nil {
				return nil, err
			}
			memory, err := edit(memoryOf(segments))
			if err != nil {
				return nil, err
			}
			body = appendSegments(nil, segmentsOf(memory))
		}
		edited = binary.AppendUvarint(append(edited, id), uint64(len(body)))
		edited = append(edited, body...)
	}
	if r.err == nil && !found {
		r.err = errors.New("the module has no data")
	}
	return edited, r.err
}

// memoryOf returns memory as it is when the segments have been copied to it.
func memoryOf(segments []segment) []byte {
	size := uint64(0)
	for _, s := range segments {
		size = max(size, s.offset+uint64(len(s.data)))
	}
	memory := make([]byte, size)
	for _, s := range segments {
		copy(memory[s.offset:], s.data)
	}
	return memory
}

// segmentsOf returns the segments that make memory, where everything else is zeros.
func segmentsOf(memory []byte) []segment {
	var segments []segment
	for at := 0; at < len(memory); {
		if memory[at] == 0 {
			at++
			continue
		}
		start, last := at, at
		for ; at < len(memory) && at-last <= maxGap; at++ {
			if memory[at] != 0 {
				last = at
			}
		}
		segments = append(segments, segment{uint64(start), memory[start : last+1]})
	}
	return segments
}

func readSegments(body []byte) ([]segment, error) {
	r := reader{rest: body}
	var segments []segment
	for n := r.uint(); n > 0 && r.err == nil; n-- {
		if flags := r.uint(); flags != activeIn0 && r.err == nil {
			return nil, fmt.Errorf("a data segment of kind %d, which Go does not write", flags)
		}
		if r.byte() != i32Const && r.err == nil {
			return nil, errors.New("a data segment whose place is not a constant")
		}
		// The offset is signed: addresses from 2^31 on are negative.
		s := segment{offset: uint64(uint32(r.int()))}
		if r.byte() != end && r.err == nil {
			return nil, errors.New("a data segment whose place is not a constant")
		}
		s.data = r.bytes(r.uint())
		if s.offset+uint64(len(s.data)) > maxData && r.err == nil {
			return nil, fmt.Errorf("a data segment beyond %d MB", maxData>>20)
		}
		segments = append(segments, s)
	}
	if r.err == nil && len(r.rest) > 0 {
		r.err = errors.New("bytes after the last data segment")
	}
	return segments, r.err
}

func appendSegments(b []byte, segments []segment) []byte {
	b = binary.AppendUvarint(b, uint64(len(segments)))
	for _, s := range segments {
		b = append(b, activeIn0, i32Const)
		b = appendInt(b, int32(s.offset))
		b = append(b, end)
		b = binary.AppendUvarint(b, uint64(len(s.data)))
		b = append(b, s.data...)
	}
	return b
}

// appendInt appends a signed number (LEB128).
func appendInt(b []byte, v int32) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// A reader reads the parts of a module. After an error it returns zeros.
type reader struct {
	rest []byte
	err  error
}

var errShort = errors.New("the module is cut short")

func (r *reader) bytes(n uint64) []byte {
	if r.err == nil && n > uint64(len(r.rest)) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// uint reads an unsigned number (LEB128).
func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 && r.err == nil {
		r.err = errShort
	}
	r.bytes(uint64(max(n, 0)))
	return v
}

// int reads a signed number (LEB128).
func (r *reader) int() int32 {
	var v int64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			break
		}
	}
	return int32(v)
}
