package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwebtest"
)

// A provider may use the same name for a header and a trailer. The client gets both.
func TestATrailerMayHaveTheNameOfAHeader(t *testing.T) {
	for name, messages := range map[string][]string{"with a message": {"one"}, "without a message": nil} {
		t.Run(name, func(t *testing.T) {
			bridge := startBridge(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Custom", "header")
				reply := beginReply(w)
				for _, message := range messages {
					reply.send(message)
				}
				reply.trailer("X-Custom", "trailer")
				reply.end("0")
			})
			bridge.eachWay(t, func(t *testing.T, c *grpcwebtest.Client) {
				s, got := call(t, c, nil, "request")
				assert.Equal(t, messages, got)
				assert.Equal(t, codes.OK, s.Code())
				assert.Equal(t, []string{"header"}, s.Header["X-Custom"])
				assert.Equal(t, []string{"trailer"}, trailer(s, "x-custom"))
			})
		})
	}
}

// Repeated and binary metadata arrives exactly as it was sent: not joined, split,
// decoded or padded.
func TestRepeatedAndBinaryMetadataIsUnchanged(t *testing.T) {
	// Base64 without padding, with padding, and two values in one. Receivers must
	// accept all of these (gRPC over HTTP/2, "Binary-Header").
	binary := []string{"AAECAwQ", "AAECAwQ=", "/////w,AA=="}
	plain := []string{"first", "second", "first"}
	bridge := startBridge(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, binary, r.Header["X-Request-Bin"])
		assert.Equal(t, plain, r.Header["X-Request"])
		w.Header()["X-Header-Bin"] = binary
		w.Header()["X-Header"] = plain
		reply := beginReply(w)
		reply.send("reply")
		reply.trailer("X-Trailer-Bin", binary...)
		reply.trailer("X-Trailer", plain...)
		reply.end("0")
	})
	bridge.eachWay(t, func(t *testing.T, c *grpcwebtest.Client) {
		s, _ := call(t, c, http.Header{"X-Request-Bin": binary, "X-Request": plain}, "request")
		assert.Equal(t, binary, s.Header["X-Header-Bin"])
		assert.Equal(t, plain, s.Header["X-Header"])
		assert.Equal(t, binary, trailer(s, "x-trailer-bin"))
		assert.Equal(t, plain, trailer(s, "x-trailer"))
	})
}

// A status message comes from the provider and stays percent-encoded. Decoded, it
// could end its line in the trailer frame and add another trailer.
func TestAStatusMessageStaysEncoded(t *testing.T) {
	const message = "caf%C3%A9: 100%25 %0D%0Agrpc-status: 0"
	bridge := startBridge(t, func(w http.ResponseWriter, _ *http.Request) {
		reply := beginReply(w)
		reply.send("reply")
		reply.trailer("Grpc-Message", message)
		reply.end("7")
	})
	bridge.eachWay(t, func(t *testing.T, c *grpcwebtest.Client) {
		s, _ := call(t, c, nil, "request")
		assert.Equal(t, []string{"7"}, trailer(s, "grpc-status"))
		assert.Equal(t, []string{message}, trailer(s, "grpc-message"))
	})
}

// trailer returns the values of a trailer by its name in a trailer frame, which is in
// lower case.
func trailer(s *grpcwebtest.Stream, name string) []string { return s.Trailer[name] }
