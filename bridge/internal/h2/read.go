package h2

import (
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const frameHeaderLen = 9

// readLoop reads frames until the connection ends. It never waits for a stream's
// reader, only for the network.
func (c *Conn) readLoop() {
	defer func() {
		close(c.done)
		if c.options.OnClose != nil {
			c.options.OnClose(c.Err())
		}
	}()
	for {
		if err := c.readFrame(); err != nil {
			if err == io.EOF {
				// A connection that ends is no end of a stream's, wherever in a frame
				// it does: to their readers io.EOF is a good one.
				err = io.ErrUnexpectedEOF
			}
			if !c.peer.seen && c.spoke {
				err = ErrNotHTTP2
			}
			c.wake()
			c.fail(err)
			return
		}
	}
}

// readFrame reads one frame and does what it asks.
func (c *Conn) readFrame() error {
	head, err := c.peek()
	if err != nil {
		return err
	}
	if head.Type == http2.FrameData {
		if !c.peer.seen {
			return errProtocol
		}
		c.br.Discard(frameHeaderLen)
		return c.onData(head)
	}
	frame, err := c.framer.ReadFrame()
	if err != nil {
		return c.onBadFrame(err)
	}
	if !c.peer.seen {
		// RFC 9113, section 3.4: a server's first frame is SETTINGS.
		if settings, ok := frame.(*http2.SettingsFrame); !ok || settings.IsAck() {
			return errProtocol
		}
		defer close(c.settled)
	}
	switch frame := frame.(type) {
	case *http2.MetaHeadersFrame:
		return c.onHeaders(frame)
	case *http2.RSTStreamFrame:
		return c.onReset(frame)
	case *http2.SettingsFrame:
		return c.onSettings(frame)
	case *http2.WindowUpdateFrame:
		return c.onWindowUpdate(frame)
	case *http2.PingFrame:
		if frame.IsAck() {
			return nil
		}
		data := frame.Data
		return c.write(func() error { return c.framer.WritePing(true, data) })
	case *http2.GoAwayFrame:
		c.onGoAway(frame)
	case *http2.PushPromiseFrame:
		return errProtocol // our SETTINGS forbid it
	}
	return nil
}

// peek returns the next frame's header. Before it waits for the network, streams
// are told what has come for them.
func (c *Conn) peek() (http2.FrameHeader, error) {
	fresh := c.br.Buffered() < frameHeaderLen
	if fresh {
		c.wake()
	}
	b, err := c.br.Peek(frameHeaderLen)
	c.spoke = c.spoke || len(b) > 0
	if err != nil {
		return http2.FrameHeader{}, err
	}
	if fresh {
		c.heard()
	}
	head := http2.FrameHeader{
		Length:   uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		Type:     http2.FrameType(b[3]),
		Flags:    http2.Flags(b[4]),
		StreamID: (uint32(b[5])<<24 | uint32(b[6])<<16 | uint32(b[7])<<8 | uint32(b[8])) & maxStreamID,
	}
	if head.Length > defaultFrameSize {
		return head, http2.ErrFrameTooLarge
	}
	if c.br.Buffered() < frameHeaderLen+int(head.Length) {
		c.wake()
	}
	return head, nil
}

// heard notes that the network has brought something.
func (c *Conn) heard() { c.lastRead.Store(time.Now().UnixNano()) }

// wake tells streams their news.
func (c *Conn) wake() {
	for i, s := range c.woken {
		s.dirty = false
		s.tell()
		c.woken[i] = nil
	}
	c.woken = c.woken[:0]
}

// touch marks s as having news.
func (c *Conn) touch(s *stream) {
	if !s.dirty {
		s.dirty = true
		c.woken = append(c.woken, s)
	}
}

// lookup returns an open stream, nil for one that has been closed on this side,
// and an error for one that never was.
func (c *Conn) lookup(id uint32) (*stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[id]
	if s == nil && (id%2 == 0 || id >= c.nextID) {
		return nil, errProtocol
	}
	return s, nil
}

// onData moves a DATA frame's bytes from the network's buffer into the stream's.
func (c *Conn) onData(head http2.FrameHeader) error {
	s, err := c.lookup(head.StreamID)
	if err != nil {
		return err
	}
	length, padding := int(head.Length), 0
	if head.Flags.Has(http2.FlagDataPadded) {
		b, err := c.br.ReadByte()
		if err != nil {
			return err
		}
		length--
		padding = int(b)
		if padding > length {
			return errProtocol
		}
		length -= padding
	}
	if err := c.account(int(head.Length)); err != nil {
		return err
	}
	if s == nil {
		_, err := c.br.Discard(length + padding)
		return err
	}
	s.mu.Lock()
	if s.header == nil {
		s.mu.Unlock()
		return errProtocol
	}
	s.received -= int(head.Length)
	flood := s.received < 0
	s.padding += int(head.Length) - length
	length -= c.move(s, length)
	s.mu.Unlock()
	if flood {
		return errFlowControl
	}
	for length > 0 {
		n, err := c.receive(s, length)
		if err != nil {
			return err
		}
		length -= n
	}
	if _, err := c.br.Discard(padding); err != nil {
		return err
	}
	if head.Flags.Has(http2.FlagDataEndStream) {
		c.finish(s, nil)
	}
	c.touch(s)
	return nil
}

// move moves to s what has come of n bytes, and returns how many that are. s.mu is
// held.
func (c *Conn) move(s *stream, n int) int {
	n = min(n, c.br.Buffered())
	b, _ := c.br.Peek(n)
	if !s.ended {
		s.queue.write(b)
	}
	c.br.Discard(n)
	return n
}

// receive waits for some of n bytes, of which none has come, without s's lock, and
// moves them to s.
func (c *Conn) receive(s *stream, n int) (int, error) {
	c.touch(s)
	c.wake()
	if _, err := c.br.Peek(1); err != nil {
		return 0, err
	}
	c.heard()
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.move(s, n), nil
}

// account counts bytes against the connection's window, and gives them back.
func (c *Conn) account(n int) error {
	c.credit += n
	if c.credit > connWindow {
		return errFlowControl
	}
	if c.credit < connWindow/4 {
		return nil
	}
	increment := uint32(c.credit)
	c.credit = 0
	return c.write(func() error { return c.framer.WriteWindowUpdate(0, increment) })
}

func (c *Conn) onHeaders(frame *http2.MetaHeadersFrame) error {
	s, err := c.lookup(frame.StreamID)
	if err != nil || s == nil {
		return err
	}
	if frame.Truncated {
		return c.abort(s, http2.ErrCodeEnhanceYourCalm,
			fmt.Errorf("h2: a header block is larger than %d bytes", maxHeaderBytes))
	}
	ended := frame.StreamEnded()
	status := frame.PseudoValue("status")
	if len(status) == 3 && status[0] == '1' {
		if ended {
			return c.abort(s, http2.ErrCodeProtocol, errProtocol)
		}
		return nil // informational: the real one follows
	}
	// The frame's fields are its own, and the frame is reused.
	fields := append([]hpack.HeaderField{}, frame.Fields...)
	s.mu.Lock()
	second := s.header != nil
	if second {
		s.trailer = fields
	} else {
		s.header = fields
	}
	s.mu.Unlock()
	if second && !ended {
		return c.abort(s, http2.ErrCodeProtocol, errProtocol)
	}
	if ended {
		c.finish(s, nil)
	}
	c.touch(s)
	return nil
}

// finish ends a stream that the peer has ended.
func (c *Conn) finish(s *stream, err error) {
	s.mu.Lock()
	if !s.ended {
		s.ended, s.err = true, err
	}
	s.mu.Unlock()
	c.remove(s)
	c.touch(s)
}

// abort ends a stream whose peer broke its rules; the connection lives.
func (c *Conn) abort(s *stream, code http2.ErrCode, cause error) error {
	c.finish(s, http2.StreamError{StreamID: s.id, Code: code, Cause: cause})
	return c.write(func() error { return c.framer.WriteRSTStream(s.id, code) })
}

func (c *Conn) onReset(frame *http2.RSTStreamFrame) error {
	s, err := c.lookup(frame.StreamID)
	if err != nil || s == nil {
		return err
	}
	c.finish(s, http2.StreamError{StreamID: s.id, Code: frame.ErrCode})
	return nil
}

func (c *Conn) onWindowUpdate(frame *http2.WindowUpdateFrame) error {
	if frame.StreamID == 0 {
		c.mu.Lock()
		ok := c.window.add(int32(frame.Increment))
		c.mu.Unlock()
		if !ok {
			return errFlowControl
		}
		return nil
	}
	s, err := c.lookup(frame.StreamID)
	if err != nil || s == nil {
		return err
	}
	c.mu.Lock()
	ok := s.window.add(int32(frame.Increment))
	c.mu.Unlock()
	if !ok {
		return c.abort(s, http2.ErrCodeFlowControl, errFlowControl)
	}
	return nil
}

func (c *Conn) onSettings(frame *http2.SettingsFrame) error {
	if frame.IsAck() {
		return nil
	}
	if _, ok := frame.Value(http2.SettingMaxConcurrentStreams); !ok && !c.peer.seen {
		c.mu.Lock()
		c.maxStreams = unlimitedStreams
		c.free()
		c.mu.Unlock()
	}
	c.peer.seen = true
	table := uint32(maxEncoderTable)
	err := frame.ForeachSetting(func(setting http2.Setting) error {
		if err := setting.Valid(); err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		switch setting.ID {
		case http2.SettingMaxConcurrentStreams:
			c.maxStreams = setting.Val
			c.free()
		case http2.SettingMaxFrameSize:
			c.peer.frameSize = setting.Val
		case http2.SettingHeaderTableSize:
			table = min(table, setting.Val)
		case http2.SettingInitialWindowSize:
			delta := int32(setting.Val) - c.peer.initialWindow
			c.peer.initialWindow = int32(setting.Val)
			for _, s := range c.streams {
				if !s.window.add(delta) {
					return errFlowControl
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.write(func() error {
		c.encoder.SetMaxDynamicTableSize(table)
		return c.framer.WriteSettingsAck()
	})
}

// GoAwayError is the error of streams that ended with a connection which the peer
// closed with a GOAWAY frame (RFC 9113, section 6.8).
type GoAwayError struct {
	Code  http2.ErrCode
	Debug string // the peer's words, shortened
}

func (e GoAwayError) Error() string {
	return fmt.Sprintf("h2: the peer closed the connection (%v, %q)", e.Code, e.Debug)
}

// onGoAway stops new calls. Streams that the peer will not process end now, so
// that they can be tried elsewhere; the others go on.
func (c *Conn) onGoAway(frame *http2.GoAwayFrame) {
	away := GoAwayError{Code: frame.ErrCode, Debug: debugText(frame.DebugData())}
	var refused []*stream
	c.mu.Lock()
	c.draining = true
	if c.goAway == nil || away.Code != http2.ErrCodeNo {
		c.goAway = &away
	}
	for id, s := range c.streams {
		if id > frame.LastStreamID {
			refused = append(refused, s)
		}
	}
	idle := len(c.streams) == 0
	c.free()
	c.mu.Unlock()
	for _, s := range refused {
		c.finish(s, &unprocessedError{away})
	}
	if idle {
		c.fail(ErrClosed)
	}
}

// debugText bounds what a peer says in a GOAWAY frame.
func debugText(b []byte) string {
	const limit = 100
	return string(b[:min(len(b), limit)])
}

// onBadFrame decides what a frame that could not be read costs: its stream, or the
// connection.
func (c *Conn) onBadFrame(err error) error {
	var bad http2.StreamError
	if !errors.As(err, &bad) {
		return err
	}
	s, lookupErr := c.lookup(bad.StreamID)
	if lookupErr != nil || s == nil {
		return lookupErr
	}
	return c.abort(s, bad.Code, bad.Cause)
}
