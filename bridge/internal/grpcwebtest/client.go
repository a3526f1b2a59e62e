// Package grpcwebtest is a gRPC-Web client for the bridge's tests. It is strict about
// the specification (PROTOCOL-WEB.md) and keeps headers, frames and trailers apart, so
// that tests can check where each value was sent.
package grpcwebtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// Flags of a frame.
const (
	FlagCompressed = 0x01
	FlagTrailer    = 0x80
)

// Client calls one bridge.
type Client struct {
	URL  string
	HTTP *http.Client // nil means http.DefaultClient
	// Text selects grpc-web-text.
	Text bool
}

// Stream is a call whose headers have arrived.
type Stream struct {
	// Status is the HTTP status.
	Status int
	Proto  string
	Header http.Header
	// Trailer is set once Next has returned io.EOF. Its names are as received.
	Trailer http.Header
	// TrailersOnly says that the status was sent in the headers.
	TrailersOnly bool

	body   io.ReadCloser
	reader *bufio.Reader
}

// Frame returns message as a gRPC frame.
func Frame(flag byte, message []byte) []byte {
	b := make([]byte, 5, 5+len(message))
	b[0] = flag
	binary.BigEndian.PutUint32(b[1:], uint32(len(message)))
	return append(b, message...)
}

// Open posts message to the method at path and waits for the headers.
func (c *Client) Open(ctx context.Context, path string, header http.Header, message proto.Message) (*Stream, error) {
	raw, err := proto.Marshal(message)
	if err != nil {
		return nil, err
	}
	return c.OpenRaw(ctx, path, header, Frame(0, raw))
}

// OpenRaw posts a body, which it encodes in text mode, and waits for the headers.
func (c *Client) OpenRaw(ctx context.Context, path string, header http.Header, body []byte) (*Stream, error) {
	contentType := "application/grpc-web+proto"
	if c.Text {
		contentType = "application/grpc-web-text+proto"
		body = []byte(base64.StdEncoding.EncodeToString(body))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	for key, values := range header {
		r.Header[http.CanonicalHeaderKey(key)] = values
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	s := &Stream{Status: response.StatusCode, Proto: response.Proto, Header: response.Header, body: response.Body}
	src := io.Reader(response.Body)
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/grpc-web-text") {
		src = &pieces{src: bufio.NewReader(response.Body)}
	}
	s.reader = bufio.NewReader(src)
	return s, nil
}

// Next returns the next message, or io.EOF after the trailers. An answer that ends
// without trailers, or continues after them, is an error.
func (s *Stream) Next() ([]byte, error) {
	if s.Header.Get("Grpc-Status") != "" && s.Trailer == nil {
		s.TrailersOnly = true
		s.Trailer = s.Header
		return nil, s.end()
	}
	var prefix [5]byte
	if _, err := io.ReadFull(s.reader, prefix[:]); err != nil {
		return nil, fmt.Errorf("the answer ends without trailers: %w", notEOF(err))
	}
	frame := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
	if _, err := io.ReadFull(s.reader, frame); err != nil {
		return nil, fmt.Errorf("a frame is truncated: %w", notEOF(err))
	}
	if prefix[0]&FlagTrailer == 0 {
		return frame, nil
	}
	s.Trailer = http.Header{}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(frame), "\r\n"), "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name != strings.ToLower(name) {
			return nil, fmt.Errorf("trailer line %q", line)
		}
		s.Trailer[name] = append(s.Trailer[name], textproto.TrimString(value))
	}
	return nil, s.end()
}

// end returns io.EOF, or an error if data follows the trailers.
func (s *Stream) end() error {
	rest, err := io.ReadAll(s.reader)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes follow the trailers", len(rest))
	}
	return io.EOF
}

// Values returns the values of a trailer.
func (s *Stream) Values(name string) []string {
	if s.TrailersOnly {
		return s.Trailer.Values(name)
	}
	return s.Trailer[strings.ToLower(name)]
}

// Get returns the first value of a trailer.
func (s *Stream) Get(name string) string {
	if values := s.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// Code returns the call's status code, or Unknown if it has none.
func (s *Stream) Code() codes.Code {
	n, err := strconv.Atoi(s.Get("grpc-status"))
	if err != nil {
		return codes.Unknown
	}
	return codes.Code(n)
}

// Message returns the text of the call's status.
func (s *Stream) Message() string {
	text, err := url.PathUnescape(s.Get("grpc-message"))
	if err != nil {
		return s.Get("grpc-message")
	}
	return text
}

// Close cancels the call.
func (s *Stream) Close() error { return s.body.Close() }

// Call makes a call and reads its answer to the end.
func (c *Client) Call(ctx context.Context, path string, header http.Header, message proto.Message) (*Stream, [][]byte, error) {
	s, err := c.Open(ctx, path, header, message)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	messages, err := s.Rest()
	return s, messages, err
}

// Rest reads messages to the end of the answer.
func (s *Stream) Rest() ([][]byte, error) {
	var messages [][]byte
	for {
		message, err := s.Next()
		if errors.Is(err, io.EOF) {
			return messages, nil
		}
		if err != nil {
			return messages, err
		}
		messages = append(messages, message)
	}
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// pieces decodes a sequence of separately padded base64 texts.
type pieces struct {
	src *bufio.Reader
	out []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.out) == 0 {
		if _, err := p.src.Peek(4); err != nil {
			return 0, err
		}
		text, _ := p.src.Peek(p.src.Buffered() / 4 * 4)
		if i := bytes.IndexByte(text, '='); i >= 0 {
			text = text[:i/4*4+4]
		}
		out, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil {
			return 0, err
		}
		p.src.Discard(len(text))
		p.out = out
	}
	n := copy(b, p.out)
	p.out = p.out[n:]
	return n, nil
}
