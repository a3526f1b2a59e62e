package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
)

// http1Page is a connection with HTTP/1.1 in clear.
type http1Page struct {
	conn net.Conn
	in   *bufio.Reader
	head string // the request head after the path
}

func openHTTP1(t target) (page, error) {
	conn, err := net.Dial("tcp", t.Address)
	if err != nil {
		return nil, err
	}
	var head strings.Builder
	fmt.Fprintf(&head, " HTTP/1.1\r\nHost: %s\r\nContent-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\n", t.Address)
	for name, value := range t.Header {
		fmt.Fprintf(&head, "%s: %s\r\n", name, value)
	}
	return &http1Page{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), head: head.String()}, nil
}

func (p *http1Page) close() { p.conn.Close() }

// prepare implements page.
func (p *http1Page) prepare(method string, message []byte) func() (*reply, error) {
	request := fmt.Appendf(nil, "POST %s%sContent-Length: %d\r\n\r\n", method, p.head, prefixSize+len(message))
	request = append(request, prefixed(message)...)
	return func() (*reply, error) { return p.send(request) }
}

func (p *http1Page) send(request []byte) (*reply, error) {
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
			r.body, r.after = httputil.NewChunkedReader(p.in), p.line
		case "grpc-status":
			r.status = string(value)
		}
	}
	if r.body == nil {
		return nil, errors.New("the answer has no length")
	}
	return r, nil
}

func (p *http1Page) line() ([]byte, error) {
	line, err := p.in.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}
