package chainsdk

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	sdkv1 "akash-provider-web/proto/akash/provider/sdk/v1"
)

// Whatever an SDK's client or a provider sends, it is refused or becomes a message of the
// other side's type.
func FuzzConvert(f *testing.F) {
	add := func(m proto.Message) {
		b, err := proto.Marshal(m)
		require.NoError(f, err)
		f.Add(b)
	}
	add(&sdkv1.ServiceLogsRequest{Services: []string{"web", "db"}})
	add(&sdkv1.ServiceLogsResponse{Services: []*sdkv1.ServiceLogs{{Name: "web", Logs: []byte("line\n")}}})
	f.Add([]byte("\x0a\xff\xff\xff\xff\x0f"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for path, m := range methods {
			ours, only, err := m.request(b)
			if err != nil || ours == nil {
				continue
			}
			encoded, err := proto.Marshal(ours)
			require.NoError(t, err, path)
			theirs, err := m.response(encoded, only)
			if err == nil && theirs != nil {
				_, err = proto.Marshal(theirs)
				require.NoError(t, err, path)
			}
			if theirs, err := m.response(b, only); err == nil && theirs != nil {
				_, err = proto.Marshal(theirs)
				require.NoError(t, err, path)
			}
		}
	})
}
