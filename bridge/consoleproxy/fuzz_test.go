package consoleproxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/guard"
)

// Whatever a client sends, it is refused or leads to an https URL of one host, which the
// provider's host is compared with.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"method":"GET","url":"https://provider.example.com:8443/status","providerAddress":"akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv"}`,
		`{"type":"websocket","url":"https://provider.example.com:8443/lease/1/1/1/shell?cmd0=sh","providerAddress":"akash1maxgcw0jeja5h30v75wj8ads76ks0n0988dynv","data":"104,108,115"}`,
		`{"type":"websocket","data":"aGVsbG8","isBase64":true,"url":"https://a.example//../..%2f?x#y"}`,
		`{"method":"PUT","timeout":1e308,"auth":{"type":"jwt","token":"a.b.c"},"body":"{}"}`,
		`{"auth":{"type":"mtls","certPem":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----","keyPem":""}}`,
		`{"url":"https://user:pass@provider.example.com","url":"https://127.0.0.1"}`,
		`{"url":"https://provider.example.com\u0000.local","data":"256"}`,
		`{"url":"https://[::1]:8443/"}`, `{"timeout":-1}`, `{"auth":[]}`, `[]`, `{`, "", `{"type":"ping"}`, `{"url":5}`,
	} {
		f.Add([]byte(seed))
	}
	now := time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parse(text)
		if err != nil {
			var list issues
			require.True(t, err == errNotJSON || errors.As(err, &list) && len(list) > 0)
			return
		}
		require.True(t, json.Valid(bytes.TrimSpace(text)))
		for _, one := range m.checkRequest() {
			require.NotEmpty(t, one.Path)
		}
		patience := m.patience()
		require.Positive(t, patience+1)
		require.LessOrEqual(t, patience, slowPatience)
		data, err := m.bytes()
		require.LessOrEqual(t, len(data), len(text))
		if err != nil {
			require.Nil(t, data)
		}
		to, list := m.target(now)
		if len(list) > 0 {
			require.True(t, json.Valid([]byte(list.Error())))
			return
		}
		require.Equal(t, "https", to.url.Scheme)
		require.Nil(t, to.url.User)
		require.Equal(t, to.host.Addr(), to.url.Host)
		require.Nil(t, net.ParseIP(to.url.Hostname()))
		require.False(t, strings.HasSuffix(to.host.Host, ".local"))
		again, err := guard.ParseHostURI(to.origin())
		require.NoError(t, err)
		require.Equal(t, to.host, again)
		require.False(t, to.authorization != "" && to.certificate != nil)
		require.False(t, strings.ContainsAny(to.authorization, "\r\n\x00"))
		// What a client writes again is the same target.
		require.NotContains(t, to.url.String(), "#")
	})
}
