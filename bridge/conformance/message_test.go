package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServerRequestRoundTrip(t *testing.T) {
	sent := serverRequest{protocol: protocolGRPC, httpVersion: httpVersion2, useTLS: true, receiveLimit: 204800, cert: []byte("cert"), key: []byte("key")}
	var wire bytes.Buffer
	require.NoError(t, writeMessage(&wire, sent.marshal()))

	b, err := readMessage(&wire)
	require.NoError(t, err)
	var got serverRequest
	require.NoError(t, got.unmarshal(b))
	assert.Equal(t, sent, got)
}

func TestServerResponseRoundTrip(t *testing.T) {
	sent := serverResponse{host: "127.0.0.1", port: 54321, cert: []byte("cert")}
	var got serverResponse
	require.NoError(t, got.unmarshal(sent.marshal()))
	assert.Equal(t, sent, got)
}

func TestAnOversizedLengthIsRefused(t *testing.T) {
	_, err := readMessage(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff}))
	assert.ErrorContains(t, err, "want at most")
	assert.Error(t, new(serverRequest).unmarshal([]byte{0x0a, 0x7f}))
}
