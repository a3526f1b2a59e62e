package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/proto"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

const (
	prefixSize  = 5
	flagTrailer = 0x80
)

var errIncomplete = errors.New("the answer ends without trailers")

// page is a browser's way to a bridge: a minimal implementation of gRPC-Web, so that the
// bridge dominates the measurement.
type page interface {
	// prepare returns a function that makes a call and returns its answer when the headers
	// have arrived. It may be called repeatedly.
	prepare(method string, message []byte) func() (*reply, error)
	// close ends the calls.
	close()
}

// door is a kind of page.
type door string

const (
	doorHTTP1     door = ""          // HTTP/1.1 in clear, a connection for each page
	doorHTTPS     door = "https"     // HTTP/2 with TLS, a connection for a few pages
	doorWebSocket door = "websocket" // improbable's grpc-websockets in clear
)

// visitors open pages of a bridge. Those that share a connection are of one browser.
type visitors struct {
	target target

	mu      sync.Mutex
	opened  int
	clients []*http2Client // of doorHTTPS
}

func newVisitors(t target) *visitors { return &visitors{target: t} }

// open opens a page.
func (v *visitors) open() (page, error) {
	switch v.target.Door {
	case doorHTTP1:
		return openHTTP1(v.target)
	case doorHTTPS:
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.opened%callsPerConnection == 0 {
			v.clients = append(v.clients, newHTTP2Client(v.target))
		}
		v.opened++
		return v.clients[len(v.clients)-1].open(), nil
	case doorWebSocket:
		return &webSocketPage{target: v.target}, nil
	}
	return nil, fmt.Errorf("unknown door %q", v.target.Door)
}

// close closes the connections that pages share, once the pages are closed.
func (v *visitors) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.clients {
		c.transport.CloseIdleConnections()
	}
}

// reply is the answer to a call.
type reply struct {
	body   io.Reader
	after  func() ([]byte, error) // reads what follows the body; nil if nothing does
	status string                 // set when the call has ended

	prefix  [prefixSize]byte
	have    int // bytes of the prefix read
	left    int // bytes of the frame that remain
	trailer []byte
}

// read reads once into buf and returns the number of completed messages. It returns
// io.EOF after an answer with status 0.
func (r *reply) read(buf []byte) (messages int, err error) {
	n, err := r.body.Read(buf)
	messages = r.count(buf[:n])
	if err != io.EOF {
		return messages, err
	}
	if r.after != nil {
		if _, err := r.after(); err != nil {
			return messages, err
		}
	}
	return messages, r.end()
}

// count counts the ends of messages in the data.
func (r *reply) count(b []byte) (messages int) {
	for len(b) > 0 {
		if r.have < prefixSize {
			n := copy(r.prefix[r.have:], b)
			r.have += n
			b = b[n:]
			if r.have < prefixSize {
				break
			}
			r.left = int(binary.BigEndian.Uint32(r.prefix[1:]))
		}
		n := min(r.left, len(b))
		if r.prefix[0]&flagTrailer != 0 {
			r.trailer = append(r.trailer, b[:n]...)
		}
		b = b[n:]
		if r.left -= n; r.left == 0 {
			if r.prefix[0]&flagTrailer == 0 {
				messages++
			}
			r.have = 0
		}
	}
	return messages
}

func (r *reply) end() error {
	if r.status == "" {
		_, status, ok := bytes.Cut(bytes.ToLower(r.trailer), []byte("grpc-status:"))
		if !ok {
			return errIncomplete
		}
		status, _, _ = bytes.Cut(status, []byte("\r\n"))
		r.status = string(bytes.TrimSpace(status))
	}
	if r.status != "0" {
		return fmt.Errorf("the call ended with gRPC status %s: %q", r.status, r.trailer)
	}
	return io.EOF
}

// next reads until another message is complete.
func (r *reply) next(buf []byte) error {
	for {
		messages, err := r.read(buf)
		if messages > 0 {
			return nil
		}
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
}

// rest reads to the end.
func (r *reply) rest(buf []byte) error {
	for {
		if _, err := r.read(buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// logsRequest encodes the request for the stream with the given name.
func logsRequest(name string) []byte {
	message, err := proto.Marshal(&leasev1.ServiceLogsRequest{Filter: &leasev1.ServiceFilter{Name: name}})
	if err != nil {
		panic(err)
	}
	return message
}
