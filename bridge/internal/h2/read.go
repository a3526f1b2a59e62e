package h2

import (
	"cmp"
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
				// Report the end of the connection as an error. io.EOF would mean
				// the proper end of an answer.
				err = io.ErrUnexpectedEOF
			}
			if !c.peer.seen && c.received {
				err = ErrNotHTTP2
			}
			c.notifyPending()
			c.fail(err)
			return
		}
	}
}

// readFrame reads and handles one frame.
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
	c.headers.count = 0
	frame, err := c.framer.ReadFrame()
	if err != nil {
		return c.onBadFrame(err)
	}
	if _, ok := frame.(*http2.MetaHeadersFrame); !ok {
		if err := c.countIdle(head.Length); err != nil {
			return err
		}
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
		return errProtocol // the client's SETTINGS disable push
	}
	return nil
}

// countIdle counts a frame that carries nothing for a call. It returns errFlood if there
// are too many.
func (c *Conn) countIdle(length uint32) error {
	if c.idleFrames += 1 + int(length)/idleFrameSize; c.idleFrames < maxIdleFrames {
		return nil
	}
	// A peer answers data that it gets with updates of windows and pings, as well.
	c.idleFrames = max(0, c.idleFrames-othersPerData*int(c.sentFrames.Swap(0)))
	now := time.Now()
	switch {
	case c.idleFrames < maxIdleFrames:
	case now.Sub(c.idleSince) < cmp.Or(c.options.idleInterval, time.Second):
		_ = c.write(func() error { return c.framer.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil) })
		return errFlood
	default:
		c.idleFrames, c.idleSince = 0, now
	}
	return nil
}

// othersPerData is how many frames busy peers send for each with data, such as updates of
// windows and pings that measure the network.
const othersPerData = 4

// countUseful counts a frame for an open call.
func (c *Conn) countUseful() { c.idleFrames = max(0, c.idleFrames-othersPerData) }

// informational reports whether the headers announce others (RFC 9113, section 8.1).
func informational(frame *http2.MetaHeadersFrame) bool {
	status := frame.PseudoValue("status")
	return len(status) == 3 && status[0] == '1'
}

// headerReader lets a Framer read from src, and bounds the frames that it reads at once:
// those of a header block.
type headerReader struct {
	src   io.Reader
	count int
}

func (r *headerReader) Read(p []byte) (int, error) {
	if len(p) == frameHeaderLen {
		if r.count++; r.count > maxBlockFrames {
			return 0, errFlood
		}
	}
	return r.src.Read(p)
}

// peek returns the next frame's header. It notifies streams of data received before it
// waits for the network.
func (c *Conn) peek() (http2.FrameHeader, error) {
	fresh := c.br.Buffered() < frameHeaderLen
	if fresh {
		c.notifyPending()
	}
	b, err := c.br.Peek(frameHeaderLen)
	c.received = c.received || len(b) > 0
	if err != nil {
		return http2.FrameHeader{}, err
	}
	if fresh {
		c.recordRead()
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
		c.notifyPending()
	}
	return head, nil
}

// recordRead records the time of a network read.
func (c *Conn) recordRead() { c.lastRead.Store(time.Now().UnixNano()) }

// notifyPending wakes the readers of all streams marked by markPending.
func (c *Conn) notifyPending() {
	for i, s := range c.pending {
		s.dirty = false
		s.notify()
		c.pending[i] = nil
	}
	c.pending = c.pending[:0]
}

// markPending marks s for notifyPending.
func (c *Conn) markPending(s *stream) {
	if !s.dirty {
		s.dirty = true
		c.pending = append(c.pending, s)
	}
}

// lookup returns an open stream, nil for a stream that this side has closed, and an
// error for one that was never opened.
func (c *Conn) lookup(id uint32) (*stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[id]
	if s == nil && (id%2 == 0 || id >= c.nextID) {
		return nil, errProtocol
	}
	return s, nil
}

// onData copies the data of a DATA frame into its stream's queue.
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
	if err := c.countReceived(int(head.Length)); err != nil {
		return err
	}
	if s == nil || length == 0 && !head.Flags.Has(http2.FlagDataEndStream) {
		if err := c.countIdle(head.Length); err != nil {
			return err
		}
	} else {
		c.countUseful()
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
	s.recvWindow -= int(head.Length)
	exceeded := s.recvWindow < 0
	s.padding += int(head.Length) - length
	length -= c.deliver(s, length)
	s.mu.Unlock()
	if exceeded {
		return errFlowControl
	}
	for length > 0 {
		n, err := c.readMore(s, length)
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
	c.markPending(s)
	return nil
}

// deliver copies what the read buffer has of n bytes to s, and returns how many these
// are. The caller holds s.mu.
func (c *Conn) deliver(s *stream, n int) int {
	n = min(n, c.br.Buffered())
	b, _ := c.br.Peek(n)
	if !s.ended {
		s.queue.write(b)
	}
	c.br.Discard(n)
	return n
}

// readMore waits for more of n bytes without holding s.mu, and delivers them to s.
func (c *Conn) readMore(s *stream, n int) (int, error) {
	c.markPending(s)
	c.notifyPending()
	if _, err := c.br.Peek(1); err != nil {
		return 0, err
	}
	c.recordRead()
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.deliver(s, n), nil
}

// countReceived counts n received bytes and returns them to the connection's window.
func (c *Conn) countReceived(n int) error {
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
	if err != nil {
		return err
	}
	if s == nil || informational(frame) {
		if err := c.countIdle(frame.Length); err != nil || s == nil {
			return err
		}
	} else {
		c.countUseful()
	}
	if frame.Truncated {
		return c.abort(s, http2.ErrCodeEnhanceYourCalm,
			fmt.Errorf("h2: a header block is larger than %d bytes", maxHeaderBytes))
	}
	ended := frame.StreamEnded()
	if informational(frame) {
		if ended {
			return c.abort(s, http2.ErrCodeProtocol, errProtocol)
		}
		return nil // informational; the final headers follow
	}
	// Copied, because the framer reuses the frame.
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
	c.markPending(s)
	return nil
}

// finish ends a stream that the peer has ended, with err if that is not nil.
func (c *Conn) finish(s *stream, err error) {
	s.mu.Lock()
	if !s.ended {
		s.ended, s.err = true, err
	}
	s.mu.Unlock()
	c.remove(s)
	c.markPending(s)
}

// abort resets a stream after an error of the peer's. The connection stays open.
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
	if frame.NumSettings() > maxSettings {
		return errFlood // each may concern every stream
	}
	if _, ok := frame.Value(http2.SettingMaxConcurrentStreams); !ok && !c.peer.seen {
		c.mu.Lock()
		c.maxStreams = unlimitedStreams
		c.signalFreed()
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
			c.signalFreed()
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

// GoAwayError is the error of streams that ended because the peer closed the
// connection with a GOAWAY frame (RFC 9113, section 6.8).
type GoAwayError struct {
	Code  http2.ErrCode
	Debug string // the frame's debug data, shortened
}

func (e GoAwayError) Error() string {
	return fmt.Sprintf("h2: the peer closed the connection (%v, %q)", e.Code, e.Debug)
}

// onGoAway stops new streams. It ends streams that the peer will not process, so that
// they can be retried elsewhere. The others continue.
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
	c.signalFreed()
	c.mu.Unlock()
	for _, s := range refused {
		c.finish(s, &unprocessedError{away})
	}
	if idle {
		c.fail(ErrClosed)
	}
}

// debugText returns the debug data of a GOAWAY frame, shortened.
func debugText(b []byte) string {
	const limit = 100
	return string(b[:min(len(b), limit)])
}

// onBadFrame handles a malformed frame. It ends the frame's stream if that is enough,
// and otherwise returns an error, which ends the connection.
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
