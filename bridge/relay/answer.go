package relay

import (
	"encoding/binary"
	"net/http"
	"sync"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"
)

// maxQueued bounds the bytes of messages queued while a write is in progress. A larger
// message is queued alone.
const maxQueued = 64 << 10

// Answer is where a Func sends its messages. It frames them and writes them to the
// client from its own goroutine: messages sent during a write go out together in the
// next one, and a single message goes out at once. The answer to a unary call is
// written together with its trailers.
type Answer struct {
	reply     *reply
	limit     int
	streaming bool

	mu      sync.Mutex
	changed sync.Cond // signals a change of pending, ended or failed
	pending []byte
	ended   bool
	failed  error
	stopped chan struct{} // closed when run has returned
}

// answer implements Upstream.
func (f Func) answer(x *exchange) error {
	if err := f.run(x); err != nil {
		return err
	}
	x.finish(http.Header{headerStatus: {"0"}})
	return nil
}

func (f Func) run(x *exchange) error {
	message, err := oneMessage(x.request)
	if err != nil {
		return err
	}
	a := newAnswer(x.reply, x.limit, x.call.Streaming)
	defer a.close()
	err = f(x.ctx, message, a)
	if err != nil && x.ctx.Err() != nil {
		return contextError(x.ctx)
	}
	return err
}

func newAnswer(reply *reply, limit int, streaming bool) *Answer {
	a := &Answer{reply: reply, limit: limit, streaming: streaming, stopped: make(chan struct{})}
	a.changed.L = &a.mu
	go a.run()
	return a
}

// Open sends the headers, so that the client sees the stream open before the first
// message.
func (a *Answer) Open() {
	a.reply.commit()
	a.reply.flush()
}

// SetHeader sets headers, whose keys are canonical, unless the headers have been sent.
func (a *Answer) SetHeader(h http.Header) { a.reply.addHeader(h, nil) }

// Send queues a copy of message, which is neither compressed nor framed. It blocks
// while the queue is full, and returns the error of an earlier write.
func (a *Answer) Send(message []byte) error {
	if len(message) > a.limit {
		return rpcerror.New(codes.ResourceExhausted, "", "an answer is larger than the bridge's limit of %d bytes", a.limit)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.failed == nil && len(a.pending) > 0 && len(a.pending)+grpcwire.PrefixSize+len(message) > maxQueued {
		a.changed.Wait()
	}
	if a.failed != nil {
		return a.failed
	}
	var prefix [grpcwire.PrefixSize]byte
	binary.BigEndian.PutUint32(prefix[1:], uint32(len(message)))
	a.pending = append(append(a.pending, prefix[:]...), message...)
	a.changed.Broadcast()
	return nil
}

// close waits until every message is written.
func (a *Answer) close() {
	a.mu.Lock()
	a.ended = true
	a.changed.Broadcast()
	a.mu.Unlock()
	<-a.stopped
}

func (a *Answer) run() {
	defer close(a.stopped)
	var batch []byte
	for {
		a.mu.Lock()
		for len(a.pending) == 0 && !a.ended {
			a.changed.Wait()
		}
		if len(a.pending) == 0 {
			a.mu.Unlock()
			return
		}
		if cap(batch) > 2*maxQueued {
			batch = nil // it has grown for a large message
		}
		batch, a.pending = a.pending, batch[:0]
		a.changed.Broadcast()
		a.mu.Unlock()

		if err := a.reply.write([][]byte{batch}); err != nil {
			a.mu.Lock()
			a.failed = errCanceled
			a.changed.Broadcast()
			a.mu.Unlock()
			return
		}
		if a.streaming {
			a.reply.flush()
		}
	}
}
