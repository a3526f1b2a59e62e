package edge

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A path is taken apart into what it consists of.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"/akash.provider.v1.ProviderRPC/GetStatus", "/akash1abc/akash.provider.v1.ProviderRPC/GetStatus",
		"/akash1abc/chain-sdk/a.B/C", "/akash1/chain-sdk/", "//a.B/C", "/akash1../../a.B/C", "/akash1https://127.0.0.1/a.B/C", "", "/",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, ok := parse(path)
		method := IsMethodPath(path) // must not panic
		if !ok {
			require.False(t, method)
			return
		}
		whole := got.method
		if got.sdk {
			require.NotEmpty(t, got.provider)
			whole = sdkSegment + whole[1:]
		}
		if got.provider != "" {
			require.True(t, strings.HasPrefix(got.provider, addressPrefix))
			require.NotContains(t, got.provider, "/")
			whole = "/" + got.provider + whole
		}
		require.Equal(t, path, whole)
	})
}
