package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
)

// callsPerConnection is how many pages share a connection of HTTP/2: what one browser has
// open at one bridge.
const callsPerConnection = 8

// http2Client is a browser's connection to a bridge with TLS.
type http2Client struct {
	target    target
	transport *http.Transport
}

func newHTTP2Client(t target) *http2Client {
	transport := &http.Transport{
		// The bridges have a self-signed certificate of this run.
		TLSClientConfig:    &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true},
		Protocols:          new(http.Protocols),
		DisableCompression: true,
	}
	transport.Protocols.SetHTTP2(true)
	return &http2Client{target: t, transport: transport}
}

// open returns a page whose calls share the connection with those of others.
func (c *http2Client) open() page {
	ctx, cancel := context.WithCancel(context.Background())
	return &http2Page{client: c, ctx: ctx, cancel: cancel}
}

type http2Page struct {
	client *http2Client
	ctx    context.Context
	cancel context.CancelFunc
}

// prepare implements page.
func (p *http2Page) prepare(method string, message []byte) func() (*reply, error) {
	body := prefixed(message)
	header := http.Header{"Content-Type": {"application/grpc-web+proto"}, "X-Grpc-Web": {"1"}}
	for name, value := range p.client.target.Header {
		header.Set(name, value)
	}
	url := "https://" + p.client.target.Address + method
	return func() (*reply, error) {
		request, err := http.NewRequestWithContext(p.ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		request.Header = header
		response, err := p.client.transport.RoundTrip(request)
		if err != nil {
			return nil, err
		}
		if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the bridge answered %s %s", response.Proto, response.Status)
		}
		return &reply{body: response.Body, status: response.Header.Get("Grpc-Status")}, nil
	}
}

// close implements page. It resets the calls' streams.
func (p *http2Page) close() { p.cancel() }
