package client

import (
	"akash-provider-web/wasm/grpcweb"
	"akash-provider-web/wasm/message"
)

// A Stream is a call that has many answers. Whoever reads it drives it: Connect,
// then the response's body piece by piece through Reserve and Feed, then Finish,
// and if that says so the same again.
//
// Feeding a stream allocates nothing once its buffers have grown.
type Stream struct {
	client *Client
	call   *Call
	scope  *Scope

	response Response
	attempt  *Scope
	body     grpcweb.Decoder
	lines    lines
	within   bool            // within a message that did not fit the last batch
	broken   *grpcweb.Status // why the body cannot be read on
	flushing bool
	failures int // ended connections in a row that brought nothing
}

// NewStream returns a stream of the named method.
func (c *Client) NewStream(methodName string, call *Call) *Stream {
	call.method = methods[methodName]
	return &Stream{client: c, call: call, scope: NewScope()}
}

// Connect opens the stream and returns its response, of which only the body is
// left to read. It tries again as the call says.
func (s *Stream) Connect() (Response, *Fault) {
	if s.failures > 0 && !sleep(s.scope, s.client.Clock, s.client.backoff(s.failures)) {
		return nil, s.call.fault(s.scope.Cause())
	}
	f := s.client.try(s.scope, s.call, s.connect)
	if f != nil {
		return nil, f
	}
	return s.response, nil
}

func (s *Stream) connect() *Fault {
	attempt := s.scope.child()
	// A stream that follows may be silent from the start, as long as it likes; so
	// may its headers.
	stop := func() {}
	if s.call.Timeout > 0 && !s.call.endless() {
		stop = s.client.Clock.AfterFunc(s.call.Timeout, func() { attempt.End(expired(s.call.Timeout)) })
	}
	response, f := s.client.open(attempt, s.call)
	stop()
	if f != nil {
		attempt.End(grpcweb.Error(grpcweb.Canceled, "the attempt failed"))
		return f
	}
	s.attempt, s.response = attempt, response
	s.body = grpcweb.Decoder{}
	return nil
}

// AppendTrace appends what is known of the connection, as JSON.
func (s *Stream) AppendTrace(b []byte) []byte {
	b = append(b, `{"status":"open"`...)
	return append(s.call.trace.appendJSON(b), '}')
}

// Reserve returns room for n bytes of the body.
func (s *Stream) Reserve(n int) []byte { return s.body.Reserve(n) }

// Feed takes n bytes of the body from where Reserve told and fills the batch
// with what they hold. Where the batch's state is HasMore it must be called again
// with 0, before anything else.
func (s *Stream) Feed(n int, b *Batch) {
	b.reset()
	s.body.Commit(n)
	switch {
	case !s.fill(b):
		b.State = HasMore
	case s.broken != nil || s.body.Err() != nil || s.body.Ended():
		b.State = HasEnded
	}
	b.closeGroup()
}

// fill moves what has arrived to the batch, until there is no more, which is
// true, or the batch is full.
func (s *Stream) fill(b *Batch) (done bool) {
	for s.broken == nil {
		if s.within {
			done, status := s.lines.take(b)
			if !done {
				return false
			}
			s.broken = status
			s.within = false
			continue
		}
		if b.full() {
			return false
		}
		wire, ok := s.body.Next()
		if !ok {
			break
		}
		if len(wire) == 0 {
			continue // a heartbeat
		}
		s.failures = 0
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

// object appends a message as JSON.
func (s *Stream) object(wire []byte, b *Batch) *grpcweb.Status {
	start := len(b.Text)
	text, err := message.AppendJSON(b.Text, s.call.method.answer, wire)
	if err != nil {
		return grpcweb.Error(grpcweb.Internal, "its stream cannot be read: "+err.Error())
	}
	b.Text = text
	b.close(0, 0, message.UTF16Len(text[start:]))
	return nil
}

// Finish ends the connection: its body is complete, or broke off for the reason
// given. It tells whether to Connect again; and otherwise how the stream ended, nil
// if well. In that case one more Feed gives the lines whose end never came.
func (s *Stream) Finish(broke string) (again bool, f *Fault) {
	defer s.disconnect()
	f = s.ending(broke)
	if s.scope.Cause() == nil && s.call.method.lasting && s.failures < s.call.Retries && (f == nil || f.passing()) {
		s.failures++
		s.broken = nil
		return true, nil
	}
	s.flushing = true
	if f != nil {
		f.Attempts = s.call.trace.attempts
	}
	return false, f
}

// ending returns how the connection ended.
func (s *Stream) ending(broke string) *Fault {
	switch cause := s.scope.Cause(); {
	case cause != nil:
		return s.call.fault(cause)
	case s.broken != nil:
		return s.call.fault(s.broken)
	case broke != "":
		return s.client.lost(s.call, brokenError(broke))
	}
	return s.call.end(&s.body, s.response)
}

// passing reports whether a stream that ended with the fault may well work when
// it is opened again. A provider that shuts down ends its streams with CANCELLED
// or UNKNOWN.
func (f *Fault) passing() bool {
	switch f.Code {
	case grpcweb.Unavailable, grpcweb.Canceled, grpcweb.Unknown, grpcweb.DeadlineExceeded, grpcweb.Aborted:
		return true
	}
	return false
}

type brokenError string

func (e brokenError) Error() string { return string(e) }

func (s *Stream) disconnect() {
	if s.response != nil {
		s.response.Close()
		s.attempt.End(grpcweb.Error(grpcweb.Canceled, "the stream is over"))
	}
}

// Close ends the stream for the cause, wherever it is.
func (s *Stream) Close(cause *grpcweb.Status) {
	s.scope.End(cause)
	s.disconnect()
}
