// Package h2 is a client connection of HTTP/2 (RFC 9113) made for relaying gRPC:
// many long streams, most of them quiet, some of them fast.
//
// It differs from golang.org/x/net/http2, on whose Framer and hpack it stands, in
// three things. A call costs no goroutine: the caller's own writes the request and
// reads the answer. A stream is woken once for all that one read of the network
// brought, so that what came together goes on together. And a quiet stream holds
// no buffer.
//
// A request's body is sent before its answer is read, which is enough for gRPC's
// unary and server-streaming calls, and for all of gRPC-Web.
package h2

import (
	"bufio"
	"bytes"
	"errors"
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
	// streamWindow is how many bytes of one answer may wait to be read, and
	// connWindow how many of all together. The latter is returned as bytes come,
	// so that a stream nobody reads does not stop its neighbours.
	streamWindow = 512 << 10
	connWindow   = 64 << 20

	// The values that RFC 9113, section 6.5.2 gives where a peer says nothing.
	defaultWindow    = 65535
	defaultFrameSize = 16384
	unlimitedStreams = maxStreamID

	// firstStreams is how many streams may open before the peer has said how many
	// it takes: the least that RFC 9113, section 6.5.2 advises it to take.
	firstStreams = 100

	readBufferSize  = 64 << 10
	writeBufferSize = 8 << 10

	// maxHeaderBytes bounds a header block, in bytes as RFC 9113, section 6.5.2
	// counts them. It is more than the relay takes, which can tell the page what is
	// wrong.
	maxHeaderBytes = 256 << 10
	// maxEncoderTable bounds the memory that a peer may have us keep for HPACK.
	maxEncoderTable = 4096

	// writeTimeout is how long a peer may leave our bytes untaken.
	writeTimeout = 20 * time.Second
	// lastWordsTimeout is how long is still read from one that takes none.
	lastWordsTimeout = 250 * time.Millisecond

	maxStreamID = 1<<31 - 1
)

var (
	// ErrClosed is the error of calls on a connection that was closed on this side.
	ErrClosed = errors.New("h2: connection closed")
	// ErrNotHTTP2 is the error of a connection to a server whose first words are not
	// HTTP/2's.
	ErrNotHTTP2 = errors.New("h2: no SETTINGS frame came first")

	// errNoMore is returned before anything is sent: the connection takes no calls.
	errNoMore      = errors.New("h2: connection takes no more streams")
	errKeepalive   = errors.New("h2: no answer to a ping")
	errProtocol    = errors.New("h2: peer broke the protocol")
	errFlowControl = errors.New("h2: peer sent more than its window")
)

// Options are a connection's settings.
type Options struct {
	// Keepalive is how long the peer may be silent, while a stream is open, before
	// it is sent a ping; 0 sends none.
	Keepalive time.Duration
	// KeepaliveTimeout is how long the answer may take.
	KeepaliveTimeout time.Duration
	// IdleTimeout is how long the connection is kept without a stream; 0 keeps it.
	IdleTimeout time.Duration
	// OnClose, where set, is called once when the connection has ended, with
	// ErrClosed where this side ended it.
	OnClose func(error)
}

// Conn is a connection. Its methods may be called from many goroutines.
type Conn struct {
	nc      net.Conn
	options Options

	// The writing side.
	writers atomic.Int32 // who waits to write; the last one flushes
	wmu     sync.Mutex
	bw      *bufio.Writer
	framer  *http2.Framer // writes under wmu; reads in readLoop only
	encoder *hpack.Encoder
	block   bytes.Buffer // the header block being encoded

	// The reading side: readLoop's own.
	br     *bufio.Reader
	woken  []*stream // streams with news that have not been told yet
	credit int       // bytes received and not yet returned to the connection's window
	spoke  bool      // the peer has said something

	lastRead atomic.Int64 // when something last came, Unix nanoseconds

	mu         sync.Mutex
	streams    map[uint32]*stream
	nextID     uint32
	maxStreams uint32
	draining   bool  // takes no new calls
	err        error // why the connection ended
	goAway     *GoAwayError
	window     sendWindow
	peer       peerSettings
	freed      chan struct{} // closed when a stream ends that others wait for
	timer      *time.Timer   // for the keepalive, or for the idle timeout
	idle       bool          // the timer runs for the latter
	pinged     bool

	settled chan struct{} // closed when the peer's settings have come
	done    chan struct{} // closed when readLoop has ended
}

type peerSettings struct {
	initialWindow int32
	frameSize     uint32
	seen          bool
}

// NewConn speaks HTTP/2 on nc, which from now on is the connection's. It returns
// once its own preface is written: Settled tells when the peer has answered.
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
	c.framer = http2.NewFramer(c.bw, c.br)
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(defaultFrameSize)
	c.framer.MaxHeaderListSize = maxHeaderBytes
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.encoder = hpack.NewEncoder(&c.block)
	c.encoder.SetMaxDynamicTableSizeLimit(maxEncoderTable)
	c.timer = time.AfterFunc(time.Hour, c.onTimer)
	c.mu.Lock()
	c.rest()
	c.mu.Unlock()

	err := c.write(func() error {
		if _, err := io.WriteString(c.bw, http2.ClientPreface); err != nil {
			return err
		}
		err := c.framer.WriteSettings(
			http2.Setting{ID: http2.SettingEnablePush, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
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

// Settled is closed when the peer's SETTINGS frame has come: what answers on nc
// does speak HTTP/2.
func (c *Conn) Settled() <-chan struct{} { return c.settled }

// Done is closed when the connection has ended, for whatever reason.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, or nil while it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// MaxStreams returns how many streams the peer allows at once, or 0 where the
// connection takes no new ones.
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

// Body is the body of an answer. What has come of it can be looked at where it is,
// instead of being copied out of it.
type Body interface {
	io.ReadCloser
	// Peek waits until there is more than the seen bytes that were looked at before,
	// and returns all of it, or at least a good deal, in pieces that are valid until
	// they are discarded. At the end of the body err is set, beside what is left.
	Peek(seen int) (pieces [][]byte, err error)
	// Discard forgets the first n bytes of what Peek returned.
	Discard(n int)
}

// RoundTrip sends a request, whose body it reads to the end, and returns when the
// answer's headers have come. While the peer allows no more streams, it waits. The
// answer's body, a Body or http.NoBody, must be closed; closing it before its end
// resets the stream. Trailers stand in the answer when its body has returned io.EOF. The request's
// context ends the stream as well.
//
// A stream that the peer reset fails with http2.StreamError, one that ended with
// the peer's GOAWAY with a GoAwayError. Unsent tells which may be sent again.
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

// write runs f, which writes frames, and sends them at the latest when nobody else
// is waiting to write. An error ends the connection.
func (c *Conn) write(f func() error) error {
	c.writers.Add(1)
	c.wmu.Lock()
	err := f()
	if c.writers.Add(-1) == 0 && err == nil {
		err = c.bw.Flush()
	}
	c.wmu.Unlock()
	if err != nil {
		c.breakOff()
	}
	return err
}

// breakOff ends a connection on which nothing can be sent any more, as soon as what
// the peer sent before has been read: a peer that dies may have had last words.
func (c *Conn) breakOff() {
	c.mu.Lock()
	c.draining = true
	c.free()
	c.mu.Unlock()
	c.nc.SetReadDeadline(time.Now().Add(lastWordsTimeout))
}

// timedWriter gives every write on the network its time.
type timedWriter struct{ nc net.Conn }

func (w timedWriter) Write(p []byte) (int, error) {
	if err := w.nc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return w.nc.Write(p)
}

// fail ends the connection: every stream with err, unless the peer's GOAWAY has
// given a better reason.
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
	c.free()
	c.mu.Unlock()
	c.nc.Close()
	for _, s := range streams {
		s.end(err)
	}
}

// remove forgets a stream, and ends a draining connection with its last.
func (c *Conn) remove(s *stream) (removed bool) {
	c.mu.Lock()
	if _, removed = c.streams[s.id]; removed {
		delete(c.streams, s.id)
		c.free()
		if len(c.streams) == 0 {
			c.rest()
		}
	}
	last := c.draining && len(c.streams) == 0
	c.mu.Unlock()
	if last {
		c.fail(ErrClosed)
	}
	return removed
}

// free wakes those who wait for a stream's place. c.mu is held.
func (c *Conn) free() {
	if c.freed != nil {
		close(c.freed)
		c.freed = nil
	}
}

// rest begins to wait for the end of a connection without streams. c.mu is held.
func (c *Conn) rest() {
	c.timer.Stop()
	if c.options.IdleTimeout > 0 && c.err == nil {
		c.idle = true
		c.timer.Reset(c.options.IdleTimeout)
	}
}

// watch begins to look after the peer's life, as a first stream opens. c.mu is held.
func (c *Conn) watch() {
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

// checkAlive tells whether a silent peer is to be pinged, or the connection to end:
// because a ping had no answer, or because nobody uses it.
func (c *Conn) checkAlive() (ping bool, err error) {
	silent := time.Since(time.Unix(0, c.lastRead.Load()))
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
	case len(c.streams) == 0:
		if c.idle {
			c.draining = true // no call may begin from here on
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
