package main

import (
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

func TestSegmentsAreJoined(t *testing.T) {
	before := appendSegments(nil, []segment{
		{4096, []byte("one")},
		{4099, []byte("two")},              // touches
		{4112, []byte("three")},            // ten zeros
		{4117 + maxGap + 1, []byte("far")}, // too far
		{1<<31 + 5, []byte("high")},
	})
	after := appendSegments(nil, []segment{
		{4096, []byte("onetwo\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00three")},
		{4117 + maxGap + 1, []byte("far")},
		{1<<31 + 5, []byte("high")},
	})
	merged, err := merge(module(before))
	require.NoError(t, err)
	assert.Equal(t, module(after), merged)

	again, err := merge(merged)
	require.NoError(t, err)
	assert.Equal(t, merged, again)
}

// Segments that are not in order, or overlap, stay as they are.
func TestSegmentsOutOfOrder(t *testing.T) {
	before := appendSegments(nil, []segment{{100, []byte("abc")}, {50, []byte("x")}, {50, []byte("y")}})
	merged, err := merge(module(before))
	require.NoError(t, err)
	assert.Equal(t, module(before), merged)
}

func TestWhatIsNoModule(t *testing.T) {
	whole := module(appendSegments(nil, []segment{{4096, []byte("one")}}))
	_, err := merge(whole[:len(whole)-1])
	assert.ErrorIs(t, err, errShort)
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"text":              []byte("#!/bin/sh"),
		"a passive segment": module([]byte("\x01\x01\x01x")),
		"a computed place":  module([]byte("\x01\x00\x23\x00\x0b\x01x")),
		"a cut segment":     module([]byte("\x01\x00\x41\x00\x0b\x05x")),
		"bytes left over":   module([]byte("\x00x")),
	} {
		_, err := merge(b)
		assert.Error(t, err, name)
	}
}

func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wasm")
	require.NoError(t, os.WriteFile(path, module(appendSegments(nil, nil)), 0o644))
	require.NoError(t, run(path))
	require.Error(t, run(path+"x"))
}

func FuzzMerge(f *testing.F) {
	f.Add(module(appendSegments(nil, []segment{{4096, []byte("one")}, {4100, []byte("two")}})))
	f.Fuzz(func(t *testing.T, b []byte) {
		merged, err := merge(b)
		if err != nil {
			return
		}
		again, err := merge(merged)
		require.NoError(t, err)
		require.Equal(t, merged, again)
	})
}
