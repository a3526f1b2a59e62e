package client

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"akash-provider-web/wasm/grpcweb"
)

const provider = "akash1provider"

// realClock uses package time, which a synctest bubble runs with a fake clock.
type realClock struct{}

func (realClock) Now() int64 { return time.Now().Unix() }

func (realClock) AfterFunc(ms int, f func()) (stop func()) {
	timer := time.AfterFunc(time.Duration(ms)*time.Millisecond, f)
	return func() { timer.Stop() }
}

// A fakeBridge gives each request the next answer, and repeats the last one.
type fakeBridge struct {
	answers []answer

	mu       sync.Mutex
	requests []*Request
	at       []time.Duration // since the first request
	began    time.Time
	open     int // responses that were neither read to their end nor closed
}

// An answer is the outcome of one request.
type answer struct {
	err      string // the error of fetch
	hang     bool   // no response arrives
	status   int    // 200 if it is 0
	header   map[string]string
	body     [][]byte
	broken   string        // the error of reading after the body
	unending bool          // the response stays open after the body
	after    time.Duration // the time between the body and its end
}

func newClient(answers ...answer) (*Client, *fakeBridge) {
	bridge := &fakeBridge{answers: answers}
	return &Client{
		Transport: bridge,
		Clock:     realClock{},
		Random:    func() float64 { return 1 },
		Origin:    "https://page.example",
		Warn:      func(string) {},
	}, bridge
}

func newCall() *Call {
	return &Call{Bridge: "https://bridge.example", Provider: provider, Timeout: 1000, Retries: 3}
}

func (b *fakeBridge) Open(scope *Scope, request *Request) (Response, error) {
	b.mu.Lock()
	if len(b.requests) == 0 {
		b.began = time.Now()
	}
	b.at = append(b.at, time.Since(b.began))
	a := b.answers[min(len(b.requests), len(b.answers)-1)]
	b.requests = append(b.requests, request)
	b.mu.Unlock()
	if a.hang {
		<-ended(scope)
		return nil, errors.New("stopped")
	}
	if a.err != "" {
		return nil, errors.New(a.err)
	}
	b.mu.Lock()
	b.open++
	b.mu.Unlock()
	return &fakeResponse{bridge: b, answer: a, rest: slices.Clone(a.body)}, nil
}

func ended(scope *Scope) <-chan struct{} {
	done := make(chan struct{})
	scope.OnEnd(func() { close(done) })
	return done
}

type fakeResponse struct {
	bridge *fakeBridge
	answer answer
	rest   [][]byte
	over   bool
}

func (r *fakeResponse) Status() int {
	if r.answer.status == 0 {
		return 200
	}
	return r.answer.status
}

func (r *fakeResponse) Header(name string) string {
	if value, ok := r.answer.header[name]; ok || name != "content-type" {
		return value
	}
	return grpcweb.ContentType
}

func (r *fakeResponse) Read(scope *Scope) ([]byte, error) {
	if len(r.rest) > 0 {
		piece := r.rest[0]
		r.rest = r.rest[1:]
		return piece, nil
	}
	time.Sleep(r.answer.after)
	switch {
	case r.answer.unending:
		<-ended(scope)
		return nil, errors.New("stopped")
	case r.answer.broken != "":
		return nil, errors.New(r.answer.broken)
	}
	r.Close()
	return nil, nil
}

func (r *fakeResponse) Close() {
	r.bridge.mu.Lock()
	defer r.bridge.mu.Unlock()
	if !r.over {
		r.over = true
		r.bridge.open--
	}
}

// framed returns a message in a gRPC-Web frame.
func framed(t *testing.T, message proto.Message) []byte {
	t.Helper()
	wire, err := proto.Marshal(message)
	require.NoError(t, err)
	return append(grpcweb.AppendHeader(nil, len(wire)), wire...)
}

// trailers returns the trailer frame that ends a stream.
func trailers(lines string) []byte {
	frame := grpcweb.AppendHeader(nil, len(lines))
	frame[0] = 0x80
	return append(frame, lines...)
}

// refusal is an error of the bridge, in headers without a body.
func refusal(status, message, reason string) answer {
	return answer{header: map[string]string{
		"grpc-status": status, "grpc-message": message, "akash-error": reason, "content-length": "0",
	}}
}

type object = map[string]any

func parse(t *testing.T, text []byte) object {
	t.Helper()
	var o object
	require.NoError(t, json.Unmarshal(text, &o), "%s", text)
	return o
}
