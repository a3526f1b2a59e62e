package main

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/internal/grpcwebtest"
)

// Messages can be decoded when they arrive. In text mode, each flush must therefore
// end with a complete base64 group.
func TestMessagesArriveOneByOne(t *testing.T) {
	next := make(chan string)
	bridge := startBridge(t, func(w http.ResponseWriter, r *http.Request) {
		reply := beginReply(w)
		for message := ""; message != "end"; reply.send(message) {
			message = <-next
		}
		reply.end("0")
	})
	bridge.eachWay(t, func(t *testing.T, c *grpcwebtest.Client) {
		// The answer's headers arrive before its first message.
		s := open(t.Context(), t, c, nil, "")
		for _, message := range []string{"a", "bc", "def", "ghij", "end"} {
			next <- message
			frame, err := s.Next()
			require.NoError(t, err)
			assert.Equal(t, message, string(frame))
		}
		assert.Empty(t, rest(t, s))
	})
}

// A client that disconnects or cancels ends its provider's stream, whatever its state.
func TestACancelReachesTheProvider(t *testing.T) {
	for name, first := range map[string]func(http.ResponseWriter){
		"before the answer": func(http.ResponseWriter) {},
		"after its headers": func(w http.ResponseWriter) { beginReply(w) },
		"after a message":   func(w http.ResponseWriter) { beginReply(w).send("first") },
	} {
		t.Run(name, func(t *testing.T) {
			reached, cancelled := make(chan struct{}), make(chan struct{})
			bridge := startBridge(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				first(w)
				reached <- struct{}{}
				<-r.Context().Done()
				cancelled <- struct{}{}
			})
			bridge.eachWay(t, func(t *testing.T, c *grpcwebtest.Client) {
				ctx, abort := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					s, err := c.OpenRaw(ctx, stream, nil, grpcwebtest.Frame(0, nil))
					if err != nil {
						return
					}
					defer s.Close()
					for err == nil {
						_, err = s.Next()
					}
				}()
				<-reached
				abort()
				select {
				case <-cancelled:
				case <-time.After(testTimeout):
					t.Fatal("the provider's stream was not cancelled")
				}
				<-ended
			})
		})
	}
}

// Over HTTP/2 a request may arrive in frames of any size, and end with an empty frame.
// The provider still sees its end.
func TestARequestMayEndWithAnEmptyFrame(t *testing.T) {
	bridge := startBridge(t, echo(t))
	body, upload := io.Pipe()
	go func() {
		message := grpcwebtest.Frame(0, []byte("in three pieces"))
		upload.Write(message[:3]) // a DATA frame each
		upload.Write(message[3:9])
		upload.Write(message[9:])
		upload.Close() // sends an empty frame, which ends the stream
	}()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, bridge.encrypted.URL+stream, body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/grpc-web+proto")
	response, err := bridge.encrypted.Client().Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, 2, response.ProtoMajor)
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Contains(t, string(answer), "in three pieces")
	assert.Contains(t, string(answer), "grpc-status: 0\r\n")
}
