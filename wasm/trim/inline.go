package main

import (
	"encoding/binary"
	"errors"
)

// Each function has a tree of the calls that are inlined in it, from which a trace
// names them (runtime/symtabinl.go). The client's are 80 KB.
const (
	funcdataInlTree = 3
	noFuncdata      = 0xffffffff
	funcIDWrapper   = 23 // a function that the compiler made

	inlinedCallSize = 16
	offInlinedName  = 4

	// moduledata (runtime/symtab.go), in words. It begins with the addresses of the
	// function table and of its names.
	moduledataSize = 42
	moduledataFunc = 40 // gofunc, the address that funcdata offsets are relative to
)

var errNoModuledata = errors.New("no module data of the form of Go 1.26")

// removeInlineTrees clears the trees, except those that recover needs.
func (t *funcTable) removeInlineTrees(memory []byte) error {
	var base uint64 // that funcdata offsets are relative to
	for i := range t.count {
		f, ok := t.function(i)
		if !ok {
			return errBadTable
		}
		off, ok := f.funcdata(funcdataInlTree)
		if !ok || f.keepsInlineTree() {
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
				return errBadTable // this is not a tree
			}
		}
		clear(tree)
		binary.LittleEndian.PutUint32(f[off:], noFuncdata)
	}
	return nil
}

// inlined returns the number of calls in a function's tree.
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
	// Values are indices in the tree, or -1 where nothing is inlined.
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

// funcdataBase returns the address that funcdata offsets are relative to, and whether
// exactly one moduledata names it.
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
