package grpcweb

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// Trailers are fields with names in lower case, and a status that can be shown.
func FuzzTrailers(f *testing.F) {
	f.Add([]byte("grpc-status: 5\r\ngrpc-message: a%20b%E2%82\r\n"))
	f.Add([]byte("grpc-status:0\n\n\r\nX: \t y\t \r"))
	f.Add([]byte("grpc-status: 18446744073709551616\r\n:\r\n"))
	f.Add([]byte("no colon"))
	f.Fuzz(func(t *testing.T, block []byte) {
		fields, failure := parseTrailers(block)
		if failure != nil {
			require.Nil(t, fields)
			require.Equal(t, Internal, failure.Code)
			return
		}
		require.LessOrEqual(t, len(fields), maxTrailerFields)
		size := 0
		for _, field := range fields {
			size += len(field.Name) + len(field.Value)
			require.NotContains(t, field.Name+field.Value, "\n")
			for _, c := range []byte(field.Name) {
				require.False(t, 'A' <= c && c <= 'Z')
			}
		}
		require.LessOrEqual(t, size, len(block))
		if status, ok := StatusOf(fields); ok && status != nil {
			require.NotEqual(t, OK, status.Code)
			require.LessOrEqual(t, len(status.Message), 3*len(block))
			if utf8.Valid(block) && !contains(block, '%') {
				require.True(t, utf8.ValidString(status.Message))
			}
		}
	})
}

func contains(b []byte, c byte) bool {
	for _, x := range b {
		if x == c {
			return true
		}
	}
	return false
}
