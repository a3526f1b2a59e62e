package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
)

const (
	prefixSize  = 5
	flagTrailer = 0x80
)

var errIncomplete = errors.New("the answer ends without trailers")

// page is a browser's connection to a bridge: a minimal implementation of gRPC-Web
// over HTTP/1.1, so that the bridge dominates the measurement.
type page struct {
	conn net.Conn
	in   *bufio.Reader
	head string // the request head after the path
}

// openPage connects to a bridge.
func openPage(t target) (*page, error) {
	conn, err := net.Dial("tcp", t.Address)
	if err != nil {
		return nil, err
	}
	var head strings.Builder
	fmt.Fprintf(&head, " HTTP/1.1\r\nHost: %s\r\nContent-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\n", t.Address)
	for name, value := range t.Header {
		fmt.Fprintf(&head, "%s: %s\r\n", name, value)
	}
	return &page{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), head: head.String()}, nil
}

func (p *page) close() { p.conn.Close() }

// request returns the encoded request of a call, which may be sent repeatedly.
func (p *page) request(method string, message []byte) []byte {
	b := fmt.Appendf(nil, "POST %s%sContent-Length: %d\r\n\r\n", method, p.head, prefixSize+len(message))
	return append(b, prefixed(message)...)
}

// send starts a call and returns its answer when the headers have arrived.
func (p *page) send(request []byte) (*reply, error) {
	if _, err := p.conn.Write(request); err != nil {
		return nil, err
	}
	line, err := p.line()
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return nil, fmt.Errorf("the bridge answered %q", line)
	}
	r := &reply{}
	for {
		line, err := p.line()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch strings.ToLower(string(name)) {
		case "content-length":
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return nil, err
			}
			r.body = io.LimitReader(p.in, n)
		case "transfer-encoding":
			r.body, r.chunked = httputil.NewChunkedReader(p.in), true
		case "grpc-status":
			r.status = string(value)
		}
	}
	if r.body == nil {
		return nil, errors.New("the answer has no length")
	}
	r.page = p
	return r, nil
}

func (p *page) line() ([]byte, error) {
	line, err := p.in.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

// reply is the answer to a call.
type reply struct {
	page    *page
	body    io.Reader
	chunked bool
	status  string // set when the call has ended

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
	if r.chunked { // the empty line after the last chunk
		if _, err := r.page.line(); err != nil {
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
