package relay

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// reply is the answer to one call: headers, messages and, always, trailers at the end.
// It flushes on request. On a stream with heartbeats it sends empty messages when
// there are no others, so that idle timeouts on the way do not close the connection.
// Its methods may be called concurrently.
type reply struct {
	mu        sync.Mutex // guards all fields and every use of w
	w         Response
	committed bool
	finished  bool
	written   int64
	unflushed bool

	interval time.Duration
	timer    *time.Timer
	last     time.Time // of the last write; set only if interval is
	failed   func()    // called when a heartbeat cannot be sent
}

func newReply(w Response) *reply { return &reply{w: w} }

// keepAlive sends an empty message whenever interval has passed without a write. The
// first one sends the headers, so headers that the provider sends later are not
// relayed. failed is called if one cannot be sent.
func (r *reply) keepAlive(interval time.Duration, failed func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interval, r.last, r.failed = interval, time.Now(), failed
	r.timer = time.AfterFunc(interval, r.heartbeat)
}

func (r *reply) heartbeat() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished {
		return
	}
	quiet := time.Since(r.last)
	if quiet >= r.interval {
		if r.writeLocked([][]byte{emptyMessage}) != nil {
			r.failed()
		}
		r.flushLocked()
		quiet = 0
	}
	r.timer.Reset(r.interval - quiet)
}

// addHeader adds h, whose keys are canonical, to the answer's headers unless they have
// been sent. allowed selects the keys to add; nil adds all.
func (r *reply) addHeader(h http.Header, allowed func(key string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.committed {
		return
	}
	header := r.w.Header()
	for key, values := range h {
		if allowed == nil || allowed(key) {
			header[key] = values
		}
	}
}

// commit ends the headers. Messages and trailers follow.
func (r *reply) commit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commitLocked()
}

// write sends framed messages, given in pieces. The client may receive them only after
// flush.
func (r *reply) write(messages [][]byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writeLocked(messages)
}

// flush sends what was written. It blocks while the client accepts no more.
func (r *reply) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushLocked()
}

func (r *reply) commitLocked() {
	if r.committed {
		return
	}
	r.committed, r.unflushed = true, true
	r.w.WriteHeader()
}

func (r *reply) writeLocked(messages [][]byte) error {
	r.commitLocked()
	r.unflushed = true
	if r.interval > 0 {
		r.last = time.Now()
	}
	n, err := r.w.Write(messages)
	r.written += int64(n)
	return err
}

func (r *reply) flushLocked() {
	if !r.unflushed {
		return
	}
	r.unflushed = false
	r.w.Flush()
}

// finish ends the answer with trailers.
func (r *reply) finish(trailers http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = true
	r.w.Finish(trailers)
}

// end stops heartbeats, so that nothing is written after the handler has returned. It
// returns how many bytes of messages were sent.
func (r *reply) end() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = true
	if r.timer != nil {
		r.timer.Stop()
	}
	return r.written
}

// trailersOf returns err as trailers.
func trailersOf(err *rpcerror.Error) http.Header {
	h := http.Header{
		headerStatus:  {strconv.Itoa(int(err.Code))},
		headerMessage: {encodeMessage(err.Error())},
	}
	if err.Reason != "" {
		h[headerReason] = []string{string(err.Reason)}
	}
	if err.RetryAfter > 0 {
		h[headerPushback] = []string{strconv.FormatInt(max(1, err.RetryAfter.Milliseconds()), 10)}
	}
	return h
}

// errorOf returns err as the error to send to the client, naming provider.
func errorOf(err error, provider string) *rpcerror.Error {
	var known *rpcerror.Error
	if !errors.As(err, &known) {
		known = &rpcerror.Error{Code: codes.Internal, Message: "the bridge failed to answer; its log says why", Err: err}
	}
	if known.Provider == "" && provider != "" {
		known = rpcerror.About(provider, known.Code, known)
	}
	return known
}
