package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	marketv1 "akash-provider-web/proto/akash/market/v1"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	providerv1 "akash-provider-web/proto/akash/provider/v1"
	"akash-provider-web/testserver/program"
)

const (
	pathStatus = providerv1.ProviderRPC_GetStatus_FullMethodName
	pathStream = providerv1.ProviderRPC_StreamStatus_FullMethodName
	pathLogs   = leasev1.LeaseRPC_ServiceLogs_FullMethodName
)

// streamsPerClient is how many streams share a connection over HTTP/2, as the tabs of a
// browser do.
const streamsPerClient = 20

// The shortest and the longest time that a client keeps a stream.
const (
	shortest = 5 * time.Second
	longest  = 2 * time.Minute
)

// stream keeps a stream open: whenever it ends, or its time is over, it opens another.
func (s *soak) stream(ctx context.Context, i int) {
	for ctx.Err() == nil {
		client := s.clients[i/streamsPerClient%len(s.clients)]
		living, cancel := context.WithTimeout(ctx, shortest+rand.N(longest-shortest))
		open := s.overHTTP2
		if i%2 == 1 {
			open = s.overWebSocket
		}
		path, message := pathLogs, s.logsRequest()
		if i%10 < 2 {
			path, message = pathStream, nil
		}
		s.count(&s.open, 1)
		err := open(living, client, path, message)
		s.count(&s.open, -1)
		over := living.Err() != nil
		cancel()
		if !over {
			if err == nil {
				err = errors.New("it ended")
			}
			s.failed(ctx, path[strings.LastIndexByte(path, '/')+1:], err)
			wait(ctx, time.Second)
		}
		s.count(&s.churned, 1)
	}
}

func (s *soak) count(what *int, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*what += n
}

func (s *soak) logsRequest() []byte {
	l := s.ready.Lease
	message, err := proto.Marshal(&leasev1.ServiceLogsRequest{Follow: true, LeaseId: &marketv1.LeaseID{
		Owner: l.Owner, Dseq: l.DSeq, Gseq: l.GSeq, Oseq: l.OSeq, Provider: l.Provider,
	}})
	if err != nil {
		panic(err) // it consists of strings and numbers
	}
	return message
}

func (s *soak) header() http.Header {
	return http.Header{
		"Content-Type": {"application/grpc-web+proto"}, "Akash-Provider": {s.ready.Provider},
		"Authorization": {"Bearer " + s.ready.JWT}, "Akash-Tail": {"10"},
	}
}

// post begins a call over HTTP/2.
func (s *soak) post(ctx context.Context, client *http.Client, path string, message []byte) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.bridge.URL+path, bytes.NewReader(framed(message)))
	if err != nil {
		return nil, err
	}
	r.Header = s.header()
	response, err := client.Do(r)
	switch {
	case err != nil:
		return nil, err
	case response.ProtoMajor != 2:
		err = fmt.Errorf("it is %s", response.Proto)
	case response.StatusCode != http.StatusOK:
		err = fmt.Errorf("HTTP status %d", response.StatusCode)
	case response.Header.Get("Grpc-Status") != "" && response.Header.Get("Grpc-Status") != "0":
		err = fmt.Errorf("%s: %s", response.Header.Get("Akash-Error"), response.Header.Get("Grpc-Message"))
	default:
		return response.Body, nil
	}
	response.Body.Close()
	return nil, err
}

func (s *soak) overHTTP2(ctx context.Context, client *http.Client, path string, message []byte) error {
	body, err := s.post(ctx, client, path, message)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = readMessages(body, func(n int) { s.count(&s.messages, n) })
	return err
}

func (s *soak) overWebSocket(ctx context.Context, _ *http.Client, path string, message []byte) error {
	conn, _, err := websocket.Dial(ctx, "wss"+strings.TrimPrefix(s.bridge.URL, "https")+path, &websocket.DialOptions{
		HTTPClient: socketClient, Subprotocols: []string{"grpc-websockets"}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(8 << 20)
	var header bytes.Buffer
	if err := s.header().Write(&header); err != nil {
		return err
	}
	if err := conn.Write(ctx, websocket.MessageBinary, header.Bytes()); err != nil {
		return err
	}
	if err := conn.Write(ctx, websocket.MessageBinary, append([]byte{0}, framed(message)...)); err != nil {
		return err
	}
	if err := conn.Write(ctx, websocket.MessageBinary, []byte{1}); err != nil { // the request is complete
		return err
	}
	r, w := io.Pipe()
	defer r.Close()
	go func() {
		for {
			_, b, err := conn.Read(ctx)
			if err == nil {
				_, err = w.Write(b)
			}
			if err != nil {
				if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
					err = io.EOF
				}
				w.CloseWithError(err)
				return
			}
		}
	}()
	_, err = readMessages(r, func(n int) { s.count(&s.messages, n) })
	return err
}

// socketClient opens WebSockets, which need HTTP/1.1.
var socketClient = func() *http.Client {
	client := program.NewClient()
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	return client
}()

// framed returns a message with gRPC's prefix.
func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// readMessages reads an answer to its end. The error is that of the answer's status.
func readMessages(body io.Reader, count func(int)) (n int, err error) {
	for headers := true; ; {
		var prefix [5]byte
		if _, err := io.ReadFull(body, prefix[:]); err != nil {
			return n, fmt.Errorf("no trailers: %w", err)
		}
		text := make([]byte, min(binary.BigEndian.Uint32(prefix[1:]), 8<<20))
		if _, err := io.ReadFull(body, text); err != nil {
			return n, fmt.Errorf("a message is cut short: %w", err)
		}
		if prefix[0]&0x80 == 0 {
			n++
			count(1)
			headers = false
			continue
		}
		fields := map[string]string{}
		for line := range strings.SplitSeq(string(text), "\r\n") {
			name, value, _ := strings.Cut(line, ":")
			fields[strings.ToLower(name)] = strings.TrimSpace(value)
		}
		switch status, ok := fields["grpc-status"]; {
		case !ok && headers:
			headers = false // over a WebSocket the headers come in the same form
		case status == "0":
			return n, nil
		default:
			return n, fmt.Errorf("status %s, %s: %s", status, fields["akash-error"], fields["grpc-message"])
		}
	}
}
