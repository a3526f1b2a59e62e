package connect

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/internal/timedbody"
	"akash-provider-web/bridge/internal/writebuf"
	"akash-provider-web/bridge/relay"
	"akash-provider-web/bridge/rpcerror"
)

// stream is the answer to a streaming call: messages with gRPC's prefixes, and at the
// end one with the error and the trailers, in JSON ("Streaming-Response").
type stream struct {
	*call
	waiting   writebuf.Buffer // messages not written yet
	partial   []byte          // the beginning of a message that is converted once it is complete
	committed bool            // WriteHeader was called
	trailers  http.Header
	err       error // the answer cannot be sent on
}

// stream returns the answer to the call, and has its requests read from body.
func (c *call) stream(body *timedbody.Live) answer {
	requests := &streamBody{ReadCloser: body, call: c}
	c.r.Body = requests
	if c.r.ProtoMajor >= 2 {
		c.r.Body = liveBody{requests, body}
	}
	c.r.ContentLength = -1
	return &stream{call: c}
}

// Header implements relay.Response.
func (s *stream) Header() http.Header { return s.w.Header() }

// WriteHeader implements relay.Response. Nothing is sent yet.
func (s *stream) WriteHeader() {
	if s.committed {
		return
	}
	s.committed = true
	h := s.w.Header()
	h["Content-Type"] = []string{s.form}
	if encoding := h[headerGRPCEncoding]; encoding != nil {
		h[headerStreamEncoding] = encoding
		delete(h, headerGRPCEncoding)
	}
	delete(h, headerGRPCAccept)
	s.expose()
	s.w.WriteHeader(http.StatusOK)
}

// Write implements relay.Response.
func (s *stream) Write(pieces [][]byte) (n int, err error) {
	for _, p := range pieces {
		if s.output != nil {
			err = s.convert(p)
		} else {
			err = s.write(p)
		}
		if err != nil {
			return n, err
		}
		n += len(p)
	}
	return n, nil
}

func (s *stream) write(p []byte) error {
	if s.waiting.Add(p) {
		return nil
	}
	if _, err := s.waiting.WriteTo(s.w); err != nil {
		return err
	}
	_, err := s.w.Write(p)
	return err
}

// convert writes the messages that p completes, as JSON.
func (s *stream) convert(p []byte) error {
	s.partial = append(s.partial, p...)
	for len(s.partial) >= grpcwire.PrefixSize {
		end := uint64(grpcwire.PrefixSize) + uint64(binary.BigEndian.Uint32(s.partial[1:]))
		if uint64(len(s.partial)) < end {
			return nil
		}
		message, err := []byte(nil), error(errCompressedAnswer)
		if s.partial[0] != flagCompressed {
			message, err = s.output(s.partial[grpcwire.PrefixSize:end])
		}
		if err != nil {
			s.err = err
			return err
		}
		s.partial = append(s.partial[:0], s.partial[end:]...)
		if err := s.write(frame(0, message)); err != nil {
			return err
		}
	}
	return nil
}

// Flush implements relay.Response.
func (s *stream) Flush() {
	if !s.committed {
		return
	}
	if _, err := s.waiting.WriteTo(s.w); err == nil {
		s.w.(http.Flusher).Flush()
	}
}

// Finish implements relay.Response.
func (s *stream) Finish(trailers http.Header) { s.trailers = trailers }

// Detach implements relay.Response.
func (s *stream) Detach(onDisconnect, serve func()) bool { return false }

// endOfStream is the last message of a stream ("EndStreamResponse").
type endOfStream struct {
	Error    *failure            `json:"error,omitempty"`
	Metadata map[string][]string `json:"metadata,omitempty"`
}

// end implements answer.
func (s *stream) end() {
	s.WriteHeader()
	last := endOfStream{Error: errorOf(s.trailers), Metadata: map[string][]string{}}
	if s.err != nil {
		last.Error = errorFrom(s.err)
	}
	for key, values := range metadataOf(s.trailers) {
		last.Metadata[strings.ToLower(key)] = values
	}
	b, err := json.Marshal(last)
	if err != nil {
		panic(err) // it consists of strings
	}
	_ = s.write(frame(flagEnd, b)) // an error means that the client has disconnected
	_, _ = s.waiting.WriteTo(s.w)
}

// streamBody is a stream of requests as gRPC messages, neither compressed nor in JSON.
type streamBody struct {
	io.ReadCloser
	call  *call
	frame []byte // what is left of the message being read
}

// Read implements io.Reader.
func (b *streamBody) Read(p []byte) (int, error) {
	if len(b.frame) == 0 {
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.frame)
	b.frame = b.frame[n:]
	return n, nil
}

// next reads a message.
func (b *streamBody) next() error {
	var prefix [grpcwire.PrefixSize]byte
	if _, err := io.ReadFull(b.ReadCloser, prefix[:]); err != nil {
		return cutShort(err)
	}
	limit := b.call.options.MaxRequest
	length := binary.BigEndian.Uint32(prefix[1:])
	switch {
	case prefix[0]&^flagCompressed != 0:
		return rpcerror.New(codes.InvalidArgument, "", "the request has a message with unknown flags")
	case prefix[0] == flagCompressed && b.call.encoding == "":
		return rpcerror.New(codes.Internal, "", "the request has a compressed message, and no header that says how")
	case uint64(length) > uint64(limit):
		return tooLarge(limit)
	}
	// The buffer grows with what arrives, and not with what the prefix says.
	message, err := io.ReadAll(io.LimitReader(b.ReadCloser, int64(length)))
	if err == nil && len(message) < int(length) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		message, err = b.call.decode(message, prefix[0] == flagCompressed)
	}
	if err != nil {
		return cutShort(err)
	}
	b.frame = frame(0, message)
	return nil
}

func cutShort(err error) error {
	if err == io.ErrUnexpectedEOF {
		return rpcerror.New(codes.InvalidArgument, "", "the request's body is cut short")
	}
	return err
}

// liveBody is a stream of requests that may go on while the call is answered.
type liveBody struct {
	*streamBody
	live *timedbody.Live
}

var _ relay.LiveBody = liveBody{}

// Arrived implements relay.LiveBody.
func (b liveBody) Arrived() { b.live.Arrived() }
