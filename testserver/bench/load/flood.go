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

// Window, frame and write sizes are those of grpc-go. So is the order of frames: one
// message per frame, from all streams in turn.
const (
	floodFrame  = 16 << 10
	floodWrite  = 32 << 10
	floodWindow = 65535 // the default (RFC 9113, section 6.9.2)
)

const methodReflect = reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName

// flooder is a provider whose logs do not end: flood/SIZE, with messages of SIZE
// bytes.
//
// It sends the same as grpc-go would, but prepared in advance. Both share the machine,
// so a server that spends more on a message than a bridge does would hide the bridge's
// limit.
type flooder struct {
	// The answers to a bridge's other calls: framed messages by path.
	answers map[string][]byte
}

// newFlooder returns a flooder that reports LeaseRPC by reflection.
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

// serve accepts connections until the process ends.
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

// floodConn is a connection to a flooder.
type floodConn struct {
	*flooder
	conn   net.Conn
	framer *http2.Framer // reads from conn; writes into control

	mu      sync.Mutex
	changed sync.Cond
	err     error        // why the connection ended
	control bytes.Buffer // frames to send before data
	encoder *hpack.Encoder
	block   bytes.Buffer
	window  int
	initial int // window of a new stream
	streams map[uint32]*floodStream
	ready   []*floodStream // streams with a window, in order
}

// floodStream is a call.
type floodStream struct {
	id      uint32
	path    string
	request []byte
	window  int
	waits   bool // whether it is in ready

	message []byte // with its prefix; set when the stream begins to flood
	sent    int    // bytes of the message that have been sent
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
			err = c.handle(frame)
			c.changed.Broadcast()
			c.mu.Unlock()
		}
	}
	return err
}

// handle handles a frame. The caller holds c.mu.
func (c *floodConn) handle(frame http2.Frame) error {
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
			s.window = 0 // it sends no more data
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

// widen adds to s's window, and queues s if it floods.
func (c *floodConn) widen(s *floodStream, n int) {
	s.window += n
	if s.message != nil && s.window > 0 && !s.waits {
		s.waits = true
		c.ready = append(c.ready, s)
	}
}

// answer begins a flood, or sends a complete answer.
func (c *floodConn) answer(s *floodStream) error {
	answer, ok := c.answers[s.path]
	if !ok && s.path != methodLogs {
		return errors.New(s.path + " is not implemented by the flooder")
	}
	if err := c.header(s.id, false, ":status", "200", "content-type", "application/grpc"); err != nil {
		return err
	}
	if ok {
		delete(c.streams, s.id)
		c.window -= len(answer) // which is smaller than any window
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

// fill appends frames, one from each stream in turn, up to the size of a write.
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

// floodSize returns the message size given in a request for logs.
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

// prefixed returns a framed message.
func prefixed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}
