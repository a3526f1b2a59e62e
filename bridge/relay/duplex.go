package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"
)

const (
	// maxDuplexRequest bounds one request message of a duplex call, in bytes: one is
	// held while the one before is being taken.
	maxDuplexRequest = 128 << 10
	// duplexHeartbeat is the heartbeat of a duplex call that asks for none. While the
	// upstream takes no requests, nothing reads the client's connection, and only a
	// write shows that the client has disconnected.
	duplexHeartbeat = 30 * time.Second
)

// A LiveBody is the body of a request whose messages may arrive while the call is being
// answered. Other bodies are read to the end first.
type LiveBody interface {
	io.ReadCloser
	// Arrived ends the timeout for the request: what the call needs to start is there.
	Arrived()
}

// Duplex answers a call whose request goes on while it is answered. It returns an error
// of Answer.Send as it is.
type Duplex func(ctx context.Context, r *Requests, a *Answer) error

// answer implements Upstream.
func (f Duplex) answer(x *exchange) error {
	if err := f.run(x); err != nil {
		return err
	}
	x.finish(http.Header{headerStatus: {"0"}})
	return nil
}

func (f Duplex) run(x *exchange) error {
	a := newAnswer(x.reply, x.limit, true)
	defer a.close()
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	go x.requests.pump(ctx)
	err := f(x.ctx, x.requests, a)
	if err != nil && x.ctx.Err() != nil {
		return contextError(x.ctx)
	}
	return err
}

// Requests are the request messages of a duplex call.
type Requests struct {
	body  io.Reader
	first []byte // until it is taken

	received atomic.Int64 // bytes
	messages chan []byte
	err      error // why there are no more; set before messages is closed
}

// startDuplex reads the first message of a duplex call.
func (h *Handler) startDuplex(x *exchange, r *http.Request) error {
	x.requests = &Requests{body: r.Body, messages: make(chan []byte)}
	live, ok := r.Body.(LiveBody)
	if !ok {
		whole, err := h.read(x, r)
		if err != nil {
			return err
		}
		x.requests.body = bytes.NewReader(whole)
	}
	first, err := x.requests.read()
	switch {
	case err == nil:
	case x.ctx.Err() != nil:
		return contextError(x.ctx)
	case err == io.EOF:
		return rpcerror.New(codes.InvalidArgument, "", "the request has no message")
	default:
		return err
	}
	if ok {
		live.Arrived()
	}
	x.requests.first = first
	return nil
}

// Next returns the next message, neither compressed nor framed, and io.EOF after the
// last. The client is read no further than one message ahead of it.
func (r *Requests) Next(ctx context.Context) ([]byte, error) {
	if r.first != nil {
		first := r.first
		r.first = nil
		return first, nil
	}
	select {
	case message, ok := <-r.messages:
		if !ok {
			return nil, r.err
		}
		return message, nil
	case <-ctx.Done():
		return nil, contextError(ctx)
	}
}

// pump reads messages, each when the one before is taken, until the body or ctx ends.
// It does not return before a read of the body does: whoever owns a LiveBody closes it
// and waits for that.
func (r *Requests) pump(ctx context.Context) {
	defer close(r.messages)
	for {
		message, err := r.read()
		if err != nil {
			r.err = err
			return
		}
		select {
		case r.messages <- message:
		case <-ctx.Done():
			r.err = contextError(ctx)
			return
		}
	}
}

// read reads one message from the body.
func (r *Requests) read() ([]byte, error) {
	var prefix [grpcwire.PrefixSize]byte
	n, err := io.ReadFull(r.body, prefix[:])
	r.received.Add(int64(n))
	if err != nil {
		return nil, bodyError(err)
	}
	length := binary.BigEndian.Uint32(prefix[1:])
	switch {
	case prefix[0] == flagCompressed:
		return nil, rpcerror.New(codes.Unimplemented, "", "the bridge does not support compressed requests of this method")
	case prefix[0] != flagPlain:
		return nil, rpcerror.New(codes.InvalidArgument, "", "the request's body is malformed: %w", errMalformed)
	case length > maxDuplexRequest:
		return nil, rpcerror.New(codes.ResourceExhausted, "", "a message of the request is larger than the bridge's limit of %d bytes", maxDuplexRequest)
	}
	// The buffer grows with what arrives, and not with what the prefix says.
	message := make([]byte, 0, min(length, 1<<10))
	for len(message) < int(length) {
		message = slices.Grow(message, 1)
		n, err := r.body.Read(message[len(message):min(cap(message), int(length))])
		message = message[:len(message)+n]
		r.received.Add(int64(n))
		if err == io.EOF && len(message) < int(length) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && len(message) < int(length) {
			return nil, bodyError(err)
		}
	}
	return message, nil
}

func bodyError(err error) error {
	var known *rpcerror.Error
	switch {
	case err == io.EOF || errors.As(err, &known):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return rpcerror.New(codes.InvalidArgument, "", "the request's body is cut short: %w", errTruncated)
	}
	return &rpcerror.Error{Code: codes.InvalidArgument, Message: "the request's body could not be read", Err: err}
}
