package grpcweb

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Field: grpc-status 14 in the headers and an empty trailer frame became INTERNAL,
// "trailers hold no grpc-status".
func TestFieldStatusInHeadersBeforeTrailers(t *testing.T) {
	headers := Fields{
		{Name: "grpc-status", Value: "14"},
		{Name: "grpc-message", Value: "no%20upstream"},
		{Name: "akash-error", Value: "providerUnreachable"},
	}
	for name, c := range map[string]struct {
		trailers string
		want     string // "" for success
	}{
		"no trailers":                {"", "UNAVAILABLE: no upstream"},
		"other trailers":             {"x: y\r\n", "UNAVAILABLE: no upstream"},
		"a message in the trailers":  {"grpc-message: the rest\r\n", "UNAVAILABLE: the rest"},
		"another status in trailers": {"grpc-status: 5\r\n", "NOT_FOUND"},
		"both in the trailers":       {"grpc-status: 5\r\ngrpc-message: gone\r\n", "NOT_FOUND: gone"},
		"success in the trailers":    {"grpc-status: 0\r\n", ""},
	} {
		for kind, message := range map[string][]byte{"": nil, ", after a message": frame(0, "x")} {
			var d Decoder
			d.Write(message)
			d.Write(frame(flagTrailers, c.trailers))
			read(&d)
			read(&d)
			status := d.End(headers)
			if c.want == "" {
				assert.Nil(t, status, "%s%s", name, kind)
			} else if assert.NotNil(t, status, "%s%s", name, kind) {
				assert.Equal(t, c.want, status.Error(), "%s%s", name, kind)
			}
		}
	}
}

// A body that ends within a message is an error, even if the headers have a status of
// success.
func TestFieldStatusInHeadersOfBrokenBody(t *testing.T) {
	var d Decoder
	d.Write(frame(0, "abc")[:6])
	read(&d)
	assert.EqualError(t, d.End(Fields{{Name: "grpc-status", Value: "0"}}),
		"UNAVAILABLE: the stream broke off in the middle of a message")
}
