package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
)

// protocolWebSocket is the subprotocol of improbable's transport.
const protocolWebSocket = "grpc-websockets"

// webSocketPage makes calls over WebSockets, one for each.
type webSocketPage struct {
	target target

	mu     sync.Mutex
	conn   *websocket.Conn // of the last call
	closed bool
}

// prepare implements page.
func (p *webSocketPage) prepare(method string, message []byte) func() (*reply, error) {
	var header strings.Builder
	header.WriteString("content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n")
	for name, value := range p.target.Header {
		fmt.Fprintf(&header, "%s: %s\r\n", name, value)
	}
	dialer := websocket.Dialer{Subprotocols: []string{protocolWebSocket}, ReadBufferSize: 64 << 10}
	request := http.Header{"Origin": {"http://" + p.target.Address}}
	return func() (*reply, error) {
		conn, _, err := dialer.Dial("ws://"+p.target.Address+method, request)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		p.conn = conn
		closed := p.closed
		p.mu.Unlock()
		if closed {
			conn.Close()
		}
		// A byte before each message says whether more follow: 1 that none does.
		for _, b := range [][]byte{[]byte(header.String()), append([]byte{0}, prefixed(message)...), {1}} {
			if err := conn.WriteMessage(websocket.BinaryMessage, b); err != nil {
				return nil, err
			}
		}
		return &reply{body: &webSocketBody{conn: conn}}, nil
	}
}

// close implements page.
func (p *webSocketPage) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.conn != nil {
		p.conn.Close()
	}
}

// webSocketBody is what all messages of a connection contain. Its first frame has the
// headers, in the form of trailers.
type webSocketBody struct {
	conn    *websocket.Conn
	message io.Reader // nil between two
}

// Read implements io.Reader.
func (b *webSocketBody) Read(p []byte) (int, error) {
	for {
		if b.message == nil {
			_, message, err := b.conn.NextReader()
			if closed := (*websocket.CloseError)(nil); errors.As(err, &closed) && closed.Code == websocket.CloseNormalClosure {
				return 0, io.EOF
			}
			if err != nil {
				return 0, err
			}
			b.message = message
		}
		n, err := b.message.Read(p)
		if err == io.EOF {
			b.message = nil
			if n == 0 {
				continue
			}
			err = nil
		}
		return n, err
	}
}
