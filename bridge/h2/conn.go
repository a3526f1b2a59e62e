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
	streamWindow = 192 << 10
	connWindow   = 16 << 20

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
	// counts them.
	maxHeaderBytes = 64 << 10
	// maxEncoderTable bounds the memory that a peer may have us keep for HPACK.
	maxEncoderTable = 4096

	// writeTimeout is how long a peer may leave our bytes untaken.
	writeTimeout = 20 * time.Second

	maxStreamID = 1<<31 - 1
)

// Defaults of Options.
const (
	// DefaultKeepalive stays clear of what Akash providers punish: pings more often
	// than every 30 s, or while no stream is open, end in GOAWAY too_many_pings.
	DefaultKeepalive        = 40 * time.Second
	DefaultKeepaliveTimeout = 15 * time.Second
)

var (
	// ErrClosed is the error of calls on a connection that was closed on this side.
	ErrClosed = errors.New("h2: connection closed")
	// ErrNoCapacity is returned by RoundTrip, before anything is sent, where the
	// connection takes no more calls. Another connection may.
	ErrNoCapacity = errors.New("h2: connection takes no more streams")

	errKeepalive   = errors.New("h2: no answer to a ping")
	errProtocol    = errors.New("h2: peer broke the protocol")
	errFlowControl = errors.New("h2: peer sent more than its window")
)

// Options are a connection's settings. The zero value has the defaults.
type Options struct {
	// Keepalive is how long the peer may be silent, while a stream is open, before
	// it is sent a ping. Default DefaultKeepalive; negative sends none.
	Keepalive time.Duration
	// KeepaliveTimeout is how long a ping may go unanswered. Default
	// DefaultKeepaliveTimeout.
	KeepaliveTimeout time.Duration
	// OnClose, where set, is called once when the connection has ended.
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

	lastRead atomic.Int64 // when something last came, Unix nanoseconds

	mu         sync.Mutex
	streams    map[uint32]*stream
	nextID     uint32
	maxStreams uint32
	draining   bool  // takes no new calls
	err        error // why the connection ended
	goAway     *http2.GoAwayError
	window     sendWindow
	peer       peerSettings
	keepalive  *time.Timer
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
	if options.Keepalive == 0 {
		options.Keepalive = DefaultKeepalive
	}
	if options.KeepaliveTimeout == 0 {
		options.KeepaliveTimeout = DefaultKeepaliveTimeout
	}
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

	go c.readLoop()
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
		<-c.done
		return nil, err
	}
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

// Load returns how many streams are open and how many more the connection takes.
func (c *Conn) Load() (open, room int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams), c.room()
}

func (c *Conn) room() int {
	if c.err != nil || c.draining || c.nextID > maxStreamID {
		return 0
	}
	return max(0, int(c.maxStreams)-len(c.streams))
}

// Close ends the connection and every stream on it.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	<-c.done
	return nil
}

// RoundTrip sends a request, whose body it reads to the end, and returns when the
// answer's headers have come. The answer's body must be closed; closing it before
// its end resets the stream. Trailers stand in the answer when its body has
// returned io.EOF. The request's context ends the stream as well.
//
// A stream that the peer reset fails with http2.StreamError; one that a closing
// peer did not begin to process with http2.GoAwayError.
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
		c.fail(err)
	}
	return err
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
	if c.keepalive != nil {
		c.keepalive.Stop()
	}
	c.window.release()
	c.mu.Unlock()
	c.nc.Close()
	for _, s := range streams {
		s.end(err)
	}
}

// remove forgets a stream, and the connection once it drains and was the last.
func (c *Conn) remove(s *stream) (removed bool) {
	c.mu.Lock()
	_, removed = c.streams[s.id]
	delete(c.streams, s.id)
	last := c.draining && len(c.streams) == 0
	if len(c.streams) == 0 && c.keepalive != nil {
		c.keepalive.Stop()
	}
	c.mu.Unlock()
	if last {
		c.fail(ErrClosed)
	}
	return removed
}

// watch begins to look after the peer's life, as a first stream opens.
func (c *Conn) watch() {
	if c.options.Keepalive < 0 {
		return
	}
	c.pinged = false
	if c.keepalive == nil {
		c.keepalive = time.AfterFunc(c.options.Keepalive, c.checkAlive)
		return
	}
	c.keepalive.Reset(c.options.Keepalive)
}

// checkAlive pings a peer that has been silent, and ends the connection if it
// stays so.
func (c *Conn) checkAlive() {
	silent := time.Since(time.Unix(0, c.lastRead.Load()))
	c.mu.Lock()
	if c.err != nil || len(c.streams) == 0 {
		c.mu.Unlock()
		return
	}
	ping := false
	switch {
	case silent < c.options.Keepalive:
		c.pinged = false
		c.keepalive.Reset(c.options.Keepalive - silent)
	case !c.pinged:
		c.pinged, ping = true, true
		c.keepalive.Reset(c.options.KeepaliveTimeout)
	default:
		c.mu.Unlock()
		c.fail(errKeepalive)
		return
	}
	c.mu.Unlock()
	if ping {
		c.write(func() error { return c.framer.WritePing(false, [8]byte{'a', 'k', 'a', 's', 'h'}) })
	}
}
