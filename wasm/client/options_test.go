package client

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// written returns the names of a call's fields in the order in which npm/src/engine/flat.ts
// encodes them.
func written(t *testing.T) []string {
	source, err := os.ReadFile("../../npm/src/engine/flat.ts")
	require.NoError(t, err)
	list := regexp.MustCompile(`(?s)const fields = \[(.*?)\]`).FindSubmatch(source)
	require.NotNil(t, list, "flat.ts has no list of fields")
	var names []string
	for _, name := range regexp.MustCompile(`"(\w+)"`).FindAllSubmatch(list[1], -1) {
		names = append(names, string(name[1]))
	}
	return names
}

// fields returns the values of a call as text, by their names in TypeScript; "" if absent.
func fields(c *Call) map[string]string {
	number := func(n uint64) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint(n)
	}
	flag := func(set bool) string {
		if set {
			return "true"
		}
		return ""
	}
	tail, token := "", ""
	if c.Tail != nil {
		tail = fmt.Sprint(*c.Tail)
	}
	if c.Credentials.Token != nil {
		token, _ = c.Credentials.Token(nil, "")
	}
	lease := c.Lease.Lease
	return map[string]string{
		"bridge":         c.Bridge,
		"provider":       c.Provider,
		"transport":      c.Transport,
		"timeout":        number(uint64(c.Timeout)),
		"retries":        number(uint64(c.Retries)),
		"heartbeat":      number(uint64(c.Heartbeat)),
		"reconnect":      flag(c.Reconnect),
		"insecure":       flag(c.Insecure),
		"skipVersion":    flag(c.SkipVersion),
		"owner":          lease.Owner,
		"dseq":           number(lease.DSeq),
		"gseq":           number(uint64(lease.GSeq)),
		"oseq":           number(uint64(lease.OSeq)),
		"bseq":           number(uint64(lease.BSeq)),
		"leaseProvider":  lease.Provider,
		"service":        c.Lease.Filter.Name,
		"replicas":       strings.ReplaceAll(strings.Trim(fmt.Sprint(c.Lease.Filter.Replicas), "[]"), " ", ","),
		"follow":         flag(c.Lease.Follow),
		"tail":           tail,
		"restartTimeout": number(c.Lease.Timeout),
		"names":          c.Lease.Names,
		"manifest":       c.Lease.Manifest,
		"command":        c.Lease.Command,
		"tty":            flag(c.Lease.TTY),
		"stdin":          flag(c.Lease.Stdin),
		"window":         number(uint64(c.Lease.Window)),
		"token":          token,
		"certPem":        c.Credentials.CertPEM,
		"keyPem":         c.Credentials.KeyPEM,
		"bridgeKey":      c.BridgeKey,
		"traceparent":    c.Traceparent,
		"spent":          number(uint64(c.Spent)),
	}
}

// Go reads each field of a call where TypeScript writes it.
func TestCallText(t *testing.T) {
	names := written(t)
	require.ElementsMatch(t, names, keys(fields(&Call{})))
	forms := map[string]string{"reconnect": "true", "insecure": "true", "skipVersion": "true", "follow": "true", "tty": "true", "stdin": "true", "replicas": "3,0,7"}
	for _, name := range []string{"timeout", "retries", "heartbeat", "dseq", "gseq", "oseq", "bseq", "tail", "restartTimeout", "window", "spent"} {
		forms[name] = "42"
	}
	for i, name := range names {
		want := fields(&Call{})
		want[name] = "a " + name
		if form, ok := forms[name]; ok {
			want[name] = form
		}
		values := make([]string, len(names))
		values[i] = want[name]
		require.Equal(t, want, fields(ReadCall(strings.Join(values, "\x00"))), name)
	}
}

// The largest values are read, and a 0 differs from an absent value.
func TestCallTextLimits(t *testing.T) {
	names := written(t)
	values := make([]string, len(names))
	for i, name := range names {
		switch name {
		case "dseq":
			values[i] = "18446744073709551615"
		case "gseq", "oseq", "bseq", "replicas":
			values[i] = "4294967295"
		case "tail":
			values[i] = "0"
		}
	}
	c := ReadCall(strings.Join(values, "\x00"))
	require.EqualValues(t, uint64(1<<64-1), c.Lease.Lease.DSeq)
	require.EqualValues(t, uint32(1<<32-1), c.Lease.Lease.GSeq)
	require.Equal(t, []uint32{1<<32 - 1}, c.Lease.Filter.Replicas)
	require.NotNil(t, c.Tail)
	require.Zero(t, *c.Tail)
}

func keys(m map[string]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	return names
}
