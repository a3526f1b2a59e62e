package flood

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// The protocols of a connection.
const (
	undecided = iota
	protocolHTTP1
	protocolHTTP2
	protocolSocket // a WebSocket
)

const (
	// bufferSize is how much is read at once over HTTP/2: net/http reads each frame's
	// header and payload on their own.
	bufferSize = 4 << 10
	// lingerTime is how long a connection that is closed for what it cost stays open, so
	// that the client can read why.
	lingerTime = time.Second
	// A WebSocket's message has so much time to arrive, and a second more for so many of
	// its bytes.
	messageTime  = 30 * time.Second
	messageBytes = 4 << 10
	// earnedAtOnce is how much is earned until it is counted.
	earnedAtOnce = 200 * time.Microsecond
	// A client that reads nothing is not told why it is closed.
	farewellTime = 100 * time.Millisecond
)

var errCalm = errors.New("the client sends too much for nothing")

// conn is a connection. Reading has one goroutine at a time, and writing as well.
type conn struct {
	net.Conn // TLS, if that is served
	listener *listener
	own      meter
	shared   *budget    // of the network
	network  netip.Addr // not valid for a proxy's connection, whose budget is its own
	// socket has the budgets of a WebSocket that came through a proxy: it is one client's.
	socket *sole

	opening  atomic.Int64 // what it cost to open it, until a request is served
	headers  atomic.Int64 // what header blocks cost, until their requests are served
	useful   atomic.Bool  // it has had a request that was served
	protocol atomic.Int32
	state    atomic.Pointer[tls.ConnectionState] // of TLS, once a request has needed it
	last     atomic.Uint32                       // the last four bytes read over HTTP/1

	// For reading.
	handshaken bool
	preface    int // bytes of HTTP/2's preface
	buffer     []byte
	unread     []byte // of buffer
	frames     http2Frames
	streams    streams
	messages   socketFrames
	waited     time.Duration // for the rest of the WebSocket's message
	arrived    int64         // bytes of it
	data       bool          // what it read last was data that may have a use

	wake     chan struct{}
	deadline atomic.Int64 // for reading, by clock; 0 for none
	closed   atomic.Bool
	once     sync.Once

	writing   sync.Mutex
	outFrames http2Frames
	outHead   int // bytes of the blank line after a handshake that were written last
	outSocket socketFrames
	earned    time.Duration // what has not been counted yet
	leaving   chan struct{} // if set, closed once all frames are complete
	left      bool          // nothing more is written
	dismissed atomic.Bool
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.unread) > 0 {
		n := copy(p, c.unread)
		c.unread = c.unread[n:]
		return n, nil
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.turn(); err != nil {
		return 0, err
	}
	if !c.handshaken {
		if err := c.handshake(); err != nil {
			return 0, err
		}
	}
	into := p
	if c.protocol.Load() == protocolHTTP2 && len(p) < bufferSize {
		if c.buffer == nil {
			c.buffer = make([]byte, bufferSize)
		}
		into = c.buffer
	}
	n, err := c.read(into)
	if n > 0 {
		c.took(into[:n])
	}
	if &into[0] != &p[0] {
		c.unread = into[:n]
		n = copy(p, c.unread)
		c.unread = c.unread[n:]
	}
	return n, err
}

// turn waits until the network's budget lets the connection be read, and returns an error
// once the connection's own is used up.
func (c *conn) turn() error {
	own, shared := c.budgets()
	if own.overdrawn() > 0 {
		c.dismiss("enhance your calm")
		return errCalm
	}
	if shared.overdrawn() <= 0 || c.useful.Load() && own.halfFull() && !c.data {
		// The latter is a client's that does no harm, and shares its address with one that
		// does.
		return nil
	}
	if !c.listener.budgets.wait(shared, 1) {
		return errCalm
	}
	defer c.listener.budgets.wait(shared, -1)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := shared.overdrawn()
		if wait <= 0 {
			return nil
		}
		if end := c.deadline.Load(); end != 0 {
			left := time.Duration(end - clock())
			if left <= 0 {
				return os.ErrDeadlineExceeded
			}
			wait = min(wait, left)
		}
		timer.Reset(max(wait, time.Millisecond))
		select {
		case <-timer.C:
		case <-c.wake:
		}
		if c.closed.Load() {
			return net.ErrClosed
		}
	}
}

// sole are the budgets of a connection that shares none.
type sole struct {
	own    meter
	shared budget
}

func newSole(factor int64) *sole {
	return &sole{
		own:    meter{share: connShare / factor, burst: connBurst * time.Duration(factor)},
		shared: budget{meter: meter{share: addressShare / factor, burst: addressBurst * time.Duration(factor)}},
	}
}

// budgets returns the connection's own budget and that of its network.
func (c *conn) budgets() (own *meter, shared *budget) {
	if c.socket != nil && c.protocol.Load() == protocolSocket {
		return &c.socket.own, &c.socket.shared
	}
	return &c.own, c.shared
}

// handshake begins the connection, with TLS if that is served.
func (c *conn) handshake() error {
	c.handshaken = true
	c.charge(price{control: time.Duration(c.opening.Load())})
	secure, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	err := secure.Handshake()
	if err == nil {
		return nil
	}
	reason := err.Error()
	var header tls.RecordHeaderError
	if errors.As(err, &header) && header.Conn != nil && looksLikeHTTP(header.RecordHeader) {
		reason = "client sent an HTTP request to an HTTPS server"
		_, _ = io.WriteString(header.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
	}
	if log := c.listener.options.ErrorLog; log != nil {
		log.Printf("http: TLS handshake error from %s: %v", c.RemoteAddr(), reason)
	}
	return err
}

// looksLikeHTTP reports whether a handshake begins as a request does.
func looksLikeHTTP(head [5]byte) bool {
	switch string(head[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// read reads from the client. The rest of a WebSocket's message has a time to arrive.
func (c *conn) read(p []byte) (int, error) {
	if c.protocol.Load() != protocolSocket || c.messages.between() && !c.messages.message {
		return c.Conn.Read(p)
	}
	start := time.Now()
	left := c.listener.messageTime + time.Duration(c.arrived)*time.Second/messageBytes - c.waited
	_ = c.Conn.SetReadDeadline(start.Add(left))
	n, err := c.Conn.Read(p)
	_ = c.Conn.SetReadDeadline(time.Time{})
	c.waited += time.Since(start)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.dismiss("the rest of a message did not arrive")
	}
	return n, err
}

// took counts what was read.
func (c *conn) took(p []byte) {
	var cost price
	switch c.protocol.Load() {
	case undecided:
		c.decide(p)
	case protocolHTTP1:
		cost.data = plain(p)
	case protocolHTTP2:
		cost = c.frames.received(p, &c.streams)
	case protocolSocket:
		c.arrived += int64(len(p))
		cost = c.messages.received(p)
		if c.messages.between() && !c.messages.message {
			c.waited, c.arrived = 0, 0
		}
	}
	if c.protocol.Load() == protocolHTTP1 {
		c.remember(p)
	}
	c.data = cost.data > 0
	c.charge(cost)
}

// plain returns what bytes cost over HTTP/1.
func plain(p []byte) time.Duration {
	cost := time.Duration(len(p)) * time.Microsecond / plainBytes
	if len(p) < smallRead {
		cost += costRead
	}
	return cost
}

// charge counts a price.
func (c *conn) charge(cost price) {
	if cost == (price{}) {
		return
	}
	c.headers.Add(int64(cost.headers))
	own, shared := c.budgets()
	own.add(cost.control + cost.headers)
	shared.add(cost.control + cost.headers + cost.data)
}

// decide finds out by its first bytes whether the connection speaks HTTP/1 or 2.
func (c *conn) decide(p []byte) {
	n := min(len(p), len(http2.ClientPreface)-c.preface)
	switch {
	case !bytes.Equal(p[:n], []byte(http2.ClientPreface[c.preface:c.preface+n])):
		c.protocol.Store(protocolHTTP1)
	case c.preface+n == len(http2.ClientPreface):
		c.protocol.Store(protocolHTTP2)
		c.charge(c.frames.received(p[n:], &c.streams))
	}
	c.preface += n
}

// remember keeps the last bytes that were read.
func (c *conn) remember(p []byte) {
	var last [4]byte
	binary.BigEndian.PutUint32(last[:], c.last.Load())
	if len(p) >= len(last) {
		copy(last[:], p[len(p)-len(last):])
	} else {
		copy(last[:], last[len(p):])
		copy(last[len(last)-len(p):], p)
	}
	c.last.Store(binary.BigEndian.Uint32(last[:]))
}

// upgrade makes the connection a WebSocket's. It reports false if the client has sent more
// than the request already, which it may not.
func (c *conn) upgrade() bool {
	if c.last.Load() != binary.BigEndian.Uint32([]byte("\r\n\r\n")) {
		return false
	}
	return c.protocol.CompareAndSwap(protocolHTTP1, protocolSocket)
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.left {
		return 0, errCalm
	}
	n, err := c.Conn.Write(p)
	switch c.protocol.Load() {
	case protocolHTTP2:
		c.earned += c.outFrames.sent(p[:n], &c.streams)
	case protocolSocket:
		c.earned += c.outSocket.sent(c.afterHead(p[:n]))
	}
	if c.earned >= earnedAtOnce {
		c.earn(c.earned)
		c.earned = 0
	}
	if c.leaving != nil && c.between() {
		close(c.leaving)
		c.leaving = nil
	}
	return n, err
}

// afterHead returns what of p is not the answer to a WebSocket's handshake.
func (c *conn) afterHead(p []byte) []byte {
	const end = "\r\n\r\n"
	for i := 0; c.outHead < len(end); i++ {
		switch {
		case i == len(p):
			return nil
		case p[i] == end[c.outHead]:
			c.outHead++
		case p[i] == end[0]:
			c.outHead = 1
		default:
			c.outHead = 0
		}
		if c.outHead == len(end) {
			return p[i+1:]
		}
	}
	return p
}

// earn gives back what was counted.
func (c *conn) earn(cost time.Duration) {
	own, shared := c.budgets()
	own.add(-cost)
	shared.add(-cost)
}

// dismiss tells the client that the connection is closed for what it sends, and writes
// nothing more.
func (c *conn) dismiss(reason string) {
	if c.dismissed.Swap(true) {
		return
	}
	c.listener.options.Closed()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(farewellTime)) // of what is being written, too
	c.writing.Lock()
	defer c.writing.Unlock()
	if !c.between() {
		leaving := make(chan struct{})
		c.leaving = leaving
		c.writing.Unlock()
		timer := time.NewTimer(farewellTime)
		select {
		case <-leaving:
		case <-timer.C:
		}
		timer.Stop()
		c.writing.Lock()
	}
	c.left = true
	if c.between() {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(farewellTime))
		_, _ = c.Conn.Write(c.farewell(reason))
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// between reports whether all frames that were written are complete. c.writing is held.
func (c *conn) between() bool {
	switch c.protocol.Load() {
	case protocolHTTP2:
		return c.outFrames.between()
	case protocolSocket:
		return c.outHead > 0 && c.outSocket.between()
	}
	return true
}

// farewell returns the frame that tells the client why the connection is closed, if its
// protocol has one.
func (c *conn) farewell(reason string) []byte {
	switch c.protocol.Load() {
	case protocolHTTP2:
		b := []byte{0, 0, byte(8 + len(reason)), byte(http2.FrameGoAway), 0, 0, 0, 0, 0}
		const all = 1<<31 - 1 // streams may have been answered
		b = binary.BigEndian.AppendUint32(b, all)
		b = binary.BigEndian.AppendUint32(b, uint32(http2.ErrCodeEnhanceYourCalm))
		return append(b, reason...)
	case protocolSocket:
		const closing, policyViolation = 0x88, 1008
		b := []byte{closing, byte(2 + len(reason))}
		return append(binary.BigEndian.AppendUint16(b, policyViolation), reason...)
	}
	return nil
}

// Unwrap returns the connection without a budget, for whoever has taken it over from
// net/http: it writes many buffers at once, and can be closed for writing only.
func (c *conn) Unwrap() net.Conn { return c.Conn }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.readBefore(t)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.readBefore(t)
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) readBefore(t time.Time) {
	end := int64(0)
	if !t.IsZero() {
		end = max(1, int64(t.Sub(began)))
	}
	c.deadline.Store(end)
	c.awake()
}

// awake has a read that waits look again.
func (c *conn) awake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.closed.Store(true)
	c.awake()
	var err error
	c.once.Do(func() {
		if c.network.IsValid() {
			c.listener.budgets.close(c.network, c.shared)
		}
		if c.dismissed.Load() {
			time.AfterFunc(lingerTime, func() { c.Conn.Close() })
			return
		}
		err = c.Conn.Close()
	})
	return err
}
