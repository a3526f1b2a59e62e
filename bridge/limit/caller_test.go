package limit_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/bridge/limit"
)

func TestWhoCalls(t *testing.T) {
	for name, c := range map[string]struct {
		trusted []string
		remote  string
		header  http.Header
		want    string
	}{
		"without a proxy":                        {nil, "192.0.2.1:1234", nil, "192.0.2.1"},
		"by IPv6":                                {nil, "[2001:db8::1]:1234", nil, "2001:db8::1"},
		"by IPv4 on an IPv6 socket":              {nil, "[::ffff:192.0.2.1]:1234", nil, "192.0.2.1"},
		"with a header that nobody vouches for":  {nil, "192.0.2.1:1234", http.Header{"X-Forwarded-For": {"198.51.100.7"}}, "192.0.2.1"},
		"from an address that is not the proxy":  {[]string{"10.0.0.0/8"}, "192.0.2.1:1234", http.Header{"X-Forwarded-For": {"198.51.100.7"}}, "192.0.2.1"},
		"through a proxy":                        {[]string{"10.0.0.0/8"}, "10.1.2.3:1234", http.Header{"X-Forwarded-For": {"198.51.100.7"}}, "198.51.100.7"},
		"through a proxy that adds to a forgery": {[]string{"10.0.0.0/8"}, "10.1.2.3:1234", http.Header{"X-Forwarded-For": {"127.0.0.1, 198.51.100.7"}}, "198.51.100.7"},
		"through two proxies":                    {[]string{"10.0.0.0/8"}, "10.1.2.3:1234", http.Header{"X-Forwarded-For": {"198.51.100.7, 10.9.9.9"}}, "198.51.100.7"},
		"through two proxies, in two lines":      {[]string{"10.0.0.0/8"}, "10.1.2.3:1234", http.Header{"X-Forwarded-For": {"198.51.100.7", "10.9.9.9"}}, "198.51.100.7"},
		"only through proxies":                   {[]string{"10.0.0.0/8"}, "10.1.2.3:1234", http.Header{"X-Forwarded-For": {"10.9.9.9"}}, "10.9.9.9"},
		"with a port":                            {[]string{"10.0.0.7"}, "10.0.0.7:1234", http.Header{"X-Forwarded-For": {"198.51.100.7:5555"}}, "198.51.100.7"},
		"by RFC 7239":                            {[]string{"10.0.0.7"}, "10.0.0.7:1234", http.Header{"Forwarded": {`for=198.51.100.7;proto=https;by=10.0.0.7`}}, "198.51.100.7"},
		"by RFC 7239, with IPv6":                 {[]string{"10.0.0.7"}, "10.0.0.7:1234", http.Header{"Forwarded": {`proto=https;For="[2001:db8::1]:4711"`}}, "2001:db8::1"},
		"by RFC 7239, hidden":                    {[]string{"10.0.0.7"}, "10.0.0.7:1234", http.Header{"Forwarded": {`for=_hidden`}}, "10.0.0.7"},
		"by RFC 7239 rather than otherwise":      {[]string{"10.0.0.7"}, "10.0.0.7:1234", http.Header{"Forwarded": {`for=198.51.100.7`}, "X-Forwarded-For": {"192.0.2.9"}}, "198.51.100.7"},
		"with nonsense":                          {[]string{"10.0.0.7"}, "10.0.0.7:1234", http.Header{"X-Forwarded-For": {"<script>"}}, "10.0.0.7"},
		"with nothing":                           {[]string{"10.0.0.7"}, "10.0.0.7:1234", nil, "10.0.0.7"},
		"by a socket without an address":         {[]string{"10.0.0.7"}, "@", nil, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			proxies, err := limit.NewProxies(c.trusted)
			require.NoError(t, err)
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.RemoteAddr = c.remote
			if c.header != nil {
				r.Header = c.header
			}
			assert.Equal(t, c.want, proxies.Caller(r).Address.String())
		})
	}
}

func TestTheCallerIsInTheContext(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	assert.Zero(t, limit.Of(r.Context()))
	c := limit.Caller{Address: netip.MustParseAddr("192.0.2.1"), Origin: "https://app.example"}
	assert.Equal(t, c, limit.Of(c.With(r.Context())))
}

func TestProxiesThatAreNotAddresses(t *testing.T) {
	for _, text := range []string{"", "nginx", "10.0.0.0/33", "10.0.0.0/", "fe80::1%eth0", "https://10.0.0.1"} {
		_, err := limit.NewProxies([]string{text})
		assert.ErrorContains(t, err, "want one such as 10.0.0.7", text)
	}
}
