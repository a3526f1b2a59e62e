package grpcweb

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
)

// The codes and their names are those of gRPC.
func TestCodes(t *testing.T) {
	for c := codes.OK; c <= codes.Unauthenticated; c++ {
		var back codes.Code
		assert.NoError(t, back.UnmarshalJSON([]byte(`"`+Code(c).String()+`"`)))
		assert.Equal(t, c, back)
	}
	assert.Equal(t, "UNKNOWN", Code(99).String())
}

func TestCodeOfHTTP(t *testing.T) {
	for status, want := range map[int]Code{
		400: Internal, 401: Unauthenticated, 403: PermissionDenied, 404: Unimplemented,
		429: Unavailable, 502: Unavailable, 503: Unavailable, 504: Unavailable, 500: Unknown, 418: Unknown,
	} {
		assert.Equal(t, want, CodeOfHTTP(status), status)
	}
}

func TestTimeout(t *testing.T) {
	for ms, want := range map[int]string{
		-5: "0m", 0: "0m", 1: "1m", 30_000: "30000m", 99_999_999: "99999999m", 100_000_000: "100000S", 2147483647: "2147483S",
	} {
		assert.Equal(t, want, Timeout(ms))
	}
}
