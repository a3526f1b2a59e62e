package fake

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec behind frameCodec
	"google.golang.org/grpc/mem"
)

// frame is an encoded message. It can be sent once.
type frame struct{ buffer mem.Buffer }

// copyFrame returns a frame with a copy of b, in a buffer from grpc's pool.
func copyFrame(b []byte) *frame { return &frame{mem.Copy(b, mem.DefaultBufferPool())} }

// frameOf returns a frame of bytes that will not change.
func frameOf(b []byte) *frame { return &frame{mem.SliceBuffer(b)} }

// frameCodec sends frames unchanged and encodes other messages with protobuf, so that
// a log of millions of lines needs no message structs.
type frameCodec struct{ encoding.CodecV2 }

func newFrameCodec() frameCodec { return frameCodec{encoding.GetCodecV2("proto")} }

// Marshal implements encoding.CodecV2.
func (c frameCodec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return mem.BufferSlice{f.buffer}, nil
	}
	return c.CodecV2.Marshal(v)
}
