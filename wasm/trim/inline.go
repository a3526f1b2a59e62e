package main

import (
	"encoding/binary"
	"errors"
)

// Each function has a tree of the calls that are inlined in it, by which a trace names
// them (runtime/symtabinl.go). In our module they are 80 KB.
const (
	funcdataInlTree = 3
	noFuncdata      = 0xffffffff
	funcIDWrapper   = 23 // of functions that the compiler made

	inlinedCallSize = 16
	offInlinedName  = 4

	// moduledata (runtime/symtab.go), in words: it begins with the places of the
	// function table and of its names.
	moduledataSize = 42
	moduledataFunc = 40 // where the data of functions are
)

var errNoModuledata = errors.New("no module data of the form of Go 1.26: this Go has another")

// fell takes out the trees, but for those by which recover counts.
func (t *funcTable) fell(memory []byte) error {
	var base uint64 // of the data of functions
	for i := range t.count {
		f, ok := t.function(i)
		if !ok {
			return errBadTable
		}
		off, ok := f.funcdata(funcdataInlTree)
		if !ok || f.counts() {
			continue
		}
		calls, err := t.inlined(f)
		if err != nil {
			return err
		}
		if base == 0 {
			if base, ok = t.funcdataBase(memory); !ok {
				return errNoModuledata
			}
		}
		start := base + uint64(f.field(off))
		end := start + uint64(calls)*inlinedCallSize
		if end > uint64(len(memory)) {
			return errBadTable
		}
		tree := memory[start:end]
		for call := range calls {
			name := binary.LittleEndian.Uint32(tree[call*inlinedCallSize+offInlinedName:])
			if uint64(name) >= uint64(len(t.names)) {
				return errBadTable // so this is no tree
			}
		}
		clear(tree)
		binary.LittleEndian.PutUint32(f[off:], noFuncdata)
	}
	return nil
}

// inlined returns how many calls there are in a function's tree.
func (t *funcTable) inlined(f function) (int, error) {
	if f.pcdatas() <= pcdataInlTree {
		return 0, nil
	}
	off := f.field(f.pcdata(pcdataInlTree))
	if off == 0 {
		return 0, nil
	}
	table, err := t.table(off)
	if err != nil {
		return 0, err
	}
	// The values are indices in the tree, -1 where nothing is inlined.
	last, value := -1, -1
	for rest := table; len(rest) > 1; {
		difference, n := binary.Varint(rest)
		rest = rest[n:]
		value += int(difference)
		last = max(last, value)
		_, n = binary.Uvarint(rest)
		rest = rest[n:]
	}
	if last >= len(t.whole) {
		return 0, errBadTable
	}
	return last + 1, nil
}

// funcdataBase returns where in memory the data of functions are, and whether the
// module's data say so.
func (t *funcTable) funcdataBase(memory []byte) (uint64, bool) {
	word := func(at int) uint64 { return binary.LittleEndian.Uint64(memory[at:]) }
	var base uint64
	found := 0
	for at := 0; at+moduledataSize*pointer <= len(memory); at += pointer {
		if word(at) == uint64(t.place) && word(at+pointer) == uint64(t.place+headerSize) {
			base = word(at + moduledataFunc*pointer)
			found++
		}
	}
	return base, found == 1 && base > 0 && base < uint64(len(memory))
}
