//lint:file-ignore SA1019 see grpcTransport

package provider

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// grpcConn is one HTTP/2 connection.
type grpcConn struct {
	*securedConn
	transport *grpcTransport
	addr      string // host:port
	port      uint16
	h2        *http2.ClientConn

	streams atomic.Int32 // open, and waiting to be
	limit   int32        // what the server allows of them
	heard   atomic.Int64 // when bytes last came, in Unix nanoseconds
	died    sync.Once

	// What the server says first, for the reader only.
	words   []byte // the first frame, as far as it has come
	settled bool   // it came, and the reader has seen to it
	first   chan error

	mu        sync.Mutex
	keepAlive *time.Timer
	ended     bool
	leases    *bool // whether LeaseRPC is AEP-37's; nil if not asked yet
}

// dial opens a connection to a port and makes sure that it speaks HTTP/2.
func (t *grpcTransport) dial(ctx context.Context, port uint16) (*grpcConn, error) {
	rt := t.peer.route
	// Versions 0.7 to 0.8.4 negotiate no protocol, so ALPN is offered but not
	// insisted on (reference section 1.3).
	secured, err := rt.dial(ctx, port, []string{http2.NextProtoTLS}, t.peer.cert)
	if err != nil {
		return nil, err
	}
	c := &grpcConn{
		securedConn: secured,
		transport:   t,
		addr:        net.JoinHostPort(rt.key.host.Host, strconv.Itoa(int(port))),
		port:        port,
		first:       make(chan error, 1),
	}
	if err := c.greet(ctx); err != nil {
		c.Close()
		if t.peer.cert != nil && refusedClient(err) {
			return nil, clientRefused(err)
		}
		return nil, explain(ctx, err, port, "the HTTP/2 greeting")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepAlive = time.AfterFunc(rt.pool.patience.silence, c.ping)
	return c, nil
}

// greet sends the client's preface and waits for the server's (RFC 9113 section
// 3.4). A REST gateway shows the same certificate but answers with HTTP/1.1.
func (c *grpcConn) greet(ctx context.Context) error {
	h2, err := c.transport.h2.NewClientConn(c)
	if err != nil {
		return err
	}
	c.h2 = h2
	timeout := time.NewTimer(c.route.pool.patience.settings)
	defer timeout.Stop()
	select {
	case err := <-c.first:
		return err
	case <-timeout.C:
		return context.DeadlineExceeded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Read implements [net.Conn] for the HTTP/2 reader, which alone calls it.
func (c *grpcConn) Read(b []byte) (int, error) {
	if !c.settled && c.greetingEnded() {
		// The reader wants more, so it has seen to the server's settings.
		c.settled, c.words = true, nil
		c.greeted(nil)
	}
	n, err := c.securedConn.Read(b)
	if n > 0 {
		c.heard.Store(time.Now().UnixNano())
	}
	if !c.settled && !c.listen(b[:n], err) {
		return 0, errNotHTTP2 // rather than have the reader log a stranger's words
	}
	if err != nil && c.settled && !c.isClosed() {
		c.died.Do(func() {
			c.transport.remove(c)
			c.transport.peer.route.forget()
		})
	}
	return n, err
}

var errNotHTTP2 = errors.New("no HTTP/2 SETTINGS frame came first")

const (
	// frameHeader is the length of an HTTP/2 frame's header, RFC 9113 section 4.1.
	frameHeader = 9
	// settingLength is that of one setting, RFC 9113 section 6.5.1.
	settingLength = 6
	// maxSettings bounds a SETTINGS frame; gRPC servers send some dozens of bytes.
	maxSettings = 4 << 10
	// defaultStreamLimit is how many streams x/net opens on a connection to a
	// server that names no limit.
	defaultStreamLimit = 1000
)

// listen judges a server's first words: they must be a SETTINGS frame.
func (c *grpcConn) listen(b []byte, err error) (ok bool) {
	c.words = append(c.words, b[:min(len(b), frameHeader+maxSettings-len(c.words))]...)
	if len(c.words) >= frameHeader {
		if _, ok := settingsLength(c.words); !ok {
			c.greeted(errNotHTTP2)
			return false
		}
	}
	if c.greetingEnded() {
		c.limit = streamLimit(c.words)
	}
	if err != nil && len(c.words) > 0 {
		err = errNotHTTP2
	}
	if err != nil {
		c.greeted(err)
	}
	return true
}

// greetingEnded tells whether the whole of the first frame has come.
func (c *grpcConn) greetingEnded() bool {
	if len(c.words) < frameHeader {
		return false
	}
	length, _ := settingsLength(c.words)
	return len(c.words) >= frameHeader+length
}

// settingsLength reads the header of a frame that should be SETTINGS, RFC 9113
// sections 4.1 and 6.5.
func settingsLength(frame []byte) (length int, ok bool) {
	h := [frameHeader]byte(frame)
	length = int(h[0])<<16 | int(h[1])<<8 | int(h[2])
	stream := h[5] | h[6] | h[7] | h[8]
	return length, http2.FrameType(h[3]) == http2.FrameSettings && !http2.Flags(h[4]).Has(http2.FlagSettingsAck) &&
		stream == 0 && length%settingLength == 0 && length <= maxSettings
}

// streamLimit reads SETTINGS_MAX_CONCURRENT_STREAMS from a SETTINGS frame.
func streamLimit(frame []byte) int32 {
	length, _ := settingsLength(frame)
	limit := uint32(defaultStreamLimit)
	for s := frame[frameHeader:][:length]; len(s) >= settingLength; s = s[settingLength:] {
		if http2.SettingID(binary.BigEndian.Uint16(s)) == http2.SettingMaxConcurrentStreams {
			limit = binary.BigEndian.Uint32(s[2:])
		}
	}
	return int32(min(limit, math.MaxInt32))
}

// greeted passes the verdict on the server's greeting. The first counts.
func (c *grpcConn) greeted(verdict error) {
	select {
	case c.first <- verdict:
	default:
	}
}

// ping asks, if streams are open and the connection is silent, whether it lives.
func (c *grpcConn) ping() {
	if c.isClosed() {
		return
	}
	silent := time.Since(time.Unix(0, c.heard.Load()))
	patience := c.route.pool.patience
	next := patience.silence
	switch {
	case c.streams.Load() == 0: // a ping would be punished, too
	case silent < patience.silence:
		next -= silent
	default:
		ctx, cancel := context.WithTimeout(c.route.pool.ctx, patience.pong)
		err := c.h2.Ping(ctx)
		cancel()
		if err != nil {
			c.route.forget()
			c.Close()
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.keepAlive.Reset(next)
	}
}

// Close implements [net.Conn].
func (c *grpcConn) Close() error {
	c.mu.Lock()
	c.ended = true
	if c.keepAlive != nil {
		c.keepAlive.Stop()
	}
	c.mu.Unlock()
	c.greeted(net.ErrClosed)
	c.transport.remove(c)
	return c.securedConn.Close()
}

// discard closes a connection that lost the race.
func (c *grpcConn) discard() { c.Close() }
