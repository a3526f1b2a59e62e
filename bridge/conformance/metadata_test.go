package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/internal/grpcwebtest"
)

// A provider may use one name twice, for a header and for a trailer. They are two
// things, and a page sees two.
func TestATrailerMayShareAHeadersName(t *testing.T) {
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

// Metadata with several values, and binary metadata, reaches the other side as it
// was sent: nothing joined, split, decoded or padded anew.
func TestDuplicateAndBinaryMetadataTravelBothWays(t *testing.T) {
	// Base64 without padding, with it, and two values in one, all of which gRPC
	// over HTTP/2 ("Binary-Header") asks receivers to take.
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

// A status message is the provider's text, and stays encoded on its way: decoded,
// it could end its line in the trailer frame and begin another.
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

// trailer returns the values of a trailer by its name as it must be in a trailer
// frame, in lower case.
func trailer(s *grpcwebtest.Stream, name string) []string { return s.Trailer[name] }
