package client

import "akash-provider-web/wasm/message"

// options holds a call's options as one string, which costs less than an object: values
// separated by NUL, in the order of npm/src/engine/flat.ts, which has validated them.
// Absent values are empty.
type options string

//go:noinline
func (o *options) text() string {
	text := string(*o)
	for i := range len(text) {
		if text[i] == 0 {
			*o = options(text[i+1:])
			return text[:i]
		}
	}
	*o = ""
	return text
}

func (o *options) flag() bool { return o.text() != "" }

// number returns the next value as an integer, and whether it is present.
func (o *options) number() (n uint64, ok bool) { return number(o.text()) }

func number(text string) (n uint64, ok bool) {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			break // ignore a fraction
		}
		n = n*10 + uint64(text[i]-'0')
	}
	return n, text != ""
}

//go:noinline
func (o *options) int() int {
	n, _ := o.number()
	return int(n)
}

//go:noinline
func (o *options) uint32() uint32 {
	n, _ := o.number()
	return uint32(n)
}

// ReadCall parses a call from the text that npm/src/engine/flat.ts encodes.
func ReadCall(text string) *Call {
	o := options(text)
	c := &Call{}
	c.Bridge = o.text()
	c.Provider = o.text()
	c.Transport = o.text()
	c.Timeout = o.int()
	c.Retries = o.int()
	c.Heartbeat = o.int()
	c.Reconnect = o.flag()
	c.Insecure = o.flag()
	c.SkipVersion = o.flag()
	c.Lease.Lease = message.LeaseID{Owner: o.text()}
	c.Lease.Lease.DSeq, _ = o.number()
	c.Lease.Lease.GSeq = o.uint32()
	c.Lease.Lease.OSeq = o.uint32()
	c.Lease.Lease.BSeq = o.uint32()
	c.Lease.Lease.Provider = o.text()
	c.Lease.Filter.Name = o.text()
	for replicas := options(o.text()); replicas != ""; {
		c.Lease.Filter.Replicas = append(c.Lease.Filter.Replicas, replicas.item())
	}
	c.Lease.Follow = o.flag()
	if tail, ok := o.number(); ok {
		n := uint32(tail)
		c.Tail = &n
	}
	c.Lease.Timeout, _ = o.number()
	c.Lease.Manifest = o.text()
	c.Lease.Command = o.text()
	c.Lease.TTY = o.flag()
	c.Lease.Stdin = o.flag()
	c.Lease.Window = o.uint32()
	c.Lease.Names = o.text()
	if token := o.text(); token != "" {
		c.Credentials.Token = func(*Scope, string) (string, error) { return token, nil }
	}
	c.Credentials.CertPEM = o.text()
	c.Credentials.KeyPEM = o.text()
	c.BridgeKey = o.text()
	c.Traceparent = o.text()
	c.Spent = o.int()
	return c
}

// item takes the first of several numbers separated by commas.
func (o *options) item() uint32 {
	text := string(*o)
	end := 0
	for end < len(text) && text[end] != ',' {
		end++
	}
	*o = options(text[min(end+1, len(text)):])
	n, _ := number(text[:end])
	return uint32(n)
}
