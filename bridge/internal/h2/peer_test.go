package h2

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// peer is the other end of a connection. Tests use it to send any frames.
type peer struct {
	t       *testing.T
	nc      net.Conn
	framer  *http2.Framer
	encoder *hpack.Encoder
	block   bytes.Buffer

	windows map[uint32]int
	opened  []uint32
}

// rawPeer returns a connection and its other end after the exchange of settings.
func rawPeer(t *testing.T, options Options) (*Conn, *peer) {
	t.Helper()
	client, server := socketPair(t)
	p := &peer{t: t, nc: server, framer: http2.NewFramer(server, server), windows: map[uint32]int{}}
	p.encoder = hpack.NewEncoder(&p.block)
	p.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.framer.AllowIllegalWrites = true

	c, err := NewConn(client, options)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close(); server.Close() })
	preface := make([]byte, len(http2.ClientPreface))
	_, err = io.ReadFull(server, preface)
	require.NoError(t, err)
	require.Equal(t, http2.ClientPreface, string(preface))
	require.NoError(t, p.framer.WriteSettings())
	<-c.Settled()
	return c, p
}

// socketPair returns the two ends of a connection.
func socketPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	client, err = net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	server, err = listener.Accept()
	require.NoError(t, err)
	return client, server
}

// step reads one frame.
func (p *peer) step() error {
	frame, err := p.framer.ReadFrame()
	if err != nil {
		return err
	}
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if v, ok := frame.Value(http2.SettingInitialWindowSize); ok {
			p.windows[0] = int(v)
		}
	case *http2.MetaHeadersFrame:
		p.opened = append(p.opened, frame.StreamID)
		p.windows[frame.StreamID] = p.windows[0]
	case *http2.WindowUpdateFrame:
		if frame.StreamID != 0 {
			p.windows[frame.StreamID] += int(frame.Increment)
		}
	}
	return nil
}

// awaitHeaders returns the ID of the next stream that is opened.
func (p *peer) awaitHeaders() uint32 {
	p.t.Helper()
	for len(p.opened) == 0 {
		require.NoError(p.t, p.step())
	}
	id := p.opened[0]
	p.opened = p.opened[1:]
	return id
}

// window returns the total window that a stream was given.
func (p *peer) window(id uint32) func() int {
	return func() int { return p.windows[id] }
}

func (p *peer) headers(id uint32, end bool, fields ...string) {
	p.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		p.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	b := p.block.Bytes()
	n := min(len(b), defaultFrameSize)
	p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b[:n], EndStream: end, EndHeaders: n == len(b)})
	for b = b[n:]; len(b) > 0; b = b[n:] {
		n = min(len(b), defaultFrameSize)
		p.framer.WriteContinuation(id, n == len(b), b[:n])
	}
}
