package client

import (
	"sync/atomic"

	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// A Stream is a streaming call. Its reader drives it: it calls Connect, feeds the
// response's body piece by piece through Reserve and Feed, then calls Finish, and starts
// over if Finish says so.
//
// A stream with Reconnect resumes after its connection broke. Log lines and events that
// were delivered are not delivered again.
//
// Feed does not allocate once its buffers have grown.
type Stream struct {
	// OnRetry, if set, is called with the error of a connection that failed, if another one
	// follows.
	OnRetry func(*RPCError)
	// Wait is how long the stream waits before its next connection, in milliseconds.
	Wait int

	client *Client
	call   *Call
	scope  Scope

	response Response
	body     grpcweb.Decoder
	lines    lines
	seen     seenMessages
	within   bool            // a message did not fit the last batch
	broken   *grpcweb.Status // why the body cannot be read
	flushing bool

	asked      *uint32 // the caller's Tail
	opened     bool    // there was a connection
	silent     bool    // a heartbeat came before any line, history included
	reviewDue  atomic.Bool
	stopReview func() // stops the timer that sets reviewDue

	switching   bool   // the connection was closed to change the transport
	delivered   bool   // something was received on any connection, if only a heartbeat
	connectedAt int64  // Unix time in seconds
	failures    int    // connections in a row that brought nothing new
	uncertain   int    // of these, failures that may be permanent
	wake        func() // ends the wait before the next connection, while it lasts
}

// NewStream returns a stream of the named method.
func (c *Client) NewStream(methodName string, call *Call) *Stream {
	call.method = methodOf(methodName)
	s := &Stream{client: c, call: call, asked: call.Tail, stopReview: func() {}}
	s.lines.remembers = call.Reconnect
	s.lines.seed.sum = uint64(c.Random() * (1 << 52))
	s.seen.limit = maxSeen
	if call.longLived() && call.method != streamLeaseEvents {
		s.seen.limit = 1 // only the last status is compared
	}
	s.seen.once = call.longLived()
	return s
}

// Connect opens the stream and returns its response, whose body is still to be read. It
// retries as the call's options say.
func (s *Stream) Connect() (Response, *RPCError) {
	for {
		if s.Wait > 0 && !sleep(&s.scope, s.client.Clock, s.Wait, &s.wake) {
			return nil, s.failed(s.call.rpcError(s.scope.Cause()))
		}
		s.call.trace.attempts++
		f := s.connect()
		if f == nil {
			return s.response, nil
		}
		if !s.shouldReconnect(f) {
			return nil, s.failed(f)
		}
	}
}

// Hurry ends the wait before the next connection, if the stream is waiting.
func (s *Stream) Hurry() {
	if wake := s.wake; wake != nil {
		s.wake = nil
		wake()
	}
}

// SwitchTransport makes the stream continue over a new connection with the given transport.
// Finish must follow.
func (s *Stream) SwitchTransport(transport string) {
	s.call.Transport = transport
	s.switching = true
}

// SetHeartbeat sets the heartbeat interval of the next connection, in milliseconds.
func (s *Stream) SetHeartbeat(ms int) { s.call.Heartbeat = ms }

// shouldReconnect decides whether to connect again after a connection that failed or, if f
// is nil, ended without an error. It sets the wait before that.
//
// The wait doubles with each connection in a row that brought nothing new and lasted less
// than maxBackoff. Heartbeats and repeated messages are not new; otherwise a provider that
// repeats itself and hangs up would be called without a pause. A connection that lasted
// costs little, even if it was idle.
//
// A stream that follows something retries every transient failure for as long as it is
// read. Others give up after Retries.
func (s *Stream) shouldReconnect(f *RPCError) (again bool) {
	if s.scope.Cause() != nil {
		return false
	}
	s.failures++
	bound := maxBackoff
	if f != nil && f.Reason == reasonPodStarting {
		bound = podBackoff
	}
	s.Wait = s.client.backoff(s.failures, bound)
	switch forever := s.retriesForever(); {
	case f != nil && (!s.delivered || s.call.Reconnect) && s.call.retryWithNewToken(f):
		s.Wait = 0
		return true
	case f == nil && !s.call.method.reopens, !s.call.Reconnect && (f == nil || s.delivered):
		return false
	case f != nil && !s.delivered && !forever:
		s.Wait, again = s.client.retry(s.call, f, s.failures)
	case f != nil && f.pushback != "":
		s.Wait, again = parsePushback(f.pushback)
	case forever && (f == nil || f.transient()):
		again = true
	default:
		s.uncertain++
		again = s.uncertain <= s.call.Retries && (f == nil || f.reconnectable())
	}
	if again && f != nil && s.OnRetry != nil {
		s.OnRetry(s.failed(f))
	}
	return again
}

// retriesForever reports whether the stream retries for as long as it is read. Until a
// bridge has answered, bridgeUrl may be wrong, and the page should get the error.
func (s *Stream) retriesForever() bool {
	return s.call.Reconnect && s.call.longLived() && s.call.answered
}

// resetBackoff is called when the connection brings something new.
func (s *Stream) resetBackoff() { s.failures, s.uncertain = 0, 0 }

func (s *Stream) failed(f *RPCError) *RPCError {
	f.Attempts = s.call.trace.attempts
	return f
}

func (s *Stream) connect() *RPCError {
	logs := s.call.method == streamLogs && s.delivered
	if logs && s.asked != nil || logs && s.call.trace.method == "rest" {
		s.call.Tail = s.tail()
	}
	if logs {
		s.call.Lease.Known = s.lines.known()
	}
	if s.opened && s.call.Reconnect {
		s.call.resumes = true
	}
	timeout := s.call.Timeout
	if s.call.longLived() {
		timeout = s.headerTimeout()
	}
	attempt, untimed, release := s.scope.attempt(s.client.Clock, timeout, s.call.takeSpent())
	defer release()
	response, f := s.client.open(attempt, s.call)
	untimed()
	if f != nil {
		return f
	}
	s.response = response
	s.body = grpcweb.Decoder{}
	s.reopen()
	s.opened, s.connectedAt = true, s.client.Clock.Now()
	return nil
}

// tail returns how many lines of history to ask for on a further connection.
func (s *Stream) tail() *uint32 {
	if len(s.lines.order) == 0 {
		if s.silent && s.asked != nil && *s.asked > 0 {
			return nil // everything in the logs is new
		}
		return s.asked
	}
	n := s.lines.resumeTail()
	if n < 0 {
		return nil
	}
	tail := uint32(n)
	return &tail
}

// reopen prepares for the messages of a new connection.
func (s *Stream) reopen() {
	s.within = false
	tail := -1
	if s.call.Tail != nil && s.call.trace.method == "rest" {
		tail = int(*s.call.Tail)
	}
	// If the caller asked for no history, a log that was silent so far must not deliver its
	// history, but must deliver what it wrote in the meantime.
	none := s.opened && tail >= 0 && s.asked != nil && *s.asked == 0
	s.lines.ignores = none && tail > 0
	s.lines.misses = none && tail == 0
	s.lines.early = s.delivered && !none && tail >= 0 && len(s.lines.order) > 0
	s.lines.reopen(tail)
	s.seen.reopen()
	s.scheduleReview()
}

// scheduleReview starts a timer for the next review, if something is undecided.
func (s *Stream) scheduleReview() {
	s.stopReview()
	if s.lines.ignores || s.lines.early || s.lines.replays() || s.seen.expects() {
		s.stopReview = s.client.Clock.AfterFunc(reviewInterval, func() { s.reviewDue.Store(true) })
	}
}

// headerTimeout returns how long to wait for the headers of a long-lived stream, in
// milliseconds; 0 means no limit. Headers come with the first message, which may be a
// heartbeat.
func (s *Stream) headerTimeout() int {
	if s.call.Heartbeat == 0 {
		return 0
	}
	return max(s.call.Timeout, 2*s.call.Heartbeat)
}

// Trace returns details of the connection, as JSON.
func (s *Stream) Trace() []byte {
	var j message.JSON
	j.Begin()
	j.Field("status", "open")
	s.call.trace.write(&j)
	j.End()
	return j.Text
}

// Reserve returns a buffer for n bytes of the body.
func (s *Stream) Reserve(n int) []byte { return s.body.Reserve(n) }

// Feed reads n bytes of the body from the buffer that Reserve returned, and fills the batch
// with the entries in them. If the batch's state is HasMore, Feed must be called again with
// 0 before anything else.
func (s *Stream) Feed(n int, b *Batch) {
	b.reset()
	s.body.Commit(n)
	s.lines.moveGaps(b)
	done := s.fill(b)
	if done && s.reviewDue.CompareAndSwap(true, false) {
		s.lines.review()
		s.lines.early = s.lines.early && len(b.Index) > 0 // otherwise the history has arrived
		s.seen.review()
		s.scheduleReview()
		done = s.fill(b)
	}
	switch {
	case !s.lines.moveGaps(b), !done:
		b.State = HasMore
	case s.broken != nil || s.body.Err() != nil || s.body.Ended() || s.lines.again:
		b.State = HasEnded
	}
	b.closeGroups()
}

// fill moves received messages to the batch. It returns true when there are none left, and
// false when the batch is full.
func (s *Stream) fill(b *Batch) (done bool) {
	for s.broken == nil {
		if s.within || len(s.lines.releases) > 0 {
			entries := len(b.Index)
			done, status := s.lines.take(b)
			if len(b.Index) > entries {
				s.resetBackoff()
			}
			if !done {
				return false
			}
			s.broken = status
			s.within = false
			continue
		}
		if s.lines.again {
			return true
		}
		if b.full() {
			return false
		}
		wire, ok := s.body.Next()
		if !ok {
			break
		}
		if len(wire) == 0 {
			// A heartbeat: the connection works, and has been idle.
			s.received()
			s.silent = true
			continue
		}
		s.received()
		if s.call.method.answer != nil {
			s.broken = s.object(wire, b)
			continue
		}
		if s.call.method == shell {
			s.broken = b.addShell(wire)
			continue
		}
		s.lines.start(wire)
		s.within = true
	}
	if s.flushing {
		s.lines.flush(b)
	}
	return true
}

// received is called when the connection brings a message: the provider accepted the call
// and its token.
func (s *Stream) received() { s.delivered, s.call.refusedToken = true, "" }

// object appends a message as JSON.
func (s *Stream) object(wire []byte, b *Batch) *grpcweb.Status {
	start := len(b.UTF8.Bytes)
	text, err := message.AppendJSON(b.UTF8.Bytes, s.call.method.answer, wire)
	if err != nil {
		return grpcweb.Error(grpcweb.Internal, "its stream cannot be read: "+err.Error())
	}
	if s.call.Reconnect && s.seen.seenBefore(text[start:]) {
		return nil
	}
	s.resetBackoff()
	b.UTF8.Bytes = text
	b.Index = append(b.Index, 0, 0, b.UTF8.close(message.UTF16Len(text[start:])))
	return nil
}

// Finish ends the connection, whose body ended, or failed with the error in broke, or is
// stalled: nothing came for two heartbeats. It reports whether to Connect again, and
// otherwise how the stream ended, nil without an error. In that case one more Feed returns
// the incomplete lines.
func (s *Stream) Finish(broke string, stalled bool) (again bool, f *RPCError) {
	f = s.ending(broke)
	if stalled && f != nil {
		f.Reason = reasonStalled
	}
	if s.body.Ended() && s.broken == nil && s.body.Err() == nil {
		// Only the end of the body has not been read, which the reader still reads:
		// aborting the request would close its HTTP connection.
		s.response = nil
	}
	s.disconnect()
	if f == nil {
		s.lines.ended()
	}
	if s.lines.again && s.scope.Cause() == nil {
		// The lines have to be read again, since they were compared in the wrong way.
		s.broken, s.Wait = nil, firstBackoff
		return true, nil
	}
	s.lines.deep = false
	if s.switching && s.scope.Cause() == nil {
		s.switching, s.broken, s.Wait = false, nil, 0
		return true, nil
	}
	if s.client.Clock.Now()-s.connectedAt >= maxBackoff/1000 {
		s.resetBackoff()
	}
	if s.shouldReconnect(f) {
		s.broken = nil
		return true, nil
	}
	s.lines.finish(f == nil)
	s.flushing = true
	if f == nil {
		return false, nil
	}
	return false, s.failed(f)
}

// ending returns the error that the connection ended with, or nil.
func (s *Stream) ending(broke string) *RPCError {
	switch cause := s.scope.Cause(); {
	case cause != nil:
		return s.call.rpcError(cause)
	case s.broken != nil:
		return s.call.rpcError(s.broken)
	case broke != "":
		return s.client.lost(s.call, brokenError(broke))
	}
	return s.call.end(&s.body, s.response)
}

// reconnectable reports whether a stream that ended with the error may work when it is
// opened again. A provider that shuts down ends its streams with CANCELLED or UNKNOWN.
func (f *RPCError) reconnectable() bool {
	switch f.Code {
	case grpcweb.Canceled, grpcweb.Unknown, grpcweb.Aborted:
		return f.Reason != reasonNotABridge
	}
	return f.transient()
}

// transient reports whether the failure is of the connection, or of a provider, cluster or
// pod that is not available at the moment. A stream that follows waits for it.
func (f *RPCError) transient() bool {
	switch f.Code {
	case grpcweb.Unavailable, grpcweb.DeadlineExceeded:
		return true
	}
	switch f.Reason {
	case "bridgeBusy", "tooManyCalls", "noRunningPods", "providerFailed":
		return true
	}
	return f.network
}

type brokenError string

func (e brokenError) Error() string { return string(e) }

func (s *Stream) disconnect() {
	s.stopReview()
	if s.response != nil {
		s.response.Close()
		s.response = nil
	}
}

// Close ends the stream with the cause, whatever it is doing.
func (s *Stream) Close(cause *grpcweb.Status) {
	s.scope.End(cause)
	s.disconnect()
}
