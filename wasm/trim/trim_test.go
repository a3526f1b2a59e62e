package main

import (
	"bytes"
	"debug/gosym"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
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
	), knownGo)
	require.NoError(t, err)
	segments := dataOf(t, trimmed)
	require.Len(t, segments, 3)
	assert.Equal(t, segment{4096, []byte("onetwo\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00Three")}, segments[0])
	assert.Equal(t, segment{4117 + maxGap + 1, []byte("far")}, segments[1])
}

func TestNamesAndLinesGoToTheSymbols(t *testing.T) {
	trimmed, symbols, err := trim(program(), knownGo)
	require.NoError(t, err)
	memory := append(memoryOf(dataOf(t, trimmed)), make([]byte, maxGap)...) // which is zeros anyway
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

	again := append(dataOf(t, trimmed), segment{1 << 17, []byte("what follows in a real program")})
	_, _, err = trim(module(appendSegments(nil, again)), knownGo)
	assert.ErrorIs(t, err, errTrimmed)
}

// A module whose function table is not understood keeps it, and is otherwise as small
// as it can be.
func TestUnknownTablesStay(t *testing.T) {
	unread := table()
	unread[len(unread)-funcSize+offPcsp] = 200 // beyond all tables, which shows only halfway
	changed := module(appendSegments(nil, []segment{{tablePlace, unread}}))
	for name, test := range map[string]struct {
		module  []byte
		version string
		cause   error
	}{
		"a later Go":      {program(), "go1.27.1", errUnknownGo},
		"a Go to come":    {program(), "go1.26-devel_5d0a2c1", errUnknownGo},
		"no table":        {module(appendSegments(nil, nil)), knownGo, errNoTable},
		"two tables":      {program(segment{4096, table()}), knownGo, errTwoTables},
		"a changed table": {changed, knownGo, errBadTable},
	} {
		t.Run(name, func(t *testing.T) {
			trimmed, symbols, err := trim(test.module, test.version)
			var left *namesLeftError
			require.ErrorAs(t, err, &left)
			assert.ErrorIs(t, err, test.cause)
			assert.Nil(t, symbols)
			was, is := memoryOf(dataOf(t, test.module)), memoryOf(dataOf(t, trimmed))
			assert.True(t, bytes.Equal(bytes.TrimRight(was, "\x00"), is), "memory is the same")
		})
	}
}

func TestKnownVersions(t *testing.T) {
	for version, known := range map[string]bool{
		"go1.26": true, "go1.26.8": true, "go1.26rc2": true, "go1.26.8 X:nodwarf5": true,
		"go1.25.3": false, "go1.27": false, "go1.260": false, "devel go1.27-abc": false, "": false,
	} {
		assert.Equal(t, known, isKnown(version), version)
	}
	assert.True(t, isKnown(runtime.Version()), "the Go that builds the product: see knownGo")
}

// crash is a program that recovers once and then crashes.
const crash = `package main

func deferred() { println("recovered:", recover().(string)) }

func recovering() {
	defer deferred()
	panic("first")
}

func main() {
	recovering()
	panic("second")
}
`

// A program runs the same however it is built, by a Go that is known or by one that is
// not; only its trace has no names in one case.
func TestTrimmedProgramsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	folder := t.TempDir()
	source, wasm := filepath.Join(folder, "main.go"), filepath.Join(folder, "main.wasm")
	require.NoError(t, os.WriteFile(source, []byte(crash), 0o644))
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", wasm, source)
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	whole, err := os.ReadFile(wasm)
	require.NoError(t, err)
	goRoot, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	node := filepath.Join(strings.TrimSpace(string(goRoot)), "lib/wasm/wasm_exec_node.js")

	for version, named := range map[string]bool{runtime.Version(): false, "go1.99": true} {
		require.NoError(t, os.WriteFile(wasm, whole, 0o644))
		symbols := wasm + ".symbols"
		require.NoError(t, os.WriteFile(symbols, []byte("another build's"), 0o644))
		var warnings strings.Builder
		require.NoError(t, run(wasm, symbols, version, &warnings))
		output, _ := exec.Command("node", node, wasm).CombinedOutput()
		assert.Contains(t, string(output), "recovered: first", version)
		assert.Contains(t, string(output), "panic: second", version)
		assert.Equal(t, named, strings.Contains(string(output), "main.main"), "%s: names in the trace: %s", version, output)
		assert.Equal(t, named, strings.Contains(warnings.String(), "this is go1.99"), "warnings: %s", warnings.String())
		if named {
			assert.NoFileExists(t, symbols, "another build's symbols")
		} else {
			assert.FileExists(t, symbols)
		}
	}
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
	_, _, err := trim(whole[:len(whole)-1], knownGo)
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
		_, _, err := trim(b, knownGo)
		assert.Error(t, err, name)
	}
}

func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wasm")
	require.NoError(t, os.WriteFile(path, program(), 0o644))
	require.NoError(t, run(path, path+".symbols", knownGo, t.Output()))
	require.Error(t, run(path+"x", path+".symbols", knownGo, t.Output()))
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
			trimmed, symbols, err := trim(b, knownGo)
			var left *namesLeftError
			switch {
			case err == nil:
				require.NotEmpty(t, trimmed)
				require.NotEmpty(t, symbols)
			case errors.As(err, &left):
				require.NotEmpty(t, trimmed)
				require.Nil(t, symbols)
			default:
				require.Nil(t, trimmed)
			}
		}
	})
}
