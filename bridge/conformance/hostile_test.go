package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwebtest"
)

// Whatever a provider sends, the client gets all complete messages, a status and a
// message: never a bare 502, and never no answer.
func TestProvidersThatViolateTheProtocol(t *testing.T) {
	for name, provider := range map[string]struct {
		answer   func(http.ResponseWriter)
		messages []string
		code     codes.Code
		contains string
	}{
		"garbage instead of messages": {
			answer:   func(w http.ResponseWriter) { beginReply(w).raw([]byte("<html>not a message</html>")) },
			code:     codes.Internal,
			contains: "malformed",
		},
		"garbage after a message": {
			answer: func(w http.ResponseWriter) {
				reply := beginReply(w)
				reply.send("one")
				reply.raw([]byte("<html>not a message</html>"))
			},
			messages: []string{"one"},
			code:     codes.Internal,
			contains: "malformed",
		},
		"a trailer frame, which only a bridge may send": {
			answer: func(w http.ResponseWriter) {
				reply := beginReply(w)
				reply.raw(grpcwebtest.Frame(grpcwebtest.FlagTrailer, []byte("grpc-status: 0\r\n")))
				reply.end("7")
			},
			code:     codes.Internal,
			contains: "malformed",
		},
		"a length past the end": {
			answer: func(w http.ResponseWriter) {
				reply := beginReply(w)
				reply.send("one")
				reply.raw(grpcwebtest.Frame(0, []byte("cut short"))[:9])
				reply.end("0")
			},
			messages: []string{"one"},
			code:     codes.Internal,
			contains: "ends before its stated length",
		},
		"half a prefix": {
			answer: func(w http.ResponseWriter) {
				reply := beginReply(w)
				reply.raw([]byte{0, 0})
				reply.end("0")
			},
			code:     codes.Internal,
			contains: "ends before its stated length",
		},
		"a length of four gigabytes": {
			answer: func(w http.ResponseWriter) {
				reply := beginReply(w)
				reply.raw([]byte{0, 0xff, 0xff, 0xff, 0xff, 'x'})
				reply.end("0")
			},
			code:     codes.ResourceExhausted,
			contains: "limit of 8388608 bytes",
		},
		"headers of 100 KB": {
			answer: func(w http.ResponseWriter) {
				w.Header().Set("X-Header", strings.Repeat("h", 100_000))
				beginReply(w).end("0")
			},
			code:     codes.Internal,
			contains: "headers are larger",
		},
		"trailers of 100 KB": {
			answer: func(w http.ResponseWriter) {
				reply := beginReply(w)
				reply.send("one")
				reply.trailer("X-Trailer", strings.Repeat("t", 100_000))
				reply.end("0")
			},
			messages: []string{"one"},
			code:     codes.Internal,
			contains: "trailers are larger",
		},
		"headers without end": {
			answer: func(w http.ResponseWriter) {
				for i := range 2000 {
					w.Header().Set(fmt.Sprintf("X-Header-%d", i), strings.Repeat("h", 1000))
				}
				beginReply(w).end("0")
			},
			code:     codes.Internal,
			contains: "violated the HTTP/2 protocol",
		},
		"trailers without end": {
			answer: func(w http.ResponseWriter) {
				reply := beginReply(w)
				reply.send("one")
				for i := range 2000 {
					reply.trailer(fmt.Sprintf("X-Trailer-%d", i), strings.Repeat("t", 1000))
				}
				reply.end("0")
			},
			messages: []string{"one"},
			code:     codes.Internal,
			contains: "violated the HTTP/2 protocol",
		},
		"no status": {
			answer:   func(w http.ResponseWriter) { beginReply(w).send("one") },
			messages: []string{"one"},
			code:     codes.Internal,
			contains: "without a status",
		},
		"a status that is no number": {
			answer:   func(w http.ResponseWriter) { beginReply(w).end("OK") },
			code:     codes.Internal,
			contains: "malformed status",
		},
		"a reset": {
			answer: func(w http.ResponseWriter) {
				beginReply(w).send("one")
				panic(http.ErrAbortHandler) // RST_STREAM with INTERNAL_ERROR
			},
			messages: []string{"one"},
			code:     codes.Internal,
			contains: "ended the call early",
		},
		"a web page": {
			answer: func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", "text/html")
				io.WriteString(w, "<html>Welcome to nginx!</html>")
			},
			code:     codes.Internal,
			contains: "other than gRPC",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bridge := startBridge(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				provider.answer(w)
			})
			bridge.eachWay(t, func(t *testing.T, c *grpcwebtest.Client) {
				s, messages := call(t, c, nil, "")
				assert.Equal(t, provider.messages, messages)
				assertEnd(t, s, provider.code, provider.contains)
			})
		})
	}
}

// An answer that is not gRPC has an HTTP status, which maps to a gRPC code
// (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
// Its body is not sent to the client.
func TestHTTPStatusesMapToStatusCodes(t *testing.T) {
	for status, code := range map[int]codes.Code{
		http.StatusBadRequest:          codes.Internal,
		http.StatusUnauthorized:        codes.Unauthenticated,
		http.StatusForbidden:           codes.PermissionDenied,
		http.StatusNotFound:            codes.Unimplemented,
		http.StatusTooManyRequests:     codes.Unavailable,
		http.StatusInternalServerError: codes.Unknown,
		http.StatusBadGateway:          codes.Unavailable,
		http.StatusServiceUnavailable:  codes.Unavailable,
		http.StatusGatewayTimeout:      codes.Unavailable,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			bridge := startBridge(t, func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "secret of the provider's reverse proxy", status)
			})
			s, _ := call(t, bridge.http1(), nil, "")
			assertEnd(t, s, code, fmt.Sprint(status))
			assert.NotContains(t, s.Message(), "secret")
		})
	}
}

// When a provider crashes, its calls end with UNAVAILABLE after the messages received,
// so that clients retry.
func TestALostProviderIsUnavailable(t *testing.T) {
	t.Run("before its answer", func(t *testing.T) {
		reached := make(chan struct{})
		bridge := startBridge(t, func(w http.ResponseWriter, r *http.Request) {
			reached <- struct{}{}
			<-r.Context().Done()
		})
		var dying sync.WaitGroup
		defer dying.Wait()
		bridge.eachWay(t, func(t *testing.T, c *grpcwebtest.Client) {
			dying.Go(func() {
				<-reached
				bridge.provider.CloseClientConnections()
			})
			s, messages := call(t, c, nil, "")
			assert.Empty(t, messages)
			assertEnd(t, s, codes.Unavailable, "try again")
		})
	})
	t.Run("in the middle of a stream", func(t *testing.T) {
		bridge := startBridge(t, func(w http.ResponseWriter, r *http.Request) {
			beginReply(w).send("last words")
			<-r.Context().Done()
		})
		bridge.eachWay(t, func(t *testing.T, c *grpcwebtest.Client) {
			s := open(t.Context(), t, c, nil, "")
			message, err := s.Next()
			require.NoError(t, err)
			assert.Equal(t, "last words", string(message))
			bridge.provider.CloseClientConnections()
			assert.Empty(t, rest(t, s))
			assertEnd(t, s, codes.Unavailable, "try again")
		})
	})
}

// goUnits converts the unit of a grpc-timeout to Go's notation.
var goUnits = strings.NewReplacer("n", "ns", "u", "us", "m", "ms", "S", "s", "M", "m", "H", "h")

// An expired call ends with DEADLINE_EXCEEDED, even if the provider resets or cancels
// the stream at that time.
func TestAnExpiredCallEndsInDeadlineExceeded(t *testing.T) {
	const timeout, calls = 100 * time.Millisecond, 16
	for name, atDeadline := range map[string]func(reply){
		"provider that resets":  func(reply) { panic(http.ErrAbortHandler) },
		"provider that cancels": func(r reply) { r.end("1") },
		"provider that agrees":  func(r reply) { r.end("4") },
	} {
		t.Run(name, func(t *testing.T) {
			bridge := startBridge(t, func(w http.ResponseWriter, r *http.Request) {
				left, err := time.ParseDuration(goUnits.Replace(r.Header.Get("Grpc-Timeout")))
				assert.NoError(t, err)
				assert.LessOrEqual(t, left, timeout)
				reply := beginReply(w)
				select {
				case <-time.After(left):
				case <-r.Context().Done():
				}
				atDeadline(reply)
			})
			bridge.eachWay(t, func(t *testing.T, c *grpcwebtest.Client) {
				var calling sync.WaitGroup
				for range calls {
					s := open(t.Context(), t, c, http.Header{"Grpc-Timeout": {"100m"}}, "")
					calling.Go(func() {
						_, err := s.Rest()
						assert.NoError(t, err)
						assert.Equal(t, codes.DeadlineExceeded, s.Code(), s.Message())
					})
				}
				calling.Wait()
			})
		})
	}
}

// A request whose body ends before its Content-Length, because the client
// disconnected, is not sent to the provider.
func TestATruncatedRequestIsNotSent(t *testing.T) {
	bridge := startBridge(t, func(http.ResponseWriter, *http.Request) {
		t.Error("the provider was called")
	})
	conn, err := net.Dial("tcp", bridge.clear.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/grpc-web\r\nContent-Length: 100\r\n\r\n%s",
		stream, grpcwebtest.Frame(0, []byte("ten bytes.")))
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(testTimeout)))
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.NotContains(t, string(answer), "grpc-status: 0")
}

// Calls on a kept-alive connection do not get data of earlier calls, however these
// ended.
func TestCallsOnOneConnectionAreIndependent(t *testing.T) {
	bridge := startBridge(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Refuse") == "" {
			echo(t)(w, r)
			return
		}
		// Answered before the request is read.
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "7")
	})
	bridge.eachWay(t, func(t *testing.T, c *grpcwebtest.Client) {
		for i := range 25 {
			message := strings.Repeat(fmt.Sprint(i), 2000*i)
			s, messages := call(t, c, nil, message)
			require.Equal(t, codes.OK, s.Code(), s.Message())
			require.Equal(t, []string{message}, messages)

			s, _ = call(t, c, http.Header{"X-Refuse": {"yes"}}, message)
			require.Equal(t, codes.PermissionDenied, s.Code(), s.Message())

			s, err := c.OpenRaw(t.Context(), stream, nil, []byte("garbage"+message))
			require.NoError(t, err)
			rest(t, s)
			s.Close()
			require.Equal(t, codes.InvalidArgument, s.Code(), s.Message())

			s, err = c.OpenRaw(t.Context(), stream, http.Header{"Content-Type": {"text/plain"}}, []byte(message))
			require.NoError(t, err)
			require.Equal(t, http.StatusUnsupportedMediaType, s.Status)
			s.Close()
		}
	})
}
