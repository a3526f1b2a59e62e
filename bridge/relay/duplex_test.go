package relay

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
)

// requestsOf are the messages of a body.
func requestsOf(body io.Reader) *Requests {
	return &Requests{body: body, messages: make(chan []byte)}
}

// The client is read one message ahead of what was taken, and no further.
func TestRequestsAreReadOneAhead(t *testing.T) {
	reader, writer := io.Pipe()
	r := requestsOf(reader)
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		r.pump(t.Context())
	}()
	frame := []byte{0, 0, 0, 0, 1, 'x'}
	_, err := writer.Write(frame) // is read at once
	require.NoError(t, err)
	second := make(chan struct{})
	go func() {
		defer close(second)
		_, err := writer.Write(frame)
		assert.NoError(t, err)
		writer.Close()
	}()
	select {
	case <-second:
		assert.Fail(t, "the second message was read before the first was taken")
	default:
	}
	for range 2 {
		message, err := r.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "x", string(message))
	}
	_, err = r.Next(t.Context())
	assert.Equal(t, io.EOF, err)
	<-second
	<-pumped
}

func TestMalformedRequestsEndACall(t *testing.T) {
	for name, story := range map[string]struct {
		body string
		code codes.Code
	}{
		"cut in its prefix":  {"\x00\x00\x00", codes.InvalidArgument},
		"cut in its message": {"\x00\x00\x00\x00\x05hel", codes.InvalidArgument},
		"garbage":            {"\x07\x00\x00\x00\x01x", codes.InvalidArgument},
		"compressed":         {"\x01\x00\x00\x00\x01x", codes.Unimplemented},
		"too long":           {"\x00\xff\xff\xff\xffx", codes.ResourceExhausted},
	} {
		r := requestsOf(bytes.NewReader([]byte(story.body)))
		r.pump(t.Context())
		_, err := r.Next(t.Context())
		var known *rpcerror.Error
		require.ErrorAs(t, err, &known, name)
		assert.Equal(t, story.code, known.Code, name)
	}
}

// A call that is over waits for no further request.
func TestNextEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := requestsOf(bytes.NewReader(nil)).Next(ctx)
	var known *rpcerror.Error
	require.ErrorAs(t, err, &known)
	assert.Equal(t, codes.Canceled, known.Code)
}
