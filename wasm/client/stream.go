package client

import (
	"sync/atomic"

	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// A Stream is a call that has many answers. Whoever reads it drives it: Connect,
// then the response's body piece by piece through Reserve and Feed, then Finish,
// and if that says so the same again.
//
// A stream that may reconnect goes on after its connection broke, however that was.
// Lines of logs that it has delivered are not delivered again, nor are events that
// were told before.
//
// Feeding a stream allocates nothing once its buffers have grown.
type Stream struct {
	// Waiting, if set, is told why a connection failed whenever another is to follow.
	Waiting func(*RPCError)

	client *Client
	call   *Call
	scope  Scope

	response Response
	body     grpcweb.Decoder
	lines    lines
	seen     seenMessages
	within   bool            // within a message that did not fit the last batch
	broken   *grpcweb.Status // why the body cannot be read on
	flushing bool

	asked  *uint32 // lines of history that were asked for at first
	opened bool    // there was a connection
	empty  bool    // on which the logs were silent, history included
	due    atomic.Bool
	notDue func() // stops the timer that makes it due

	switching bool  // the connection was broken off to go on over another
	delivered bool  // something, on any connection, if only a heartbeat
	since     int64 // when the connection was made, in seconds since 1970
	failures  int   // connections in a row that were of no use
	doubts    int   // of these, failures that may or may not pass
	wait      int   // before the next connection, in milliseconds
}

// NewStream returns a stream of the named method.
func (c *Client) NewStream(methodName string, call *Call) *Stream {
	call.method = methodOf(methodName)
	s := &Stream{client: c, call: call, asked: call.Tail, notDue: func() {}}
	s.lines.remembers = call.Reconnect
	s.lines.seed.sum = uint64(c.Random() * (1 << 52))
	s.seen.limit = maxSeen
	if call.endless() && call.method != streamLeaseEvents {
		s.seen.limit = 1 // it tells how things stand
	}
	s.seen.once = call.endless()
	return s
}

// Connect opens the stream and returns its response, of which only the body is
// left to read. It tries again as the call says.
func (s *Stream) Connect() (Response, *RPCError) {
	for {
		if s.wait > 0 && !sleep(&s.scope, s.client.Clock, s.wait) {
			return nil, s.failed(s.call.rpcError(s.scope.Cause()))
		}
		s.call.trace.attempts++
		f := s.connect()
		if f == nil {
			return s.response, nil
		}
		if !s.again(f) {
			return nil, s.failed(f)
		}
	}
}

// SwitchTransport has the stream go on over another connection, and that go another
// way, in the platform's words. Finish must follow.
func (s *Stream) SwitchTransport(transport string) {
	s.call.Transport = transport
	s.switching = true
}

// SetHeartbeat has the next connection ask for heartbeats this often, in milliseconds.
func (s *Stream) SetHeartbeat(ms int) { s.call.Heartbeat = ms }

// again decides whether to connect again after a connection that failed or, where f
// is nil, ended well, and how long to wait before that.
//
// Waits double with each connection in a row that was of no use: it brought nothing
// new and lasted less than maxBackoff. Heartbeats are nothing new, nor is what was
// delivered before, or else a provider that repeats itself and hangs up would be
// called without a pause. A connection that lasted costs nobody much, however quiet
// it was.
//
// A stream that follows something is patient: it goes on for as long as it is read
// after any failure that may pass. Others give up after Retries.
func (s *Stream) again(f *RPCError) (again bool) {
	if s.scope.Cause() != nil {
		return false
	}
	s.failures++
	bound := maxBackoff
	if f != nil && f.Reason == reasonPodStarting {
		bound = podBackoff
	}
	s.wait = s.client.backoff(s.failures, bound)
	switch patient := s.patient(); {
	case f != nil && (!s.delivered || s.call.Reconnect) && s.call.renew(f):
		s.wait = 0
		return true
	case f == nil && !s.call.method.lasting, !s.call.Reconnect && (f == nil || s.delivered):
		return false
	case f != nil && !s.delivered && !patient:
		s.wait, again = s.client.retry(s.call, f, s.failures)
	case f != nil && f.pushback != "":
		s.wait, again = parsePushback(f.pushback)
	case patient && (f == nil || f.transient()):
		again = true
	default:
		s.doubts++
		again = s.doubts <= s.call.Retries && (f == nil || f.passing())
	}
	if again && f != nil && s.Waiting != nil {
		s.Waiting(s.failed(f))
	}
	return again
}

// patient reports whether the stream goes on for as long as it is read. Until
// something answers, the bridge may not be where it is thought to be, and the page
// should be told so.
func (s *Stream) patient() bool {
	return s.call.Reconnect && s.call.endless() && s.call.answered
}

// news notes that the connection brought something new.
func (s *Stream) news() { s.failures, s.doubts = 0, 0 }

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
		s.call.settles = true
	}
	timeout := s.call.Timeout
	if s.call.endless() {
		timeout = s.patience()
	}
	attempt, untimed, release := s.scope.attempt(s.client.Clock, timeout)
	defer release()
	response, f := s.client.open(attempt, s.call)
	untimed()
	if f != nil {
		return f
	}
	s.response = response
	s.body = grpcweb.Decoder{}
	s.reopen()
	s.opened, s.since = true, s.client.Clock.Now()
	return nil
}

// tail is how many lines of history to ask for on a further connection.
func (s *Stream) tail() *uint32 {
	if len(s.lines.order) == 0 {
		if s.empty && s.asked != nil && *s.asked > 0 {
			return nil // all that has been written since is new
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

// reopen prepares for the lines of the connection.
func (s *Stream) reopen() {
	s.within = false
	tail := -1
	if s.call.Tail != nil && s.call.trace.method == "rest" {
		tail = int(*s.call.Tail)
	}
	// Where no history was wanted, a log that was silent so far has none that is; but
	// it has what it wrote meanwhile.
	none := s.opened && tail >= 0 && s.asked != nil && *s.asked == 0
	s.lines.ignores = none && tail > 0
	s.lines.misses = none && tail == 0
	s.lines.early = s.delivered && !none && tail >= 0 && len(s.lines.order) > 0
	s.lines.reopen(tail)
	s.seen.reopen()
	s.watch()
}

// watch sees to it that there is a look at what cannot be decided by lines alone.
func (s *Stream) watch() {
	s.notDue()
	if s.lines.ignores || s.lines.early || s.lines.replays() || s.seen.expects() {
		s.notDue = s.client.Clock.AfterFunc(settleTime, func() { s.due.Store(true) })
	}
}

// patience is how long a stream that may be silent from the start is waited for,
// in milliseconds, 0 for as long as it likes. Its headers come with its first
// message, which may be a heartbeat.
func (s *Stream) patience() int {
	if s.call.Heartbeat == 0 {
		return 0
	}
	return max(s.call.Timeout, 2*s.call.Heartbeat)
}

// Trace returns what is known of the connection, as JSON.
func (s *Stream) Trace() []byte {
	var j message.JSON
	j.Begin()
	j.Field("status", "open")
	s.call.trace.write(&j)
	j.End()
	return j.Text
}

// Reserve returns room for n bytes of the body.
func (s *Stream) Reserve(n int) []byte { return s.body.Reserve(n) }

// Feed takes n bytes of the body from where Reserve told and fills the batch
// with what they hold. Where the batch's state is HasMore it must be called again
// with 0, before anything else.
func (s *Stream) Feed(n int, b *Batch) {
	b.reset()
	s.body.Commit(n)
	s.lines.tell(b)
	done := s.fill(b)
	if done && s.due.CompareAndSwap(true, false) {
		s.lines.look()
		s.lines.early = s.lines.early && len(b.Index) > 0 // or it is quiet by now
		s.seen.look()
		s.watch()
		done = s.fill(b)
	}
	switch {
	case !s.lines.tell(b), !done:
		b.State = HasMore
	case s.broken != nil || s.body.Err() != nil || s.body.Ended() || s.lines.again:
		b.State = HasEnded
	}
	b.closeGroups()
}

// fill moves what has arrived to the batch, until there is no more, which is
// true, or the batch is full.
func (s *Stream) fill(b *Batch) (done bool) {
	for s.broken == nil {
		if s.within || len(s.lines.releases) > 0 {
			entries := len(b.Index)
			done, status := s.lines.take(b)
			if len(b.Index) > entries {
				s.news()
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
			// A heartbeat: the connection stands, and has been quiet.
			s.stands()
			s.empty = true
			continue
		}
		s.stands()
		if s.call.method.answer != nil {
			s.broken = s.object(wire, b)
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

// stands notes that the connection brought something: whatever breaks it later is
// no refusal of what was asked.
func (s *Stream) stands() { s.delivered, s.call.refused = true, "" }

// object appends a message as JSON.
func (s *Stream) object(wire []byte, b *Batch) *grpcweb.Status {
	start := len(b.UTF8.Bytes)
	text, err := message.AppendJSON(b.UTF8.Bytes, s.call.method.answer, wire)
	if err != nil {
		return grpcweb.Error(grpcweb.Internal, "its stream cannot be read: "+err.Error())
	}
	if s.call.Reconnect && s.seen.again(text[start:]) {
		return nil
	}
	s.news()
	b.UTF8.Bytes = text
	b.Index = append(b.Index, 0, 0, b.UTF8.close(message.UTF16Len(text[start:])))
	return nil
}

// Finish ends the connection: its trailers have come, its body is complete, or it
// broke off as the text says, or is stalled: nothing came for two heartbeats. It
// tells whether to Connect again; and otherwise how the stream ended, nil if well.
// In that case one more Feed gives the lines whose end never came.
func (s *Stream) Finish(broke string, stalled bool) (again bool, f *RPCError) {
	f = s.ending(broke)
	if stalled && f != nil {
		f.Reason = reasonStalled
	}
	if s.body.Ended() && s.broken == nil && s.body.Err() == nil {
		// All has come but the body's end, which whoever reads it reads: a request
		// that is aborted takes its connection with it.
		s.response = nil
	}
	s.disconnect()
	if f == nil {
		s.lines.ended()
	}
	if s.lines.again && s.scope.Cause() == nil {
		// What came has to come once more, since it was taken for something else.
		s.broken, s.wait = nil, firstBackoff
		return true, nil
	}
	s.lines.deep = false
	if s.switching && s.scope.Cause() == nil {
		s.switching, s.broken, s.wait = false, nil, 0
		return true, nil
	}
	if s.client.Clock.Now()-s.since >= maxBackoff/1000 {
		s.news()
	}
	if s.again(f) {
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

// ending returns how the connection ended.
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

// passing reports whether a stream that ended with the failure may well work when
// it is opened again. A provider that shuts down ends its streams with CANCELLED
// or UNKNOWN.
func (f *RPCError) passing() bool {
	switch f.Code {
	case grpcweb.Canceled, grpcweb.Unknown, grpcweb.Aborted:
		return f.Reason != reasonNotABridge
	}
	return f.transient()
}

// transient reports whether the failure is of the way to the provider, or of
// something that is not there at the moment: a provider, its cluster, or a pod. Who
// follows a log waits for it.
func (f *RPCError) transient() bool {
	switch f.Code {
	case grpcweb.Unavailable, grpcweb.DeadlineExceeded:
		return true
	}
	switch f.Reason {
	case "bridgeBusy", "noRunningPods", "providerFailed":
		return true
	}
	return f.network
}

type brokenError string

func (e brokenError) Error() string { return string(e) }

func (s *Stream) disconnect() {
	s.notDue()
	if s.response != nil {
		s.response.Close()
		s.response = nil
	}
}

// Close ends the stream for the cause, wherever it is.
func (s *Stream) Close(cause *grpcweb.Status) {
	s.scope.End(cause)
	s.disconnect()
}
