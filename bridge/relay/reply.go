package relay

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// reply is the answer to one call as the page receives it: headers, messages and
// at the end, whatever happens, trailers. It flushes when told to, and on a quiet
// stream, where the page asked for it, sends empty messages that keep the
// connection's idle timers from cutting it. Its methods may be called from several
// goroutines.
type reply struct {
	mu        sync.Mutex // held over every use of w
	w         Response
	committed bool
	finished  bool
	written   int64
	unflushed bool

	interval time.Duration
	beat     *time.Timer
	last     time.Time // of the last write, kept only where interval is set
}

func newReply(w Response) *reply { return &reply{w: w} }

// keepAlive sends an empty message whenever interval passed without one. The first
// one commits the headers: those that the provider sends later are not relayed.
func (r *reply) keepAlive(interval time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interval, r.last = interval, time.Now()
	r.beat = time.AfterFunc(interval, r.heartbeat)
}

func (r *reply) heartbeat() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished {
		return
	}
	quiet := time.Since(r.last)
	if quiet >= r.interval {
		// A failed write needs no attention here: the page is gone, and the call's
		// own context ends with it.
		_ = r.writeLocked([][]byte{emptyMessage})
		r.flushLocked()
		quiet = 0
	}
	r.beat.Reset(r.interval - quiet)
}

// addHeader adds headers, which have canonical names, to the answer, where they
// have not been sent yet: those of h that go to the page, or all where goes is nil.
func (r *reply) addHeader(h http.Header, goes func(key string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.committed {
		return
	}
	header := r.w.Header()
	for key, values := range h {
		if goes == nil || goes(key) {
			header[key] = values
		}
	}
}

// commit writes the headers: what follows are messages and trailers.
func (r *reply) commit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commitLocked()
}

// write sends messages, framed, in pieces. The page may see them only after flush.
func (r *reply) write(messages [][]byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writeLocked(messages)
}

// flush hands what was written to the network. It waits while the page accepts no
// more.
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

// end stops heartbeats, so that nobody writes when the handler has returned, and
// returns how many bytes of messages were sent.
func (r *reply) end() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = true
	if r.beat != nil {
		r.beat.Stop()
	}
	return r.written
}

// trailersOf tells err as trailers.
func trailersOf(err *rpcerror.Error) http.Header {
	h := http.Header{
		headerStatus:  {strconv.Itoa(int(err.Code))},
		headerMessage: {encodeMessage(err.Error())},
	}
	if err.Reason != "" {
		h[headerReason] = []string{string(err.Reason)}
	}
	if err.Reason == rpcerror.ReasonBridgeBusy {
		// Nothing was done, and a place may be free soon; not all come back at once.
		h[headerPushback] = []string{strconv.Itoa(minPushback + rand.IntN(minPushback))}
	}
	return h
}

// errorOf returns err as the error to send to the page, naming provider.
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
