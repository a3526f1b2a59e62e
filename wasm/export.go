//go:build js

package main

import (
	"unsafe"

	"akash-provider-web/wasm/client"
)

// The data of streams does not pass through syscall/js, where each value costs
// as much as a line: JavaScript writes a piece of a body into memory where
// reserve says, calls feed, and reads the batch out of memory where the view
// says. Nothing in it is valid after the next call.

// A view tells JavaScript where in memory a batch is. It is read as fifteen
// numbers of 32 bits.
type view struct {
	ascii, utf8           texts
	index, indexLen       uint32 // in numbers
	services, servicesLen uint32
	gaps, gapsLen         uint32 // in numbers
	state                 uint32
}

type texts struct {
	bytes, bytesLen   uint32
	groups, groupsLen uint32 // in numbers
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

// reserve returns the address of room for n bytes of a stream's body.
//
//go:wasmexport reserve
func reserve(stream, n uint32) uint32 {
	return address(module.streams[stream].Reserve(int(n)))
}

// feed gives a stream n bytes of its body, written where reserve said, and
// returns the address of the view of the batch that comes of them.
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

// address returns where a slice is in WebAssembly's memory, which has 32 bits.
func address[E any](s []E) uint32 {
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(s))))
}
