//go:build js

package main

import (
	"unsafe"

	"akash-provider-web/wasm/client"
)

// The data of streams bypasses syscall/js, where each value costs as much as a log
// line. JavaScript writes a piece of a response's body to the address that reserve
// returns, calls feed, and reads the resulting batch from the addresses in the view.
// All addresses are invalid after the next call.

// A view has the addresses of a batch's parts in memory. JavaScript reads it as
// fifteen 32-bit numbers.
type view struct {
	ascii, utf8           texts
	index, indexLen       uint32 // in 32-bit numbers
	services, servicesLen uint32
	gaps, gapsLen         uint32 // in 32-bit numbers
	state                 uint32
}

type texts struct {
	bytes, bytesLen   uint32
	groups, groupsLen uint32 // in 32-bit numbers
}

func textsOf(t client.Texts) texts {
	return texts{
		bytes: address(t.Bytes), bytesLen: uint32(len(t.Bytes)),
		groups: address(t.Groups), groupsLen: uint32(len(t.Groups)),
	}
}

var (
	batch  client.Batch
	window view
)

// reserve returns the address of a buffer for n bytes of a stream's body.
//
//go:wasmexport reserve
func reserve(stream, n uint32) uint32 {
	return address(module.streams[stream].Reserve(int(n)))
}

// feed passes a stream the n bytes of its body that were written to the address from
// reserve. It returns the address of the view of the resulting batch.
//
//go:wasmexport feed
func feed(stream, n uint32) uint32 {
	module.streams[stream].Feed(int(n), &batch)
	window = view{
		ascii: textsOf(batch.ASCII), utf8: textsOf(batch.UTF8),
		index: address(batch.Index), indexLen: uint32(len(batch.Index)),
		services: address(batch.Services), servicesLen: uint32(len(batch.Services)),
		gaps: address(batch.Gaps), gapsLen: uint32(len(batch.Gaps)),
		state: uint32(batch.State),
	}
	return uint32(uintptr(unsafe.Pointer(&window)))
}

// address returns a slice's address in WebAssembly's memory, which has 32-bit
// addresses.
func address[E any](s []E) uint32 {
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(s))))
}
