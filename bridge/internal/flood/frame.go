package flood

import (
	"encoding/binary"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// price is what some bytes of a client cost. All of it counts for its address. What is
// control counts for the connection, too, which is closed for it; for the rest, which has a
// place in useful requests, it only waits.
type price struct {
	control, data time.Duration
	headers       time.Duration // as control, but given back with the request
}

// http2Frames follows the frames that one side sends over HTTP/2 (RFC 9113, section 4.1).
type http2Frames struct {
	head [9]byte
	n    int    // bytes of head that are known
	rest uint32 // bytes of the payload that are to come
}

// between reports whether all frames are complete.
func (f *http2Frames) between() bool { return f.n == 0 && f.rest == 0 }

// next goes on to the end of the next frame's header in p, and returns what follows it. It
// reports false if there is none.
func (f *http2Frames) next(p []byte) (after []byte, ok bool) {
	n := min(int(f.rest), len(p))
	f.rest -= uint32(n)
	p = p[n:]
	if len(p) == 0 {
		return nil, false
	}
	n = copy(f.head[f.n:], p)
	if f.n += n; f.n < len(f.head) {
		return nil, false
	}
	f.n = 0
	f.rest = uint32(f.head[0])<<16 | uint32(f.head[1])<<8 | uint32(f.head[2])
	return p[n:], true
}

// The fields of the header that next has found.
func (f *http2Frames) length() time.Duration     { return time.Duration(f.rest) }
func (f *http2Frames) kind() http2.FrameType     { return http2.FrameType(f.head[3]) }
func (f *http2Frames) has(flag http2.Flags) bool { return http2.Flags(f.head[4]).Has(flag) }
func (f *http2Frames) stream() uint32            { return binary.BigEndian.Uint32(f.head[5:]) &^ (1 << 31) }

// streams are the streams of a connection whose answers are not complete, and when they
// began, by clock.
type streams struct {
	mu   sync.Mutex
	open map[uint32]int64
	last uint32
}

// maxStreams bounds the streams that are remembered. The server allows fewer.
const maxStreams = 4000

// begin is for a stream whose headers arrive.
func (s *streams) begin(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id <= s.last || len(s.open) >= maxStreams {
		return // trailers
	}
	if s.open == nil {
		s.open = map[uint32]int64{}
	}
	s.last = id
	s.open[id] = clock()
}

// end is for a stream whose answer is complete. It returns how long it has been open, or a
// long time if it was not.
func (s *streams) end(id uint32) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	start, ok := s.open[id]
	if !ok {
		return time.Hour
	}
	delete(s.open, id)
	return time.Duration(clock() - start)
}

// received returns what the next bytes of a client cost.
func (f *http2Frames) received(p []byte, open *streams) (cost price) {
	for ok := true; ; {
		if p, ok = f.next(p); !ok {
			return cost
		}
		switch f.kind() {
		case http2.FrameData:
			switch {
			case f.has(http2.FlagDataEndStream):
			case f.rest == 0, f.has(http2.FlagDataPadded) && f.rest <= maxPadding:
				cost.control += costFrame
			case f.rest < smallRead:
				cost.data += costFrame
			}
		case http2.FrameHeaders:
			open.begin(f.stream())
			cost.headers += costFrame + f.length()*time.Microsecond/headerBytes
		case http2.FrameContinuation:
			cost.headers += costFrame + f.length()*time.Microsecond/headerBytes
		case http2.FrameRSTStream:
			cost.control += costFrame
			if open.end(f.stream()) < young {
				cost.control += costReset
			}
		case http2.FrameSettings, http2.FramePing:
			cost.control += costAnswer + f.length()*time.Microsecond/headerBytes
		default:
			cost.control += costFrame + f.length()*time.Microsecond/plainBytes
		}
	}
}

// maxPadding is the most that a frame of data can have that is nothing but padding.
const maxPadding = 256

// sent returns what a client may send in return for the next bytes of the server.
func (f *http2Frames) sent(p []byte, open *streams) (earned time.Duration) {
	for ok := true; ; {
		if p, ok = f.next(p); !ok {
			return earned
		}
		switch f.kind() {
		case http2.FrameData:
			if f.rest > 0 {
				earned += returned(int64(f.rest))
			}
			if f.has(http2.FlagDataEndStream) {
				open.end(f.stream())
			}
		case http2.FrameHeaders:
			if f.has(http2.FlagHeadersEndStream) {
				open.end(f.stream())
			}
		case http2.FrameRSTStream:
			open.end(f.stream())
		}
	}
}

// returned is what a client may send in return for a frame of so many bytes: a ping to
// measure the path, and updates of the windows of the stream and the connection.
func returned(n int64) time.Duration {
	return costAnswer + 2*costFrame + time.Duration(n/acknowledged)*costFrame
}

// socketFrames follows the frames of a WebSocket (RFC 6455, section 5.2).
type socketFrames struct {
	head    [14]byte
	n       int    // bytes of head that are known
	rest    uint64 // bytes of the payload that are to come
	message bool   // within a message that has begun
}

// The bits of a frame's first bytes.
const (
	socketFinal   = 0x80
	socketControl = 0x08
	socketMasked  = 0x80
	socketLength  = 0x7f
	socketPing    = 0x09
)

// between reports whether all frames are complete.
func (f *socketFrames) between() bool { return f.n == 0 && f.rest == 0 }

// headSize returns how many bytes the head has, as far as is known.
func (f *socketFrames) headSize() int {
	if f.n < 2 {
		return 2
	}
	size := 2
	switch f.head[1] & socketLength {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.head[1]&socketMasked != 0 {
		size += 4
	}
	return size
}

// length returns the length of the payload, of a head that is complete.
func (f *socketFrames) length() uint64 {
	switch length := f.head[1] & socketLength; length {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.head[2:])
	default:
		return uint64(length)
	}
}

// next goes on to the end of the next frame's header in p, and returns what follows it. It
// reports false if there is none.
func (f *socketFrames) next(p []byte) (after []byte, ok bool) {
	n := min(f.rest, uint64(len(p)))
	f.rest -= n
	p = p[n:]
	for len(p) > 0 {
		size := f.headSize()
		n := copy(f.head[f.n:size], p)
		f.n += n
		p = p[n:]
		if f.n < f.headSize() {
			continue
		}
		f.n = 0
		f.rest = f.length()
		if !f.control() {
			f.message = f.head[0]&socketFinal == 0
		}
		return p, true
	}
	return nil, false
}

// control reports whether the frame that next has found is no part of a message.
func (f *socketFrames) control() bool { return f.head[0]&socketControl != 0 }

// received returns what the next bytes of a client cost.
func (f *socketFrames) received(p []byte) (cost price) {
	for ok := true; ; {
		if p, ok = f.next(p); !ok {
			return cost
		}
		switch {
		case f.head[0]&0x0f == socketPing:
			cost.control += costAnswer
		case f.control(), f.rest == 0 && f.message:
			cost.control += costFrame
		case f.rest < smallRead:
			cost.data += costFrame
		}
	}
}

// sent returns what a client may send in return for the next bytes of the server.
func (f *socketFrames) sent(p []byte) (earned time.Duration) {
	for ok := true; ; {
		if p, ok = f.next(p); !ok {
			return earned
		}
		if !f.control() {
			earned += returned(int64(min(f.rest, 1<<20)))
		}
	}
}
