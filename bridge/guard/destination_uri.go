package guard

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// HostURI is the address of a provider's REST gateway, parsed from untrusted text.
type HostURI struct {
	// Host is a name in lower case or an IP address without brackets.
	Host string
	Port uint16
}

// Limits of a host name, RFC 1035 section 2.3.4, and of a host URI around it.
const (
	maxHostLength  = 253
	maxLabelLength = 63
	maxURILength   = len("https://") + maxHostLength + len(":65535/")
)

// ParseHostURI parses a host URI such as https://provider.example.com:8443. It must be
// https and have a host; the default port is 443. User names, paths, queries and
// fragments are refused: no genuine record of a provider has them.
func ParseHostURI(text string) (HostURI, error) {
	if len(text) > maxURILength {
		return HostURI{}, fmt.Errorf("a host URI of %d bytes is too long", len(text))
	}
	if strings.Contains(text, "@") { // not repeated in the error: what precedes it may be a secret
		return HostURI{}, errors.New("a host URI must not have a user name")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return HostURI{}, fmt.Errorf("the host URI %q is malformed", text)
	case u.Scheme != "https":
		return HostURI{}, fmt.Errorf("the host URI %q must begin with https://", text)
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "", strings.Contains(text, "#"):
		return HostURI{}, fmt.Errorf("the host URI %q must end after its host and port", text)
	case u.Opaque != "":
		return HostURI{}, fmt.Errorf("the host URI %q is malformed", text)
	}
	h := HostURI{Host: strings.ToLower(u.Hostname()), Port: 443}
	if !validHost(h.Host) {
		return HostURI{}, fmt.Errorf("the host URI %q has no usable host name", text)
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return HostURI{}, fmt.Errorf("the host URI %q has no usable port", text)
		}
		h.Port = uint16(n)
	} else if strings.HasSuffix(u.Host, ":") {
		return HostURI{}, fmt.Errorf("the host URI %q has no usable port", text)
	}
	return h, nil
}

// String returns the canonical form of the host URI, which always has the port.
func (h HostURI) String() string { return "https://" + h.Addr() }

// Addr returns host:port, for dialing.
func (h HostURI) Addr() string {
	return net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port)))
}

// validHost reports whether host is an IP address, or a DNS name of letters, digits,
// hyphens and underscores between dots. Other scripts must be in punycode.
func validHost(host string) bool {
	if host == "" || len(host) > maxHostLength {
		return false
	}
	if net.ParseIP(host) != nil {
		return true
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > maxLabelLength || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return true
}
