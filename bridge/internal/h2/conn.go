// Package h2 implements the client side of an HTTP/2 connection (RFC 9113) for
// relaying gRPC: many long streams, most of them idle, some of them busy.
//
// It uses the Framer and the hpack package of golang.org/x/net/http2, and differs from
// that package's transport in three ways. A call needs no goroutine: the caller's
// goroutine writes the request and reads the answer. A stream is dirty once for all
// data of one network read, so that data that arrives together is relayed together.
// And an idle stream has no buffer.
//
// A request's body is sent before its answer is read. That suffices for gRPC's unary
// and server-streaming calls, and for all of gRPC-Web.
package h2

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// connWindow is replenished as bytes arrive, so a stream that is not read does not
	// block others.
	connWindow = 64 << 20

	// The defaults of RFC 9113, section 6.5.2.
	defaultWindow    = 65535
	defaultFrameSize = 16384
	unlimitedStreams = maxStreamID

	// firstStreams is the number of streams that may be opened before the peer has
	// stated its limit: the minimum that RFC 9113, section 6.5.2 recommends.
	firstStreams = 100

	readBufferSize  = 64 << 10
	writeBufferSize = 8 << 10

	// maxHeaderBytes bounds a header block, in bytes as counted by RFC 9113, section
	// 6.5.2. It exceeds the relay's limit, so that the relay can report oversized
	// headers.
	maxHeaderBytes = 256 << 10
	// maxEncoderTable bounds the HPACK table that a peer may ask this side to keep.
	maxEncoderTable = 4096

	// maxIdleFrames is how many frames a peer may send a second that carry nothing for a
	// call: pings, settings, empty DATA frames and the like. A peer that sends more keeps
	// the processor from other connections' calls (CVE-2019-9512 and its siblings). Large
	// ones count as several.
	maxIdleFrames = 1000
	idleFrameSize = 256
	// maxBlockFrames bounds the frames of a header block, of which maxHeaderBytes does
	// not bound empty ones (CVE-2023-45288).
	maxBlockFrames = 1024
	// maxSettings bounds the settings in a frame. RFC 9113 defines six.
	maxSettings = 32

	// writeTimeout bounds a write to the network.
	writeTimeout = 20 * time.Second
	// drainTimeout bounds how long this side reads on after a failed write.
	drainTimeout = 250 * time.Millisecond

	maxStreamID = 1<<31 - 1
)

var (
	// ErrClosed is the error of calls on a connection that this side has closed.
	ErrClosed = errors.New("h2: connection closed")
	// ErrNotHTTP2 is the error of a connection to a server that does not speak
	// HTTP/2.
	ErrNotHTTP2 = errors.New("h2: no SETTINGS frame came first")

	// errUnusable is returned before anything is sent.
	errUnusable  = errors.New("h2: connection accepts no new streams")
	errKeepalive = errors.New("h2: no answer to a ping")

	// These wrap an http2.ConnectionError, as errors of the Framer are.
	errProtocol    = fmt.Errorf("h2: peer violated the protocol: %w", http2.ConnectionError(http2.ErrCodeProtocol))
	errFlowControl = fmt.Errorf("h2: peer exceeded its flow control window: %w", http2.ConnectionError(http2.ErrCodeFlowControl))
	errFlood       = fmt.Errorf("h2: peer floods the connection with frames that carry nothing: %w", http2.ConnectionError(http2.ErrCodeEnhanceYourCalm))
)

// Options are the settings of a connection.
type Options struct {
	// Keepalive is how long the peer may be silent while a stream is open before it
	// is pinged; 0 disables pings.
	Keepalive time.Duration
	// KeepaliveTimeout is how long the peer may take to answer a ping.
	KeepaliveTimeout time.Duration
	// IdleTimeout is how long a connection without streams stays open; 0 means no
	// limit.
	IdleTimeout time.Duration
	// OnClose, if set, is called once when the connection has ended. Its argument is
	// ErrClosed if this side has closed it.
	OnClose func(error)

	// idleInterval is the interval that maxIdleFrames is for; 0 means a second.
	idleInterval time.Duration
}

// Conn is a connection. Its methods may be called concurrently.
type Conn struct {
	nc      net.Conn
	options Options

	// For writing.
	writers atomic.Int32 // number of goroutines waiting to write; the last one flushes
	wmu     sync.Mutex
	bw      *bufio.Writer
	framer  *http2.Framer // writes under wmu; reads in readLoop only
	encoder *hpack.Encoder
	block   bytes.Buffer // the header block being encoded

	// For reading; used by readLoop only.
	br         *bufio.Reader
	pending    []*stream // streams to notify
	credit     int       // bytes received but not yet returned to the connection's window
	received   bool      // the peer has sent something
	idleFrames int       // frames that carry nothing, since idleSince
	idleSince  time.Time
	sentFrames atomic.Int64 // frames with data that were sent, since then
	headers    headerReader

	lastRead atomic.Int64 // time of the last network read, Unix nanoseconds

	mu         sync.Mutex
	streams    map[uint32]*stream
	nextID     uint32
	maxStreams uint32
	draining   bool  // accepts no new streams
	err        error // why the connection ended
	goAway     *GoAwayError
	window     sendWindow
	peer       peerSettings
	freed      chan struct{} // closed when the number of streams or its limit changes; nil if nobody waits
	timer      *time.Timer   // the keepalive, or the idle timeout
	idle       bool          // the timer is the idle timeout
	pinged     bool

	settled chan struct{} // closed when the peer's settings have arrived
	done    chan struct{} // closed when readLoop has returned
}

type peerSettings struct {
	initialWindow int32
	frameSize     uint32
	seen          bool
}

// NewConn starts HTTP/2 on nc and takes ownership of it. It returns once it has
// written the connection preface. Settled reports when the peer has answered.
func NewConn(nc net.Conn, options Options) (*Conn, error) {
	c := &Conn{
		nc: nc, options: options,
		br:         bufio.NewReaderSize(nc, readBufferSize),
		bw:         bufio.NewWriterSize(timedWriter{nc}, writeBufferSize),
		streams:    make(map[uint32]*stream),
		nextID:     1,
		maxStreams: firstStreams,
		peer:       peerSettings{initialWindow: defaultWindow, frameSize: defaultFrameSize},
		settled:    make(chan struct{}),
		done:       make(chan struct{}),
	}
	c.window.available = defaultWindow
	c.lastRead.Store(time.Now().UnixNano())
	c.headers.src = c.br
	c.framer = http2.NewFramer(c.bw, &c.headers)
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(defaultFrameSize)
	c.framer.MaxHeaderListSize = maxHeaderBytes
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.encoder = hpack.NewEncoder(&c.block)
	c.encoder.SetMaxDynamicTableSizeLimit(maxEncoderTable)
	c.timer = time.AfterFunc(time.Hour, c.onTimer)
	c.mu.Lock()
	c.startIdleTimer()
	c.mu.Unlock()

	err := c.write(func() error {
		if _, err := io.WriteString(c.bw, http2.ClientPreface); err != nil {
			return err
		}
		err := c.framer.WriteSettings(
			http2.Setting{ID: http2.SettingEnablePush, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: smallestWindow},
			http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHeaderBytes},
		)
		if err != nil {
			return err
		}
		return c.framer.WriteWindowUpdate(0, connWindow-defaultWindow)
	})
	if err != nil {
		return nil, err
	}
	go c.readLoop() // not before, or it might acknowledge settings ahead of the preface
	return c, nil
}

// Settled is closed when the peer's SETTINGS frame has arrived, which shows that the
// peer speaks HTTP/2.
func (c *Conn) Settled() <-chan struct{} { return c.settled }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, or nil if it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// MaxStreams returns the number of streams that the peer allows at once, or 0 if the
// connection accepts no new ones.
func (c *Conn) MaxStreams() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.usable() {
		return 0
	}
	return int(c.maxStreams)
}

func (c *Conn) usable() bool {
	return c.err == nil && !c.draining && c.nextID <= maxStreamID
}

// Close ends the connection and every stream on it.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	<-c.done
	return nil
}

// Body is the body of an answer. It can be read without copying.
type Body interface {
	io.ReadCloser
	// Peek waits until more than seen bytes are available, and returns them in pieces
	// that are valid until they are discarded. It may leave out part of a large
	// amount. At the end of the body it also returns an error.
	Peek(seen int) (pieces [][]byte, err error)
	// Discard removes the first n bytes of those that Peek returned.
	Discard(n int)
}

// RoundTrip sends a request, whose body it reads to the end, and returns when the
// answer's headers have arrived. It waits while the peer allows no more streams. The
// answer's body is a Body or http.NoBody. The caller must close it; closing it before
// its end resets the stream. The answer's trailers are set when its body has returned
// io.EOF. The request's context also ends the stream.
//
// The error of a stream that the peer reset is an http2.StreamError, and that of one
// that ended with the peer's GOAWAY frame a GoAwayError. Unsent reports which requests
// may be retried.
func (c *Conn) RoundTrip(r *http.Request) (*http.Response, error) {
	s, err := c.send(r)
	if err != nil {
		return nil, err
	}
	header, ended, err := s.awaitHeader()
	if err != nil {
		s.Close()
		return nil, err
	}
	response, err := newResponse(r, header)
	if err != nil {
		s.reset(http2.ErrCodeProtocol)
		return nil, err
	}
	if ended {
		s.Close()
		response.Body = http.NoBody
		return response, nil
	}
	s.response = response
	response.Body = s
	return response, nil
}

// write runs f, which writes frames, and flushes them unless another goroutine is
// waiting to write. An error ends the connection.
func (c *Conn) write(f func() error) error {
	c.writers.Add(1)
	c.wmu.Lock()
	err := f()
	if c.writers.Add(-1) == 0 && err == nil {
		err = c.bw.Flush()
	}
	c.wmu.Unlock()
	if err != nil {
		c.stopSending()
	}
	return err
}

// stopSending ends a connection that can no longer be written to, after reading what
// the peer had sent before: often the reason, such as a GOAWAY frame.
func (c *Conn) stopSending() {
	c.mu.Lock()
	c.draining = true
	c.signalFreed()
	c.mu.Unlock()
	c.nc.SetReadDeadline(time.Now().Add(drainTimeout))
}

// timedWriter sets a deadline for every write to the network.
type timedWriter struct{ nc net.Conn }

func (w timedWriter) Write(p []byte) (int, error) {
	if err := w.nc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return w.nc.Write(p)
}

// fail ends the connection and all its streams with err, or with the peer's GOAWAY
// frame if there was one.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	if c.goAway != nil && err != ErrClosed {
		err = *c.goAway
	}
	c.err = err
	streams := c.streams
	c.streams = nil
	c.timer.Stop()
	c.window.release()
	c.signalFreed()
	c.mu.Unlock()
	c.nc.Close()
	for _, s := range streams {
		s.end(err)
	}
}

// remove removes a stream. It closes a draining connection after its last stream.
func (c *Conn) remove(s *stream) (removed bool) {
	c.mu.Lock()
	if _, removed = c.streams[s.id]; removed {
		delete(c.streams, s.id)
		c.signalFreed()
		if len(c.streams) == 0 {
			c.startIdleTimer()
		}
	}
	last := c.draining && len(c.streams) == 0
	c.mu.Unlock()
	if last {
		c.fail(ErrClosed)
	}
	return removed
}

// signalFreed wakes the callers of awaitSlot. The caller holds c.mu.
func (c *Conn) signalFreed() {
	if c.freed != nil {
		close(c.freed)
		c.freed = nil
	}
}

// startIdleTimer starts the idle timeout of a connection without streams. The caller
// holds c.mu.
func (c *Conn) startIdleTimer() {
	c.timer.Stop()
	if c.options.IdleTimeout > 0 && c.err == nil {
		c.idle = true
		c.timer.Reset(c.options.IdleTimeout)
	}
}

// startKeepalive starts the keepalive timer when the first stream opens. The caller
// holds c.mu.
func (c *Conn) startKeepalive() {
	c.timer.Stop()
	c.idle, c.pinged = false, false
	if c.options.Keepalive > 0 {
		c.timer.Reset(c.options.Keepalive)
	}
}

func (c *Conn) onTimer() {
	ping, err := c.checkAlive()
	switch {
	case err != nil:
		c.fail(err)
	case ping:
		c.write(func() error { return c.framer.WritePing(false, [8]byte{'a', 'k', 'a', 's', 'h'}) })
	}
}

// checkAlive reports whether to ping a silent peer. It returns an error if the
// connection must end: a ping was not answered, or the idle timeout has passed.
func (c *Conn) checkAlive() (ping bool, err error) {
	silent := time.Since(time.Unix(0, c.lastRead.Load()))
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
	case len(c.streams) == 0:
		if c.idle {
			c.draining = true // no stream may open from now on
			return false, ErrClosed
		}
	case silent < c.options.Keepalive:
		c.pinged = false
		c.timer.Reset(c.options.Keepalive - silent)
	case !c.pinged:
		c.pinged = true
		c.timer.Reset(c.options.KeepaliveTimeout)
		return true, nil
	default:
		return false, errKeepalive
	}
	return false, nil
}
