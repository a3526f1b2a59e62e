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

// maxGap is how many zeros are written out rather than begin another segment.
const maxGap = 128

// maxData bounds the memory that a program's data may reach to.
const maxData = 256 << 20

// A segment is data and where in memory it belongs.
type segment struct {
	offset uint64
	data   []byte
}

// trim returns the module without what only serves to print traces, with its data in
// few segments, and the function table as it was.
func trim(module []byte) (trimmed, symbols []byte, err error) {
	if !bytes.HasPrefix(module, []byte(preamble)) {
		return nil, nil, errors.New("not a WebAssembly module of version 1")
	}
	trimmed = []byte(preamble)
	r := reader{rest: module[len(preamble):]}
	for len(r.rest) > 0 && r.err == nil {
		id := r.byte()
		body := r.bytes(r.uint())
		if id == dataSection && r.err == nil {
			segments, err := readSegments(body)
			if err != nil {
				return nil, nil, err
			}
			memory := lay(segments)
			table, err := findFuncTable(memory)
			if err != nil {
				return nil, nil, err
			}
			if symbols, err = table.symbols(); err != nil {
				return nil, nil, err
			}
			// Before the function table, which says where the trees are.
			if err := table.fell(memory); err != nil {
				return nil, nil, err
			}
			if err := table.strip(); err != nil {
				return nil, nil, err
			}
			body = appendSegments(nil, split(memory))
		}
		trimmed = binary.AppendUvarint(append(trimmed, id), uint64(len(body)))
		trimmed = append(trimmed, body...)
	}
	if r.err == nil && symbols == nil {
		r.err = errNoTable
	}
	return trimmed, symbols, r.err
}

// lay returns memory as it is when the segments have been copied to it.
func lay(segments []segment) []byte {
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

// split returns the segments that memory consists of, if what is between them is zeros.
func split(memory []byte) []segment {
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

// A reader reads a module's parts. After an error it gives zeros.
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
