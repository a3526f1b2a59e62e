package guard_test

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/guard"
	"akash-provider-web/bridge/rpcerror"
)

func assertRefused(t *testing.T, err error, msgAndArgs ...any) {
	t.Helper()
	var f *rpcerror.Error
	require.ErrorAs(t, err, &f, msgAndArgs...)
	assert.Equal(t, codes.PermissionDenied, f.Code)
	assert.Equal(t, rpcerror.ReasonDestinationRefused, f.Reason)
}

func TestPublicAddressesAreAllowed(t *testing.T) {
	for _, a := range []string{
		"1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0",
		"168.63.129.17", "192.0.1.1", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450::1",
		"::ffff:1.1.1.1", "64:ff9b::8.8.8.8", "2002:808:808::1",
	} {
		assert.NoError(t, guard.Destinations{}.Addr(netip.MustParseAddr(a)), a)
	}
}

func TestPrivateAddressesAreRefusedInEveryNotation(t *testing.T) {
	for _, a := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255",
		"168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1",
		"192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
		"2001::1", "2001:db8::1", "3fff::1", "5f00::1", "100::1",
		// IPv4 inside IPv6.
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
		"64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8",
		"2002:7f00:1::1", "2002:a00:1::", "2002:c0a8:101::1",
		"2606:4700:4700::1111%eth0",
	} {
		assertRefused(t, guard.Destinations{}.Addr(netip.MustParseAddr(a)), a)
		assert.NoError(t, guard.Destinations{AllowPrivate: true}.Addr(netip.MustParseAddr(a)), a)
	}
	assertRefused(t, guard.Destinations{}.Addr(netip.Addr{}))
}

func TestLocalNamesAreRefused(t *testing.T) {
	for _, h := range []string{
		"localhost", "localhost.", "LOCALHOST", "provider.localhost", "router", "printer.local", "printer.LOCAL.",
		"metadata.google.internal", "nas.home.arpa",
		"127.0.0.1", "8.8.8.8", "::1", "[::1]", "fe80::1%eth0", "2130706433", "0x7f000001", "0x7f.1", "0X7F.1",
		"127.1", "0177.0.0.1", "1.2.3.4.", "example.1",
	} {
		assertRefused(t, guard.Destinations{}.Host(h), h)
		assert.NoError(t, guard.Destinations{AllowPrivate: true}.Host(h), h)
	}
	for _, h := range []string{"provider.example.com", "a.b", "1.example.com", "local.example.com", "0x7f.example", "0xyz.0xg"} {
		assert.NoError(t, guard.Destinations{}.Host(h), h)
	}
}

// A name may resolve to different addresses when it is checked and when it is dialed.
// The socket's address is what counts.
func TestTheDialedAddressIsChecked(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()

	dialer := net.Dialer{ControlContext: guard.Destinations{}.Control}
	_, err = dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	assertRefused(t, err)

	dialer.ControlContext = guard.Destinations{AllowPrivate: true}.Control
	conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	conn.Close()

	assertRefused(t, guard.Destinations{}.Control(context.Background(), "unix", "/run/docker.sock", nil))
	assertRefused(t, guard.Destinations{AllowPrivate: true}.Control(context.Background(), "unix", "/run/docker.sock", nil))
	assertRefused(t, guard.Destinations{}.Control(context.Background(), "tcp4", "no address", nil))
}

func TestHostURIsAreParsed(t *testing.T) {
	for text, want := range map[string]string{
		"https://provider.example.com:8443":  "https://provider.example.com:8443",
		"https://provider.example.com:8443/": "https://provider.example.com:8443",
		"https://Provider.Example.COM":       "https://provider.example.com:443",
		"HTTPS://a_b.example:1":              "https://a_b.example:1",
		"https://xn--bcher-kva.example:8443": "https://xn--bcher-kva.example:8443",
		"https://127.0.0.1:8443":             "https://127.0.0.1:8443",
		"https://[::1]:8443":                 "https://[::1]:8443",
	} {
		h, err := guard.ParseHostURI(text)
		if assert.NoError(t, err, text) {
			assert.Equal(t, want, h.String())
		}
	}
}

func TestMalformedHostURIsAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "https://", "provider.example.com:8443", "http://provider.example.com", "ftp://provider.example.com",
		"https://user:secret@provider.example.com", "https://user:secret@[x", "https://good.example@evil.example:8443",
		"https://provider.example.com/path", "https://provider.example.com/../x", "https://provider.example.com?x=1",
		"https://provider.example.com?", "https://provider.example.com#x", "https://provider.example.com#",
		"https://provider.example.com:", "https://provider.example.com:0", "https://provider.example.com:65536",
		"https://provider.example.com:+1", "https://provider.example.com:-1", "https://provider.example.com:8443:1",
		"https://pro vider.example", "https://provider..example", "https://-a.example", "https://a-.example",
		"https://bücher.example", "https://a%2eb.example", "https://a\x00b.example", "https://a\r\nb.example",
		"https:provider.example.com", "https:///provider.example.com", "https://[fe80::1%25eth0]:8443",
		"https://.", "https://a;b.example", "https://a,b.example", `https://a\b.example`,
	} {
		h, err := guard.ParseHostURI(text)
		if assert.Error(t, err, "%q was parsed as %v", text, h) {
			assert.NotContains(t, err.Error(), "secret")
		}
	}
}

func FuzzParseHostURI(f *testing.F) {
	f.Add("https://provider.example.com:8443")
	f.Add("https://[::1]:8443/")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := guard.ParseHostURI(text)
		if err != nil {
			return
		}
		again, err := guard.ParseHostURI(h.String())
		require.NoError(t, err, "%q → %q", text, h)
		require.Equal(t, h, again)
		host, _, err := net.SplitHostPort(h.Addr())
		require.NoError(t, err)
		require.Equal(t, h.Host, host)
	})
}

// An address that contains an IPv4 address is treated like that address in every
// notation.
func FuzzEmbeddedAddresses(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{8, 8, 8, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 4 {
			return
		}
		v4 := netip.AddrFrom4([4]byte(b))
		want := guard.Destinations{}.Addr(v4) == nil
		for _, prefix := range []string{"::ffff:0.0.0.0", "64:ff9b::", "2002::"} {
			a := netip.MustParseAddr(prefix).As16()
			at := 12
			if prefix == "2002::" {
				at = 2
			}
			copy(a[at:], b)
			addr := netip.AddrFrom16(a)
			require.Equal(t, want, guard.Destinations{}.Addr(addr) == nil, addr)
		}
	})
}
