package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

// The sizes are grpc-go's: so are the frames, one message in each and of all streams
// in turn, and the writes.
const (
	floodFrame  = 16 << 10
	floodWrite  = 32 << 10
	floodWindow = 65535 // before a peer has said otherwise (RFC 9113, section 6.9.2)
)

const methodReflect = reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName

// flooder is a provider whose logs do not end: flood/SIZE, of messages of SIZE bytes.
//
// What it sends on a connection is what grpc-go would, but made ready beforehand: a
// server that spends more on a message than a bridge does would hide what bridges
// are capable of, for both share the machine.
type flooder struct {
	// answers to what else a bridge asks, messages with their prefixes, by path
	answers map[string][]byte
}

// newFlooder returns one whose reflection tells of LeaseRPC.
func newFlooder() (*flooder, error) {
	file, err := proto.Marshal(protodesc.ToFileDescriptorProto(leasev1.File_akash_provider_lease_v1_service_proto))
	if err != nil {
		return nil, err
	}
	f := &flooder{answers: map[string][]byte{}}
	for _, answer := range []*reflectionv1.ServerReflectionResponse{
		{MessageResponse: &reflectionv1.ServerReflectionResponse_ListServicesResponse{
			ListServicesResponse: &reflectionv1.ListServiceResponse{
				Service: []*reflectionv1.ServiceResponse{{Name: leasev1.LeaseRPC_ServiceDesc.ServiceName}},
			}}},
		{MessageResponse: &reflectionv1.ServerReflectionResponse_FileDescriptorResponse{
			FileDescriptorResponse: &reflectionv1.FileDescriptorResponse{FileDescriptorProto: [][]byte{file}},
		}},
	} {
		message, err := proto.Marshal(answer)
		if err != nil {
			return nil, err
		}
		f.answers[methodReflect] = append(f.answers[methodReflect], prefixed(message)...)
	}
	return f, nil
}

// serve accepts connections for as long as the process runs.
func (f *flooder) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		c := &floodConn{flooder: f, conn: conn, window: floodWindow, initial: floodWindow, streams: map[uint32]*floodStream{}}
		c.changed.L = &c.mu
		c.framer = http2.NewFramer(&c.control, conn)
		c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		c.encoder = hpack.NewEncoder(&c.block)
		go func() { c.end(c.read()) }()
		go func() { c.end(c.write()) }()
	}
}

// floodConn is one connection to it.
type floodConn struct {
	*flooder
	conn   net.Conn
	framer *http2.Framer // reads from conn; writes into control

	mu      sync.Mutex
	changed sync.Cond
	err     error        // why it ended
	control bytes.Buffer // frames that go before all data
	encoder *hpack.Encoder
	block   bytes.Buffer
	window  int
	initial int // window of a new stream
	streams map[uint32]*floodStream
	ready   []*floodStream // have a window, in their turn
}

// floodStream is one call.
type floodStream struct {
	id      uint32
	path    string
	request []byte
	window  int
	waits   bool // among ready

	message []byte // with its prefix, once the stream floods
	sent    int    // bytes of the message
}

func (c *floodConn) end(err error) {
	c.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	c.changed.Broadcast()
}

func (c *floodConn) read() error {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c.conn, preface); err != nil {
		return err
	}
	c.mu.Lock()
	err := c.framer.WriteSettings()
	c.mu.Unlock()
	for err == nil {
		var frame http2.Frame
		if frame, err = c.framer.ReadFrame(); err == nil {
			c.mu.Lock()
			err = c.take(frame)
			c.changed.Broadcast()
			c.mu.Unlock()
		}
	}
	return err
}

// take does what a frame asks. c.mu is held.
func (c *floodConn) take(frame http2.Frame) error {
	s := c.streams[frame.Header().StreamID]
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if frame.IsAck() {
			return nil
		}
		if size, ok := frame.Value(http2.SettingInitialWindowSize); ok {
			for _, s := range c.streams {
				c.widen(s, int(size)-c.initial)
			}
			c.initial = int(size)
		}
		return c.framer.WriteSettingsAck()
	case *http2.PingFrame:
		if frame.IsAck() {
			return nil
		}
		return c.framer.WritePing(true, frame.Data)
	case *http2.WindowUpdateFrame:
		if s != nil {
			c.widen(s, int(frame.Increment))
		} else if frame.StreamID == 0 {
			c.window += int(frame.Increment)
		}
	case *http2.RSTStreamFrame:
		delete(c.streams, frame.StreamID)
		if s != nil {
			s.window = 0 // its turn does not come any more
		}
	case *http2.MetaHeadersFrame:
		s = &floodStream{id: frame.StreamID, path: frame.PseudoValue("path"), window: c.initial}
		c.streams[s.id] = s
		if frame.StreamEnded() {
			return c.answer(s)
		}
	case *http2.DataFrame:
		if s == nil {
			return nil
		}
		s.request = append(s.request, frame.Data()...)
		if n := frame.Length; n > 0 {
			if err := c.framer.WriteWindowUpdate(0, n); err != nil {
				return err
			}
		}
		if frame.StreamEnded() {
			return c.answer(s)
		}
	}
	return nil
}

// widen gives s more window, and its turn where it floods.
func (c *floodConn) widen(s *floodStream, n int) {
	s.window += n
	if s.message != nil && s.window > 0 && !s.waits {
		s.waits = true
		c.ready = append(c.ready, s)
	}
}

// answer begins a flood, or answers whole.
func (c *floodConn) answer(s *floodStream) error {
	answer, ok := c.answers[s.path]
	if !ok && s.path != methodLogs {
		return errors.New(s.path + " is not to be had of a flood's provider")
	}
	if err := c.header(s.id, false, ":status", "200", "content-type", "application/grpc"); err != nil {
		return err
	}
	if ok {
		delete(c.streams, s.id)
		c.window -= len(answer) // which is less than anybody's
		if err := c.framer.WriteData(s.id, false, answer); err != nil {
			return err
		}
		return c.header(s.id, true, "grpc-status", "0")
	}
	size, err := floodSize(s.request)
	if err != nil {
		return err
	}
	s.request, s.message = nil, prefixed(logMessage(size))
	c.widen(s, 0)
	return nil
}

func (c *floodConn) header(id uint32, last bool, fields ...string) error {
	c.block.Reset()
	for ; len(fields) > 0; fields = fields[2:] {
		if err := c.encoder.WriteField(hpack.HeaderField{Name: fields[0], Value: fields[1]}); err != nil {
			return err
		}
	}
	return c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: c.block.Bytes(), EndStream: last, EndHeaders: true,
	})
}

func (c *floodConn) write() error {
	var out []byte
	for {
		c.mu.Lock()
		for c.err == nil && c.control.Len() == 0 && (len(c.ready) == 0 || c.window <= 0) {
			c.changed.Wait()
		}
		if c.err != nil {
			c.mu.Unlock()
			return c.err
		}
		out = c.fill(append(out[:0], c.control.Bytes()...))
		c.control.Reset()
		c.mu.Unlock()
		if _, err := c.conn.Write(out); err != nil {
			return err
		}
	}
}

// fill appends frames, one of each stream in turn, up to what is written at once.
func (c *floodConn) fill(out []byte) []byte {
	for len(out) < floodWrite && len(c.ready) > 0 && c.window > 0 {
		s := c.ready[0]
		c.ready, s.waits = c.ready[1:], false
		if s.window <= 0 {
			continue
		}
		n := min(len(s.message)-s.sent, floodFrame, s.window, c.window)
		// RFC 9113, section 4.1: length, type, flags, stream.
		out = append(out, byte(n>>16), byte(n>>8), byte(n), byte(http2.FrameData), 0)
		out = binary.BigEndian.AppendUint32(out, s.id)
		out = append(out, s.message[s.sent:][:n]...)
		s.sent = (s.sent + n) % len(s.message)
		c.window -= n
		c.widen(s, -n)
	}
	return out
}

// floodSize returns what a request for logs says.
func floodSize(request []byte) (int, error) {
	var r leasev1.ServiceLogsRequest
	if len(request) < prefixSize {
		return 0, errIncomplete
	}
	if err := proto.Unmarshal(request[prefixSize:], &r); err != nil {
		return 0, err
	}
	size, ok := strings.CutPrefix(r.GetFilter().GetName(), "flood/")
	if !ok {
		return 0, fmt.Errorf("%q is no flood", r.GetFilter().GetName())
	}
	return strconv.Atoi(size)
}

// prefixed returns a message as it stands in a gRPC stream.
func prefixed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}
