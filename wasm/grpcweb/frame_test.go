package grpcweb

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// frame returns a frame with a message or, with flagTrailers, with trailers.
func frame(flags byte, body string) []byte {
	b := AppendHeader(nil, len(body))
	b[0] = flags
	return append(b, body...)
}

// read returns all complete messages.
func read(d *Decoder) (messages []string) {
	for {
		message, ok := d.Next()
		if !ok {
			return messages
		}
		messages = append(messages, string(message))
	}
}

// A body has the same messages however it is split into pieces.
func TestBodyInPieces(t *testing.T) {
	var body []byte
	want := []string{"", "one", strings.Repeat("long ", 50_000), "", "last"}
	for _, message := range want {
		body = append(body, frame(0, message)...)
	}
	body = append(body, frame(flagTrailers, "grpc-status: 0\r\n")...)

	for _, size := range []int{1, 2, 3, 7, 1000, 64 << 10, len(body)} {
		var d Decoder
		var got []string
		for rest := body; len(rest) > 0; {
			n := min(size, len(rest))
			d.Write(rest[:n])
			rest = rest[n:]
			got = append(got, read(&d)...)
		}
		require.Nil(t, d.Err(), "pieces of %d", size)
		assert.Equal(t, want, got, "pieces of %d", size)
		assert.True(t, d.Ended())
		assert.Nil(t, d.End(nil))
	}
}

// A decoder allocates nothing once its buffer has grown.
func TestDecoderReusesItsBuffer(t *testing.T) {
	var d Decoder
	body := bytes.Repeat(frame(0, strings.Repeat("x", 120)), 100)
	feed := func() {
		for rest := body; len(rest) > 0; {
			n := copy(d.Reserve(min(1000, len(rest))), rest)
			d.Commit(n)
			rest = rest[n:]
			for {
				if _, ok := d.Next(); !ok {
					break
				}
			}
		}
	}
	feed()
	assert.Zero(t, testing.AllocsPerRun(100, feed))
}

// The memory of a large message is released once it has been read.
func TestDecoderReleasesALargeBuffer(t *testing.T) {
	var d Decoder
	d.Write(frame(0, strings.Repeat("x", 3<<20)))
	require.Len(t, read(&d), 1)
	d.Reserve(100)
	assert.LessOrEqual(t, len(d.buf), keepBuffer)
}

func TestTrailers(t *testing.T) {
	for trailers, want := range map[string]*Status{
		"grpc-status: 0\r\n":  nil,
		"grpc-status:0\r\n":   nil,
		"Grpc-Status: 0\n":    nil,
		"grpc-status: 0":      nil,
		"grpc-status:5\r\n":   {Code: NotFound},
		"grpc-status: 17\r\n": {Code: Unknown},
		"grpc-status: -1\r\n": {Code: Unknown},
		"grpc-status: \r\n":   {Code: Unknown},
		"grpc-status: 14\r\ngrpc-message: no%20way %C3%A9%zz%\r\nakash-error: providerGone\r\n": {
			Code: Unavailable, Message: "no way é%zz%",
		},
		"grpc-status: 2\r\ngrpc-message: a: b\r\n": {Code: Unknown, Message: "a: b"},
	} {
		var d Decoder
		d.Write(frame(flagTrailers, trailers))
		require.Empty(t, read(&d))
		status := d.End(nil)
		if want == nil {
			assert.Nil(t, status, "%q", trailers)
			continue
		}
		require.NotNil(t, status, "%q", trailers)
		assert.Equal(t, want.Code, status.Code, "%q", trailers)
		assert.Equal(t, want.Message, status.Message, "%q", trailers)
	}
}

func TestStatusKeepsTheOtherTrailers(t *testing.T) {
	var d Decoder
	d.Write(frame(flagTrailers, "grpc-status: 14\r\nAkash-Error: providerGone\r\n"))
	read(&d)
	reason, ok := d.End(nil).Fields.Get("akash-error")
	assert.True(t, ok)
	assert.Equal(t, "providerGone", reason)
}

// A response without a body has its status in the headers.
func TestTrailersOnly(t *testing.T) {
	var d Decoder
	status := d.End(Fields{{Name: "grpc-status", Value: "12"}, {Name: "grpc-message", Value: "unknown%20service"}})
	require.NotNil(t, status)
	assert.Equal(t, "UNIMPLEMENTED: unknown service", status.Error())
	assert.Nil(t, d.End(Fields{{Name: "grpc-status", Value: "0"}}))
}

// A malformed body is an error and never a message.
func TestBrokenBodies(t *testing.T) {
	trailers := string(frame(flagTrailers, "grpc-status: 0\r\n"))
	for name, c := range map[string]struct {
		body string
		want Code
	}{
		"HTML":                       {"<!doctype html><p>no</p>", Internal},
		"compressed":                 {string(frame(flagCompressed, "x")), Internal},
		"cut in a header":            {"\x00\x00", Unavailable},
		"cut in a message":           {"\x00\x00\x00\x00\x09abc", Unavailable},
		"without trailers":           {string(frame(0, "x")), Unknown},
		"a length that lies":         {"\x00\xff\xff\xff\xff", ResourceExhausted},
		"a message above the limit":  {string(frame(0, strings.Repeat("x", DefaultMaxMessage+1))), ResourceExhausted},
		"trailers without a status":  {string(frame(flagTrailers, "a: b\r\n")), Internal},
		"trailers without a name":    {string(frame(flagTrailers, "grpc-status: 0\r\n: b\r\n")), Internal},
		"trailers without a colon":   {string(frame(flagTrailers, "grpc-status: 0\r\nb\r\n")), Internal},
		"endless trailers":           {"\x80\x7f\xff\xff\xff", ResourceExhausted},
		"too many trailers":          {string(frame(flagTrailers, strings.Repeat("a: b\n", 300))), Internal},
		"a message after the end":    {trailers + string(frame(0, "x")), Internal},
		"trailers after the end":     {trailers + trailers, Internal},
		"a byte after the end":       {trailers + "x", Internal},
		"no body and no status":      {"", Unknown},
		"trailers without any field": {string(frame(flagTrailers, "")), Internal},
	} {
		var d Decoder
		d.Write([]byte(c.body))
		read(&d)
		read(&d)
		status := d.End(nil)
		if assert.NotNil(t, status, name) {
			assert.Equal(t, c.want, status.Code, "%s: %s", name, status.Message)
		}
	}
}

func TestMessageLimit(t *testing.T) {
	d := Decoder{MaxMessage: 3}
	d.Write(frame(0, "abc"))
	assert.Equal(t, []string{"abc"}, read(&d))
	d.Write(frame(0, "abcd"))
	assert.Empty(t, read(&d))
	assert.EqualError(t, d.Err(), "RESOURCE_EXHAUSTED: a message of 4 bytes is longer than the limit of 3")
}

// For any data, however split, the decoder returns the same messages, never reads out
// of bounds, and keeps a bounded buffer.
func FuzzDecoder(f *testing.F) {
	f.Add(append(frame(0, "one"), frame(flagTrailers, "grpc-status: 3\r\n")...), 1)
	f.Add([]byte("\x80\x00\x00\x00\x05a:b\r\n\x00"), 3)
	f.Fuzz(func(t *testing.T, body []byte, size int) {
		whole := Decoder{MaxMessage: 1 << 16}
		whole.Write(body)
		want := read(&whole)

		pieces := Decoder{MaxMessage: 1 << 16}
		var got []string
		size = 1 + int(uint(size)%64)
		for rest := body; len(rest) > 0; {
			n := min(size, len(rest))
			pieces.Write(rest[:n])
			rest = rest[n:]
			got = append(got, read(&pieces)...)
		}
		require.Equal(t, want, got)
		require.Equal(t, whole.End(nil), pieces.End(nil))
		require.LessOrEqual(t, len(pieces.buf), 2*(1<<16+HeaderSize+64))
	})
}
