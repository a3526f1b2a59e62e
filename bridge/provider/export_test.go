package provider

import "time"

// ShortenTimeouts divides the pool's timeouts and keepalive intervals by n.
func (p *Pool) ShortenTimeouts(n time.Duration) {
	p.timeouts.connect /= n
	p.timeouts.handshake /= n
	p.timeouts.settings /= n
	p.timeouts.version /= n
	p.timeouts.head /= n
	p.timeouts.silence /= n
	p.timeouts.pong /= n
}

// AwaitPorts sets how long the pool waits for a gRPC port if the REST gateway answers.
func (p *Pool) AwaitPorts(d time.Duration) { p.timeouts.ports = d }

// SpeaksGRPC exports speaksGRPC for tests.
var SpeaksGRPC = speaksGRPC
