package relay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwire"
	"akash-provider-web/bridge/rpcerror"
)

func frameOf(message []byte) []byte {
	b := make([]byte, grpcwire.PrefixSize, grpcwire.PrefixSize+len(message))
	binary.BigEndian.PutUint32(b[1:], uint32(len(message)))
	return append(b, message...)
}

// readAll reads messages to the end, and checks that each batch consists of complete
// messages.
func readAll(t *testing.T, src io.Reader, limit int) ([]byte, error) {
	t.Helper()
	r := newMessageReader(src, limit)
	var all []byte
	for {
		batch, err := r.next()
		whole, total, bad := wholeMessages(batch, limit)
		require.NoError(t, bad)
		require.Equal(t, whole, total, "a batch ends where a message does")
		require.True(t, total > 0 || err != nil)
		all = append(all, bytes.Join(batch, nil)...)
		if err != nil {
			return all, err
		}
	}
}

// randomReader reads a random part of what is available.
type randomReader struct {
	src    io.Reader
	random *rand.Rand
}

func (f randomReader) Read(p []byte) (int, error) {
	return f.src.Read(p[:1+f.random.IntN(len(p))])
}

func TestMessagesOfAllSizesArriveUnchanged(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var in bytes.Buffer
	for _, size := range []int{0, 1, 5, minBuffer - 6, minBuffer - 5, minBuffer, 8 << 10, 64 << 10, 1 + 64<<10, 192 << 10, 1, 0, 0} {
		message := make([]byte, size)
		for i := range message {
			message[i] = byte(random.Uint32())
		}
		in.Write(frameOf(message))
	}
	for range 500 {
		in.Write(frameOf(make([]byte, random.IntN(400))))
	}
	for name, src := range map[string]io.Reader{
		"as it comes":     bytes.NewReader(in.Bytes()),
		"byte by byte":    iotest.OneByteReader(bytes.NewReader(in.Bytes())),
		"end with bytes":  iotest.DataErrReader(bytes.NewReader(in.Bytes())),
		"random":          randomReader{bytes.NewReader(in.Bytes()), random},
		"in large pieces": &piecewise{src: bytes.NewReader(in.Bytes()), size: 10_000},
		"in small pieces": &piecewise{src: randomReader{bytes.NewReader(in.Bytes()), random}, size: 99},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := readAll(t, src, 1<<20)
			assert.Equal(t, io.EOF, err)
			assert.True(t, bytes.Equal(in.Bytes(), out))
		})
	}
}

// piecewise is a source whose data lies in pieces of a given size, as in a transport of
// the bridge.
type piecewise struct {
	src    io.Reader
	size   int
	pieces [][]byte
}

func (s *piecewise) Read([]byte) (int, error) { panic("Read called on a source") }

func (s *piecewise) Peek(seen int) ([][]byte, error) {
	for {
		piece := make([]byte, s.size)
		n, err := s.src.Read(piece)
		s.pieces = append(s.pieces, piece[:n])
		if have := len(bytes.Join(s.pieces, nil)); have > seen || err != nil {
			return slices.Clone(s.pieces), err
		}
	}
}

func (s *piecewise) Discard(n int) {
	rest := bytes.Join(s.pieces, nil)[n:]
	s.pieces = nil
	for len(rest) > 0 {
		n := min(s.size, len(rest))
		s.pieces = append(s.pieces, rest[:n])
		rest = rest[n:]
	}
}

func TestAFalseLengthAllocatesNoMemory(t *testing.T) {
	src := &buffered{src: bytes.NewReader([]byte{0, 0, 0x40, 0, 0, 'x'})}
	r := &messageReader{src: src, limit: 4 << 20}
	_, err := r.next()
	assert.Equal(t, errTruncated, err)
	assert.LessOrEqual(t, cap(src.buf), minBuffer, "the buffer grows by what has arrived, not by the claimed 4 MiB")
}

func TestAnIdleStreamKeepsASmallBuffer(t *testing.T) {
	in, busy := io.Pipe()
	src := &buffered{src: in}
	r := &messageReader{src: src, limit: 1 << 20}
	go busy.Write(frameOf(make([]byte, 100_000)))
	_, err := r.next()
	require.NoError(t, err)
	assert.Greater(t, cap(src.buf), 100_000)
	go busy.Close()
	_, err = r.next()
	assert.Equal(t, io.EOF, err)
	assert.Equal(t, minBuffer, cap(src.buf))
}

func FuzzMessageReader(f *testing.F) {
	f.Add([]byte{}, uint64(0))
	f.Add(frameOf([]byte("hello")), uint64(1))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 9}, uint64(2))
	f.Add([]byte{0x80, 0, 0, 0, 1, 'x'}, uint64(3))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		const limit = 100
		out, err := readAll(t, randomReader{bytes.NewReader(in), rand.New(rand.NewPCG(seed, 0))}, limit)
		again, errAgain := readAll(t, &piecewise{src: bytes.NewReader(in), size: 1 + int(seed%7)}, limit)
		assert.Equal(t, out, again)
		assert.Equal(t, err, errAgain)
		whole, _, bad := wholeMessages([][]byte{in}, limit)
		assert.Equal(t, in[:whole], append([]byte{}, out...))
		switch {
		case bad != nil:
			assert.Equal(t, bad, err)
		case whole < len(in):
			assert.Equal(t, errTruncated, err)
		default:
			assert.Equal(t, io.EOF, err)
		}
	})
}

func TestTimeoutsAreParsedAndFormatted(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0n": 0, "1n": 1, "99999999u": 99999999 * time.Microsecond, "100m": 100 * time.Millisecond,
		"30S": 30 * time.Second, "5M": 5 * time.Minute, "2H": 2 * time.Hour,
	} {
		got, bounded, err := parseTimeout(http.Header{headerTimeout: {text}})
		require.NoError(t, err, text)
		assert.True(t, bounded)
		assert.Equal(t, want, got)
	}
	_, bounded, err := parseTimeout(http.Header{})
	assert.NoError(t, err)
	assert.False(t, bounded)
	_, bounded, err = parseTimeout(http.Header{headerTimeout: {"99999999H"}})
	assert.NoError(t, err)
	assert.False(t, bounded, "more than a time.Duration holds counts as no deadline")

	for d, want := range map[time.Duration]string{
		-1: "0n", 0: "0n", 1: "1n", 99999999: "99999999n", 100000000: "100000u", time.Second: "1000000u",
		100*time.Second - 1: "100000m", time.Hour: "3600000m", 1<<63 - 1: "2562048H",
	} {
		assert.Equal(t, want, formatTimeout(d), d)
	}
}

func TestUpstreamFailuresMapToStatusCodes(t *testing.T) {
	for code, want := range map[http2.ErrCode]codes.Code{
		http2.ErrCodeNo: codes.Internal, http2.ErrCodeProtocol: codes.Internal, http2.ErrCodeRefusedStream: codes.Unavailable,
		http2.ErrCodeCancel: codes.Canceled, http2.ErrCodeEnhanceYourCalm: codes.ResourceExhausted,
		http2.ErrCodeInadequateSecurity: codes.PermissionDenied, http2.ErrCodeHTTP11Required: codes.Internal,
	} {
		assert.Equal(t, want, upstreamError(http2.StreamError{Code: code}).Code, code)
	}
	assert.Equal(t, codes.Unavailable, upstreamError(io.ErrUnexpectedEOF).Code)
	assert.Equal(t, codes.Internal, upstreamError(http2.ConnectionError(http2.ErrCodeProtocol)).Code)
	refused := rpcerror.New(codes.FailedPrecondition, rpcerror.ReasonRevoked, "revoked")
	assert.Equal(t, refused, upstreamError(errors.Join(io.EOF, refused)), "the transport's own error is kept")

	for status, want := range map[int]codes.Code{
		400: codes.Internal, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 404: codes.Unimplemented,
		429: codes.Unavailable, 502: codes.Unavailable, 503: codes.Unavailable, 504: codes.Unavailable,
		200: codes.Unknown, 204: codes.Unknown, 301: codes.Unknown, 500: codes.Unknown,
	} {
		assert.Equal(t, want, codeOfHTTP(status), status)
	}
}

func TestMessagesArePercentEncoded(t *testing.T) {
	assert.Equal(t, "plain text, ~!", encodeMessage("plain text, ~!"))
	assert.Equal(t, "100%25 %C3%A4%0A%00", encodeMessage("100% ä\n\x00"))
}
