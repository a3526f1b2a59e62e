package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
)

// The runtime's function table, with the names of cmd/link/internal/ld/pcln.go and
// runtime/symtab.go. Its form is that of Go 1.20 to 1.26.
const (
	go120Magic = 0xfffffff1
	quantum    = 1 // of addresses
	pointer    = 8 // bytes, in WebAssembly too

	headerSize  = 72
	functabSize = 8  // of one entry
	funcSize    = 44 // of a _func, without what follows it

	offEntry     = 0
	offName      = 4
	offPcsp      = 16
	offPcfile    = 20
	offPcln      = 24
	offNpcdata   = 28
	offCuOffset  = 32
	offStartLine = 36
	offFuncID    = 40

	addressBits = 16 // of an address within a function (cmd/link/internal/wasm)

	pcdataUnsafePoint = 0 // where a goroutine may be preempted; in WebAssembly, never
	pcdataInlTree     = 2 // which inlined call an address belongs to
	pcdataArgLive     = 3 // which arguments a trace marks as possibly stale
)

var (
	errNoTable   = errors.New("no function table of the form of Go 1.26")
	errTwoTables = errors.New("more than one function table")
	errBadTable  = errors.New("the function table is not as Go 1.26 writes it")
	errTrimmed   = errors.New("the module was trimmed before, and its symbols are gone: build it again")
)

// A funcTable is a program's function table. Its slices alias the program's data.
type funcTable struct {
	place int // offset in the program's data
	whole []byte
	names []byte // funcnametab
	units []byte // cutab: the files of each compilation unit
	files []byte // filetab
	pcs   []byte // pctab: values by address, as differences
	funcs []byte // functab, and the _func structures that it points to
	count int
}

// removeNames clears, in a program's memory, what only serves to print traces by name,
// and returns the function table as it was, as debug/gosym reads it. It only overwrites
// bytes with zeros, or marks what it cleared as missing: nothing moves. Memory is spoilt
// if it fails.
func removeNames(memory []byte) (symbols []byte, err error) {
	t, err := findFuncTable(memory)
	if err != nil {
		return nil, err
	}
	if t.isStripped() {
		return nil, errTrimmed
	}
	if symbols, err = t.symbols(); err != nil {
		return nil, err
	}
	// Before the function table, which says where the trees are.
	if err := t.removeInlineTrees(memory); err != nil {
		return nil, err
	}
	if err := t.strip(); err != nil {
		return nil, err
	}
	return symbols, nil
}

// findFuncTable finds the table in a program's data.
func findFuncTable(data []byte) (*funcTable, error) {
	magic := binary.LittleEndian.AppendUint32(nil, go120Magic)
	magic = append(magic, 0, 0, quantum, pointer)
	var found *funcTable
	for at := 0; ; at++ {
		next := bytes.Index(data[at:], magic)
		if next < 0 {
			break
		}
		at += next
		// The same bytes may be anywhere; what follows them is checked.
		if t := readFuncTable(data[at:]); t != nil {
			if found != nil {
				return nil, errTwoTables
			}
			t.place = at
			found = t
		}
	}
	if found == nil {
		return nil, errNoTable
	}
	return found, nil
}

// readFuncTable returns the table at the start of data, or nil.
func readFuncTable(data []byte) *funcTable {
	if len(data) < headerSize {
		return nil
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(data[8*i:]) }
	count := word(1)
	at := [6]uint64{headerSize, word(5), word(6), word(7), word(8), uint64(len(data))}
	if word(4) != headerSize || count == 0 || count > math.MaxInt32 {
		return nil
	}
	for i, end := range at[1:] {
		if at[i] > end {
			return nil
		}
	}
	t := &funcTable{
		names: data[at[0]:at[1]],
		units: data[at[1]:at[2]],
		files: data[at[2]:at[3]],
		pcs:   data[at[3]:at[4]],
		funcs: data[at[4]:],
		count: int(count),
	}
	// Functions are sorted by address, so the table ends with the last one.
	last, ok := t.function(t.count - 1)
	if !ok || len(t.names) == 0 || len(t.pcs) == 0 {
		return nil
	}
	t.funcs = t.funcs[:len(t.funcs)-len(last)+funcSize+4*int(last.pcdatas())+4*int(last[funcSize-1])]
	t.whole = data[:at[4]+uint64(len(t.funcs))]
	return t
}

// A function is a _func and what follows it: offsets of its pcdata and funcdata.
type function []byte

func (f function) field(off int) uint32 { return binary.LittleEndian.Uint32(f[off:]) }
func (f function) clear(off int)        { clear(f[off : off+4]) }
func (f function) pcdatas() uint32      { return f.field(offNpcdata) }

// pcdata returns where in a function the offset of its i-th pcdata table is.
func (f function) pcdata(i int) int { return funcSize + 4*i }

// funcdata returns where in a function the offset of its funcdata of a kind is, and
// whether it has any.
func (f function) funcdata(kind int) (off int, ok bool) {
	off = f.pcdata(int(f.pcdatas()) + kind)
	return off, kind < int(f[funcSize-1]) && f.field(off) != noFuncdata
}

// keepsInlineTree reports whether recover needs the function's inline tree. To decide
// whether a deferred function may recover, the runtime counts the frames between it and
// the panic, except wrappers that the compiler made. A function that calls recover is
// never inlined, so inlined calls matter to that count only inside a wrapper.
func (f function) keepsInlineTree() bool { return f[offFuncID] == funcIDWrapper }

// function returns the i-th function, and whether it lies within the table.
func (t *funcTable) function(i int) (function, bool) {
	entry := uint64(i) * functabSize
	if entry+functabSize > uint64(len(t.funcs)) {
		return nil, false
	}
	at := uint64(binary.LittleEndian.Uint32(t.funcs[entry+4:]))
	if at+funcSize > uint64(len(t.funcs)) {
		return nil, false
	}
	f := function(t.funcs[at:])
	size := funcSize + 4*uint64(f.pcdatas()) + 4*uint64(f[funcSize-1])
	return f, size <= uint64(len(f))
}

// symbols returns a copy of the table as debug/gosym reads it: with addresses, where
// the linker writes the function's index, which is the address's upper half.
func (t *funcTable) symbols() ([]byte, error) {
	s := readFuncTable(bytes.Clone(t.whole))
	shift := func(b []byte) {
		binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)<<addressBits)
	}
	for i := range s.count {
		f, ok := s.function(i)
		if !ok {
			return nil, errBadTable
		}
		shift(f[offEntry:])
		shift(s.funcs[i*functabSize:])
	}
	shift(s.funcs[s.count*functabSize:]) // the end of the last one
	return s.whole, nil
}

// isStripped reports whether strip has been here.
func (t *funcTable) isStripped() bool { return len(bytes.Trim(t.names, "\x00")) == 0 }

// strip clears what only serves to print traces.
func (t *funcTable) strip() error {
	kept := make([]byte, len(t.pcs)) // at the same offsets, which functions hold
	keep := func(off uint32) error {
		table, err := t.table(off)
		if err == nil && off != 0 {
			copy(kept[off:], table)
		}
		return err
	}
	for i := range t.count {
		f, ok := t.function(i)
		if !ok {
			return errBadTable
		}
		if err := keep(f.field(offPcsp)); err != nil {
			return err
		}
		for j := range int(f.pcdatas()) {
			if j == pcdataUnsafePoint || j == pcdataArgLive || j == pcdataInlTree && !f.keepsInlineTree() {
				f.clear(f.pcdata(j)) // 0 means no table
			} else if err := keep(f.field(f.pcdata(j))); err != nil {
				return err
			}
		}
		for _, off := range []int{offName, offPcfile, offPcln, offCuOffset, offStartLine} {
			f.clear(off)
		}
	}
	copy(t.pcs, kept)
	clear(t.names)
	clear(t.units)
	clear(t.files)
	return nil
}

// table returns the table at an offset of pctab: pairs of varints, by how much the value
// and the address change, up to a value that does not change.
func (t *funcTable) table(off uint32) ([]byte, error) {
	if uint64(off) >= uint64(len(t.pcs)) {
		return nil, errBadTable
	}
	rest := t.pcs[off:]
	for first := true; ; first = false {
		value, n := binary.Uvarint(rest)
		if n <= 0 {
			return nil, errBadTable
		}
		rest = rest[n:]
		if value == 0 && !first {
			return t.pcs[off : len(t.pcs)-len(rest)], nil
		}
		if _, n = binary.Uvarint(rest); n <= 0 {
			return nil, errBadTable
		}
		rest = rest[n:]
	}
}
