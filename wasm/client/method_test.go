package client

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "akash-provider-web/proto/akash/inventory/v1"
	_ "akash-provider-web/proto/akash/provider/lease/v1"
	_ "akash-provider-web/proto/akash/provider/v1"
	_ "akash-provider-web/proto/akash/provider/web/v1"
)

// The client's methods are those of the .proto files: same path, and a stream where the
// method's answer is one. JavaScript names no method that the client does not have.
func TestMethodsAreThoseOfTheServices(t *testing.T) {
	source, err := os.ReadFile("../../npm/src/engine/engine.ts")
	require.NoError(t, err)
	names := regexp.MustCompile(`(?s)export type (?:Call|Stream)Method =(.*?);`).FindAllSubmatch(source, -1)
	require.Len(t, names, 2)
	checked := 0
	for _, union := range names {
		for _, name := range regexp.MustCompile(`"(\w+)"`).FindAllSubmatch(union[1], -1) {
			m := methodOf(string(name[1]))
			full := strings.ReplaceAll(strings.TrimPrefix(m.path, "/"), "/", ".")
			found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(full))
			require.NoError(t, err, m.path)
			assert.Equal(t, found.(protoreflect.MethodDescriptor).IsStreamingServer(), m.streams, m.path)
			checked++
		}
	}
	assert.Greater(t, checked, 8)
}
