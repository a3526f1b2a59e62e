package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
)

// The table that the runtime knows functions by (cmd/link/internal/ld/pcln.go and
// runtime/symtab.go, of which these are the names). Go 1.20 brought the form that Go
// 1.26 still has.
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

	pcdataUnsafePoint = 0 // says where a goroutine may be preempted, which WebAssembly cannot
	pcdataInlTree     = 2 // says which call a place is inlined from
	pcdataArgLive     = 3 // says which arguments a trace prints with a question mark
)

var (
	errNoTable   = errors.New("no function table of the form of Go 1.20 to 1.26: it was trimmed before, or this Go has another")
	errTwoTables = errors.New("more than one function table")
	errBadTable  = errors.New("the function table is not as Go 1.26 writes it")
)

// A funcTable is a program's function table. All its parts are parts of the
// program's data.
type funcTable struct {
	place int // in the program's data
	whole []byte
	names []byte // funcnametab
	units []byte // cutab: the files of each compilation unit
	files []byte // filetab
	pcs   []byte // pctab: what changes from one address to the next
	funcs []byte // the functab, and the functions that it names
	count int
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
		// The same bytes may stand elsewhere; what follows them does not.
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

// readFuncTable returns the table that the data begin with, or nil.
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
	// The functions are in the order of their addresses, and so the last ends the table.
	last, ok := t.function(t.count - 1)
	if !ok || len(t.names) == 0 || len(t.pcs) == 0 {
		return nil
	}
	t.funcs = t.funcs[:len(t.funcs)-len(last)+funcSize+4*int(last.pcdatas())+4*int(last[funcSize-1])]
	t.whole = data[:at[4]+uint64(len(t.funcs))]
	return t
}

// A function is a _func, and what comes behind it.
type function []byte

func (f function) field(off int) uint32 { return binary.LittleEndian.Uint32(f[off:]) }
func (f function) clear(off int)        { clear(f[off : off+4]) }
func (f function) pcdatas() uint32      { return f.field(offNpcdata) }

// pcdata returns the offset of a table's number within a function.
func (f function) pcdata(i int) int { return funcSize + 4*i }

// funcdata returns the offset of what the function has of a kind, and whether it has it.
func (f function) funcdata(kind int) (off int, ok bool) {
	off = f.pcdata(int(f.pcdatas()) + kind)
	return off, kind < int(f[funcSize-1]) && f.field(off) != noFuncdata
}

// counts reports whether recover counts the calls that are inlined in the function.
// It looks how many calls there are between a panic and itself but for those that the
// compiler made, and a function that calls it is never inlined: so what is inlined
// matters only in a function that the compiler made.
func (f function) counts() bool { return f[offFuncID] == funcIDWrapper }

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

// symbols returns a copy of the table as debug/gosym reads it. Where the linker counts
// functions, it has addresses, which have that count in their upper half.
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
	shift(s.funcs[s.count*functabSize:]) // where the last one ends
	return s.whole, nil
}

// strip takes out what only serves to print traces.
func (t *funcTable) strip() error {
	kept := make([]byte, len(t.pcs)) // place by place: the numbers of tables stay
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
			if j == pcdataUnsafePoint || j == pcdataArgLive || j == pcdataInlTree && !f.counts() {
				f.clear(f.pcdata(j)) // 0 is no table
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

// table returns the table of pctab that begins at the offset: pairs of varints, the
// difference of a value and that of an address, up to a difference of 0.
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
