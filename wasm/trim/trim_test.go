package main

import (
	"debug/gosym"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// module makes a module of a custom section, the data section, and another
// custom section.
func module(data []byte) []byte {
	b := []byte(preamble)
	for _, section := range []struct {
		id   byte
		body []byte
	}{{0, []byte("\x04name")}, {dataSection, data}, {0, []byte("\x05after")}} {
		b = binary.AppendUvarint(append(b, section.id), uint64(len(section.body)))
		b = append(b, section.body...)
	}
	return b
}

// program makes a module whose data is the segments and, behind them, the smallest
// function table that a program has.
func program(segments ...segment) []byte {
	return module(appendSegments(nil, append(segments, segment{tablePlace, table()})))
}

const tablePlace = 1 << 16

// table makes a function table of one function, whose line numbers and stack sizes
// are said by tables of their own.
func table() []byte {
	const names, units, files, pcs = "main.main\x00", "\x00\x00\x00\x00", "main.go\x00", "\x00\x02\x01\x00\x04\x01\x00"
	b := binary.LittleEndian.AppendUint32(nil, go120Magic)
	b = append(b, 0, 0, quantum, pointer)
	b = binary.LittleEndian.AppendUint64(b, 1) // function
	b = binary.LittleEndian.AppendUint64(b, 1) // file
	b = binary.LittleEndian.AppendUint64(b, 0)
	offset := uint64(headerSize)
	for _, part := range []string{"", names, units, files, pcs} {
		offset += uint64(len(part))
		b = binary.LittleEndian.AppendUint64(b, offset)
	}
	b = append(b, names+units+files+pcs...)
	for _, v := range []uint32{0x1000, 12, 0x1001} { // functab: an entry, its function, the end
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	for _, v := range []uint32{0x1000, 0, 0, 0, 1, 0, 4, 0, 1, 7, 0} { // stack sizes at 1, lines at 4
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func TestSegmentsAreJoined(t *testing.T) {
	trimmed, _, err := trim(program(
		segment{4096, []byte("one")},
		segment{4099, []byte("two")},              // touches
		segment{4112, []byte("three")},            // ten zeros
		segment{4112, []byte("T")},                // overlaps
		segment{4117 + maxGap + 1, []byte("far")}, // too far
	))
	require.NoError(t, err)
	segments := dataOf(t, trimmed)
	require.Len(t, segments, 3)
	assert.Equal(t, segment{4096, []byte("onetwo\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00Three")}, segments[0])
	assert.Equal(t, segment{4117 + maxGap + 1, []byte("far")}, segments[1])
}

func TestNamesAndLinesGoToTheSymbols(t *testing.T) {
	trimmed, symbols, err := trim(program())
	require.NoError(t, err)
	memory := append(lay(dataOf(t, trimmed)), make([]byte, maxGap)...) // which is zeros anyway
	assert.NotContains(t, string(memory), "main")
	stripped := readFuncTable(memory[tablePlace:])
	require.NotNil(t, stripped)
	assert.Equal(t, []byte("\x00\x02\x01\x00\x00\x00\x00"), stripped.pcs, "stack sizes stay, lines do not")

	lines, err := gosym.NewTable(nil, gosym.NewLineTable(symbols, 0))
	require.NoError(t, err)
	_, line, f := lines.PCToLine(0x1000 << addressBits)
	require.NotNil(t, f)
	assert.Equal(t, "main.main", f.Name)
	assert.Equal(t, 1, line)

	_, _, err = trim(module(appendSegments(nil, nil)))
	assert.ErrorIs(t, err, errNoTable)
	_, _, err = trim(program(segment{4096, table()}))
	assert.ErrorIs(t, err, errTwoTables)
}

// dataOf returns a module's data.
func dataOf(t *testing.T, module []byte) []segment {
	t.Helper()
	r := reader{rest: module[len(preamble):]}
	for len(r.rest) > 0 {
		if id, body := r.byte(), r.bytes(r.uint()); id == dataSection {
			segments, err := readSegments(body)
			require.NoError(t, err)
			return segments
		}
	}
	require.Fail(t, "no data")
	return nil
}

func TestWhatIsNoModule(t *testing.T) {
	whole := program()
	_, _, err := trim(whole[:len(whole)-1])
	assert.ErrorIs(t, err, errShort)
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"text":              []byte("#!/bin/sh"),
		"a passive segment": module([]byte("\x01\x01\x01x")),
		"a computed place":  module([]byte("\x01\x00\x23\x00\x0b\x01x")),
		"a far segment":     module([]byte("\x01\x00\x41\x80\x80\x80\x80\x78\x0b\x01x")),
		"a cut segment":     module([]byte("\x01\x00\x41\x00\x0b\x05x")),
		"bytes left over":   module([]byte("\x00x")),
	} {
		_, _, err := trim(b)
		assert.Error(t, err, name)
	}
}

func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wasm")
	require.NoError(t, os.WriteFile(path, program(), 0o644))
	require.NoError(t, run(path, path+".symbols"))
	require.Error(t, run(path+"x", path+".symbols"))
}

// What is no module of Go's is refused, and nothing makes trim panic.
func FuzzTrim(f *testing.F) {
	f.Add(program(segment{4096, []byte("one")}, segment{4100, []byte("two")}))
	f.Add(table())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		for _, b := range [][]byte{b, module(appendSegments(nil, []segment{{tablePlace, b}}))} {
			if trimmed, _, err := trim(b); err == nil {
				require.NotEmpty(t, trimmed)
			}
		}
	})
}
