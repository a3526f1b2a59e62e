//go:build js

package main

import (
	"akash-provider-web/wasm/browser"
	"akash-provider-web/wasm/client"
	"akash-provider-web/wasm/message"
)

// readCall reads the options of a call, which npm/src/options.ts has checked and
// laid out flat.
func readCall(o browser.Object) *client.Call {
	c := &client.Call{
		Bridge:      o.Text("bridge"),
		Provider:    o.Text("provider"),
		Transport:   o.Text("transport"),
		Insecure:    o.Flag("insecure"),
		SkipVersion: o.Flag("skipVersion"),
		Credentials: client.Credentials{
			CertPEM: o.Text("certPem"),
			KeyPEM:  o.Text("keyPem"),
		},
		Lease: message.LeaseRequest{
			Lease: message.LeaseID{
				Owner:    o.Text("owner"),
				GSeq:     uint32(number(o, "gseq")),
				OSeq:     uint32(number(o, "oseq")),
				BSeq:     uint32(number(o, "bseq")),
				Provider: o.Text("leaseProvider"),
			},
			Filter:   message.ServiceFilter{Name: o.Text("service")},
			Follow:   o.Flag("follow"),
			Timeout:  uint64(number(o, "restartTimeout")),
			Manifest: o.Text("manifest"),
		},
	}
	c.Timeout = number(o, "timeout")
	c.Retries = number(o, "retries")
	c.Heartbeat = number(o, "heartbeat")
	c.Reconnect = o.Flag("reconnect")
	for _, digit := range []byte(o.Text("dseq")) {
		c.Lease.Lease.DSeq = c.Lease.Lease.DSeq*10 + uint64(digit-'0')
	}
	if tail, ok := o.Number("tail"); ok {
		n := uint32(tail)
		c.Tail = &n
	}
	for _, replica := range o.Numbers("replicas") {
		c.Lease.Filter.Replicas = append(c.Lease.Filter.Replicas, uint32(replica))
	}
	if getToken, ok := o.Function("getToken"); ok {
		c.Credentials.Renewable = true
		c.Credentials.Token = func(scope *client.Scope, refused string) (string, error) {
			return getToken.Text(scope, refused)
		}
	} else if token := o.Text("token"); token != "" {
		c.Credentials.Token = func(*client.Scope, string) (string, error) { return token, nil }
	}
	return c
}

func number(o browser.Object, name string) int {
	n, _ := o.Number(name)
	return n
}
